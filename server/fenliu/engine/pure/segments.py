"""The chunks of a segment: entries sorted by key, used as they are (docs/formats.md, *Snapshot*).

A chunk is searched where it lies: its entries' places stand before them, so that a key is found without
parsing the rest. Merging makes one segment out of several.
"""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import pairwise
from struct import Struct, error
from typing import NamedTuple

from fenliu.engine.pure.failing import reading
from fenliu.engine.pure.keys import KINDS, Entry, Horizon

MAX_CHUNK_BYTES = 65_536
"""Of a segment's chunk with more than one entry."""

_HEADER = Struct(">Iq")  # number of entries, the latest time of one
_OFFSET = Struct(">I")
_KEY_LENGTH = Struct(">H")
_TIME = Struct(">q")
_MIN_ENTRY_BYTES = _KEY_LENGTH.size + 1 + _TIME.size


# --- Making ------------------------------------------------------------------------------------


def cut(entries: Iterable[tuple[bytes, Entry]]) -> list[bytes]:
    """The contents of a segment's chunks; `entries` by key, each once. None for no entries."""
    chunks: list[bytes] = []
    held: list[tuple[bytes, int]] = []  # (encoded entry, its time)
    size = _HEADER.size
    for key, (at_ms, value) in entries:
        encoded = _KEY_LENGTH.pack(len(key)) + key + _TIME.pack(at_ms) + value
        if held and size + _OFFSET.size + len(encoded) > MAX_CHUNK_BYTES:
            chunks.append(_chunk(held))
            held, size = [], _HEADER.size
        held.append((encoded, at_ms))
        size += _OFFSET.size + len(encoded)
    if held:
        chunks.append(_chunk(held))
    return chunks


def _chunk(held: list[tuple[bytes, int]]) -> bytes:
    parts = [_HEADER.pack(len(held), max(at_ms for _, at_ms in held))]
    offset = _HEADER.size + _OFFSET.size * len(held)
    for encoded, _ in held:
        parts.append(_OFFSET.pack(offset))
        offset += len(encoded)
    parts.extend(encoded for encoded, _ in held)
    return b"".join(parts)


# --- Reading -----------------------------------------------------------------------------------


def find(chunk: bytes, key: bytes) -> Entry | None:
    """What stands under the key."""
    count, _ = _HEADER.unpack_from(chunk)
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if _key(chunk, middle) < key:
            low = middle + 1
        else:
            high = middle
    if low == count or _key(chunk, low) != key:
        return None
    return _entry(chunk, low, count)[1]


def entries(chunk: bytes) -> Iterator[tuple[bytes, Entry]]:
    """All of a chunk's, by key."""
    count, _ = _HEADER.unpack_from(chunk)
    for i in range(count):
        yield _entry(chunk, i, count)


def _key(chunk: bytes, i: int) -> bytes:
    at = _offset(chunk, i)
    (length,) = _KEY_LENGTH.unpack_from(chunk, at)
    at += _KEY_LENGTH.size
    return chunk[at : at + length]


def _entry(chunk: bytes, i: int, count: int) -> tuple[bytes, Entry]:
    key = _key(chunk, i)
    at = _offset(chunk, i) + _KEY_LENGTH.size + len(key)
    (at_ms,) = _TIME.unpack_from(chunk, at)
    end = _offset(chunk, i + 1) if i + 1 < count else len(chunk)
    return key, (at_ms, chunk[at + _TIME.size : end])


def _offset(chunk: bytes, i: int) -> int:
    (offset,) = _OFFSET.unpack_from(chunk, _HEADER.size + _OFFSET.size * i)
    return int(offset)


# --- Merging -----------------------------------------------------------------------------------


def merge_chunks(
    sources: list[list[bytes]],
    first: bytes,
    end: bytes,
    now_ms: int,
    contact_lifetime_ms: int,
    contacts_since_ms: int,
) -> list[bytes]:
    """One segment's chunks out of several segments' (newest first), for keys `first <= key < end`.

    An empty `end` is no end. Raises ValueError when a source is no segment.
    """
    horizon = Horizon(now_ms, contact_lifetime_ms, contacts_since_ms)

    def merged() -> list[bytes]:
        for source in sources:
            _check(source)
        runs = [_ranked(rank, source) for rank, source in enumerate(sources)]
        return cut(_newest(merge(*runs), first, end, horizon))

    return reading("a segment", merged)


def filter_of(content: bytes) -> bytes:
    """Nothing: here a chunk is looked in whenever it could hold a key. Raises ValueError for no chunk."""
    if not _is_laid_out(content):
        raise ValueError("not a segment's chunk")
    return b""


class _Ranked(NamedTuple):
    """An entry of a source, in the order in which entries are merged."""

    key: bytes
    rank: int  # 0: of the newest source
    entry: Entry


def _ranked(rank: int, source: list[bytes]) -> Iterator[_Ranked]:
    for chunk in source:
        for key, entry in entries(chunk):
            yield _Ranked(key, rank, entry)


def _newest(
    merged: Iterable[_Ranked], first: bytes, end: bytes, horizon: Horizon
) -> Iterator[tuple[bytes, Entry]]:
    """Of equal keys the newest source's entry, if it exists."""
    before = None
    for key, _, entry in merged:
        if key == before or key < first:
            continue
        if end and key >= end:
            return
        before = key
        if horizon.entry(key, entry[0]):
            yield key, entry


def _check(source: list[bytes]) -> None:
    """Raises ValueError when these are not a segment's chunks."""
    before = b""
    for chunk in source:
        if not _is_laid_out(chunk):
            raise ValueError("not a segment's chunk")
        for key, _ in entries(chunk):
            if key <= before or key[0] not in KINDS:
                raise ValueError("a segment's keys must be known ones and ascend")
            before = key


def _is_laid_out(chunk: bytes) -> bool:
    """Whether each entry lies where the chunk says, one behind the other."""
    try:
        count, newest_ms = _HEADER.unpack_from(chunk)
        if count == 0 or count > len(chunk) // _MIN_ENTRY_BYTES:
            return False
        offsets = [_offset(chunk, i) for i in range(count)]
        if offsets[0] != _HEADER.size + _OFFSET.size * count:
            return False
        for start, end in pairwise((*offsets, len(chunk))):
            (length,) = _KEY_LENGTH.unpack_from(chunk, start)
            if start + _KEY_LENGTH.size + length + _TIME.size > end:
                return False
    except error:
        return False
    return bool(newest_ms == max(at_ms for _, (at_ms, _) in entries(chunk)))
