"""Records: what one group commit adds to one partition's log (docs/formats.md).

Packs and checks the header and the chain of checksums; what the entries say is not known here.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import google_crc32c

from fenliu.journal.compression import COMPRESSED, PLAIN, BadFrame, packed, unpacked
from fenliu.journal.errors import CorruptRecord, NewerRecord

MAGIC = b"FLR1"
FORMAT = COMPRESSED
"""The newest one."""

_HEADER = struct.Struct(">4sHH16s16sqIQIII")
_CHECKSUM = struct.Struct(">I")
_CHECKED = _HEADER.size - _CHECKSUM.size  # the header bytes that the checksum covers


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as docs/formats.md names its fields; `checksum` is the one it carries."""

    rules_version: int
    append_id: bytes
    writer: bytes
    now_ms: int
    count: int
    seq: int
    partition: int
    predecessor: int
    checksum: int
    entries: bytes


def pack(
    *,
    rules_version: int,
    append_id: bytes,
    writer: bytes,
    now_ms: int,
    count: int,
    seq: int,
    partition: int,
    predecessor: int,
    entries: bytes,
) -> tuple[bytes, int]:
    """The record's bytes and its checksum, which its successor names as predecessor."""
    form, entries = packed(entries)
    header = _HEADER.pack(
        MAGIC,
        form,
        rules_version,
        append_id,
        writer,
        now_ms,
        count,
        seq,
        partition,
        predecessor,
        0,
    )[:_CHECKED]
    checksum = google_crc32c.extend(google_crc32c.value(header), entries)
    return b"".join((header, _CHECKSUM.pack(checksum), entries)), checksum


def unpack(data: bytes, partition: int, seq: int) -> Record:
    """The record found at `seq` of `partition`; raises CorruptRecord unless it belongs there whole."""
    if len(data) < _HEADER.size:
        raise CorruptRecord(
            partition, seq, f"only {len(data)} bytes, shorter than a header of {_HEADER.size}"
        )
    magic, form, rules, append_id, writer, now_ms, count, at_seq, at, predecessor, checksum = (
        _HEADER.unpack_from(data)
    )
    if magic != MAGIC:
        raise CorruptRecord(partition, seq, f"begins with {magic!r}, not {MAGIC!r}")
    if not PLAIN <= form <= FORMAT:
        raise NewerRecord(partition, seq, f"format {form}; this program knows {FORMAT}")
    entries = data[_HEADER.size :]
    found = google_crc32c.extend(google_crc32c.value(data[:_CHECKED]), entries)
    if found != checksum:
        raise CorruptRecord(
            partition,
            seq,
            f"checksum {found:08x} where {checksum:08x} was written: bits changed or it is cut off",
        )
    if (at, at_seq) != (partition, seq):
        raise CorruptRecord(
            partition, seq, f"is in truth record {at_seq} of partition {at}, misplaced"
        )
    try:
        entries = unpacked(form, entries)
    except BadFrame as error:
        raise CorruptRecord(partition, seq, f"its entries do not unpack: {error}") from error
    return Record(
        rules, append_id, writer, now_ms, count, at_seq, at, predecessor, checksum, entries
    )


def chain(
    rows: Iterable[tuple[int, bytes, bytes]], partition: int, from_seq: int
) -> Iterator[Record]:
    """Stored rows (seq, append id, record bytes) as checked records, beginning with `from_seq`.

    Each must follow the one before it, by number and by checksum; the first ever written has
    predecessor 0. Where the log begins or is entered later, the first record's predecessor is not
    checked. Raises CorruptRecord.
    """
    expected = from_seq
    predecessor = 0 if from_seq == 1 else None
    for seq, append_id, data in rows:
        if seq != expected:
            raise CorruptRecord(partition, expected, f"missing; the next one found is {seq}")
        record = unpack(data, partition, seq)
        if predecessor is not None and record.predecessor != predecessor:
            raise CorruptRecord(
                partition,
                seq,
                f"follows a record of checksum {record.predecessor:08x}, "
                f"but the one before it has {predecessor:08x}",
            )
        if record.append_id != append_id:
            raise CorruptRecord(partition, seq, "stored under another append id than its own")
        yield record
        expected += 1
        predecessor = record.checksum
