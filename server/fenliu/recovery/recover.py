"""From the newest snapshots and the records behind them to a state, quickly.

A snapshot is an optimisation: one that cannot be used is passed over for an older one or the whole log.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from fenliu.engine import Core, Engine, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import CorruptSnapshot, Reader
from fenliu.recovery.records import apply_entries, apply_record, records, supply
from fenliu.recovery.segments import ChunkStore, flushed
from fenliu.v1 import shop_pb2

log = logging.getLogger(__name__)

SCRATCH_BYTES = 64 * 2**20
"""What an engine that is only read from keeps of chunks and loaded shops."""
TAIL_BYTES = 256 * 2**20
"""The same while records are applied, to one shop: nearly every one may need another chunk of it."""


Store = Callable[[Engine, int, int], bool]
"""Given an engine, a partition and the last record in it: whether there is a snapshot of just that now."""


@dataclass(slots=True)
class Recovered:
    """What a recovery read behind the snapshots, and what it found out."""

    records: int = 0
    entries: int = 0
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Where each log that has records ends: (seq, checksum)."""
    tails: dict[int, int] = field(default_factory=dict)
    """Bytes of entries behind the snapshot used."""
    unusable: list[tuple[int, int]] = field(default_factory=list)
    """(partition, seq) of snapshots that are damaged; an older one or the log served instead."""


def _keep(_engine: Engine, _partition: int, _seq: int) -> bool:
    return False


def recover(
    journal: Reader,
    core: Core,
    partitions: Collection[int] | None = None,
    *,
    unusable: Collection[tuple[int, int]] = (),
    store: Store = _keep,
) -> tuple[Engine, Recovered]:
    """A fresh engine with the state of these (default: all) partitions, shops stored where they can be.

    `unusable`: snapshots known to be damaged. `store`: called when a partition is there, and may replace
    what is loaded of it by a new snapshot. Not for the event loop. Raises CorruptRecord, among them
    NewerRecord; CorruptSnapshot when there is nothing else to go by; StorageError.
    """
    engine = core.engine(journal.partitions)
    recovered = Recovered()
    for partition in sorted(journal.heads(partitions)):
        _recover(journal, core, engine, partition, recovered, set(unusable))
        if store(engine, partition, recovered.ends[partition][0]):
            recovered.tails[partition] = 0
    return engine, recovered


def recover_shop(
    journal: Reader, core: Core, shop_id: str, *, unusable: Collection[tuple[int, int]] = ()
) -> Engine:
    """A fresh engine in which this shop, and it alone, is as its partition's log says.

    Its caller sees to it that no snapshot of the partition is being made. Not for the event loop. Raises as
    `recover`, CorruptSnapshot also where that goes by an older one.
    """
    partition = partition_of(shop_id, journal.partitions)
    engine = core.engine(journal.partitions)
    base = _load(journal, engine, partition, core.rules_version, unusable=unusable)
    for record in records(journal, core, partition, base + 1):
        apply_record(journal, engine, record, shop_id)
        engine.shrink(TAIL_BYTES)
    return engine


def manifest_before(
    journal: Reader, core: Core, shop_id: str, seq: int, earlier: bytes = b""
) -> tuple[bytes, dict[bytes, bytes]]:
    """One shop as it was before record `seq` of its partition, for any engine to load.

    `earlier`: entries, the first ones of that record, that count as before it, too. Returns an encoded
    `Manifest` of this shop alone (of none, if there was none), and the contents of those of its chunks that
    are not in the journal. Not for the event loop. Raises as `recover`; CorruptSnapshot also when the
    snapshot it began with is dropped meanwhile.
    """
    partition = partition_of(shop_id, journal.partitions)
    engine = core.engine(journal.partitions)
    base = _load(journal, engine, partition, core.rules_version, before=seq)
    for record in records(journal, core, partition, base + 1):
        if record.seq >= seq:
            break
        apply_record(journal, engine, record, shop_id)
        engine.shrink(TAIL_BYTES)
    apply_entries(journal, engine, earlier, shop_id)
    manifest = engine_pb2.Manifest(
        rules_version=core.rules_version, partition=partition, seq=seq - 1
    )
    chunks: dict[bytes, bytes] = {}
    put = chunks.__setitem__
    stored = _stored_shop(journal, partition, base, shop_id)
    if shop_id in engine.touched():
        stored = flushed(core, engine, shop_id, stored, ChunkStore(put, put))
    if stored is not None:
        manifest.shops.append(stored)
    return manifest.SerializeToString(), chunks


def _stored_shop(
    journal: Reader, partition: int, seq: int, shop_id: str
) -> engine_pb2.StoredShop | None:
    if not seq:
        return None
    found = journal.manifest(partition, seq)
    if found is None or found.seq != seq:
        raise CorruptSnapshot(partition, seq, "dropped meanwhile")
    shops = engine_pb2.Manifest.FromString(found.content).shops
    return next((shop for shop in shops if shop.shop_id == shop_id), None)


def shop_document(journal: Reader, core: Core, shop_id: str, seq: int) -> shop_pb2.Shop | None:
    """The shop's document as it was before record `seq` of its partition; None: there was no shop.

    Not for the event loop. Raises as `recover`.
    """
    head = head_of(journal, *manifest_before(journal, core, shop_id, seq))
    return head.shop if head is not None and not head.deleted else None


def head_of(
    journal: Reader, manifest: bytes, chunks: Mapping[bytes, bytes]
) -> engine_pb2.ShopSnapshot | None:
    """The head of the one shop of such a manifest (docs/engine.md section 13); None: there is none.

    Raises CorruptSnapshot, StorageError.
    """
    shops = engine_pb2.Manifest.FromString(manifest).shops
    if not shops:
        return None
    stored = {**journal.chunks(None, [one for one in shops[0].head if one not in chunks]), **chunks}
    return engine_pb2.ShopSnapshot.FromString(b"".join(stored[one] for one in shops[0].head))


def whole_snapshot(journal: Reader, engine: Engine, shop_id: str) -> bytes:
    """`Engine.snapshot` of a shop that may be stored. Raises KeyError, CorruptSnapshot, StorageError."""
    while missing := engine.missing_of(shop_id):
        supply(journal, engine, missing)
    return engine.snapshot(shop_id)


def state_hash(
    journal: Reader, core: Core, ends: Mapping[int, int] | None = None
) -> tuple[bytes, int]:
    """The state hash (docs/engine.md section 12) and how many shops there are.

    `ends`: the last record of each partition to count (default: all there are). Not for the event
    loop. Raises as `recover`.
    """
    hashes: dict[bytes, bytes] = {}
    shops = 0
    for partition in sorted(journal.heads() if ends is None else ends):
        end = None if ends is None else ends[partition]
        engine = core.engine(journal.partitions)
        base = _load(
            journal, engine, partition, core.rules_version, before=None if end is None else end + 1
        )
        for record in records(journal, core, partition, base + 1):
            if end is not None and record.seq > end:
                break
            apply_record(journal, engine, record)
        shops += len(engine.shop_ids())
        hashes |= shop_hashes(journal, engine)
    return combined(hashes), shops


def shop_hashes(journal: Reader, engine: Engine) -> dict[bytes, bytes]:
    """SHA-256 of the snapshot of each shop, deleted ones too, by the shop's id.

    Shops are looked at one by one and forgotten again where they can be. Raises CorruptSnapshot,
    StorageError.
    """
    hashes = {}
    for shop_id in engine.shop_ids(deleted=True):
        snapshot = whole_snapshot(journal, engine, shop_id)
        hashes[shop_id.encode()] = hashlib.sha256(snapshot).digest()
        engine.shrink(SCRATCH_BYTES)
    return hashes


def combined(hashes: Mapping[bytes, bytes]) -> bytes:
    """The state hash out of all shops' hashes."""
    whole = hashlib.sha256()
    for _, digest in sorted(hashes.items()):
        whole.update(digest)
    return whole.digest()


def _recover(
    journal: Reader,
    core: Core,
    engine: Engine,
    partition: int,
    recovered: Recovered,
    unusable: set[tuple[int, int]],
) -> None:
    while True:
        base = 0
        try:
            base = _load(journal, engine, partition, core.rules_version, unusable=unusable)
            read = _apply_tail(journal, core, engine, partition, base)
            break
        except CorruptSnapshot as error:
            found = (partition, error.seq or base)
            if found in unusable or not found[1]:
                raise
            log.warning("partition %d: %s; going by what is older", partition, error)
            unusable.add(found)
            recovered.unusable.append(found)
            # What this attempt has left goes.
            engine.take_partition(core.engine(journal.partitions), partition)
    recovered.records += read.records
    recovered.entries += read.entries
    recovered.ends[partition] = read.end
    recovered.tails[partition] = read.size


@dataclass(frozen=True, slots=True)
class _Tail:
    records: int
    entries: int
    size: int
    end: tuple[int, int]


def _apply_tail(journal: Reader, core: Core, engine: Engine, partition: int, base: int) -> _Tail:
    head = journal.heads([partition])[partition]
    count = entries = size = 0
    end = (0, 0)
    # The last record is read even when the snapshot holds it: where the log ends must be known.
    for record in records(journal, core, partition, min(base + 1, head.seq)):
        end = (record.seq, record.checksum)
        if record.seq > base:
            count += 1
            entries += apply_record(journal, engine, record)
            size += len(record.entries)
    return _Tail(count, entries, size, end)


def _load(
    journal: Reader,
    engine: Engine,
    partition: int,
    rules_version: int,
    *,
    before: int | None = None,
    unusable: Collection[tuple[int, int]] = (),
) -> int:
    """Puts in place the newest snapshot of records before `before`; returns its seq, 0: none."""
    for head in reversed(journal.manifests(partition)):
        if (partition, head.seq) in unusable or (before is not None and head.seq >= before):
            continue
        manifest = journal.manifest(partition, head.seq)
        if manifest is None or manifest.seq != head.seq:
            continue  # dropped meanwhile
        manifest.check_rules(rules_version)
        try:
            engine.load_manifest(manifest.content)
        except ValueError as error:
            raise CorruptSnapshot(partition, head.seq, str(error)) from error
        return head.seq
    start = journal.starts([partition]).get(partition, 1)
    if start > 1:
        raise CorruptSnapshot(
            partition,
            0,
            f"the log begins at record {start} and no snapshot stands for those before",
        )
    return 0
