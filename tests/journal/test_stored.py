"""The bytes of manifests and chunks, and what a reader says when they are not what was written."""

import hashlib
import struct

import google_crc32c
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fenliu.journal import CHUNK_BYTES, CorruptSnapshot, NewerSnapshot, StoredManifest, compression
from fenliu.journal.stored import pack_chunk, pack_manifest, unpack_chunk, unpack_manifest

CONTENT = b"a shop's state"
ID = hashlib.sha256(CONTENT).digest()
MANIFEST = pack_manifest(CONTENT, 1)
CHUNK = pack_chunk(ID, CONTENT, 1)
LARGE = b"".join(b"entry %d," % number for number in range(400))
LARGE_ID = hashlib.sha256(LARGE).digest()
COMPRESSED = pack_chunk(LARGE_ID, LARGE, 1)

# Each kind's bytes, what reads them, how an error about them begins, and the newest format of the kind.
KINDS = [
    pytest.param(
        MANIFEST,
        lambda data: unpack_manifest(data, 3, 7, 1_700_000_000_000),
        "partition 3, snapshot 7: ",
        1,
        id="manifest",
    ),
    pytest.param(
        CHUNK,
        lambda data: unpack_chunk(data, 3, ID),
        f"partition 3, chunk {ID.hex()}: ",
        2,
        id="chunk",
    ),
    pytest.param(
        COMPRESSED,
        lambda data: unpack_chunk(data, 3, LARGE_ID),
        f"partition 3, chunk {LARGE_ID.hex()}: ",
        2,
        id="compressed chunk",
    ),
]


def test_the_layout_is_the_documented_one():
    assert MANIFEST.hex() == "464c5331000100010000000e8fb5e426" + CONTENT.hex()
    assert CHUNK.hex() == "464c4331000100010000000e0a1ee05d" + CONTENT.hex()


def test_a_large_chunk_is_compressed_and_has_the_same_name(monkeypatch):
    assert COMPRESSED[:6] == b"FLC1\x00\x02"
    assert len(COMPRESSED) < len(LARGE)
    assert unpack_chunk(COMPRESSED, 3, LARGE_ID) == LARGE
    monkeypatch.setattr(compression, "COMPRESSED_FROM", len(LARGE) + 1)
    plain = pack_chunk(LARGE_ID, LARGE, 1)
    assert plain[:6] == b"FLC1\x00\x01"
    assert unpack_chunk(plain, 3, LARGE_ID) == LARGE


def test_what_does_not_unpack_is_damaged_and_nothing_large_is_unpacked():
    def stored(data: bytes) -> bytes:
        header = struct.pack(">4sHHI", b"FLC1", 2, 1, len(data))
        checksum = google_crc32c.extend(google_crc32c.value(header), data)
        return header + checksum.to_bytes(4, "big") + data

    begins = f"chunk {LARGE_ID.hex()}: does not unpack: "
    for bad in (b"", b"no frame", COMPRESSED[16:-9]):
        with pytest.raises(CorruptSnapshot, match=begins):
            unpack_chunk(stored(bad), 3, LARGE_ID)
    bomb = zstandard.ZstdCompressor().compress(bytes(2**30))
    with pytest.raises(CorruptSnapshot, match=f"{begins}more than 1048576 bytes"):
        unpack_chunk(stored(bomb), 3, LARGE_ID)
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress(LARGE)
    with pytest.raises(CorruptSnapshot, match=begins):
        unpack_chunk(stored(streamed), 3, LARGE_ID)


@given(content=st.binary(max_size=300), rules=st.integers(0, 65535))
def test_what_is_packed_is_what_is_read(content, rules):
    manifest = unpack_manifest(pack_manifest(content, rules), 3, 7, 9)
    assert manifest == StoredManifest(3, 7, 9, rules, content)
    chunk_id = hashlib.sha256(content).digest()
    assert unpack_chunk(pack_chunk(chunk_id, content, rules), 3, chunk_id) == content


@pytest.mark.parametrize(("data", "read", "begins", "newest"), KINDS)
def test_every_flipped_bit_is_found_and_its_place_named(data, read, begins, newest):
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptSnapshot) as error:
            read(bytes(flipped))
        assert str(error.value).startswith(begins)
        assert isinstance(error.value, NewerSnapshot) == (4 <= bit // 8 < 6)


@pytest.mark.parametrize(("data", "read", "begins", "newest"), KINDS)
def test_every_cut_and_what_stands_behind_the_end_is_found(data, read, begins, newest):
    for length in range(len(data)):
        with pytest.raises(CorruptSnapshot, match=f"{begins}(only|a content of)"):
            read(data[:length])
    stored = len(data) - 16
    words = f"a content of {stored + 1} bytes where {stored} were written"
    with pytest.raises(CorruptSnapshot, match=words):
        read(data + b"\x00")


@pytest.mark.parametrize(("data", "read", "begins", "newest"), KINDS)
def test_another_format_is_named(data, read, begins, newest):
    words = f"{begins}format {newest + 1}; this program knows {newest}"
    with pytest.raises(NewerSnapshot, match=words):
        read(data[:5] + bytes([newest + 1]) + data[6:])
    with pytest.raises(CorruptSnapshot, match=f"{begins}begins with b'FLR1', not b'FL[SC]1'"):
        read(b"FLR1" + data[4:])


def test_newer_rules_are_named():
    manifest = unpack_manifest(pack_manifest(CONTENT, 3), 3, 7, 9)
    manifest.check_rules(3)
    with pytest.raises(NewerSnapshot, match="partition 3, snapshot 7: written by rules version 3"):
        manifest.check_rules(2)


def test_a_manifest_is_no_chunk():
    with pytest.raises(CorruptSnapshot, match="begins with b'FLS1', not b'FLC1'"):
        unpack_chunk(MANIFEST, 3, ID)


def test_a_chunk_under_another_name_is_refused():
    other = hashlib.sha256(b"other").digest()
    with pytest.raises(ValueError, match=f"chunk {other.hex()}: its id is not the SHA-256"):
        pack_chunk(other, CONTENT, 1)
    with pytest.raises(CorruptSnapshot, match=f"chunk {other.hex()}: is in truth chunk {ID.hex()}"):
        unpack_chunk(CHUNK, 3, other)


def test_a_chunk_has_at_most_a_mebibyte():
    most = bytes(CHUNK_BYTES)
    most_id = hashlib.sha256(most).digest()
    assert unpack_chunk(pack_chunk(most_id, most, 1), 3, most_id) == most
    more = most + b"\x00"
    more_id = hashlib.sha256(more).digest()
    with pytest.raises(ValueError, match="a chunk has at most 1048576 bytes, not 1048577"):
        pack_chunk(more_id, more, 1)
    header = struct.pack(">4sHHI", b"FLC1", 1, 1, len(more))
    checksum = google_crc32c.extend(google_crc32c.value(header), more)
    with pytest.raises(CorruptSnapshot, match=f"chunk {more_id.hex()}: 1048577 bytes, more than"):
        unpack_chunk(header + checksum.to_bytes(4, "big") + more, 3, more_id)
