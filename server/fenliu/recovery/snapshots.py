"""Makes the next snapshot of a partition: out of the last one and the records since, in the background.

The engine that serves is not asked: a snapshot follows from the log. So it holds up nobody, and what is
in it is durable already.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from fenliu.engine import Core, Engine
from fenliu.engine.v1 import engine_pb2
from fenliu.failpoints import reached
from fenliu.journal import CorruptSnapshot, Journal
from fenliu.recovery.records import apply_record, records
from fenliu.recovery.segments import ChunkStore, flushed

log = logging.getLogger(__name__)

PUT_BYTES = 2**20
"""Chunks stored in one transaction: between two of them others may write."""
SCRATCH_BYTES = 256 * 2**20
"""Chunks and untouched shops beyond these are forgotten while a tail is applied."""
GIVEN_BYTES = 32 * 2**20
"""Of new chunks' contents that are given to those who serve."""
DROP_RECORDS = 256
"""Records dropped in one transaction."""
HISTORY_BYTES = 16 * 2**20
HISTORY_MS = 86_400_000
"""A snapshot is kept, for looking back, when so many bytes of entries or so much time lie between it and
the one kept before."""


@dataclass(frozen=True, slots=True)
class Written:
    """A snapshot that is durable."""

    seq: int
    manifest: bytes
    size: int = 0
    """Bytes that were stored for it."""
    tail: int = 0
    """Bytes of entries that were read for it,"""
    read_s: float = 0.0
    """... in how much processor time, seconds."""
    filters: Mapping[bytes, bytes] = field(default_factory=dict)
    """Of the chunks of its segments that are new, by their ids, as `Core.filter_of` gives them."""
    contents: Mapping[bytes, bytes] = field(default_factory=dict)
    """Of some of these chunks, by their ids: who serves need not read them."""


class SnapshotWriter:
    """Writes the snapshots of one journal. For one thread at a time, and not for the event loop."""

    def __init__(
        self, journal: Journal, core: Core, between: Callable[[], None] = lambda: None
    ) -> None:
        """`between`: called between the steps in which a snapshot is made, of milliseconds most of them."""
        self._journal = journal
        self._core = core
        self._between = between
        self._since_kept: dict[int, int] = {}
        """Bytes of entries behind the newest snapshot that is kept for looking back."""
        self._references: dict[int, Counter[bytes]] = {}
        """How many snapshots of a partition name each of its chunks; of partitions that have been swept."""
        self._counted: dict[int, set[int]] = {}
        """Which snapshots these are."""

    def write(self, partition: int, seq: int) -> Written:
        """Makes the snapshot of a partition as record `seq`, which is durable, left it.

        Raises CorruptRecord, CorruptSnapshot, StorageError; then nothing has changed.
        """
        base = self._journal.manifest(partition)
        manifest = engine_pb2.Manifest(rules_version=self._core.rules_version, partition=partition)
        engine = self._core.engine(self._journal.partitions)
        if base is not None:
            base.check_rules(self._core.rules_version)
            manifest.ParseFromString(base.content)
            engine.load_manifest(base.content)
        tail = now_ms = 0
        begun = time.thread_time()
        for record in records(self._journal, self._core, partition, manifest.seq + 1):
            if record.seq > seq:
                break
            apply_record(self._journal, engine, record)
            if engine.memory() > SCRATCH_BYTES:
                engine.shrink(SCRATCH_BYTES)
            tail += len(record.entries)
            manifest.seq, now_ms = record.seq, record.now_ms
            self._between()
        read_s = time.thread_time() - begun
        if manifest.seq != seq:
            raise CorruptSnapshot(partition, seq, "there is no such record to make a snapshot of")
        if base is not None and base.seq == seq:
            return Written(seq, base.content)
        store = _Store(self._journal, self._core, partition, self._between)
        self._write_shops(engine, manifest, store)
        store.flush()
        reached("snapshot-chunks")
        content = manifest.SerializeToString(deterministic=True)
        self._journal.put_manifest(
            partition, seq, now_ms, self._core.rules_version, content
        ).result()
        reached("snapshot-manifest")
        self._tidy(partition, manifest, tail)
        size = store.size + len(content)
        return Written(seq, content, size, tail, read_s, store.filters, store.contents)

    def retain(self, partition: int, since_ms: int) -> int:
        """Drops records and snapshots that are not needed to look back to `since_ms`; how many records.

        The newest snapshot made before that time is kept, and all that came after it.
        """
        heads = self._journal.manifests(partition)
        bases = [head.seq for head in heads if head.now_ms < since_ms]
        last = self._journal.heads([partition]).get(partition)
        if not bases or last is None:
            return 0
        older = bases[:-1]
        if older:
            self._swept(partition, {head.seq for head in heads})
            self._drop_snapshots(partition, older)
        up_to = min(bases[-1], last.seq - 1)
        dropped = 0
        while some := self._journal.drop_records(partition, up_to, DROP_RECORDS).result():
            dropped += some
        return dropped

    def _write_shops(self, engine: Engine, manifest: engine_pb2.Manifest, store: _Store) -> None:
        shops = {shop.shop_id: shop for shop in manifest.shops}
        places = ChunkStore(store.put, store.put_entries, store.fetch)
        for shop_id in engine.touched():
            before = shops.get(shop_id)
            try:
                stored = flushed(self._core, engine, shop_id, before, places)
            except ValueError as error:  # out of the engine: what it was given contradicts itself
                problem = f"shop {shop_id!r} cannot be stored: {error}"
                raise CorruptSnapshot(manifest.partition, manifest.seq, problem) from error
            shops[shop_id] = stored
        del manifest.shops[:]
        manifest.shops.extend(shop for _, shop in sorted(_by_id(shops.values())))

    def _tidy(self, partition: int, newest: engine_pb2.Manifest, tail: int) -> None:
        """Drops the snapshot before, unless it is to be kept, and chunks that nothing needs any more."""
        older = [head for head in self._journal.manifests(partition) if head.seq < newest.seq]
        since = self._since_kept.get(partition, HISTORY_BYTES) + tail
        # The oldest stays in any case: it may stand for a beginning that was dropped.
        near = len(older) > 1 and older[-1].now_ms - older[-2].now_ms < HISTORY_MS
        if self._swept(partition, {head.seq for head in older}):
            self._references[partition].update(chunks_of(newest))
            self._counted[partition].add(newest.seq)
        if near and since < HISTORY_BYTES:
            self._drop_snapshots(partition, [older[-1].seq])
        else:
            since = 0
        self._since_kept[partition] = since

    def _swept(self, partition: int, seqs: Set[int]) -> bool:
        """Whether these snapshots are counted; else all are now, and what an ended process has left goes."""
        if partition in self._references and self._counted[partition] == seqs:
            return True
        references: Counter[bytes] = Counter()
        heads = self._journal.manifests(partition)
        for head in heads:
            references.update(self._named(partition, head.seq))
        self._drop_chunks(partition, self._journal.chunk_ids(partition) - references.keys())
        self._references[partition] = references
        self._counted[partition] = {head.seq for head in heads}
        return False

    def _drop_snapshots(self, partition: int, seqs: Sequence[int]) -> None:
        """With the chunks that no other names."""
        references = self._references.pop(partition)  # should this fail, they are counted again
        named = [self._named(partition, seq) for seq in seqs]
        self._journal.drop_manifests(partition, seqs).result()
        self._counted[partition] -= set(seqs)
        for ids in named:
            references.subtract(ids)
        garbage = {chunk_id for ids in named for chunk_id in ids if references[chunk_id] <= 0}
        self._drop_chunks(partition, garbage)
        for chunk_id in garbage:
            del references[chunk_id]
        self._references[partition] = references

    def _named(self, partition: int, seq: int) -> set[bytes]:
        stored = self._journal.manifest(partition, seq)
        if stored is None:
            return set()
        return chunks_of(engine_pb2.Manifest.FromString(stored.content))

    def _drop_chunks(self, partition: int, ids: Set[bytes]) -> None:
        garbage = sorted(ids)
        for start in range(0, len(garbage), DROP_RECORDS):
            self._journal.drop_chunks(partition, garbage[start : start + DROP_RECORDS]).result()


def chunks_of(manifest: engine_pb2.Manifest) -> set[bytes]:
    """Ids of all chunks that a manifest names."""
    ids: set[bytes] = set()
    for shop in manifest.shops:
        ids.update(shop.head)
        for segment in shop.segments:
            ids.update(chunk.id for chunk in segment.chunks)
    return ids


def _by_id(
    shops: Iterable[engine_pb2.StoredShop],
) -> Iterable[tuple[bytes, engine_pb2.StoredShop]]:
    return ((shop.shop_id.encode(), shop) for shop in shops)


class _Store:
    """Puts chunks a few at a time, and gives back those it was given."""

    def __init__(
        self, journal: Journal, core: Core, partition: int, between: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._core = core
        self._partition = partition
        self._between = between
        self._gathered: dict[bytes, bytes] = {}
        self._gathered_bytes = 0
        self._given_bytes = 0
        self.size = 0
        self.filters: dict[bytes, bytes] = {}
        self.contents: dict[bytes, bytes] = {}

    def put(self, chunk_id: bytes, content: bytes) -> None:
        self._between()
        self._gathered[chunk_id] = content
        self._gathered_bytes += len(content)
        self.size += len(content)
        if self._gathered_bytes >= PUT_BYTES:
            self.flush()

    def put_entries(self, chunk_id: bytes, content: bytes) -> None:
        """A chunk of a segment; keeps what spares those who serve a look into it."""
        self.put(chunk_id, content)
        if filter_bytes := self._core.filter_of(content):
            self.filters[chunk_id] = filter_bytes
        if self._given_bytes + len(content) <= GIVEN_BYTES:
            self._given_bytes += len(content)
            self.contents[chunk_id] = content

    def fetch(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        here = {one: self._gathered[one] for one in ids if one in self._gathered}
        return here | self._journal.chunks(self._partition, [one for one in ids if one not in here])

    def flush(self) -> None:
        if self._gathered:
            self._journal.put_chunks(
                self._partition, self._gathered, self._core.rules_version
            ).result()
            self._gathered = {}
            self._gathered_bytes = 0
