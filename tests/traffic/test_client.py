"""The client against real servers: what it raises, and how patient it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from fenliu.app import App
from fenliu.client import FenliuClient, FenliuError
from fenliu.config import ServerConfig
from fenliu.v1 import dispatch_pb2, operator_pb2, presence_pb2, shop_pb2, types_pb2

ONLINE = types_pb2.PRESENCE_STATUS_ONLINE


class Troubled:
    """A server whose Route fails as the script says, each failure once, then answers."""

    def __init__(self, *failures: tuple[grpc.StatusCode, tuple[tuple[str, str], ...]]) -> None:
        self.failures = list(failures)
        self.seen: list[tuple[dispatch_pb2.RouteRequest, dict[str, Any]]] = []

    async def route(self, request: Any, context: Any) -> dispatch_pb2.RouteResponse:
        self.seen.append((request, dict(context.invocation_metadata())))
        if self.failures:
            code, trailers = self.failures.pop(0)
            await context.abort(code, "as scripted", trailers)
        return dispatch_pb2.RouteResponse(decision_id="d1")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            self.route,
            dispatch_pb2.RouteRequest.FromString,
            dispatch_pb2.RouteResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("fenliu.v1.DispatchService", {"Route": handler})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


INQUIRY = dispatch_pb2.RouteRequest(shop_id="s", buyer_id="b")
AWAY = (grpc.StatusCode.UNAVAILABLE, ())


async def test_patience_sends_the_same_request_with_an_id_of_its_own_until_it_is_answered():
    server = Troubled(AWAY, (grpc.StatusCode.RESOURCE_EXHAUSTED, ()))
    async with server.running() as target, FenliuClient(target, patience_s=30) as client:
        answer = await client.route(INQUIRY)
    assert answer.decision_id == "d1"
    assert len(server.seen) == 3
    assert {request.request_id for request, _ in server.seen} == {server.seen[0][0].request_id}
    assert server.seen[0][0].request_id != ""
    assert INQUIRY.request_id == ""


async def test_a_request_id_of_the_callers_is_kept():
    server = Troubled(AWAY)
    request = dispatch_pb2.RouteRequest(shop_id="s", buyer_id="b", request_id="mine")
    async with server.running() as target, FenliuClient(target, patience_s=30) as client:
        await client.route(request)
    assert [seen.request_id for seen, _ in server.seen] == ["mine", "mine"]


async def test_without_patience_one_try_is_made_and_nothing_is_added():
    server = Troubled(AWAY)
    async with server.running() as target, FenliuClient(target) as client:
        with pytest.raises(FenliuError) as caught:
            await client.route(INQUIRY)
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert [request.request_id for request, _ in server.seen] == [""]


async def test_refusals_are_not_sent_again():
    server = Troubled((grpc.StatusCode.INVALID_ARGUMENT, ()))
    async with server.running() as target, FenliuClient(target, patience_s=30) as client:
        with pytest.raises(FenliuError):
            await client.route(INQUIRY)
    assert len(server.seen) == 1


@pytest.mark.parametrize("pushback", ["-1", "never"])
async def test_a_server_that_says_do_not_retry_is_obeyed(pushback: str):
    trailers = (("grpc-retry-pushback-ms", pushback),)
    server = Troubled((grpc.StatusCode.UNAVAILABLE, trailers))
    async with server.running() as target, FenliuClient(target, patience_s=30) as client:
        with pytest.raises(FenliuError):
            await client.route(INQUIRY)
    assert len(server.seen) == 1


async def test_a_wait_the_server_asks_for_beyond_the_patience_gives_up_at_once():
    trailers = (("grpc-retry-pushback-ms", "3600000"),)
    server = Troubled((grpc.StatusCode.RESOURCE_EXHAUSTED, trailers))
    async with server.running() as target, FenliuClient(target, patience_s=30) as client:
        with pytest.raises(FenliuError) as caught:
            await client.route(INQUIRY)
    assert caught.value.pushback_ms == 3_600_000
    assert len(server.seen) == 1


async def test_actor_and_recorded_time_go_along_as_metadata():
    server = Troubled()
    async with server.running() as target, FenliuClient(target, actor="boss") as client:
        await client.route(INQUIRY, now_ms=1234)
    ((_, metadata),) = server.seen
    assert metadata["fenliu-actor"] == "boss"
    assert metadata["fenliu-now-ms"] == "1234"


@pytest.mark.parametrize("actor", ["小王", "a\nb"])
def test_an_actor_that_metadata_cannot_carry_is_refused(actor: str):
    with pytest.raises(ValueError, match="printable ASCII"):
        FenliuClient("127.0.0.1:1", actor=actor)


async def test_nobody_listening_is_unavailable():
    async with FenliuClient("127.0.0.1:1") as client:
        with pytest.raises(FenliuError) as caught:
            await client.get_server_info()
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert caught.value.reason == ""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[FenliuClient]:
    """A client of a real server with one shop of one ONLINE agent."""
    app = App(ServerConfig(listen="127.0.0.1:0", data=tmp_path / "data", grace_ms=200))
    try:
        async with FenliuClient(await app.start()) as client:
            await client.apply_shop(
                shop_pb2.Shop(
                    shop_id="s",
                    agents=[shop_pb2.Agent(agent_id="a")],
                    groups=[shop_pb2.Group(group_id="g", agent_ids=["a"])],
                )
            )
            await client.set_presence(
                presence_pb2.SetPresenceRequest(shop_id="s", agent_id="a", status=ONLINE)
            )
            yield client
    finally:
        await app.stop()


async def test_a_refusal_carries_code_reason_field_and_rule(client: FenliuClient):
    with pytest.raises(FenliuError) as caught:
        await client.route(dispatch_pb2.RouteRequest(shop_id="s", buyer_id="b", priority=10))
    error = caught.value
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert (error.field, error.rule) == ("priority", "must be within 0..9")
    assert str(error) == "priority: must be within 0..9 (INVALID_FIELD)"


async def test_every_unary_method_is_there(client: FenliuClient):
    answer = await client.route(INQUIRY)
    assert answer.agent_id == "a"
    good, bad = await client.route_batch([INQUIRY, dispatch_pb2.RouteRequest(shop_id="s")])
    assert good.response.agent_id == "a"
    assert FenliuError.from_status(bad.status).field == "buyer_id"
    event = dispatch_pb2.MessageEvent(
        shop_id="s", conversation_id=answer.conversation_id, sender=types_pb2.SENDER_BUYER
    )
    (result,) = await client.report_messages_batch([event])
    assert not result.HasField("status")
    (agent,) = await client.list_presence("s")
    assert (agent.agent_id, agent.open_conversations) == ("a", 1)
    order = dispatch_pb2.OrderEvent(
        shop_id="s", buyer_id="b", order_id="o", type=dispatch_pb2.ORDER_EVENT_TYPE_PAID
    )
    (noted,) = await client.report_orders([order])
    assert not noted.HasField("status")
    cancelled = await client.cancel_inquiry(
        dispatch_pb2.CancelInquiryRequest(shop_id="s", buyer_id="b")
    )
    assert not cancelled.was_waiting
    with pytest.raises(FenliuError) as to_itself:
        await client.transfer(
            dispatch_pb2.TransferRequest(
                shop_id="s", conversation_id=answer.conversation_id, agent_id="a"
            )
        )
    assert to_itself.value.rule == "already has this conversation"
    closed = await client.close_conversation(
        dispatch_pb2.CloseConversationRequest(shop_id="s", conversation_id=answer.conversation_id)
    )
    assert not closed.already_closed
    weights = shop_pb2.SetWeightsRequest(
        shop_id="s", weights=[shop_pb2.AgentWeight(agent_id="a", weight=9)]
    )
    etag = (await client.set_weights(weights)).etag
    shop = await client.get_shop("s")
    assert (shop.agents[0].weight, shop.etag) == (9, etag)
    assert [one.shop_id for one in await client.list_shops()] == ["s"]
    assert (await client.get_server_info()).clock == operator_pb2.CLOCK_WALL
    assert (await client.get_state_hash()).shops == 1


async def test_streams_carry_batches_both_ways(client: FenliuClient):
    async def batches() -> AsyncIterator[dispatch_pb2.RouteStreamRequest]:
        for number in (1, 2):
            yield dispatch_pb2.RouteStreamRequest(requests=[INQUIRY] * number, batch_id=number)

    answers = [(one.batch_id, len(one.results)) async for one in client.route_stream(batches())]
    assert answers == [(1, 1), (2, 2)]

    async def messages() -> AsyncIterator[dispatch_pb2.ReportMessagesRequest]:
        event = dispatch_pb2.MessageEvent(
            shop_id="s", buyer_id="b", sender=types_pb2.SENDER_BUYER, event_id="e"
        )
        yield dispatch_pb2.ReportMessagesRequest(events=[event, event])

    counted = await client.report_messages(messages())
    assert (counted.accepted, counted.duplicates) == (1, 1)

    async def session() -> AsyncIterator[presence_pb2.StreamPresenceRequest]:
        yield presence_pb2.StreamPresenceRequest(
            hello=presence_pb2.PresenceHello(session_id="gateway")
        )

    async for message in client.stream_presence(session()):
        assert message.welcome.lease_ms > message.welcome.heartbeat_ms > 0
        break


async def test_a_broken_stream_raises_the_refusal(client: FenliuClient):
    async def session() -> AsyncIterator[presence_pb2.StreamPresenceRequest]:
        yield presence_pb2.StreamPresenceRequest()

    with pytest.raises(FenliuError) as caught:
        async for _ in client.stream_presence(session()):
            pass
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
