"""Resume tokens: where a watcher stands in the logs, in a form only this data directory can make.

Opaque to clients. Base64url without padding of:

| bytes | what |
|---|---|
| 1 | version, 1 |
| 16 | the data directory's `data_id` |
| 4 | the partition being read |
| 1, n | the shop's id behind its length; empty: all shops |
| m | all shops: how many records are passed of each partition, 8 bytes each, deflated; else nothing |
| 8 | how many records are passed of the partition being read |
| 4 | how many facts are passed of its next record |
| 16 | HMAC-SHA-256 of everything before, cut off |

At most one partition is inside a record at a time: each record is read to its end before another
partition has its turn. Facts are counted, not events, so that what counts as an event may change.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from fenliu.insight.errors import TokenRefused

START_OVER = "start over with an empty token, which goes on from now"

_VERSION = 1
_HEAD = struct.Struct(">B16sIB")
_TAIL = struct.Struct(">QI")
_MAC_BYTES = 16
# Presence tokens are signed with the same key over session ids, which are UTF-8 and never hold this byte.
_PURPOSE = b"\xff watch assignments"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a watcher stands: records passed by partition, and facts passed of the next of `partition`."""

    passed: dict[int, int]
    partition: int
    facts: int = 0


class Stamp:
    """Makes the tokens of one batch, in which nothing changes but the place in one partition."""

    def __init__(self, head: bytes, key: bytes) -> None:
        self._head = head
        self._mac = hmac.new(key, head, hashlib.sha256)

    def token(self, passed: int, facts: int) -> str:
        """The token for these many records passed, and facts of the next one."""
        tail = _TAIL.pack(passed, facts)
        mac = self._mac.copy()
        mac.update(tail)
        return _encode(self._head + tail + mac.digest()[:_MAC_BYTES])


class Tokens:
    """The tokens of one data directory."""

    def __init__(self, *, data_id: bytes, token_key: bytes, partitions: int) -> None:
        self._data_id = data_id
        self._key = hmac.digest(token_key, _PURPOSE, hashlib.sha256)
        self._vector = struct.Struct(f">{partitions}Q")

    def stamp(self, shop_id: str, passed: Mapping[int, int], partition: int) -> Stamp:
        """For a watcher of a shop (empty: all) that reads `partition` next."""
        shop = shop_id.encode()
        head = _HEAD.pack(_VERSION, self._data_id, partition, len(shop)) + shop
        if not shop:
            head += zlib.compress(self._vector.pack(*(passed[p] for p in range(len(passed)))))
        return Stamp(head, self._key)

    def position(self, token: str, shop_id: str) -> Position:
        """The position in a token that a watcher of this shop (empty: all) gave; raises TokenRefused."""
        raw = _decode(token)
        if len(raw) < _HEAD.size + _TAIL.size + _MAC_BYTES:
            raise TokenRefused(f"not a resume token: {START_OVER}")
        version, data_id, partition, length = _HEAD.unpack_from(raw)
        if version != _VERSION:
            raise TokenRefused(f"not a resume token that this version knows: {START_OVER}")
        if data_id != self._data_id:
            raise TokenRefused(f"from another server: {START_OVER}")
        signed, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(
            hmac.digest(self._key, signed, hashlib.sha256)[:_MAC_BYTES], mac
        ):
            raise TokenRefused(f"not as it was given out: {START_OVER}")
        body, (records, facts) = (
            signed[_HEAD.size : -_TAIL.size],
            _TAIL.unpack(signed[-_TAIL.size :]),
        )
        given_for = body[:length].decode()
        if given_for != shop_id:
            raise TokenRefused(
                f"given out for {_scope(given_for)}, not for {_scope(shop_id)}: {START_OVER}"
            )
        if shop_id:
            return Position({partition: records}, partition, facts)
        passed = dict(enumerate(self._vector.unpack(zlib.decompress(body[length:]))))
        passed[partition] = records
        return Position(passed, partition, facts)


def _scope(shop_id: str) -> str:
    return f"shop {shop_id}" if shop_id else "all shops"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(token: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return b""
    return raw if _encode(raw) == token else b""
