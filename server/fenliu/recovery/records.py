"""Reading a log for an engine: records it can use, and the chunks it asks for meanwhile."""

from collections.abc import Iterator

from fenliu.engine import Core, Engine
from fenliu.journal import CorruptRecord, NewerRecord, Reader, Record

CHUNK_ID_BYTES = 32
CHUNKS_AT_ONCE = 64
"""How many chunks are in memory twice while they are handed over."""


def records(journal: Reader, core: Core, partition: int, from_seq: int = 1) -> Iterator[Record]:
    """The partition's records from `from_seq` on. Raises NewerRecord for one of newer rules, CorruptRecord."""
    for record in journal.read(partition, from_seq):
        if record.rules_version > core.rules_version:
            raise NewerRecord(
                partition,
                record.seq,
                f"written by rules version {record.rules_version}; "
                f"this program knows {core.rules_version}",
            )
        yield record


def supply(journal: Reader, engine: Engine, ids: bytes) -> None:
    """Hands the engine the chunks it named. Raises CorruptSnapshot, StorageError."""
    wanted = chunk_ids(ids)
    for start in range(0, len(wanted), CHUNKS_AT_ONCE):
        found = journal.chunks(None, wanted[start : start + CHUNKS_AT_ONCE])
        for chunk_id, content in found.items():
            engine.put_chunk(chunk_id, content)


def chunk_ids(ids: bytes) -> list[bytes]:
    """Ids that an engine has named one behind the other."""
    return [ids[at : at + CHUNK_ID_BYTES] for at in range(0, len(ids), CHUNK_ID_BYTES)]


def apply_record(journal: Reader, engine: Engine, record: Record, shop_id: str = "") -> int:
    """Applies a record's entries, with `shop_id` only that shop's; returns how many it has.

    Raises CorruptRecord for what are no entries, CorruptSnapshot, StorageError.
    """
    try:
        count = apply_entries(journal, engine, record.entries, shop_id)
    except ValueError as error:
        raise CorruptRecord(record.partition, record.seq, f"entries: {error}") from error
    if count != record.count:
        raise CorruptRecord(
            record.partition, record.seq, f"holds {count} entries, its header says {record.count}"
        )
    return count


def apply_entries(journal: Reader, engine: Engine, entries: bytes, shop_id: str = "") -> int:
    """Applies entries, with `shop_id` only that shop's; returns how many there are.

    Raises ValueError for what are no entries, CorruptSnapshot, StorageError.
    """
    count = start = 0
    while True:
        some, start, missing = engine.apply(entries, start, shop_id)
        count += some
        if not missing:
            return count
        supply(journal, engine, missing)
