"""The gateway's streams over a real port."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from fenliu.v1 import dispatch_pb2, types_pb2
from support.calls import ONLINE, Caller, demo_shop, refused

ROUTE_STREAM = "/fenliu.v1.DispatchService/RouteStream"
REPORT_MESSAGES = "/fenliu.v1.DispatchService/ReportMessages"


def batch(batch_id: int, *buyers: str) -> bytes:
    return dispatch_pb2.RouteStreamRequest(
        batch_id=batch_id,
        requests=[dispatch_pb2.RouteRequest(shop_id="demo", buyer_id=buyer) for buyer in buyers],
    ).SerializeToString()


async def test_batches_are_pipelined_and_answered_in_the_order_sent(call: Caller):
    stream = call.channel.stream_stream(ROUTE_STREAM)()
    for number in range(1, 101):
        await stream.write(batch(number, f"x{number}", f"y{number}"))
    await stream.done_writing()
    answers = [dispatch_pb2.RouteStreamResponse.FromString(raw) async for raw in stream]
    assert [answer.batch_id for answer in answers] == list(range(1, 101))
    decisions = [result.response.decision_id for answer in answers for result in answer.results]
    assert decisions == [f"d{number}" for number in range(1, 201)]


async def test_a_long_batch_does_not_overtake_the_one_before(call: Caller):
    stream = call.channel.stream_stream(ROUTE_STREAM)()
    sizes = [700, 3, 500, 1]
    for number, size in enumerate(sizes):
        await stream.write(batch(number, *(f"b{number}-{i}" for i in range(size))))
    await stream.done_writing()
    decisions = [
        result.response.decision_id
        async for raw in stream
        for result in dispatch_pb2.RouteStreamResponse.FromString(raw).results
    ]
    assert decisions == [f"d{number}" for number in range(1, sum(sizes) + 1)]


async def test_an_empty_batch_and_batch_id_zero_are_answered(call: Caller):
    stream = call.channel.stream_stream(ROUTE_STREAM)()
    await stream.write(b"")
    await stream.done_writing()
    assert [raw async for raw in stream] == [b""]


async def test_a_message_that_is_no_batch_ends_the_stream_with_the_rule(call: Caller):
    stream = call.channel.stream_stream(ROUTE_STREAM)()
    await stream.write(batch(1, "wang"))
    await stream.write(b"\xff\xff\xff")
    first = dispatch_pb2.RouteStreamResponse.FromString(await stream.read())
    assert first.batch_id == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert refused(caught.value).reason == "MALFORMED_MESSAGE"


async def test_reported_messages_are_counted(call: Caller):
    await call.route("wang")

    def event(**fields: Any) -> dispatch_pb2.MessageEvent:
        return dispatch_pb2.MessageEvent(shop_id="demo", **fields)

    stream = call.channel.stream_unary(REPORT_MESSAGES)()
    for events in (
        [event(conversation_id="c1", sender=types_pb2.SENDER_BUYER, event_id="1")],
        [
            event(conversation_id="c1", sender=types_pb2.SENDER_AGENT, event_id="2", sent_at_ms=5),
            event(conversation_id="c1", sender=types_pb2.SENDER_AGENT, event_id="2"),
            event(conversation_id="c9", sender=types_pb2.SENDER_AGENT),
        ],
    ):
        await stream.write(dispatch_pb2.ReportMessagesRequest(events=events).SerializeToString())
    await stream.done_writing()
    counts = dispatch_pb2.ReportMessagesResponse.FromString(await stream)
    assert (counts.accepted, counts.duplicates, counts.clamped, counts.rejected) == (2, 1, 1, 1)
    assert counts.first_rejection.code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_draining_answers_what_was_read_and_ends_the_stream(start: Any):
    async with start() as call:
        await call.apply(demo_shop())
        await call.set_presence("a", ONLINE)
        stream = call.channel.stream_stream(ROUTE_STREAM)()
        await stream.write(batch(1, "wang"))
        assert await stream.read()
        stopping = asyncio.create_task(call.app.stop())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert refused(caught.value).reason == "DRAINING"
        await stopping
