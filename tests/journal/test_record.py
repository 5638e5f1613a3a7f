"""The bytes of a record, and what a reader says when they are not what was written."""

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenliu.journal import CorruptRecord, Record, pack, unpack

FIELDS = {
    "rules_version": 1,
    "append_id": bytes(range(16)),
    "writer": b"w" * 16,
    "now_ms": 1_700_000_000_000,
    "count": 2,
    "seq": 7,
    "partition": 3,
    "predecessor": 0xDEADBEEF,
    "entries": b"two entries",
}


def test_the_layout_is_the_documented_one():
    data, checksum = pack(**FIELDS)
    assert data.hex() == (
        "464c5231"
        "0001"
        "0001" + bytes(range(16)).hex() + b"w".hex() * 16 + "0000018bcfe56800"
        "00000002"
        "0000000000000007"
        "00000003"
        "deadbeef"
        f"{checksum:08x}" + b"two entries".hex()
    )
    assert checksum == 0x432ABF31


@given(
    entries=st.binary(max_size=200),
    seq=st.integers(1, 2**63 - 1),
    partition=st.integers(0, 65535),
    now_ms=st.integers(-(2**63), 2**63 - 1),
)
def test_what_is_packed_is_what_is_read(entries, seq, partition, now_ms):
    fields = FIELDS | {"entries": entries, "seq": seq, "partition": partition, "now_ms": now_ms}
    data, checksum = pack(**fields)
    assert unpack(data, partition, seq) == Record(**fields, checksum=checksum)


def test_a_large_record_is_smaller_than_what_is_in_it():
    fields = FIELDS | {"entries": b"".join(b"entry %d" % n for n in range(5_000))}
    data, checksum = pack(**fields)
    assert data[4:6] == b"\0\2"
    assert len(data) < len(fields["entries"]) // 2
    assert unpack(data, 3, 7) == Record(**fields, checksum=checksum)


def test_a_large_record_that_does_not_unpack_is_corrupt():
    data, _ = pack(**FIELDS | {"entries": bytes(5_000)})
    broken = data[:68] + bytes(4) + b"no frame of zstd's"
    checksum = google_crc32c.extend(google_crc32c.value(broken[:68]), broken[72:])
    broken = broken[:68] + checksum.to_bytes(4, "big") + broken[72:]
    with pytest.raises(CorruptRecord, match="partition 3, record 7: its entries do not unpack"):
        unpack(broken, 3, 7)


def test_every_flipped_bit_is_found():
    data, _ = pack(**FIELDS)
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptRecord) as error:
            unpack(bytes(flipped), 3, 7)
        assert str(error.value).startswith("partition 3, record 7: ")


def test_every_cut_is_found():
    data, _ = pack(**FIELDS)
    for length in range(len(data)):
        with pytest.raises(CorruptRecord, match=r"partition 3, record 7: (only|checksum)"):
            unpack(data[:length], 3, 7)


def test_a_record_in_the_wrong_place_is_refused():
    data, _ = pack(**FIELDS)
    with pytest.raises(CorruptRecord, match="is in truth record 7 of partition 3, misplaced"):
        unpack(data, 3, 8)
    with pytest.raises(CorruptRecord, match="is in truth record 7 of partition 3, misplaced"):
        unpack(data, 4, 7)


def test_another_format_is_named():
    data, _ = pack(**FIELDS)
    with pytest.raises(CorruptRecord, match="format 3; this program knows 2"):
        unpack(data[:5] + b"\x03" + data[6:], 3, 7)
    with pytest.raises(CorruptRecord, match="begins with b'FLS1', not b'FLR1'"):
        unpack(b"FLS1" + data[4:], 3, 7)
