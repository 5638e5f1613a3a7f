"""Formatting, lints and types of everything (`make check`). Rust is checked when cargo is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BIN = PROJECT / ".venv" / "bin"
SOURCES = ("server", "tests", "benchmarks", "scripts")
CRATE = PROJECT / "core_rs"


def main() -> None:
    sources = [name for name in SOURCES if (PROJECT / name).exists()]
    run([str(BIN / "ruff"), "check", *sources])
    run([str(BIN / "ruff"), "format", "--check", *sources])
    run([str(BIN / "mypy")])
    if shutil.which("cargo") is None:
        print("cargo not found: the Rust core was not checked")
        return
    run(["cargo", "fmt", "--all", "--check"], CRATE)
    run(
        ["cargo", "clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
        CRATE,
    )


def run(command: list[str], folder: Path = PROJECT) -> None:
    print(
        "$",
        " ".join(Path(command[0]).name if i == 0 else word for i, word in enumerate(command)),
        flush=True,
    )
    finished = subprocess.run(command, cwd=folder, check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


if __name__ == "__main__":
    main()
