"""Unary methods over a real port: answers, refusals, batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest

from fenliu.rpc.methods import SERVICES, Methods
from fenliu.v1 import dispatch_pb2, operator_pb2, presence_pb2, shop_pb2, types_pb2
from support.calls import OFFLINE, ONLINE, Caller, demo_shop

Route = dispatch_pb2.RouteRequest


async def test_an_inquiry_is_answered_with_an_agent_and_the_rule_that_decided(call: Caller):
    answer = await call.route("wang")
    assert answer.outcome == types_pb2.OUTCOME_AGENT
    assert answer.reason == types_pb2.REASON_WEIGHTED
    assert (answer.agent_id, answer.group_id) == ("a", "presale")
    assert (answer.conversation_id, answer.decision_id) == ("c1", "d1")


async def test_shares_follow_the_weights(call: Caller):
    answers = [await call.route(f"buyer-{number}") for number in range(80)]
    # More than busy_threshold wait for both all the time, so that scoring evens out the busier one;
    # the exact shares are pinned on the engine, here both take part and nobody runs away.
    counts = Counter(answer.agent_id for answer in answers)
    assert set(counts) == {"a", "b"} and counts["a"] > counts["b"]


async def test_a_repeat_gets_the_same_answer_and_changes_nothing(call: Caller):
    first = await call.route("wang", request_id="r1")
    before = await call.state_hash()
    assert await call.route("wang", request_id="r1") == first
    assert await call.state_hash() == before


async def test_many_repeats_at_once_are_one_decision(call: Caller):
    answers = await asyncio.gather(*(call.route("wang", request_id="r1") for _ in range(50)))
    assert {answer.decision_id for answer in answers} == {"d1"}


async def test_many_calls_under_way_on_one_connection_are_all_answered(call: Caller):
    answers = await asyncio.gather(*(call.route(f"buyer-{number}") for number in range(600)))
    assert {answer.decision_id for answer in answers} == {f"d{n}" for n in range(1, 601)}


BAD_REQUESTS = [
    ("DispatchService/Route", Route(buyer_id="w"), "INVALID_FIELD", "shop_id", "required"),
    ("DispatchService/Route", Route(shop_id="demo"), "INVALID_FIELD", "buyer_id", "required"),
    (
        "DispatchService/Route",
        Route(shop_id="demo", buyer_id="x" * 129),
        "INVALID_FIELD",
        "buyer_id",
        "at most 128 bytes",
    ),
    (
        "DispatchService/Route",
        Route(shop_id="demo", buyer_id="a\nb"),
        "INVALID_FIELD",
        "buyer_id",
        "no control characters",
    ),
    (
        "DispatchService/Route",
        b"\x0a\x04demo\x12\x02\xff\xfe",
        "INVALID_FIELD",
        "buyer_id",
        "must be UTF-8",
    ),
    (
        "DispatchService/Route",
        b"this is no protobuf",
        "MALFORMED_MESSAGE",
        None,
        "not a fenliu.v1.RouteRequest",
    ),
    (
        "DispatchService/RouteBatch",
        b"\xff\xff",
        "MALFORMED_MESSAGE",
        None,
        "not a fenliu.v1.RouteBatchRequest",
    ),
    (
        "DispatchService/RouteBatch",
        dispatch_pb2.RouteBatchRequest(requests=[Route()] * 4097),
        "INVALID_FIELD",
        "requests",
        "at most 4096 elements",
    ),
    (
        "DispatchService/ReportMessagesBatch",
        dispatch_pb2.ReportMessagesBatchRequest(events=[dispatch_pb2.MessageEvent()] * 4097),
        "INVALID_FIELD",
        "events",
        "at most 4096 elements",
    ),
    (
        "DispatchService/ReportOrders",
        dispatch_pb2.ReportOrdersRequest(orders=[dispatch_pb2.OrderEvent()] * 4097),
        "INVALID_FIELD",
        "orders",
        "at most 4096 elements",
    ),
    (
        "DispatchService/ReportOrders",
        b"\xff\xff",
        "MALFORMED_MESSAGE",
        None,
        "not a fenliu.v1.ReportOrdersRequest",
    ),
    (
        "DispatchService/CancelInquiry",
        dispatch_pb2.CancelInquiryRequest(shop_id="demo"),
        "INVALID_FIELD",
        "buyer_id",
        "required",
    ),
    (
        "DispatchService/Transfer",
        dispatch_pb2.TransferRequest(shop_id="demo", conversation_id="c1"),
        "INVALID_FIELD",
        "agent_id",
        "required",
    ),
    (
        "ShopService/SetWeights",
        shop_pb2.SetWeightsRequest(
            shop_id="demo", weights=[shop_pb2.AgentWeight(agent_id="a", weight=101)]
        ),
        "INVALID_FIELD",
        "weights[0].weight",
        "must be within 0..100",
    ),
    (
        "ShopService/ApplyShop",
        shop_pb2.ApplyShopRequest(
            shop=shop_pb2.Shop(
                shop_id="demo",
                agents=[shop_pb2.Agent(agent_id="a"), shop_pb2.Agent(agent_id="a")],
            )
        ),
        "INVALID_FIELD",
        "shop.agents[1].agent_id",
        "named twice",
    ),
    (
        "ShopService/ApplyShop",
        shop_pb2.ApplyShopRequest(
            shop=shop_pb2.Shop(
                shop_id="demo", groups=[shop_pb2.Group(group_id="g", agent_ids=["nobody"])]
            )
        ),
        "INVALID_FIELD",
        "shop.groups[0].agent_ids[0]",
        "names an unknown agent",
    ),
]


@pytest.mark.parametrize(("method", "request_", "reason", "field", "rule"), BAD_REQUESTS)
async def test_bad_input_names_field_and_rule_and_leaves_no_trace(
    call: Caller, method: str, request_: Any, reason: str, field: str | None, rule: str
):
    before = await call.state_hash()
    refused = await call.refusal(method, request_)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.reason == reason
    assert refused.metadata == ({"rule": rule} if field is None else {"field": field, "rule": rule})
    assert await call.state_hash() == before


UNKNOWN = [
    ("DispatchService/Route", Route(shop_id="other", buyer_id="w"), "SHOP_NOT_FOUND", "shop_id"),
    (
        "DispatchService/Route",
        Route(shop_id="demo", buyer_id="w", dedicated_agent_id="nobody"),
        "AGENT_NOT_FOUND",
        "dedicated_agent_id",
    ),
    (
        "DispatchService/CloseConversation",
        dispatch_pb2.CloseConversationRequest(shop_id="demo", conversation_id="c999"),
        "CONVERSATION_NOT_FOUND",
        "conversation_id",
    ),
    (
        "DispatchService/Transfer",
        dispatch_pb2.TransferRequest(shop_id="demo", conversation_id="c999", agent_id="b"),
        "CONVERSATION_NOT_FOUND",
        "conversation_id",
    ),
    (
        "DispatchService/CancelInquiry",
        dispatch_pb2.CancelInquiryRequest(shop_id="other", buyer_id="w"),
        "SHOP_NOT_FOUND",
        "shop_id",
    ),
    (
        "PresenceService/SetPresence",
        presence_pb2.SetPresenceRequest(shop_id="demo", agent_id="nobody", status=ONLINE),
        "AGENT_NOT_FOUND",
        "agent_id",
    ),
    ("ShopService/GetShop", shop_pb2.GetShopRequest(shop_id="other"), "SHOP_NOT_FOUND", "shop_id"),
]


@pytest.mark.parametrize(("method", "request_", "reason", "field"), UNKNOWN)
async def test_what_is_unknown_is_not_found(
    call: Caller, method: str, request_: Any, reason: str, field: str
):
    before = await call.state_hash()
    refused = await call.refusal(method, request_)
    assert refused.code is grpc.StatusCode.NOT_FOUND
    assert (refused.reason, refused.metadata["field"]) == (reason, field)
    assert await call.state_hash() == before


async def test_one_bad_request_fails_alone_in_its_batch(call: Caller):
    batch = dispatch_pb2.RouteBatchRequest(
        requests=[
            Route(shop_id="demo", buyer_id="one"),
            Route(shop_id="demo"),
            Route(shop_id="other", buyer_id="three"),
            Route(shop_id="demo", buyer_id="four"),
        ]
    )
    answer = await call("DispatchService/RouteBatch", batch, dispatch_pb2.RouteBatchResponse)
    assert [result.WhichOneof("result") for result in answer.results] == [
        "response",
        "status",
        "status",
        "response",
    ]
    assert answer.results[1].status.message == "buyer_id: required"
    assert answer.results[2].status.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert [answer.results[i].response.decision_id for i in (0, 3)] == ["d1", "d2"]


async def test_a_large_batch_is_answered_in_order(call: Caller):
    batch = dispatch_pb2.RouteBatchRequest(
        requests=[Route(shop_id="demo", buyer_id=f"buyer-{number}") for number in range(1000)]
    )
    answer = await call("DispatchService/RouteBatch", batch, dispatch_pb2.RouteBatchResponse)
    assert [result.response.decision_id for result in answer.results] == [
        f"d{number}" for number in range(1, 1001)
    ]


async def test_message_events_of_conversations_never_issued_fail_alone(call: Caller):
    await call.route("wang")
    event = dispatch_pb2.MessageEvent
    batch = dispatch_pb2.ReportMessagesBatchRequest(
        events=[
            event(shop_id="demo", conversation_id="c7", sender=types_pb2.SENDER_BUYER),
            event(shop_id="demo", conversation_id="c1", sender=types_pb2.SENDER_AGENT),
            event(
                shop_id="demo", conversation_id="c1", sender=types_pb2.SENDER_AGENT, event_id="e"
            ),
            event(
                shop_id="demo", conversation_id="c1", sender=types_pb2.SENDER_AGENT, event_id="e"
            ),
        ]
    )
    answer = await call(
        "DispatchService/ReportMessagesBatch", batch, dispatch_pb2.ReportMessagesBatchResponse
    )
    assert answer.results[0].status.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert [result.HasField("status") for result in answer.results[1:]] == [False] * 3
    assert [result.duplicate for result in answer.results] == [False, False, False, True]
    assert (await call.presence())["a"].awaiting == 0


async def test_configuration_is_read_back_resolved_and_guarded_by_its_etag(call: Caller):
    got = await call(
        "ShopService/GetShop", shop_pb2.GetShopRequest(shop_id="demo"), shop_pb2.GetShopResponse
    )
    assert got.shop.settings.busy_threshold == 4 and got.shop.etag == "1"
    weights = shop_pb2.SetWeightsRequest(
        shop_id="demo", weights=[shop_pb2.AgentWeight(agent_id="b", weight=9)], etag="1"
    )
    changed = await call("ShopService/SetWeights", weights, shop_pb2.SetWeightsResponse)
    assert changed.etag == "2"
    stale = await call.refusal("ShopService/SetWeights", weights)
    assert (stale.code, stale.reason) == (grpc.StatusCode.ABORTED, "STALE_ETAG")


async def test_shops_are_listed_page_by_page(call: Caller):
    for number in range(5):
        await call.apply(shop_pb2.Shop(shop_id=f"shop-{number}"))
    names, token = [], ""
    while True:
        page = await call(
            "ShopService/ListShops",
            shop_pb2.ListShopsRequest(page_size=2, page_token=token),
            shop_pb2.ListShopsResponse,
        )
        names += [shop.shop_id for shop in page.shops]
        token = page.next_page_token
        if not token:
            break
    assert names == ["demo", *(f"shop-{number}" for number in range(5))]


async def test_every_unary_method_of_the_contract_is_served(call: Caller):
    for service in SERVICES:
        for method in service.methods:
            if method.client_streaming or method.server_streaming:
                continue
            path = f"/{service.full_name}/{method.name}"
            try:
                await call.channel.unary_unary(path)(b"")
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, path


def test_a_method_that_nothing_serves_ends_the_start():
    async def serve(request: bytes, context: object) -> bytes:
        return request

    paths = [f"/{one.full_name}/{method.name}" for one in SERVICES for method in one.methods]
    with pytest.raises(ValueError, match=f"nothing serves {paths[3]}"):
        Methods({path: serve for path in paths if path != paths[3]})
    with pytest.raises(ValueError, match=r"no such methods: /fenliu\.v1\.None/Such$"):
        Methods(dict.fromkeys([*paths, "/fenliu.v1.None/Such"], serve))


async def test_what_a_state_does_not_allow_is_a_failed_precondition(call: Caller):
    answer = await call.route("wang")
    await call.set_presence("b", OFFLINE)
    before = await call.state_hash()
    refused = await call.refusal(
        "DispatchService/Transfer",
        dispatch_pb2.TransferRequest(
            shop_id="demo", conversation_id=answer.conversation_id, agent_id="b"
        ),
    )
    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.reason == "RECEIVER_UNAVAILABLE"
    assert refused.metadata == {"field": "agent_id", "rule": "the agent is OFFLINE"}
    assert await call.state_hash() == before


async def test_who_may_not_is_denied(call: Caller):
    weights = shop_pb2.SetWeightsRequest(
        shop_id="demo", weights=[shop_pb2.AgentWeight(agent_id="b", weight=9)]
    )
    refused = await call.refusal("ShopService/SetWeights", weights, fenliu_actor="b")
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    assert (refused.reason, refused.metadata["field"]) == ("NOT_ALLOWED", "fenliu-actor")


async def test_one_bad_order_fails_alone_in_its_batch(call: Caller):
    event = dispatch_pb2.OrderEvent
    paid = dispatch_pb2.ORDER_EVENT_TYPE_PAID
    batch = dispatch_pb2.ReportOrdersRequest(
        orders=[
            event(shop_id="demo", buyer_id="w", order_id="o", type=paid, event_id="e"),
            event(shop_id="demo", buyer_id="w", order_id="o"),
            event(shop_id="demo", buyer_id="w", order_id="o", type=paid, event_id="e"),
        ]
    )
    answer = await call("DispatchService/ReportOrders", batch, dispatch_pb2.ReportOrdersResponse)
    assert [result.status.message for result in answer.results] == ["", "type: required", ""]
    assert [result.duplicate for result in answer.results] == [False, False, True]


async def test_a_wall_clock_takes_no_time_from_callers(call: Caller):
    refused = await call.refusal(
        "DispatchService/Route", Route(shop_id="demo", buyer_id="w"), fenliu_now_ms="1509408368000"
    )
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.metadata["field"] == "fenliu-now-ms"


async def test_a_trace_clock_takes_the_time_from_the_call(start: Any):
    async with start(clock="trace") as call:
        await call.apply(demo_shop())
        await call(
            "PresenceService/SetPresence",
            presence_pb2.SetPresenceRequest(shop_id="demo", agent_id="a", status=ONLINE),
            presence_pb2.SetPresenceResponse,
            fenliu_now_ms="4102444800000",
        )
        assert (await call.presence())["a"].since_ms == 4_102_444_800_000
        info = await call("OperatorService/GetServerInfo", b"", operator_pb2.GetServerInfoResponse)
        assert info.clock == operator_pb2.CLOCK_TRACE
        refused = await call.refusal(
            "DispatchService/Route", Route(shop_id="demo", buyer_id="w"), fenliu_now_ms="noon"
        )
        assert refused.metadata["rule"] == "must be Unix milliseconds"


async def test_what_was_answered_is_there_after_a_restart(start: Any):
    async with start() as call:
        await call.apply(demo_shop())
        await call.set_presence("a", ONLINE)
        first = await call.route("wang", request_id="r1")
        before = await call.state_hash()
    async with start() as call:
        assert await call.state_hash() == before
        assert await call.route("wang", request_id="r1") == first
