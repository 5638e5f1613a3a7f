"""Harm done on purpose: the short form (`make test-faults`) and the long one (`make test-long`).

The long form keeps its state in `var/long` and goes on there when it was interrupted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PYTHON = PROJECT / ".venv" / "bin" / "python"
STATE = PROJECT / "var" / "long"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=120, help="of the endurance run")
    parser.add_argument("--rate", type=float, default=200, help="its calls a second")
    parser.add_argument("--fuzz", type=float, default=30, help="minutes, of each kind")
    options = parser.parse_args()
    if not options.long:
        run("pytest", "-q", "-p", "no:benchmark", "--numprocesses", "2", "--dist", "loadfile",
            "-m", "not long", "tests/simulation", "tests/faults")  # fmt: skip
        return
    run("pytest", "-q", "-p", "no:benchmark", "-m", "long", "tests/faults")
    STATE.mkdir(parents=True, exist_ok=True)
    run("simulation", "--seeds", str(options.seeds), "--state", str(STATE / "seeds.json"))
    run("faults.kills", "--kills", str(options.kills), "--folder", str(STATE / "kills"))
    run("faults.kills", "--kills", str(options.kills // 5), "--folder", str(STATE / "kills-workers"),
        "--workers", "2")  # fmt: skip
    run("faults.endurance", "--minutes", str(options.minutes), "--rate", str(options.rate),
        "--folder", str(STATE / "endurance"))  # fmt: skip
    for name, kind in (("fuzz", ()), ("fuzz-both", ("--both",))):
        run("faults.fuzz", "--minutes", str(options.fuzz), "--state", str(STATE / name), *kind)
    run("faults.fuzz_calls", "--minutes", str(options.fuzz), "--state", str(STATE / "fuzz-calls"))
    print(f"all done; {STATE} can go")


def run(module: str, *arguments: str) -> None:
    paths = os.pathsep.join(str(PROJECT / name) for name in ("server", "tests"))
    finished = subprocess.run(
        [PYTHON, "-m", module, *arguments],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": paths},
        check=False,
    )
    if finished.returncode:
        sys.exit(finished.returncode)


if __name__ == "__main__":
    main()
