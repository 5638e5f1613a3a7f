"""One HTTP/2 connection of unary gRPC calls, as little as such a connection can cost.

A gRPC library's client costs about what a server costs; one that only writes frames and counts answers costs
a tenth, so that one core can ask for several times what another one can answer. RFC 9113 (frames, flow
control) and RFC 7541 (headers; only what is sent is encoded, nothing received is decoded): a call with
a message in its answer has succeeded, one that ended without has not.
"""

from __future__ import annotations

import socket
import struct
from collections import deque

MAX_MESSAGE = 16_384 - 5
"""Bytes; what fits into one frame together with its length."""

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_MAX_CONCURRENT_STREAMS, _INITIAL_WINDOW_SIZE = 3, 4
_CANCEL = 8
_LARGEST_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65_535
_FRAME = struct.Struct(">IBI")  # length << 8 | type, flags, stream
_READ_BYTES = 1 << 18


class Connection:
    """Calls of one method on a connection of its own; nothing here waits but the constructor.

    `timeout_ms` goes with every call as its deadline. Raises OSError when the server cannot be reached or
    goes away.
    """

    def __init__(self, target: str, method: str, *, timeout_ms: int | None = None) -> None:
        host, _, port = target.rpartition(":")
        self._socket = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._first_headers, self._headers = _header_blocks(method, target, timeout_ms)
        self._out = bytearray(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, _LARGEST_WINDOW))
            + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _LARGEST_WINDOW - _FIRST_WINDOW))
        )
        self._in = b""
        self._next_stream = 1
        self._window = _FIRST_WINDOW
        self._most_streams = 100  # until the server says
        self._unacknowledged = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._calls: dict[int, int] = {}  # by stream
        self._streams: dict[int, int] = {}  # by call
        self._answered: dict[int, bytes] = {}

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    @property
    def under_way(self) -> int:
        """Calls sent and not ended, and those that wait for the server's leave to be sent."""
        return len(self._calls) + len(self._waiting)

    @property
    def unsent(self) -> bool:
        """Whether `flush` has something to do."""
        return bool(self._out)

    def call(self, number: int, message: bytes) -> None:
        """Makes a call, known by `number` from now on. Raises ValueError above MAX_MESSAGE bytes."""
        if len(message) > MAX_MESSAGE:
            raise ValueError(f"a message may have {MAX_MESSAGE} bytes")
        if self._waiting or not self._may_send(message):
            self._waiting.append((number, message))
        else:
            self._send(number, message)

    def cancel(self, number: int) -> None:
        """Gives a call up; it is not heard of again."""
        stream = self._streams.pop(number, None)
        if stream is None:
            self._waiting = deque(one for one in self._waiting if one[0] != number)
            return
        del self._calls[stream]
        self._answered.pop(stream, None)
        self._out += _frame(_RST_STREAM, 0, stream, struct.pack(">I", _CANCEL))

    def flush(self) -> None:
        """Hands the kernel as much as it takes."""
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except BlockingIOError:
                return
            del self._out[:sent]

    def receive(self) -> list[tuple[int, bytes | None]]:
        """Calls that have ended: (number, the answer's message; None: there was none)."""
        ended: list[tuple[int, bytes | None]] = []
        try:
            received = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return ended
        if not received:
            raise ConnectionError("the server has closed the connection")
        data = self._in + received if self._in else received
        at, end = 0, len(data)
        while end - at >= 9:
            length_and_type, flags, stream = _FRAME.unpack_from(data, at)
            until = at + 9 + (length_and_type >> 8)
            if until > end:
                break
            kind = length_and_type & 0xFF
            if kind == _DATA:
                self._answered[stream] = self._answered.get(stream, b"") + data[at + 9 : until]
                self._unacknowledged += until - at - 9
            elif kind == _HEADERS:
                if flags & _END_STREAM:
                    self._end(stream, ended)
            elif kind == _RST_STREAM:
                self._answered.pop(stream, None)
                self._end(stream, ended)
            else:
                self._control(kind, flags, stream, data[at + 9 : until])
            at = until
        self._in = data[at:]
        if self._unacknowledged > _LARGEST_WINDOW // 2:
            window = struct.pack(">I", self._unacknowledged)
            self._out += _frame(_WINDOW_UPDATE, 0, 0, window)
            self._unacknowledged = 0
        while self._waiting and self._may_send(self._waiting[0][1]):
            self._send(*self._waiting.popleft())
        return ended

    def close(self) -> None:
        """Ends the connection and every call on it."""
        self._socket.close()

    def _may_send(self, message: bytes) -> bool:
        return len(self._calls) < self._most_streams and len(message) + 5 <= self._window

    def _send(self, number: int, message: bytes) -> None:
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        headers = self._headers if stream > 1 else self._first_headers
        size = len(message) + 5
        out = self._out
        out += _FRAME.pack(len(headers) << 8 | _HEADERS, _END_HEADERS, stream)
        out += headers
        out += _FRAME.pack(size << 8 | _DATA, _END_STREAM, stream)
        out += (size - 5).to_bytes(5, "big")  # the first byte: not compressed
        out += message
        self._window -= size
        self._calls[stream] = number
        self._streams[number] = stream

    def _end(self, stream: int, ended: list[tuple[int, bytes | None]]) -> None:
        number = self._calls.pop(stream, None)
        answer = self._answered.pop(stream, None)
        if number is not None:  # else it was cancelled
            del self._streams[number]
            ended.append((number, answer[5:] if answer is not None else None))

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == _MAX_CONCURRENT_STREAMS:
                    self._most_streams = value
            self._out += _frame(_SETTINGS, _ACK, 0, b"")
        elif kind == _PING and not flags & _ACK:
            self._out += _frame(_PING, _ACK, 0, payload)
        elif kind == _WINDOW_UPDATE and stream == 0:
            # A stream's own window is never reached: one message fits into the first one.
            self._window += int.from_bytes(payload, "big")
        elif kind == _GOAWAY:
            raise ConnectionError("the server sends clients away")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload) << 8 | kind, flags, stream) + payload


def _header_blocks(method: str, authority: str, timeout_ms: int | None) -> tuple[bytes, bytes]:
    """The headers of a connection's first call, and of all later ones.

    As gRPC's own clients do: what is said first in full is a reference of one byte from then on.
    """
    post_http = b"\x83\x86"  # of the static table: `:method: POST`, `:scheme: http`
    named = [(b"\x44", method), (b"\x41", authority), (b"\x5f", "application/grpc")]
    first = b"".join(name + _text(value) for name, value in named)
    first += b"\x40" + _text("te") + _text("trailers")
    count = 4
    if timeout_ms is not None:
        first += b"\x40" + _text("grpc-timeout") + _text(f"{timeout_ms}m")
        count = 5
    # The newest entry of the dynamic table is 62.
    later = bytes(0x80 | (62 + count - 1 - place) for place in range(count))
    return post_http + first, post_http + later


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) >= 127:
        raise ValueError("a header's text may have 126 bytes")
    return bytes([len(raw)]) + raw
