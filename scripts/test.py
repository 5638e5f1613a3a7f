"""All tests (`make test`): the fast ones, the slow ones, and the Rust crate's own.

Files of tests run side by side, one more than there are processors, since many only wait for a process, a lease
or a disk; those marked `alone` come after them, one by one; those marked `faults` are for `make test-faults`.
With cargo at hand a skipped Rust core is a failure; without it the Python core is tested alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PYTHON = PROJECT / ".venv" / "bin" / "python"
SIDE_BY_SIDE = ("--numprocesses", str((os.cpu_count() or 1) + 1), "--dist", "loadfile")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="only the quick tests")
    fast_only = parser.parse_args().fast
    cargo = shutil.which("cargo")
    environment = dict(os.environ)
    if cargo:
        environment["FENLIU_REQUIRE_RUST"] = "1"
    else:
        print("cargo not found: the Python core is tested alone", flush=True)
    pytest(environment, "not slow and not alone and not faults", *SIDE_BY_SIDE)
    pytest(environment, f"alone and {'not slow and ' if fast_only else ''}not faults")
    if fast_only:
        return
    if cargo:
        run(["cargo", "test", "--quiet", "-p", "fenliu-engine"], environment, PROJECT / "core_rs")
    pytest(environment, "slow and not alone and not faults", *SIDE_BY_SIDE)


def pytest(environment: dict[str, str], marked: str, *options: str) -> None:
    # Nothing is measured here, and what is measured side by side would mean nothing.
    command = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:benchmark", "-m", marked, *options]
    run(command, environment, PROJECT)


def run(command: list[str], environment: dict[str, str], folder: Path) -> None:
    finished = subprocess.run(command, cwd=folder, env=environment, check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


if __name__ == "__main__":
    main()
