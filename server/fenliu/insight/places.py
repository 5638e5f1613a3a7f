"""Where in a shop's log a moment is, and the shop as it was then. Reads the journal; not for the event loop.

A shop's entries are in the order of its time. Snapshots say how far it had come.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from google.protobuf import proto

from fenliu.engine import Core, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.watch import entries
from fenliu.journal import CorruptSnapshot, Reader, Record
from fenliu.recovery import manifest_before, records


@dataclass(frozen=True, slots=True)
class Place:
    """Between two entries: behind so many entries of a partition's record `seq`."""

    seq: int
    passed: int = 0


def first_at(reader: Reader, core: Core, shop_id: str, at_ms: int) -> Place:
    """Before the shop's first entry of this time or later; where the log ends if there is none.

    Raises CorruptRecord (DroppedRecord: what is old is just being dropped), CorruptSnapshot, StorageError.
    """
    end = at_end(reader, shop_id)
    first = _snapshot_before(reader, shop_id, at_ms) + 1
    if first >= end.seq:
        return end
    partition = partition_of(shop_id, reader.partitions)
    for record in records(reader, core, partition, first):
        if names(record, shop_id):
            for passed, entry in enumerate(entries(record)):
                if entry.now_ms >= at_ms and command_of(entry).shop_id == shop_id:
                    return Place(record.seq, passed)
        end = Place(max(end.seq, record.seq + 1))
    return end


def at_end(reader: Reader, shop_id: str) -> Place:
    """Where the log of the shop's partition ends. Raises StorageError."""
    partition = partition_of(shop_id, reader.partitions)
    heads = reader.heads([partition])
    return Place(heads[partition].seq + 1 if partition in heads else 1)


def entries_from(
    reader: Reader, core: Core, shop_id: str, place: Place
) -> Iterator[engine_pb2.Entry]:
    """The shop's entries from a place on, as far as they are logged by now. Raises as `first_at`."""
    if place.seq >= at_end(reader, shop_id).seq:
        return
    partition = partition_of(shop_id, reader.partitions)
    for record in records(reader, core, partition, place.seq):
        yield from entries_of(record, shop_id, place)


def entries_of(record: Record, shop_id: str, place: Place) -> Iterator[engine_pb2.Entry]:
    """The shop's entries in a record, without what is passed."""
    if names(record, shop_id):
        skipped = place.passed if record.seq == place.seq else 0
        for number, entry in enumerate(entries(record)):
            if number >= skipped and command_of(entry).shop_id == shop_id:
                yield entry


def names(record: Record, shop_id: str) -> bool:
    """Whether a record can have entries of the shop; those that can not need not be decoded."""
    # As it stands in every command of the shop, behind its length.
    return engine_pb2.Tick(shop_id=shop_id).SerializeToString()[1:] in record.entries


def shop_at(
    reader: Reader, core: Core, shop_id: str, place: Place
) -> tuple[bytes, dict[bytes, bytes]]:
    """The shop there, for an engine to load: as `manifest_before`, and raises as it does."""
    earlier = b""
    if place.passed:
        partition = partition_of(shop_id, reader.partitions)
        record = next(records(reader, core, partition, place.seq))
        buffer = BytesIO()
        for number, entry in enumerate(entries(record)):
            if number < place.passed:
                proto.serialize_length_prefixed(entry, buffer)
        earlier = buffer.getvalue()
    return manifest_before(reader, core, shop_id, place.seq, earlier)


def _snapshot_before(reader: Reader, shop_id: str, at_ms: int) -> int:
    """The newest snapshot in which the shop has not come to a moment yet; 0: none."""
    partition = partition_of(shop_id, reader.partitions)
    snapshots = [head.seq for head in reader.manifests(partition)]

    def come_to(seq: int) -> int:
        """Where the shop had come by a snapshot; -1: it was not there."""
        stored = reader.manifest(partition, seq)
        if stored is None or stored.seq != seq:
            raise CorruptSnapshot(partition, seq, "dropped meanwhile")
        shops = engine_pb2.Manifest.FromString(stored.content).shops
        return next((shop.last_now_ms for shop in shops if shop.shop_id == shop_id), -1)

    before = bisect_left(snapshots, at_ms, key=come_to)
    return snapshots[before - 1] if before else 0
