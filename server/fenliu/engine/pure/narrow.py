"""A stored shop as one snapshot that has the contacts of some buyers only, however many are stored.

For playing scripts: of whom a script does not speak, nothing is asked there. Reads chunks where they lie.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from fenliu.engine.pure import keys, segments, wire
from fenliu.engine.pure.keys import Entry, Horizon
from fenliu.engine.v1.engine_pb2 import ChunkRef, Segment, ShopSnapshot, StoredShop

Fetch = Callable[[list[bytes]], dict[bytes, bytes]]
"""Contents of chunks by their ids."""

CHUNKS_AT_ONCE = 64


def narrowed(place: StoredShop, buyer_ids: Iterable[str], fetch: Fetch) -> ShopSnapshot:
    """The shop as it is stored, without remembered ids, with the contacts of these buyers and of live ones."""
    chunks = fetch(list(place.head))
    head = b"".join(chunks[one] for one in place.head)
    snapshot = wire.decode_own(ShopSnapshot, head)
    horizon = Horizon(place.last_now_ms, place.contact_lifetime_ms, place.contacts_since_ms)
    live = {one.buyer_id for one in snapshot.conversations}
    live.update(one.buyer_id for one in snapshot.waiting)
    wanted = sorted(keys.of_buyer(one) for one in set(buyer_ids) - live)
    for segment in place.segments:  # the newest first: what it has decides
        found = dict(_found(segment, wanted, horizon, fetch))
        for key, entry in found.items():
            if horizon.entry(key, entry[0]):
                contact = keys.contact_of(entry)
                snapshot.contacts.add(
                    buyer_id=key[1:].decode(),
                    agent_id=contact.agent_id,
                    consulted_at_ms=contact.consulted_at_ms,
                    conversation=contact.conversation,
                )
        wanted = [key for key in wanted if key not in found]
    snapshot.contacts.sort(key=lambda contact: contact.buyer_id)
    return snapshot


def _found(
    segment: Segment, wanted: Sequence[bytes], horizon: Horizon, fetch: Fetch
) -> Iterator[tuple[bytes, Entry]]:
    """What the segment has under these keys, which ascend."""
    firsts = [chunk.first_key for chunk in segment.chunks]
    in_chunk: dict[int, list[bytes]] = {}
    for key in wanted:
        place = bisect_right(firsts, key) - 1
        if place >= 0 and horizon.anything(segment.chunks[place].newest_ms):
            in_chunk.setdefault(place, []).append(key)
    places = list(in_chunk)
    for start in range(0, len(places), CHUNKS_AT_ONCE):
        some: list[tuple[int, ChunkRef]] = [
            (place, segment.chunks[place]) for place in places[start : start + CHUNKS_AT_ONCE]
        ]
        contents = fetch([chunk.id for _, chunk in some])
        for place, chunk in some:
            for key in in_chunk[place]:
                entry = segments.find(contents[chunk.id], key)
                if entry is not None:
                    yield key, entry
