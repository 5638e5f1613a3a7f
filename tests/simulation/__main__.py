"""Runs simulations from the command line: `make simulate SEEDS=1000`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from fenliu.engine import load_core
from simulation.world import Plan, simulate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first")
    parser.add_argument("--core", choices=("rust", "python", "auto"), default="auto")
    parser.add_argument("--state", type=Path, help="go on from where this file says, and keep it")
    parser.add_argument("--minutes", type=float, help="stop after about this long")
    options = parser.parse_args()
    core = load_core(options.core)
    first, passed = options.first, 0
    if options.state and options.state.exists():
        kept = json.loads(options.state.read_text())
        first, passed = kept["next"], kept["passed"]
    began, failed = time.monotonic(), 0
    last = options.first + options.seeds
    for seed in range(first, last):
        try:
            simulate(Plan(seed, core))
            passed += 1
        except AssertionError as error:
            failed += 1
            print(f"seed {seed}: {error}")
            print(f"again: make simulate SEEDS=1 FIRST={seed} CORE={core.name}", flush=True)
        if options.state and (seed % 50 == 49 or seed == last - 1):
            _keep(options.state, {"next": seed + 1, "passed": passed})
        if options.minutes and time.monotonic() - began > options.minutes * 60:
            if options.state:
                _keep(options.state, {"next": seed + 1, "passed": passed})
            break
    took = time.monotonic() - began
    print(f"{passed} runs kept every promise, {failed} did not ({core.name} core, {took:.0f} s)")
    return 1 if failed else 0


def _keep(state: Path, what: dict[str, int]) -> None:
    new = state.with_suffix(".new")
    new.write_text(json.dumps(what))
    new.replace(state)


if __name__ == "__main__":
    sys.exit(main())
