"""The table of `make bench`: each row's figures beside the goal and the recorded ones.

    python -m benchmarks [--only ROW ...] [--record] [--scale X] [--rounds N] [--list]

Each row is measured in a process of its own, one after the other; one that fails or cannot be measured here is
said, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict

from benchmarks import overload
from benchmarks.processes import PROJECT
from benchmarks.rows import ROWS
from benchmarks.table import (
    Figure,
    Measured,
    Missing,
    Scale,
    load_now,
    machine,
    print_rows,
    read_recorded,
    record,
    write_readme,
)

from fenliu.engine import load_core

ROW_TIMEOUT_S = 900
_MISSING = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--record", action="store_true", help="keep the figures in recorded.json")
    parser.add_argument("--scale", type=float, default=1.0, help="how much is measured; 1: all")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of what is compared")
    parser.add_argument("--list", action="store_true", help="the rows' names, and nothing else")
    parser.add_argument("--row", choices=list(ROWS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    scale = Scale(arguments.scale, arguments.rounds)
    if arguments.list:
        for row in ROWS.values():
            print(f"{row.name:12} {row.what}")
    elif arguments.row:
        _measure_here(arguments.row, scale)
    else:
        if arguments.record and arguments.scale != 1:
            parser.error("--record: only figures of --scale 1 are kept")
        failed = _measure_all(arguments.only, scale, keep=arguments.record)
        if failed:
            sys.exit(f"not measured: {', '.join(failed)}")


def _measure_here(name: str, scale: Scale) -> None:
    """The child: JSON on the last line of standard output."""
    try:
        measured = ROWS[name].measure(scale)
    except Missing as error:
        print(error)
        sys.exit(_MISSING)
    print(json.dumps(asdict(measured)))


def _measure_all(names: list[str], scale: Scale, *, keep: bool) -> list[str]:
    """Prints the table; the rows that could not be measured."""
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    rows: dict[str, Measured] = {}
    loads: dict[str, float] = {}
    failed = []
    for name in names:
        loads[name] = load_now()
        begun = time.monotonic()
        measured = _measure_beside(name, scale)
        took = time.monotonic() - begun
        if isinstance(measured, Measured):
            rows[name] = measured
            print(f"{name}: {took:.0f} s, load before {loads[name]:.1f}", flush=True)
        else:
            print(f"{name}: not measured: {measured}", flush=True)
            if isinstance(measured, Failed):
                failed.append(name)
    if scale.size != 1:
        print(f"at {scale.size:g} of the real size: these figures say nothing about the goals")
    print_rows([(ROWS[name], rows[name]) for name in names if name in rows], read_recorded())
    if keep:
        record(rows, core=load_core().name, loads=loads)
        write_readme(ROWS.values(), read_recorded())
        if series := rows.get("overload", Measured(())).series:
            overload.draw(series)
    return failed


class Failed(str):
    """Why a row could not be measured, when it should have been."""


def _measure_beside(name: str, scale: Scale) -> Measured | Failed | str:
    """Measures a row in a process of its own, or says why not."""
    command = [sys.executable, "-m", "benchmarks", "--row", name]
    command += ["--scale", str(scale.size), "--rounds", str(scale.rounds)]
    # A session of its own: whatever happens, no server of the row is left behind.
    row = subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, _ = row.communicate(timeout=ROW_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return Failed(f"took longer than {ROW_TIMEOUT_S} s")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(row.pid, signal.SIGKILL)
        row.wait()
    if row.returncode == _MISSING:
        return said.strip()
    if row.returncode:
        return Failed(f"ended with {row.returncode}")
    found = json.loads(said.splitlines()[-1])
    figures = tuple(Figure(**figure) for figure in found["figures"])
    return Measured(figures, tuple(found["notes"]), found["series"])


if __name__ == "__main__":
    main()
