"""Small disks of their own for tests: filled, cut off, copied as they are without the page cache.

Needs the right to mount; `skip_unless_root` skips where there is none, and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _run(*command: str | Path) -> None:
    subprocess.run([*map(str, command)], check=True, capture_output=True, timeout=60)


@contextmanager
def mounted(*command: str | Path, on: Path) -> Iterator[Path]:
    """Mounts, with the rest of a `mount` command; skips the test where that is not allowed."""
    on.mkdir(exist_ok=True)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount")
    try:
        _run("mount", *command, on)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"mounting is not permitted here: {error.stderr.decode().strip()}")
    try:
        yield on
    finally:
        _run("umount", "-l", on)


@contextmanager
def tmpfs(on: Path, megabytes: int) -> Iterator[Path]:
    """A file system in memory of this size."""
    with mounted("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", on=on) as place:
        yield place


def read_only(place: Path) -> None:
    """Of a file system on which nobody has a file open for writing."""
    _run("mount", "-o", "remount,ro", place)


def gone_read_only(place: Path) -> None:
    """As the kernel does it after an error, whoever writes there: it stays so until it is mounted anew."""
    _run("mount", "-o", "remount,abort", place)


def repaired(image: Path) -> None:
    """What is done before it is mounted again."""
    done = subprocess.run(
        ["e2fsck", "-p", "-f", str(image)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode in (0, 1), done.stdout  # 1: repaired


def make_image(image: Path, megabytes: int) -> None:
    """An ext4 file system in a file."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("there is no mkfs.ext4")
    with image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    _run("mkfs.ext4", "-q", "-F", image)


@contextmanager
def loop(image: Path, on: Path) -> Iterator[Path]:
    """The file system in this file."""
    with mounted("-o", "loop", image, on=on) as place:
        yield place


def fill(place: Path) -> Path:
    """Takes all room that is left; returns the file that holds it."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        block = b"\0" * 65536
        while block:
            try:
                file.write(block)
            except OSError:
                block = block[: len(block) // 2]
    return filler
