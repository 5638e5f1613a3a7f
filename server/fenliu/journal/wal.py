"""Whether SQLite's write-ahead log, as a killed server leaves it, has lost commits that had been written.

SQLite reads it up to the first frame whose checksum is wrong, and takes that for where writing was cut short. With
synchronous=FULL a commit is on the disk before the next one is begun: behind a torn end no commit is followed by
another. Where one is, frames before it were damaged later. The last commit alone can be damaged unseen.

The format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoint, salt (2), checksum (2)
_FRAME = struct.Struct(">6I")  # page, database size if it ends a commit, salt (2), checksum (2)
_MAGIC = 0x377F0682  # words of checksums are little-endian; 1 more: big-endian
_MASK = 0xFFFFFFFF


def damage(database: Path) -> str:
    """What is wrong with a database's write-ahead log, in words; empty: nothing that can be seen.

    Changes nothing; of a log that is being written meanwhile it says nothing. Raises OSError.
    """
    path = database.with_name(f"{database.name}-wal")
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            frames = _lost_behind(file)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        return ""
    changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    if frames is None or changed:
        return ""
    return f"{path.name} is damaged behind frame {frames}: commits written there are out of sight"


@dataclass(slots=True)
class _Frame:
    good: bool
    """As the frame before it has it."""
    commits: bool


def _lost_behind(file: BinaryIO) -> int | None:
    """The last frame that SQLite sees, where written commits are behind it; None: there are none."""
    first = file.read(_HEADER.size)
    if len(first) < _HEADER.size:
        return None
    header = _HEADER.unpack(first)
    order = ">" if header[0] & 1 else "<"
    total = _sum((0, 0), struct.unpack(f"{order}6I", first[:24]))
    if header[0] & ~1 != _MAGIC or total != header[6:]:
        # It is on the disk before any frame is written.
        return 0 if len(file.read(_FRAME.size)) == _FRAME.size else None
    seen, torn = 0, False
    before = _Frame(good=False, commits=False)
    for number, frame in enumerate(_frames(file, order, header), 1):
        torn = torn or not frame.good
        if not torn:
            seen = number if frame.commits else seen
        elif frame.good and before.good and before.commits:
            return seen
        else:
            before = frame
    return None


def _frames(file: BinaryIO, order: str, header: tuple[int, ...]) -> Iterator[_Frame]:
    page_size, salt, total = header[2], header[4:6], header[6:]
    words = struct.Struct(f"{order}{(8 + page_size) // 4}I")
    while len(data := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
        _, size, *salts, one, two = _FRAME.unpack_from(data)
        good = tuple(salts) == salt and _sum(
            total, words.unpack(data[:8] + data[_FRAME.size :])
        ) == (one, two)
        yield _Frame(good, bool(size))
        total = one, two


def _sum(start: tuple[int, ...], words: tuple[int, ...]) -> tuple[int, ...]:
    one, two = start
    pairs = iter(words)
    for first, second in zip(pairs, pairs, strict=True):
        one = (one + first + two) & _MASK
        two = (two + second + one) & _MASK
    return one, two
