"""Whoever is asked, two or three workers answer byte for byte as one server does, and end in the same state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2
from support.calls import Caller
from support.several import inquiry, shop

SHOPS = [f"shop-{number}" for number in range(7)]
START_MS = 1_762_050_000_000

Call = tuple[str, bytes, dict[str, str]]


def a_day(seed: int, calls: int) -> Iterator[Call]:
    """Calls of every kind to several shops, some of them refused, in recorded time."""
    rng = random.Random(seed)
    now = START_MS
    number = 0

    def call(method: str, request: Any, **metadata: str) -> Call:
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        return method, raw, {"fenliu-now-ms": str(now)} | metadata

    def element() -> dispatch_pb2.RouteRequest:
        nonlocal number
        number += 1
        one = inquiry(rng.choice([*SHOPS, "nowhere"]), f"buyer-{rng.randrange(40)}", f"r{number}")
        one.handoff = rng.random() < 0.1
        return one

    def message() -> dispatch_pb2.MessageEvent:
        return dispatch_pb2.MessageEvent(
            shop_id=rng.choice(SHOPS),
            buyer_id=f"buyer-{rng.randrange(40)}",
            sender=rng.choice([types_pb2.SENDER_BUYER, types_pb2.SENDER_AGENT]),
        )

    def order() -> dispatch_pb2.OrderEvent:
        return dispatch_pb2.OrderEvent(
            shop_id=rng.choice(SHOPS),
            buyer_id=f"buyer-{rng.randrange(40)}",
            order_id=f"o{rng.randrange(1_000)}",
            type=rng.choice([0, 1, 2]),
        )

    def a_request() -> Call:
        shop_id = rng.choice(SHOPS)
        match rng.randrange(13):
            case 0 | 1:
                return call("DispatchService/Route", element())
            case 2 | 3:
                batch = dispatch_pb2.RouteBatchRequest(
                    requests=[element() for _ in range(rng.randrange(30))]
                ).SerializeToString()
                return call("DispatchService/RouteBatch", batch + rng.choice(BAD_ELEMENTS))
            case 4:
                events = [message() for _ in range(9)]
                return call(
                    "DispatchService/ReportMessagesBatch",
                    dispatch_pb2.ReportMessagesBatchRequest(events=events),
                )
            case 5:
                orders = [order() for _ in range(5)]
                return call(
                    "DispatchService/ReportOrders", dispatch_pb2.ReportOrdersRequest(orders=orders)
                )
            case 6:
                request = presence_pb2.SetPresenceRequest(
                    shop_id=shop_id, agent_id=rng.choice("abx"), status=rng.randrange(4)
                )
                return call("PresenceService/SetPresence", request)
            case 7:
                return call(
                    "PresenceService/ListPresence",
                    presence_pb2.ListPresenceRequest(shop_id=rng.choice([*SHOPS, ""])),
                )
            case 8:
                closing = dispatch_pb2.CloseConversationRequest(
                    shop_id=shop_id, conversation_id=f"c{rng.randrange(1, 60)}"
                )
                return call("DispatchService/CloseConversation", closing)
            case 9:
                page = shop_pb2.ListShopsRequest(
                    page_size=rng.randrange(4), page_token=rng.choice(["", *SHOPS])
                )
                return call("ShopService/ListShops", page)
            case 10:
                weights = [shop_pb2.AgentWeight(agent_id="a", weight=rng.randrange(120))]
                return call(
                    "ShopService/SetWeights",
                    shop_pb2.SetWeightsRequest(shop_id=shop_id, weights=weights),
                    **{"fenliu-actor": rng.choice(["boss", "a"])},
                )
            case 11:
                changed = shop_pb2.Shop(shop_id=shop_id)
                changed.settings.busy_threshold = rng.randrange(1, 9)
                mask = FieldMask(paths=["settings.busy_threshold"])
                return call(
                    "ShopService/UpdateShop",
                    shop_pb2.UpdateShopRequest(shop=changed, update_mask=mask),
                )
            case _:
                return call("DispatchService/Route", rng.choice(BAD_REQUESTS))

    for shop_id in SHOPS:
        yield call("ShopService/ApplyShop", shop_pb2.ApplyShopRequest(shop=shop(shop_id)))
        for agent in "ab":
            request = presence_pb2.SetPresenceRequest(
                shop_id=shop_id, agent_id=agent, status=types_pb2.PRESENCE_STATUS_ONLINE
            )
            yield call("PresenceService/SetPresence", request)
    for _ in range(calls):
        now += rng.randrange(0, 90_000)
        yield a_request()
    for shop_id in SHOPS:
        yield call(
            "ShopService/ListAuditEntries", shop_pb2.ListAuditEntriesRequest(shop_id=shop_id)
        )


BAD_ELEMENTS = [
    b"",
    b"\x0a\x03\x0a\xff\xff",  # cut off inside
    b"\x0a\x04\x0a\x02\xff\xfe",  # an id that is no UTF-8
    b"\x0a\x00",  # no shop
    b"\x0a\xff",  # no batch at all
]
BAD_REQUESTS = [b"", b"\xff", b"\x0a\x02\xff\xfe", b"\x12\x01b", b"\x0a\x01x\x12\x01b"]

Said = tuple[Any, ...]


async def said(caller: Caller, call: Call) -> Said:
    """The answer's bytes, or all that a refusal says."""
    method, request, metadata = call
    asked = caller.channel.unary_unary(f"/fenliu.v1.{method}")
    try:
        return (method, await asked(request, metadata=tuple(metadata.items())))
    except grpc.aio.AioRpcError as error:
        return (method, error.code(), error.details(), dict(error.trailing_metadata() or ()))


@pytest.mark.parametrize("workers", [2, 3])
async def test_every_answer_and_refusal_is_that_of_one_server(
    together: Any, alone: Any, workers: int
):
    day = list(a_day(seed=workers, calls=250))
    async with alone(clock="trace") as one, together(workers=workers, clock="trace") as several:
        for number, call in enumerate(day):
            assert await said(several[number % workers], call) == await said(one, call)
        hashes = {await several[index].state_hash() for index in range(workers)}
        assert hashes == {await one.state_hash()}
