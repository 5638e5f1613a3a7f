"""Where a shop is stored: its head's chunks, and its segments with which of them are merged.

Knows a segment chunk's outline (docs/formats.md): its first key and its newest time. What the entries
mean, and which of them still count, the engine's `merge_chunks` knows.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fenliu.engine import Core, Engine
from fenliu.engine.v1 import engine_pb2

CHUNK_BYTES = 2**20
"""Of a head; what is longer is cut."""
GROWTH = 1
"""A segment is merged with those before it unless it is more than this many times as large. Of 300 segments of
a size each entry is so written 4.7 times and 4 segments are left; with 3 it were 7.3 times and 3."""
CHUNKS_PER_STEP = 8
"""Of the largest segment: so much is merged at once, so that memory stays bounded."""
REMEMBERED_MS = 86_400_000
"""How long ids are remembered (docs/engine.md section 1)."""

_OUTLINE = struct.Struct(">Iq")
_OFFSET = struct.Struct(">I")
_KEY_LENGTH = struct.Struct(">H")

Put = Callable[[bytes, bytes], None]
"""Stores a chunk: its id and content."""
Fetch = Callable[[Sequence[bytes]], dict[bytes, bytes]]
"""Contents of chunks by their ids."""


@dataclass(frozen=True, slots=True)
class ChunkStore:
    """Where chunks go and come from."""

    put_head: Put
    put: Put
    """For chunks of segments."""
    fetch: Fetch | None = None
    """None: segments are not merged."""


def flushed(
    core: Core,
    engine: Engine,
    shop_id: str,
    before: engine_pb2.StoredShop | None,
    store: ChunkStore,
) -> engine_pb2.StoredShop:
    """Where a shop that has changed is stored now: what is new is put, of what was there the rest.

    `before`: where it was stored when the engine loaded its manifest.
    """
    encoded, head, recent = engine.flush(shop_id)
    shop = engine_pb2.StoredShop.FromString(encoded)
    known = set(before.head) if before is not None else set()
    for start in range(0, len(head), CHUNK_BYTES):
        content = head[start : start + CHUNK_BYTES]
        chunk_id = hashlib.sha256(content).digest()
        if chunk_id not in known:
            store.put_head(chunk_id, content)
        shop.head.append(chunk_id)
    made: dict[bytes, bytes] = {}
    segments = [stored_segment(recent, made.__setitem__)] if recent else []
    if before is not None and not shop.fresh:
        segments.extend(before.segments)
    shop.fresh = False
    if store.fetch is not None:
        segments = merged(core, shop, segments, _first_from(made, store.fetch), store.put)
    shop.segments.extend(segments)
    for segment in segments:  # what was merged at once is not stored by itself
        for ref in segment.chunks:
            if ref.id in made:
                store.put(ref.id, made[ref.id])
    return shop


def _first_from(made: Mapping[bytes, bytes], fetch: Fetch) -> Fetch:
    """Gets what has just been made from there, and the rest where it is stored."""

    def fetched(ids: Sequence[bytes]) -> dict[bytes, bytes]:
        rest = [one for one in ids if one not in made]
        return {one: made[one] for one in ids if one in made} | fetch(rest)

    return fetched


def chunk_ref(content: bytes) -> engine_pb2.ChunkRef:
    """What a manifest says of a segment's chunk."""
    _, newest_ms = _OUTLINE.unpack_from(content)
    (entry,) = _OFFSET.unpack_from(content, _OUTLINE.size)
    (length,) = _KEY_LENGTH.unpack_from(content, entry)
    key = entry + _KEY_LENGTH.size
    return engine_pb2.ChunkRef(
        id=hashlib.sha256(content).digest(),
        first_key=content[key : key + length],
        newest_ms=newest_ms,
        size=len(content),
    )


def stored_segment(contents: Sequence[bytes], put: Put) -> engine_pb2.Segment:
    """Stores a segment's chunks."""
    segment = engine_pb2.Segment()
    for content in contents:
        ref = chunk_ref(content)
        put(ref.id, content)
        segment.chunks.append(ref)
    return segment


def merged(
    core: Core,
    shop: engine_pb2.StoredShop,
    segments: Sequence[engine_pb2.Segment],
    fetch: Fetch,
    put: Put,
) -> list[engine_pb2.Segment]:
    """The shop's segments, newest first, after the first few have been merged where that pays.

    Sizes grow by more than `GROWTH` from one to the next afterwards, so there are few of them and each
    entry is written again a few times only. Chunks in which nothing can exist any more are left out.
    """
    kept = [segment for segment in (_alive(shop, one) for one in segments) if segment.chunks]
    together, size = 0, 0
    for at, segment in enumerate(kept):
        if at and _size(segment) > GROWTH * size:
            break
        together, size = at + 1, size + _size(segment)
    if together < 2:
        return kept
    first = engine_pb2.Segment()
    for contents in _merge(core, shop, kept[:together], fetch):
        first.chunks.extend(stored_segment(contents, put).chunks)
    return ([first] if first.chunks else []) + kept[together:]


def _alive(shop: engine_pb2.StoredShop, segment: engine_pb2.Segment) -> engine_pb2.Segment:
    lifetime_ms = max(shop.contact_lifetime_ms, REMEMBERED_MS)
    since_ms = shop.last_now_ms - lifetime_ms
    return engine_pb2.Segment(chunks=[one for one in segment.chunks if one.newest_ms >= since_ms])


def _size(segment: engine_pb2.Segment) -> int:
    return sum(chunk.size for chunk in segment.chunks)


def _merge(
    core: Core,
    shop: engine_pb2.StoredShop,
    segments: Sequence[engine_pb2.Segment],
    fetch: Fetch,
) -> Iterator[list[bytes]]:
    """Merged chunks' contents, a range of keys at a time."""
    keys = [[chunk.first_key for chunk in segment.chunks] for segment in segments]
    borders = max(keys, key=len)[CHUNKS_PER_STEP::CHUNKS_PER_STEP]
    for first, end in zip([b"", *borders], [*borders, b""], strict=True):
        ranges = [
            segment.chunks[max(bisect_right(of, first) - 1, 0) : _before(of, end)]
            for segment, of in zip(segments, keys, strict=True)
        ]
        contents = fetch([chunk.id for chunks in ranges for chunk in chunks])
        yield core.merge_chunks(
            [[contents[chunk.id] for chunk in chunks] for chunks in ranges],
            first,
            end,
            shop.last_now_ms,
            shop.contact_lifetime_ms,
            shop.contacts_since_ms,
        )


def _before(keys: Sequence[bytes], end: bytes) -> int:
    """How many chunks begin before the key `end`."""
    return bisect_left(keys, end) if end else len(keys)
