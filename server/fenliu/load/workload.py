"""What is sent: inquiries of a million buyers who come again and of new ones, and the replies to them.

30 % of the inquiries are new buyers', the others come from a million in turn. Ids of buyers, agents and groups have 16
bytes, request and event ids are UUIDs, as hard to pack as real ones. Everything is encoded here, before
anything is timed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

ROUTE = "/fenliu.v1.DispatchService/Route"
ROUTE_BATCH = "/fenliu.v1.DispatchService/RouteBatch"
ROUTE_STREAM = "/fenliu.v1.DispatchService/RouteStream"
REPORT = "/fenliu.v1.DispatchService/ReportMessagesBatch"

BATCH = 512
KNOWN_BUYERS = 1_000_000
NEW_PERCENT = 30
SHOP = "flagship-shop-01"
GROUP = "presales-group-1"


def agent_ids(count: int) -> list[str]:
    """Ids of 16 bytes."""
    return [f"agent-{number:010}" for number in range(count)]


def shop_document(
    shop_id: str, agents: int, *, settings: shop_pb2.ShopSettings | None = None
) -> shop_pb2.Shop:
    """One group with all agents, of weights 1 to 9."""
    ids = agent_ids(agents)
    return shop_pb2.Shop(
        shop_id=shop_id,
        settings=settings,
        agents=[
            shop_pb2.Agent(agent_id=agent, weight=number % 9 + 1)
            for number, agent in enumerate(ids)
        ],
        groups=[shop_pb2.Group(group_id=GROUP, agent_ids=ids)],
    )


def online(shop_id: str, agent_id: str) -> presence_pb2.SetPresenceRequest:
    """An agent at the desk."""
    return presence_pb2.SetPresenceRequest(
        shop_id=shop_id, agent_id=agent_id, status=types_pb2.PRESENCE_STATUS_ONLINE
    )


class Workload:
    """Inquiries one after the other, for one shop or (in turn) for many; never the same id twice."""

    def __init__(
        self, shops: Sequence[str] = (SHOP,), *, known: int = KNOWN_BUYERS, new: int = NEW_PERCENT
    ) -> None:
        """`known`: how many buyers come again; `new`: percent of the inquiries from buyers never seen."""
        self._shops = [_field(1, shop.encode()) for shop in shops]
        self._known = known
        self._new = new
        self._random = random.Random()  # noqa: S311 - ids, no secrets
        self._number = 0
        self._fresh = known
        self._again = 0

    def inquiries(self, count: int) -> list[bytes]:
        """Encoded RouteRequests."""
        return [
            shop + _field(2, buyer) + _field(3, request_id)
            for shop, buyer, request_id in self._take(count)
        ]

    def batch(self, size: int = BATCH) -> tuple[bytes, bytes]:
        """An encoded RouteBatchRequest (or RouteStreamRequest), and a ReportMessagesBatchRequest with the
        first reply to each of its buyers by whoever was given them."""
        inquiries, events = [], []
        event_ids = self._uuids(size)
        for (shop, buyer, request_id), event_id in zip(self._take(size), event_ids, strict=True):
            inquiries.append(_field(1, shop + _field(2, buyer) + _field(3, request_id)))
            events.append(_field(1, shop + _field(3, buyer) + _SENDER_AGENT + _field(7, event_id)))
        return b"".join(inquiries), b"".join(events)

    def _take(self, count: int) -> list[tuple[bytes, bytes, bytes]]:
        """(shop field, buyer id, request id) of the next inquiries."""
        taken = []
        shops = self._shops
        request_ids = self._uuids(count)
        for number, request_id in enumerate(request_ids, self._number):
            if number % 100 * 7 % 100 < self._new:  # spread over each hundred
                buyer, self._fresh = self._fresh, self._fresh + 1
            else:
                buyer, self._again = self._again, (self._again + 1) % self._known
            taken.append((shops[buyer % len(shops)], buyer_id(buyer), request_id))
        self._number += count
        return taken

    def _uuids(self, count: int) -> list[bytes]:
        digits = self._random.randbytes(16 * count).hex().encode()
        return [
            b"%b-%b-%b-%b-%b"
            % (
                digits[at : at + 8],
                digits[at + 8 : at + 12],
                digits[at + 12 : at + 16],
                digits[at + 16 : at + 20],
                digits[at + 20 : at + 32],
            )
            for at in range(0, 32 * count, 32)
        ]


def buyer_id(number: int) -> bytes:
    """16 bytes, another one for each number up to 2**64, and nothing in them tells the next."""
    mixed = number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return b"%016x" % (mixed ^ mixed >> 29)


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field; shorter than 16 KiB, which needs at most two bytes of length."""
    size = len(value)
    length = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + value


_SENDER_AGENT = dispatch_pb2.MessageEvent(sender=types_pb2.SENDER_AGENT).SerializeToString()
