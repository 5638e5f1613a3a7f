"""What is stored of a shop, read back and worked out anew: docs/engine.md section 13, docs/formats.md.

Part of the judge: knows the messages and the format of chunks, imports nothing of the engine.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterable, Sequence

from fenliu.engine.v1 import engine_pb2
from model.checks import DAY_MS

MOST_BYTES, HEAD_BYTES = 65_536, 1_048_576

Entry = tuple[bytes, int, bytes]
"""(key, time, value)."""


def chunk_id(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def read_segment(contents: Sequence[bytes]) -> list[Entry]:
    """A segment's entries; its chunks must be put together as the format says."""
    entries = [entry for content in contents for entry in _read_chunk(content)]
    keys = [key for key, _, _ in entries]
    assert all(a < b for a, b in itertools.pairwise(keys))
    return entries


def _read_chunk(content: bytes) -> list[Entry]:
    count, newest = struct.unpack_from(">Iq", content)
    assert count >= 1
    ends = [*struct.unpack_from(f">{count}I", content, 12), len(content)]
    assert ends[0] == 12 + 4 * count
    entries = []
    for start, end in itertools.pairwise(ends):
        (length,) = struct.unpack_from(">H", content, start)
        key = content[start + 2 : start + 2 + length]
        (at,) = struct.unpack_from(">q", content, start + 2 + length)
        entries.append((key, at, content[start + 10 + length : end]))
    assert newest == max(at for _, at, _ in entries)
    assert len(content) <= MOST_BYTES or count == 1
    return entries


def _size(entry: Entry) -> int:
    """What an entry adds to a chunk, its offset included."""
    return 4 + 2 + len(entry[0]) + 8 + len(entry[2])


def cut(entries: Iterable[Entry]) -> list[bytes]:
    """The contents of a segment's chunks."""
    chunks: list[list[Entry]] = []
    for entry in entries:
        if not chunks or 12 + sum(map(_size, chunks[-1])) + _size(entry) > MOST_BYTES:
            chunks.append([])
        chunks[-1].append(entry)
    return [_write_chunk(chunk) for chunk in chunks]


def _write_chunk(entries: list[Entry]) -> bytes:
    parts = [struct.pack(">H", len(k)) + k + struct.pack(">q", at) + v for k, at, v in entries]
    offsets, start = [], 12 + 4 * len(entries)
    for part in parts:
        offsets.append(start)
        start += len(part)
    head = struct.pack(">Iq", len(entries), max(at for _, at, _ in entries))
    return head + struct.pack(f">{len(offsets)}I", *offsets) + b"".join(parts)


def exists(key: bytes, at: int, now: int, lifetime: int, since: int) -> bool:
    if key[:1] in (b"b", b"c"):
        return now - at <= lifetime and not (since and at < since)
    return now - at <= DAY_MS


def merged(
    sources: Sequence[Sequence[Entry]],
    first: bytes,
    end: bytes,
    now: int,
    lifetime: int,
    since: int,
) -> list[Entry]:
    """What `merge_chunks` must give, before cutting; sources newest first."""
    newest: dict[bytes, Entry] = {}
    for source in reversed(sources):
        newest |= {entry[0]: entry for entry in source}
    return [
        newest[key]
        for key in sorted(newest)
        if first <= key
        and (not end or key < end)
        and exists(key, newest[key][1], now, lifetime, since)
    ]


def lifetime_of(snapshot: engine_pb2.ShopSnapshot) -> int:
    s = snapshot.shop.settings
    return max(s.sticky_window_ms, s.sticky_suspended_window_ms)


def live_buyers(snapshot: engine_pb2.ShopSnapshot) -> set[str]:
    return {held.buyer_id for held in (*snapshot.conversations, *snapshot.waiting)}


def head_of(snapshot: engine_pb2.ShopSnapshot) -> engine_pb2.ShopSnapshot:
    """The head of a shop that is stored as it is in this snapshot."""
    head, live = engine_pb2.ShopSnapshot(), live_buyers(snapshot)
    head.CopyFrom(snapshot)
    del head.contacts[:], head.requests[:], head.events[:], head.order_events[:]
    head.contacts.extend(c for c in snapshot.contacts if c.buyer_id in live)
    return head


def check_segments(snapshot: engine_pb2.ShopSnapshot, segments: Sequence[Sequence[Entry]]) -> None:
    """The segments, newest first, must hold what the snapshot has and its head has not."""
    now, live = snapshot.last_now_ms, live_buyers(snapshot)
    scope = (now, lifetime_of(snapshot), snapshot.contacts_since_ms)
    found = {key: (at, value) for key, at, value in merged(segments, b"", b"", *scope)}
    wanted = {}
    for c in snapshot.contacts:
        conversation = c.conversation.to_bytes(8, "big")
        if c.buyer_id not in live:
            wanted[b"b" + c.buyer_id.encode()] = (
                c.consulted_at_ms,
                conversation + c.agent_id.encode(),
            )
            wanted[b"c" + conversation] = c.consulted_at_ms, c.buyer_id.encode()
    for letter, events in ((b"e", snapshot.events), (b"o", snapshot.order_events)):
        wanted |= {letter + e.event_id.encode(): (e.at_ms, b"") for e in events}
    for r in snapshot.requests:
        wanted[b"r" + r.request_id.encode()] = r.at_ms, r.digest + r.reply
    for key, said in wanted.items():
        assert found.get(key) == said, key
    # Beyond that only what says nothing: of live buyers, and of conversations that are nobody's contact's.
    of_contacts = {b"c" + c.conversation.to_bytes(8, "big"): c.buyer_id for c in snapshot.contacts}
    for key in found.keys() - wanted.keys():
        if key[:1] == b"b":
            assert key[1:].decode() in live, key
        else:
            assert key[:1] == b"c", key
            assert of_contacts.get(key, found[key][1].decode()) == found[key][1].decode(), key
