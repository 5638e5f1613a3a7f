"""What a server does with more than it can: whom it refuses and how, and who does not notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from fenliu.insight.explain import Explainer
from fenliu.load.generator import Loaded, closed_loop
from fenliu.rpc.server import PROTECTED
from fenliu.v1 import dispatch_pb2, insight_pb2
from support.calls import ONLINE, Caller, Start, demo_shop, refused

EXPLAIN = "InsightService/ExplainDecision"
AT_ONCE, WAITING = 8, 64


class Slow:
    """Explanations that are worked out when the test lets them."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()

    async def explain(self, *_: Any) -> insight_pb2.ExplainDecisionResponse:
        self.begun += 1
        await self.gate.wait()
        return insight_pb2.ExplainDecisionResponse()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    explanations = Slow()
    monkeypatch.setattr(Explainer, "explain", lambda _self, *asked: explanations.explain(*asked))
    yield explanations


async def explain(call: Caller, timeout_s: float | None = None) -> bytes:
    request = insight_pb2.ExplainDecisionRequest(shop_id="demo", decision_id="d1")
    method = call.channel.unary_unary(f"/fenliu.v1.{EXPLAIN}")
    answer: bytes = await method(request.SerializeToString(), timeout=timeout_s)
    return answer


async def test_who_looks_back_waits_in_a_line_of_its_own_and_inquiries_pass(
    call: Caller, slow: Slow
):
    await call.route("first")
    calls = [asyncio.create_task(explain(call)) for _ in range(AT_ONCE + WAITING + 5)]
    done, _ = await asyncio.wait(calls, timeout=2)
    for one in done:
        error = one.exception()
        assert isinstance(error, grpc.aio.AioRpcError)
        seen = refused(error)
        assert (seen.code, seen.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert int(seen.trailing["grpc-retry-pushback-ms"]) > 0
        status = status_pb2.Status.FromString(seen.trailing["grpc-status-details-bin"])
        retry = error_details_pb2.RetryInfo()
        assert status.details[1].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() > 0
    assert (len(done), slow.begun) == (5, AT_ONCE)
    assert (await call.route("second")).agent_id
    assert (await call.presence()).keys() == {"a", "b"}
    slow.gate.set()
    answered = await asyncio.gather(*(one for one in calls if one not in done))
    assert (len(answered), slow.begun) == (AT_ONCE + WAITING, AT_ONCE + WAITING)


async def test_what_waited_too_long_is_not_begun(call: Caller, slow: Slow):
    await call.route("first")
    running = [asyncio.create_task(explain(call)) for _ in range(AT_ONCE)]
    while slow.begun < AT_ONCE:  # noqa: ASYNC110 - of the server
        await asyncio.sleep(0.01)
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await explain(call, timeout_s=0.2)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.sleep(0.5)  # the server counts from when the call arrived
    slow.gate.set()
    await asyncio.gather(*running)
    await explain(call)
    assert slow.begun == AT_ONCE + 1


@pytest.mark.parametrize("protection", [True, False])
async def test_a_flood_that_nobody_comes_to_is_ended_before_it_costs_anything(
    start: Start, protection: bool
):
    most = dict(PROTECTED)["grpc.server.max_pending_requests_hard_limit"]
    inquiry = dispatch_pb2.RouteRequest(shop_id="demo", buyer_id="w").SerializeToString()

    def flood(address: str) -> Loaded:
        return closed_loop(
            address,
            "/fenliu.v1.DispatchService/Route",
            [inquiry] * (most + 500),
            under_way=most + 500,
            connections=2,
        )

    async with start(protection=protection) as call:
        await call.apply(demo_shop())
        await call.set_presence("a", ONLINE)
        flooding = asyncio.create_task(asyncio.to_thread(flood, call.address))
        await asyncio.sleep(0.05)
        time.sleep(1)  # noqa: ASYNC251 - the loop is held, as by more work than it can do
        loaded = await flooding
        if protection:
            assert 300 < loaded.refused <= 500 + most // 2
        else:
            assert loaded.refused == 0
        assert len(loaded.answers) + loaded.refused == most + 500
        answers = await asyncio.gather(*(call.route(f"b{number}") for number in range(50)))
        assert all(answer.agent_id == "a" for answer in answers)
