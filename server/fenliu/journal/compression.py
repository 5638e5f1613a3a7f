"""How what is large is compressed: one Zstandard frame (RFC 8878) that says its content's size.

Knows nothing of what it is.
"""

import threading

import zstandard

PLAIN = 1
COMPRESSED = 2
"""Formats of records and chunks."""
COMPRESSED_FROM = 2_048
"""Bytes; what is shorter would not get much smaller, and SQLite gives it a part of a page."""
LEVEL = 1  # measured: some 700 MB/s, half of the bytes or less

BadFrame = zstandard.ZstdError


class _Compressors(threading.local):
    """One of each for a thread: making one costs more than a small record."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd = _Compressors()


def packed(content: bytes) -> tuple[int, bytes]:
    """A content's format, and the content in it."""
    if len(content) < COMPRESSED_FROM:
        return PLAIN, content
    return COMPRESSED, _zstd.compress(content)


def unpacked(form: int, data: bytes, most: int | None = None) -> bytes:
    """The content again; raises BadFrame, also for one that says it has more than `most` bytes."""
    if form == PLAIN:
        return data
    if most is not None and zstandard.frame_content_size(data) > most:
        raise BadFrame(f"more than {most} bytes")
    return _zstd.decompress(data)
