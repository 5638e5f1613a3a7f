"""Manifests and chunks of snapshots as they are stored: a header around a content (docs/formats.md).

Packs and checks headers, and whether a chunk is the one its name says; what the contents say is not
known here.
"""

import hashlib
import struct
from dataclasses import dataclass

import google_crc32c

from fenliu.journal.compression import COMPRESSED, PLAIN, BadFrame, packed, unpacked
from fenliu.journal.errors import CorruptSnapshot, NewerSnapshot

MANIFEST_MAGIC = b"FLS1"
CHUNK_MAGIC = b"FLC1"
MANIFEST_FORMAT = PLAIN
CHUNK_FORMAT = COMPRESSED
"""The newest ones."""
CHUNK_BYTES = 2**20
"""The most that a chunk's content may have."""

_HEADER = struct.Struct(">4sHHII")
_CHECKSUM = struct.Struct(">I")
_CHECKED = _HEADER.size - _CHECKSUM.size  # the header bytes that the checksum covers


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was handed in, checked; `seq` is the last record it holds, `now_ms` that record's."""

    partition: int
    seq: int
    now_ms: int
    rules_version: int
    content: bytes

    def check_rules(self, known: int) -> None:
        """Raises NewerSnapshot when it was written by newer rules than the `known` version.

        Then also each chunk it names is of known rules: it was there before the manifest.
        """
        if self.rules_version > known:
            raise NewerSnapshot(
                self.partition,
                self.seq,
                f"written by rules version {self.rules_version}; this program knows {known}",
            )


def pack_manifest(content: bytes, rules_version: int) -> bytes:
    """The manifest's bytes with its header."""
    return _pack(MANIFEST_MAGIC, PLAIN, content, rules_version)


def pack_chunk(chunk_id: bytes, content: bytes, rules_version: int) -> bytes:
    """The chunk's bytes with its header; raises ValueError for one that is too long or not the one named."""
    if len(content) > CHUNK_BYTES:
        raise ValueError(f"a chunk has at most {CHUNK_BYTES} bytes, not {len(content)}")
    if hashlib.sha256(content).digest() != chunk_id:
        raise ValueError(f"chunk {chunk_id.hex()}: its id is not the SHA-256 of its content")
    form, stored = packed(content)
    return _pack(CHUNK_MAGIC, form, stored, rules_version)


def unpack_manifest(data: bytes, partition: int, seq: int, now_ms: int) -> StoredManifest:
    """The manifest found at `seq` of `partition`; raises CorruptSnapshot unless it is whole."""
    _, rules_version, content = _unpack(data, MANIFEST_MAGIC, MANIFEST_FORMAT, partition, seq, b"")
    return StoredManifest(partition, seq, now_ms, rules_version, content)


def unpack_chunk(data: bytes, partition: int, chunk_id: bytes) -> bytes:
    """The content of the chunk found as `chunk_id`; raises CorruptSnapshot unless it is that one, whole."""
    form, _, stored = _unpack(data, CHUNK_MAGIC, CHUNK_FORMAT, partition, 0, chunk_id)
    try:
        content = unpacked(form, stored, most=CHUNK_BYTES)
    except BadFrame as error:
        raise CorruptSnapshot(partition, 0, f"does not unpack: {error}", chunk_id) from error
    if len(content) > CHUNK_BYTES:
        raise CorruptSnapshot(
            partition, 0, f"{len(content)} bytes, more than {CHUNK_BYTES}", chunk_id
        )
    found = hashlib.sha256(content).hexdigest()
    if found != chunk_id.hex():
        raise CorruptSnapshot(partition, 0, f"is in truth chunk {found}, misplaced", chunk_id)
    return content


def _pack(magic: bytes, form: int, stored: bytes, rules_version: int) -> bytes:
    header = _HEADER.pack(magic, form, rules_version, len(stored), 0)[:_CHECKED]
    checksum = google_crc32c.extend(google_crc32c.value(header), stored)
    return b"".join((header, _CHECKSUM.pack(checksum), stored))


def _unpack(
    data: bytes, expected_magic: bytes, newest: int, partition: int, seq: int, chunk_id: bytes
) -> tuple[int, int, bytes]:
    """(format, rules version, what stands behind the header)."""
    if len(data) < _HEADER.size:
        raise CorruptSnapshot(
            partition,
            seq,
            f"only {len(data)} bytes, shorter than a header of {_HEADER.size}",
            chunk_id,
        )
    magic, form, rules_version, length, checksum = _HEADER.unpack_from(data)
    if magic != expected_magic:
        raise CorruptSnapshot(
            partition, seq, f"begins with {magic!r}, not {expected_magic!r}", chunk_id
        )
    if not PLAIN <= form <= newest:
        raise NewerSnapshot(partition, seq, f"format {form}; this program knows {newest}", chunk_id)
    stored = data[_HEADER.size :]
    if len(stored) != length:
        raise CorruptSnapshot(
            partition,
            seq,
            f"a content of {len(stored)} bytes where {length} were written",
            chunk_id,
        )
    found = google_crc32c.extend(google_crc32c.value(data[:_CHECKED]), stored)
    if found != checksum:
        raise CorruptSnapshot(
            partition,
            seq,
            f"checksum {found:08x} where {checksum:08x} was written: bits changed",
            chunk_id,
        )
    return form, rules_version, stored
