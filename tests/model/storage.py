"""Engines whose state lies elsewhere, and what a snapshotter does for them, in memory.

A `StoredEngine` answers as an engine does; the chunks it asks for are handed in from its core's `Disk`.
`Storage` keeps several of each core, and moves all of them through rotating, storing and installing.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fenliu.engine.v1 import engine_pb2
from model.chunks import (
    HEAD_BYTES,
    check_segments,
    chunk_id,
    cut,
    head_of,
    lifetime_of,
    merged,
    read_segment,
)

PartitionEntries = list[tuple[int, int, bytes]]


@dataclass
class Disk:
    """What one core has written."""

    chunks: dict[bytes, bytes] = field(default_factory=dict)
    manifests: dict[int, engine_pb2.Manifest] = field(default_factory=dict)
    """The newest of each partition."""

    def put(self, content: bytes) -> bytes:
        made = chunk_id(content)
        self.chunks[made] = content
        return made

    def put_segment(self, contents: Sequence[bytes]) -> engine_pb2.Segment:
        segment = engine_pb2.Segment()
        for content, entries in zip(contents, (read_segment([c]) for c in contents), strict=True):
            segment.chunks.add(
                id=self.put(content),
                first_key=entries[0][0],
                newest_ms=max(at for _, at, _ in entries),
                size=len(content),
            )
        return segment

    def contents(self, segment: engine_pb2.Segment) -> list[bytes]:
        return [self.chunks[ref.id] for ref in segment.chunks]


def named_by(manifest: engine_pb2.Manifest) -> set[bytes]:
    """The ids of all chunks that a manifest names."""
    ids = {i for shop in manifest.shops for i in shop.head}
    return ids | {ref.id for shop in manifest.shops for s in shop.segments for ref in s.chunks}


class StoredEngine:
    """One engine; what it needs is handed in from the disk, all at once or a part at a time.

    Which ids it asks for is its own business (a core may have freed what has expired, or not yet), as
    long as they are named by where its state is and not there already.
    """

    def __init__(self, core: Any, partitions: int, disk: Disk) -> None:
        self.core, self.disk = core, disk
        self.engine = core.Engine(partitions)
        self._named: dict[int, set[bytes]] = {}
        self._rng = Random(0)

    # Handing in

    def _hand_in(self, ids: bytes) -> None:
        assert ids
        assert len(ids) % 32 == 0
        wanted = sorted(ids[i : i + 32] for i in range(0, len(ids), 32))
        assert len(set(wanted)) == len(wanted)
        assert all(any(i in named for named in self._named.values()) for i in wanted)
        few = wanted[: self._rng.randrange(len(wanted)) + 1] if self._rng.randrange(4) else wanted
        for each in few:
            self.engine.put_chunk(each, self.disk.chunks[each])

    def _until_done(self, call: Callable[[], Any]) -> Any:
        before = self.engine.next_due()
        while (answer := call())[0] == -1:
            assert len(answer) < 4 or answer[3] == b""
            assert self.engine.next_due() == before
            self._hand_in(answer[1])
        return answer

    # The engine's face

    def decide(self, kind: int, body: bytes, now_ms: int, actor: str = "") -> Any:
        return self._until_done(lambda: self.engine.decide(kind, body, now_ms, actor))

    def decide_batch(
        self, kind: int, batch: bytes, now_ms: int, first: int = 0, count: int = 4096
    ) -> tuple[int, bytes, int, int, PartitionEntries, int]:
        results, decided = b"", 0
        entries: dict[int, tuple[int, bytes]] = defaultdict(lambda: (0, b""))
        while True:
            args = kind, batch, now_ms, first + decided, count - decided
            code, part, total, batch_id, made, more = self.engine.decide_batch(*args)
            if code == -1:
                assert (made, more) == ([], 0)
                self._hand_in(part)
                continue
            if code:
                return code, part, total, batch_id, made, more
            results, decided = results + part, decided + more
            for partition, n, data in made:
                entries[partition] = (
                    entries[partition][0] + n,
                    entries[partition][1] + data,
                )
            if first + decided >= min(first + count, total):
                listed = [(p, *entries[p]) for p in sorted(entries)]
                return code, results, total, batch_id, listed, decided
            # It stopped because the next one needs something.
            assert self.engine.decide_batch(kind, batch, now_ms, first + decided, 1)[0] == -1

    def tick(self, now_ms: int) -> Any:
        while ids := self.engine.missing_due(now_ms):
            self._hand_in(ids)
        return self.engine.tick(now_ms)

    def query(self, kind: int, body: bytes) -> Any:
        return self._until_done(lambda: self.engine.query(kind, body))

    def redecide(self, entry: bytes) -> Any:
        return self._until_done(lambda: self.engine.redecide(entry))

    def apply(self, entries: bytes, start: int = 0, shop_id: str = "") -> tuple[int, int, bytes]:
        applied = 0
        while True:
            count, start, missing = self.engine.apply(entries, start, shop_id)
            applied += count
            if not missing:
                assert start == len(entries)
                return applied, start, b""
            self._hand_in(missing)

    def snapshot(self, shop_id: str) -> bytes:
        while ids := self.engine.missing_of(shop_id):
            self._hand_in(ids)
        snapshot: bytes = self.engine.snapshot(shop_id)
        return snapshot

    def state_hash(self) -> Any:
        for shop_id in self.shop_ids(deleted=True):
            self.snapshot(shop_id)
        return self.engine.state_hash()

    def next_due(self) -> Any:
        return self.engine.next_due()

    def shop_ids(self, *, deleted: bool = False) -> Any:
        return self.engine.shop_ids(deleted=deleted)

    def sessions(self) -> Any:
        return self.engine.sessions()

    # Places

    def rotate(self, partition: int) -> None:
        self.engine.rotate(partition)

    def install(self, manifest: engine_pb2.Manifest) -> None:
        self.engine.install(manifest.SerializeToString(deterministic=True))
        self._named[manifest.partition] = named_by(manifest)
        # At once, some of it or none: until it is freed it changes nothing but what is needed.
        while self._rng.randrange(3) and self.engine.tidy():
            pass

    def load_manifest(self, manifest: engine_pb2.Manifest) -> int:
        partition: int = self.engine.load_manifest(manifest.SerializeToString(deterministic=True))
        assert partition == manifest.partition
        self._named[partition] = named_by(manifest)
        return partition

    def take_partition(self, other: StoredEngine, partition: int) -> None:
        self.engine.take_partition(other.engine, partition)
        self._named[partition] = other._named.get(partition, set())

    def touched(self) -> Any:
        return self.engine.touched()

    def flush(self, shop_id: str) -> Any:
        return self.engine.flush(shop_id)

    def shrink(self, limit: int) -> None:
        self.engine.shrink(limit)


@dataclass
class Rotated:
    """A partition at its last rotation: how far the log went, and what its shops were."""

    seq: int
    snapshots: dict[str, bytes]
    next_due: dict[str, int | None]
    stored: bool = False


class Storage:
    """Stored engines of every core in three roles (`alone`: in one), the disks and the log."""

    def __init__(
        self,
        cores: Sequence[Any],
        partitions: int,
        *,
        alone: bool = False,
        engine: Callable[[Any, int, Disk], Any] = StoredEngine,
    ) -> None:
        self.cores, self.partitions, self._engine = list(cores), partitions, engine
        self.disks = [Disk() for _ in cores]
        self.engines, self.followers, self.judges = (
            [engine(core, partitions, d) for core, d in zip(cores, self.disks, strict=True)]
            if not alone or role == "engine"
            else []
            for role in ("engine", "follower", "judge")
        )
        self.log: dict[int, list[bytes]] = {p: [] for p in range(partitions)}
        self.rotated: dict[int, Rotated] = {}

    def everyone(self) -> list[StoredEngine]:
        return [*self.engines, *self.followers, *self.judges]

    def rotate(self, partition: int, snapshots: dict[str, bytes], due: dict[str, Any]) -> None:
        """`snapshots`, `due`: of all the partition's shops as they are now."""
        for engine in self.everyone():
            engine.rotate(partition)
        self.rotated[partition] = Rotated(len(self.log[partition]), snapshots, due)

    def store(self, partition: int, rng: Random) -> None:
        """Makes the manifest of the partition's last rotation on every disk: the same on all."""
        rotated, seed = self.rotated[partition], rng.randrange(2**32)
        made = []
        for core, disk in zip(self.cores, self.disks, strict=True):
            manifest = self._store(core, disk, partition, rotated, Random(seed))
            disk.manifests[partition] = manifest
            made.append(manifest.SerializeToString(deterministic=True))
        assert all(m == made[0] for m in made), f"manifests differ: {made}"
        assert all(d.chunks == self.disks[0].chunks for d in self.disks)
        rotated.stored = True

    def _store(
        self, core: Any, disk: Disk, partition: int, rotated: Rotated, rng: Random
    ) -> engine_pb2.Manifest:
        old = disk.manifests.get(partition, engine_pb2.Manifest(partition=partition))
        places = {shop.shop_id: shop for shop in old.shops}
        scratch = self._engine(core, self.partitions, disk)
        if partition in disk.manifests:
            scratch.load_manifest(old)
        scratch.apply(b"".join(self.log[partition][old.seq : rotated.seq]))
        for shop_id in scratch.touched():
            encoded, head, contents = scratch.flush(shop_id)
            shop = engine_pb2.StoredShop.FromString(encoded)
            assert shop.SerializeToString(deterministic=True) == encoded
            assert not (shop.head or shop.segments)
            assert shop.fresh or shop_id in places
            segments = [] if shop.fresh else list(places[shop_id].segments)
            if contents:
                assert contents == cut(read_segment(contents))
                segments.insert(0, disk.put_segment(contents))
            shop.fresh = False
            shop.head.extend(
                disk.put(head[i : i + HEAD_BYTES]) for i in range(0, len(head), HEAD_BYTES)
            )
            shop.segments.extend(segments)
            places[shop_id] = shop
        assert set(places) == set(rotated.snapshots)
        for shop_id, shop in places.items():
            for _ in range(rng.choice([0, 0, 1, 2])):
                _merge_some(core, disk, shop, rng)
            check_stored(disk, shop, rotated.snapshots[shop_id], rotated.next_due[shop_id])
        version = engine_pb2.ShopSnapshot.FromString(next(iter(rotated.snapshots.values()), b""))
        return engine_pb2.Manifest(
            rules_version=version.rules_version or core.RULES_VERSION,
            partition=partition,
            seq=rotated.seq,
            shops=[places[shop_id] for shop_id in sorted(places, key=str.encode)],
        )

    def install(self, partition: int) -> None:
        for engine in self.everyone():
            engine.install(engine.disk.manifests[partition])
        del self.rotated[partition]

    def shrink(self) -> None:
        for engine in self.everyone():
            engine.shrink(0)

    def start_again(self) -> None:
        """Every engine anew from its disk and the tail of the log."""
        for role in (self.engines, self.followers, self.judges):
            role[:] = [self._anew(engine, range(self.partitions)) for engine in role]
        self.rotated.clear()

    def partition_again(self, partition: int) -> None:
        """One partition anew on every engine, as when some of what was decided could not be logged."""
        for engine in self.everyone():
            engine.take_partition(self._anew(engine, [partition]), partition)
        self.rotated.pop(partition, None)

    def _anew(self, engine: Any, partitions: Iterable[int]) -> Any:
        fresh = self._engine(engine.core, self.partitions, engine.disk)
        for partition in partitions:
            if partition in engine.disk.manifests:
                fresh.load_manifest(engine.disk.manifests[partition])
            fresh.apply(self._tail(partition))
        return fresh

    def _tail(self, partition: int) -> bytes:
        manifest = self.disks[0].manifests.get(partition)
        return b"".join(self.log[partition][manifest.seq if manifest else 0 :])


def _merge_some(core: Any, disk: Disk, shop: engine_pb2.StoredShop, rng: Random) -> None:
    """Makes one segment of some neighbours, in one go or by ranges of keys."""
    if not shop.segments:
        return
    first = rng.randrange(len(shop.segments))
    last = rng.randrange(first, len(shop.segments)) + 1
    sources = [disk.contents(s) for s in shop.segments[first:last]]
    entries = [read_segment(s) for s in sources]
    keys = [key for source in entries for key, _, _ in source]
    edges = [b"", *sorted({rng.choice(keys) for _ in range(rng.choice([0, 0, 1, 2]))}), b""]
    scope = shop.last_now_ms, shop.contact_lifetime_ms, shop.contacts_since_ms
    contents = []
    for start, end in itertools.pairwise(edges):
        made = core.merge_chunks(sources, start, end, *scope)
        assert made == cut(merged(entries, start, end, *scope))
        contents += made
    segments = list(shop.segments)
    segments[first:last] = [disk.put_segment(contents)] if contents else []
    del shop.segments[:]
    shop.segments.extend(segments)


def check_stored(
    disk: Disk, shop: engine_pb2.StoredShop, snapshot: bytes, next_due: int | None
) -> None:
    """What is stored of a shop against its snapshot of that moment."""
    whole = engine_pb2.ShopSnapshot.FromString(snapshot)
    head = b"".join(disk.chunks[i] for i in shop.head)
    assert head == head_of(whole).SerializeToString(deterministic=True)
    check_segments(whole, [read_segment(disk.contents(segment)) for segment in shop.segments])
    sessions = {a.session_id for a in whole.agents if a.session_id}
    expected = engine_pb2.StoredShop(
        shop_id=whole.shop.shop_id,
        head=shop.head,
        segments=shop.segments,
        next_due_ms=next_due,
        session_ids=sorted(sessions, key=str.encode),
        deleted=whole.deleted,
        last_decision=whole.last_decision,
        last_now_ms=whole.last_now_ms,
        contact_lifetime_ms=lifetime_of(whole),
        contacts_since_ms=whole.contacts_since_ms,
    )
    assert shop == expected
