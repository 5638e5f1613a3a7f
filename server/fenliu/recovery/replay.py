"""From a whole log to a state: replaying it by its facts, and verifying it by deciding everything again.

Where retention has dropped a log's beginning, the oldest snapshot kept stands for it; newer ones are
not used here.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from fenliu.engine import Core, Engine
from fenliu.journal import CorruptRecord, CorruptSnapshot, Reader, Record
from fenliu.recovery.records import apply_record, records, supply

MISSING = -1  # the code with which an engine names chunks


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
    among them NewerRecord for one of newer rules, CorruptSnapshot, StorageError.
    """
    engine = core.engine(journal.partitions)
    count = entries = 0
    ends = {}
    for partition in sorted(journal.heads(partitions)):
        for record in _from_the_start(journal, core, engine, partition):
            entries += apply_record(journal, engine, record)
            count += 1
            ends[partition] = (record.seq, record.checksum)
    return engine, Replayed(count, entries, ends)


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


def load_oldest(journal: Reader, core: Core, engine: Engine, partition: int) -> int:
    """Puts in place what stands for a log's beginning; returns the record it holds up to (0: nothing).

    Raises CorruptSnapshot when the beginning is gone and nothing stands for it.
    """
    start = journal.starts([partition]).get(partition, 1)
    if start == 1:
        return 0
    oldest = journal.manifests(partition)[:1]
    manifest = journal.manifest(partition, oldest[0].seq) if oldest else None
    if manifest is None or manifest.seq < start - 1:
        raise CorruptSnapshot(
            partition, 0, f"the log begins at record {start}; no snapshot stands for those before"
        )
    manifest.check_rules(core.rules_version)
    engine.load_manifest(manifest.content)
    return manifest.seq


def _from_the_start(
    journal: Reader, core: Core, engine: Engine, partition: int
) -> Iterator[Record]:
    base = load_oldest(journal, core, engine, partition)
    head = journal.heads([partition])[partition]
    # The last record is read even when it is in the snapshot: where the log ends must be known.
    for record in records(journal, core, partition, min(base + 1, head.seq)):
        if record.seq > base:
            yield record


def _verify_partition(
    journal: Reader, core: Core, engine: Engine, partition: int, report: Verified
) -> Difference | None:
    for record in _from_the_start(journal, core, engine, partition):
        report.records += 1
        logged = list(_split(record))
        if len(logged) != record.count:
            raise CorruptRecord(
                partition,
                record.seq,
                f"holds {len(logged)} entries, its header says {record.count}",
            )
        for index, entry in enumerate(logged):
            report.entries += 1
            code, reply, _, decided = engine.redecide(entry)
            while code == MISSING:
                supply(journal, engine, reply)
                code, reply, _, decided = engine.redecide(entry)
            if decided != entry:
                return Difference(partition, record.seq, index, entry, decided)
    return None


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
