"""The shops an engine has: loaded, or in chunks that a manifest names (docs/engine.md section 13).

Knows where each shop is and when it is due, and loads it when its head's chunks have been handed in.
Knows no rule of dispatch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from heapq import nsmallest
from typing import NamedTuple

from fenliu.engine.partitions import partition_of
from fenliu.engine.pure import due, memory, snapshot, wire
from fenliu.engine.pure.deadlines import Deadlines
from fenliu.engine.pure.generations import Generations
from fenliu.engine.pure.keys import Horizon
from fenliu.engine.pure.memory import Memory
from fenliu.engine.pure.state import Shop
from fenliu.engine.v1.engine_pb2 import Manifest, ShopSnapshot, StoredShop

CHUNK_ID_BYTES = 32
_DUE_AT_ONCE = 64


class _Failed(NamedTuple):
    """What is still said of a shop at which the engine failed."""

    known: bool  # else it was about to be made
    deleted: bool
    session_ids: list[str]


class _Partition:
    """The shops of one partition, each loaded, stored or both."""

    __slots__ = ("failed", "loaded", "stored", "touched")

    def __init__(self) -> None:
        # Where the engine failed; neither loaded nor stored.
        self.failed: dict[str, _Failed] = {}
        self.loaded: dict[str, Shop] = {}
        self.stored: dict[str, StoredShop] = {}  # as the manifest says
        self.touched: set[str] = set()  # changed since the manifest was loaded

    def ids(self) -> set[str]:
        return self.loaded.keys() | self.stored.keys()

    def unloaded(self) -> Iterable[StoredShop]:
        return (place for shop_id, place in self.stored.items() if shop_id not in self.loaded)


class Shops:
    """All shops of an engine and the chunks it has been handed."""

    __slots__ = (
        "_chunks",
        "_due",
        "_due_unloaded",
        "_memory",
        "_overdue",
        "_partitions",
        "_places_bytes",
        "count",
    )

    def __init__(self, partitions: int) -> None:
        self.count = partitions
        self._partitions: dict[int, _Partition] = defaultdict(_Partition)
        self._chunks: dict[bytes, bytes] = {}
        self._memory = Memory()
        self._places_bytes = 0
        # When each shop's next effect is due.
        self._due: Deadlines[str] = Deadlines()
        self._due_unloaded: Deadlines[str] = Deadlines()
        # Shops where something is due by their own last time already: a tick of any time applies it,
        # since no time is before a shop's last.
        self._overdue: set[str] = set()

    # --- One shop ---

    def partition_of(self, shop_id: str) -> int:
        return partition_of(shop_id, self.count)

    def new(self, shop_id: str, now_ms: int) -> Shop:
        """A shop that is not there yet; it is once it is kept."""
        return Shop(shop_id, self.partition_of(shop_id), now_ms, self._chunk)

    def missing_head(self, shop_id: str) -> list[bytes]:
        """Ids of the chunks without which `find` does not find the shop."""
        partition = self._partition(shop_id)
        place = partition.stored.get(shop_id)
        if place is None or shop_id in partition.loaded:
            return []
        return self._missing(place)

    def find(self, shop_id: str) -> Shop | None:
        """The shop, loaded by now; deleted ones too. `missing_head` has named nothing."""
        partition = self._partition(shop_id)
        shop = partition.loaded.get(shop_id)
        if shop is not None:
            self._memory.use(shop_id)
            return shop
        place = partition.stored.get(shop_id)
        return self._load(partition, place) if place is not None else None

    def loaded(self, shop_id: str) -> Shop:
        """Raises KeyError for a shop that is unknown or not loaded, ValueError for one that has failed."""
        self.check_not_failed(shop_id)
        return self._partition(shop_id).loaded[shop_id]

    def fail(self, shop_id: str) -> None:
        """Lets go of a shop that may be half changed, until it is brought anew."""
        partition = self._partition(shop_id)
        shop, place = self._drop(partition, shop_id)
        failed = partition.failed.get(shop_id, _Failed(False, False, []))
        if shop is not None:
            failed = _Failed(True, shop.deleted, list(shop.sessions))
        elif place is not None:
            failed = _Failed(True, place.deleted, list(place.session_ids))
        partition.failed[shop_id] = failed

    def has_failed(self, shop_id: str) -> bool:
        return shop_id in self._partition(shop_id).failed

    def check_not_failed(self, shop_id: str) -> None:
        """Raises ValueError."""
        if self.has_failed(shop_id):
            raise ValueError(f"{shop_id} has failed")

    def keep(self, shop: Shop) -> None:
        """Holds the shop, new or changed, and knows when it is due."""
        shop.changed = True
        shop.learned.sweep(shop.horizon(shop.last_now_ms))
        self._partitions[shop.partition].touched.add(shop.shop_id)
        self._hold(shop)

    def put_snapshot(self, data: bytes) -> None:
        """Puts a shop in place as the snapshot says. Raises ValueError for bad bytes."""
        state = snapshot.decode(data)
        shop = self._restored(state)
        place = self._partitions[shop.partition].stored.pop(shop.shop_id, None)
        if place is not None:
            self._places_bytes -= memory.of_place(place)
            self._due_unloaded.set(shop.shop_id, None)
        self.keep(shop)

    def missing_of(self, shop_id: str) -> list[bytes]:
        """Ids of the chunks that the shop's snapshot needs. Raises as `loaded`; KeyError for an unknown shop only."""
        self.check_not_failed(shop_id)
        partition = self._partition(shop_id)
        shop = partition.loaded.get(shop_id)
        if shop is not None:
            missing = shop.learned.missing_chunks(shop.horizon(shop.last_now_ms))
            return list(dict.fromkeys(missing))
        place = partition.stored[shop_id]
        learned = Generations(self._chunk)
        learned.segments = place.segments
        horizon = Horizon(place.last_now_ms, place.contact_lifetime_ms, place.contacts_since_ms)
        return list(dict.fromkeys(self._missing(place) + learned.missing_chunks(horizon)))

    # --- All shops ---

    def ids(self, *, deleted: bool) -> list[str]:
        """By id bytes; `deleted`: those that were deleted too."""
        found: list[str] = []
        for partition in self._partitions.values():
            found += (
                shop.shop_id for shop in partition.loaded.values() if deleted or not shop.deleted
            )
            found += (
                place.shop_id for place in partition.unloaded() if deleted or not place.deleted
            )
            found += (
                shop_id
                for shop_id, failed in partition.failed.items()
                if failed.known and (deleted or not failed.deleted)
            )
        return sorted(found)

    def sessions(self) -> list[tuple[str, str]]:
        """(session id, shop id), sorted."""
        found: list[tuple[str, str]] = []
        for partition in self._partitions.values():
            for shop in partition.loaded.values():
                found += ((session_id, shop.shop_id) for session_id in shop.sessions)
            for place in partition.unloaded():
                found += ((session_id, place.shop_id) for session_id in place.session_ids)
            for shop_id, failed in partition.failed.items():
                found += ((session_id, shop_id) for session_id in failed.session_ids)
        return sorted(found)

    def touched(self) -> list[str]:
        """Changed since their partition's manifest was loaded, or ever without one; by id bytes."""
        return sorted(
            shop_id for partition in self._partitions.values() for shop_id in partition.touched
        )

    # --- What is due ---

    def next_due(self) -> int | None:
        """The earliest time, Unix ms."""
        firsts = (self._due.first(), self._due_unloaded.first())
        return min((first[0] for first in firsts if first is not None), default=None)

    def loadable_due(self, now_ms: int) -> list[str]:
        """Those that are due by then and stored, and can be loaded: `find` does."""
        unloaded = (shop_id for _, shop_id in self._unloaded_until(now_ms))
        return [shop_id for shop_id in unloaded if not self.missing_head(shop_id)]

    def first_due(self, now_ms: int) -> str | None:
        """The loaded shop with the earliest effect, if that is due by then."""
        first = self._due.first()
        if first is not None and first[0] <= now_ms:
            return first[1]
        loaded = (one for one in self._overdue if one in self._partition(one).loaded)
        return min(loaded, default=None)

    def missing_due(self, now_ms: int) -> list[bytes]:
        """Ids of chunks without which the earliest shops due by then cannot be loaded."""
        earliest = nsmallest(_DUE_AT_ONCE, self._unloaded_until(now_ms))
        missing = [chunk_id for _, shop_id in earliest for chunk_id in self.missing_head(shop_id)]
        return list(dict.fromkeys(missing))

    def _unloaded_until(self, now_ms: int) -> list[tuple[int, str]]:
        late = {one for one in self._overdue if one not in self._partition(one).loaded}
        by_then = self._due_unloaded.until(now_ms)
        late.difference_update(shop_id for _, shop_id in by_then)
        places = (self._partition(shop_id).stored[shop_id] for shop_id in late)
        return by_then + [(place.next_due_ms, place.shop_id) for place in places]

    def _note_due(
        self, deadlines: Deadlines[str], shop_id: str, due_ms: int | None, last_now_ms: int
    ) -> None:
        deadlines.set(shop_id, due_ms)
        if due_ms is not None and due_ms <= last_now_ms:
            self._overdue.add(shop_id)
        else:
            self._overdue.discard(shop_id)

    # --- Manifests ---

    def load_manifest(self, data: bytes) -> int:
        """Puts the manifest's shops in place of its partition's. Raises ValueError."""
        manifest = self._manifest(data)
        self._forget(manifest.partition)
        partition = self._partitions[manifest.partition]
        for place in manifest.shops:
            self._place(partition, place)
        return manifest.partition

    def install(self, data: bytes) -> None:
        """Takes over where the partition is stored, as it was at its last rotation. Raises ValueError."""
        manifest = self._manifest(data)
        partition = self._partitions[manifest.partition]
        for place in manifest.shops:
            if place.shop_id in partition.failed:
                continue  # brought anew, it is read from a manifest
            self._place(partition, place)
            shop = partition.loaded.get(place.shop_id)
            if shop is None:
                continue
            shop.learned.earlier = []
            shop.changed_before_rotate = False
            if not shop.begun_since_rotate:
                shop.learned.segments = place.segments
                shop.fresh = False
            self._hold(shop)

    def rotate(self, number: int) -> None:
        """Closes the recent generations of a partition's shops."""
        for shop in self._partitions[number].loaded.values():
            shop.learned.rotate()
            shop.changed_before_rotate |= shop.changed
            shop.changed = False
            shop.begun_since_rotate = False

    def take(self, other: Shops, number: int) -> None:
        """Replaces a partition's shops by those of `other`, which loses them and their chunks."""
        self._forget(number)
        moved = other._partitions[number]
        chunks = [
            (chunk_id, content)
            for place in moved.stored.values()
            for chunk_id in _chunk_ids(place)
            if (content := other._chunks.get(chunk_id)) is not None
        ]
        other._forget(number)
        for chunk_id, content in chunks:
            other._forget_chunk(chunk_id)
            self.put_chunk(chunk_id, content)
        partition = self._partitions[number] = moved
        for shop in partition.loaded.values():
            shop.take_chunks_from(self._chunk)
            self._hold(shop)
        self._places_bytes += sum(map(memory.of_place, partition.stored.values()))
        for place in partition.unloaded():
            self._await(place)

    def take_shop(self, other: Shops, shop_id: str) -> None:
        """Replaces a shop by that of `other`, which loses it."""
        ours, theirs = self._partition(shop_id), other._partition(shop_id)
        self._drop(ours, shop_id)
        ours.failed.pop(shop_id, None)
        ours.touched.discard(shop_id)
        if shop_id in theirs.touched:
            theirs.touched.discard(shop_id)
            ours.touched.add(shop_id)
        shop, place = other._drop(theirs, shop_id)
        if shop is not None:
            ours.loaded[shop_id] = shop
            shop.take_chunks_from(self._chunk)
        if place is not None:
            self._place(ours, place)
        if shop is not None:
            self._hold(shop)

    # --- Memory ---

    def put_chunk(self, chunk_id: bytes, content: bytes) -> None:
        """Raises ValueError when the id has not 32 bytes."""
        if len(chunk_id) != CHUNK_ID_BYTES:
            raise ValueError(f"a chunk's id has {CHUNK_ID_BYTES} bytes")
        self._chunks[chunk_id] = content
        self._memory.hold(chunk_id, memory.of_chunk(content))

    def memory(self) -> int:
        """About how many bytes shops and chunks take."""
        return self._memory.total + self._places_bytes

    def shrink(self, limit: int) -> None:
        """Lets go what can go, unused for the longest first, down to `limit` bytes."""
        if self.memory() <= limit:
            return
        for thing in self._memory.unused_first():
            if isinstance(thing, bytes):
                self._forget_chunk(thing)
            else:
                self._unload(thing)
            if self.memory() <= limit:
                return

    def _unload(self, shop_id: str) -> None:
        """Leaves to its chunks a shop that is as its manifest says."""
        partition = self._partition(shop_id)
        shop, place = partition.loaded[shop_id], partition.stored.get(shop_id)
        if place is None or shop.changed or shop.changed_before_rotate or len(shop.learned):
            return
        del partition.loaded[shop_id]
        self._due.set(shop_id, None)
        self._memory.let_go(shop_id)
        self._await(place)

    def _forget_chunk(self, chunk_id: bytes) -> None:
        if self._chunks.pop(chunk_id, None) is not None:
            self._memory.let_go(chunk_id)

    # --- Inside ---

    def _partition(self, shop_id: str) -> _Partition:
        return self._partitions[self.partition_of(shop_id)]

    def _chunk(self, chunk_id: bytes) -> bytes | None:
        content = self._chunks.get(chunk_id)
        if content is not None:
            self._memory.use(chunk_id)
        return content

    def _missing(self, place: StoredShop) -> list[bytes]:
        """Of a head."""
        missing = [chunk_id for chunk_id in place.head if chunk_id not in self._chunks]
        return list(dict.fromkeys(missing))

    def _load(self, partition: _Partition, place: StoredShop) -> Shop:
        head = b"".join(self._chunks[chunk_id] for chunk_id in place.head)
        shop = self._restored(snapshot.decode(head))
        shop.learned.segments = place.segments
        shop.fresh = shop.begun_since_rotate = False
        for chunk_id in place.head:
            self._forget_chunk(chunk_id)
        self._due_unloaded.set(place.shop_id, None)
        self._hold(shop)
        return shop

    def _restored(self, state: ShopSnapshot) -> Shop:
        return snapshot.load(state, self.new(state.shop.shop_id, state.last_now_ms))

    def _drop(self, partition: _Partition, shop_id: str) -> tuple[Shop | None, StoredShop | None]:
        """Takes a shop out: what is loaded of it, and where it is stored."""
        self._due.set(shop_id, None)
        self._due_unloaded.set(shop_id, None)
        self._overdue.discard(shop_id)
        self._memory.let_go(shop_id)
        place = partition.stored.pop(shop_id, None)
        if place is not None:
            self._places_bytes -= memory.of_place(place)
        return partition.loaded.pop(shop_id, None), place

    def _hold(self, shop: Shop) -> None:
        partition = self._partitions[shop.partition]
        partition.failed.pop(shop.shop_id, None)
        partition.loaded[shop.shop_id] = shop
        first = due.next_due(shop)
        due_ms = None if first is None else first.at_ms
        self._note_due(self._due, shop.shop_id, due_ms, shop.last_now_ms)
        self._memory.hold(shop.shop_id, memory.of_shop(shop))

    def _place(self, partition: _Partition, place: StoredShop) -> None:
        before = partition.stored.get(place.shop_id)
        if before is not None:
            self._places_bytes -= memory.of_place(before)
        self._places_bytes += memory.of_place(place)
        partition.stored[place.shop_id] = place
        if place.shop_id not in partition.loaded:
            self._await(place)

    def _await(self, place: StoredShop) -> None:
        next_due_ms = place.next_due_ms if place.HasField("next_due_ms") else None
        self._note_due(self._due_unloaded, place.shop_id, next_due_ms, place.last_now_ms)

    def _forget(self, number: int) -> None:
        partition = self._partitions.pop(number, _Partition())
        for shop_id in partition.ids():
            self._due.set(shop_id, None)
            self._due_unloaded.set(shop_id, None)
            self._overdue.discard(shop_id)
            self._memory.let_go(shop_id)
        self._places_bytes -= sum(map(memory.of_place, partition.stored.values()))

    def _manifest(self, data: bytes) -> Manifest:
        """Raises ValueError."""
        try:
            manifest = wire.decode_own(Manifest, data)
        except wire.MalformedError:
            raise ValueError("not a manifest") from None
        if manifest.rules_version != snapshot.RULES_VERSION:
            raise ValueError(f"manifest of rules version {manifest.rules_version}")
        if manifest.partition >= self.count:
            raise ValueError(f"manifest of partition {manifest.partition}")
        return manifest


def _chunk_ids(place: StoredShop) -> list[bytes]:
    of_segments = (ref.id for segment in place.segments for ref in segment.chunks)
    return [*place.head, *of_segments]
