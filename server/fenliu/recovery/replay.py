"""From a log to a state: replaying it by its facts, and verifying it by deciding everything again."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from fenliu.engine import Core, Engine, partition_of
from fenliu.journal import CorruptRecord, NewerRecord, Reader, Record


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay read, and where each log that has records ends: (seq, checksum) by partition."""

    records: int
    entries: int
    ends: dict[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that was not decided again as it is in the log; `index` is its place in its record."""

    partition: int
    seq: int
    index: int
    logged: bytes
    decided: bytes


@dataclass(slots=True)
class Verified:
    """What a verification read, and the first difference of each partition that has one."""

    records: int = 0
    entries: int = 0
    differences: list[Difference] = field(default_factory=list)


def replay(
    journal: Reader, core: Core, partitions: Collection[int] | None = None
) -> tuple[Engine, Replayed]:
    """A fresh engine with the state that the logs (default: of all partitions) give.

    Takes as long as the logs are: not for the event loop. Raises CorruptRecord,
    among them NewerRecord for one of newer rules, StorageError.
    """
    engine = core.engine(journal.partitions)
    records = entries = 0
    ends = {}
    for partition in sorted(journal.heads(partitions)):
        for record in _records(journal, core, partition):
            try:
                applied, _, _ = engine.apply(record.entries)
            except ValueError as error:
                raise CorruptRecord(partition, record.seq, f"entries: {error}") from error
            _check_count(record, applied)
            records += 1
            entries += applied
            ends[partition] = (record.seq, record.checksum)
    return engine, Replayed(records, entries, ends)


def state_before(journal: Reader, core: Core, shop_id: str, seq: int) -> Engine:
    """An engine in which this shop is as it was before record `seq` of its partition.

    Says nothing of other shops. Not for the event loop. Raises as `replay`.
    """
    engine = core.engine(journal.partitions)
    partition = partition_of(shop_id, journal.partitions)
    for record in _records(journal, core, partition):
        if record.seq >= seq:
            break
        engine.apply(record.entries)
    return engine


def verify(journal: Reader, core: Core, partitions: Collection[int] | None = None) -> Verified:
    """Decides every logged command (default: of all partitions) again and compares with the log.

    A partition is left at its first difference, since what follows rests on it. Raises as `replay`.
    """
    engine = core.engine(journal.partitions)
    report = Verified()
    for partition in sorted(journal.heads(partitions)):
        if difference := _verify_partition(journal, core, engine, partition, report):
            report.differences.append(difference)
    return report


def _verify_partition(
    journal: Reader, core: Core, engine: Engine, partition: int, report: Verified
) -> Difference | None:
    for record in _records(journal, core, partition):
        report.records += 1
        logged = list(_split(record))
        _check_count(record, len(logged))
        for index, entry in enumerate(logged):
            report.entries += 1
            _, _, _, decided = engine.redecide(entry)
            if decided != entry:
                return Difference(partition, record.seq, index, entry, decided)
    return None


def _records(journal: Reader, core: Core, partition: int) -> Iterator[Record]:
    for record in journal.read(partition):
        if record.rules_version > core.rules_version:
            raise NewerRecord(
                partition,
                record.seq,
                f"written by rules version {record.rules_version}; "
                f"this program knows {core.rules_version}",
            )
        yield record


def _check_count(record: Record, found: int) -> None:
    if found != record.count:
        raise CorruptRecord(
            record.partition, record.seq, f"holds {found} entries, its header says {record.count}"
        )


def _split(record: Record) -> Iterator[bytes]:
    """The record's entries, each still behind its length."""
    entries = record.entries
    start = 0
    while start < len(entries):
        length, shift, body = 0, 0, start
        while True:
            if body >= len(entries):
                raise CorruptRecord(record.partition, record.seq, "ends inside an entry's length")
            byte = entries[body]
            length |= (byte & 0x7F) << shift
            body += 1
            shift += 7
            if byte < 0x80:
                break
        if body + length > len(entries):
            raise CorruptRecord(record.partition, record.seq, "ends inside an entry")
        yield entries[start : body + length]
        start = body + length
