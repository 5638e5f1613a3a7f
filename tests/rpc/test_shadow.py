"""WatchShadow over a real port: a candidate beside live traffic tells what it decides otherwise, and no more."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest

from fenliu.client import FenliuClient, FenliuError
from fenliu.engine import CommandKind
from fenliu.insight.jobs import jobs
from fenliu.insight.jobs.frames import Kind, frame
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2, types_pb2
from support.calls import OFFLINE, ONLINE, Caller, Start, demo_shop, refused

WATCH = "/fenliu.v1.InsightService/WatchShadow"
TIMEOUT_S = 60
BUYERS = [f"b{number}" for number in range(24)]
NEVER_BUSY = 1_000_000

Seen = insight_pb2.WatchShadowResponse


def candidate(**weights: int) -> shop_pb2.Shop:
    shop = demo_shop(busy_threshold=NEVER_BUSY)
    for agent in shop.agents:
        agent.weight = weights.get(agent.agent_id, agent.weight)
    return shop


def asks(shop: shop_pb2.Shop, **fields: Any) -> insight_pb2.WatchShadowRequest:
    return insight_pb2.WatchShadowRequest(
        candidate_shop=shop, language=types_pb2.LANGUAGE_ENGLISH, **fields
    )


@asynccontextmanager
async def shadowed(
    call: Caller, request: insight_pb2.WatchShadowRequest
) -> AsyncIterator[tuple[AsyncIterator[Seen], Seen]]:
    """A shadow that has begun, and its first message."""
    async with FenliuClient(call.address) as client, asyncio.timeout(TIMEOUT_S):
        stream = client.watch_shadow(request)
        yield stream, await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]


async def until(stream: AsyncIterator[Seen], inquiries: int) -> tuple[list[Any], Seen]:
    """The differences told until so many inquiries were compared, and the last message."""
    differences: list[Any] = []
    async for message in stream:
        differences += message.differences
        if message.sums.inquiries.inquiries >= inquiries:
            return differences, message
    raise AssertionError("the stream ended")


def moved(difference: Any) -> tuple[str, str, str]:
    return difference.buyer_id, difference.live.agent_id, difference.shadow.agent_id


@pytest.fixture
async def quiet(start: Start) -> AsyncIterator[Caller]:
    """A server with the demo shop, both agents ONLINE and never busy."""
    async with start() as caller:
        await caller.apply(candidate())
        for agent in ("a", "b"):
            await caller.set_presence(agent, ONLINE)
        yield caller


async def test_exactly_the_decisions_that_differ_are_told(quiet: Caller, core: ModuleType):
    for number in range(3):
        await quiet.route(f"before{number}")
    other = candidate(a=1, b=9)
    async with shadowed(quiet, asks(other)) as (stream, first):
        assert not first.differences and not first.findings
        live = {buyer: (await quiet.route(buyer)).agent_id for buyer in BUYERS}
        differences, last = await until(stream, len(BUYERS))

    # The same by an engine that was given the same, and then the candidate.
    engine = core.Engine(1)

    def decide(kind: CommandKind, message: Any) -> bytes:
        code, reply, _, _ = engine.decide(kind, message.SerializeToString(), 1)
        assert code == 0
        return reply

    decide(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=candidate()))
    for agent in ("a", "b"):
        online = presence_pb2.SetPresenceRequest(shop_id="demo", agent_id=agent, status=ONLINE)
        decide(CommandKind.SET_PRESENCE, online)
    shadow = {}
    for buyer in ["before0", "before1", "before2", None, *BUYERS]:
        if buyer is None:
            decide(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=other))
            continue
        inquiry = dispatch_pb2.RouteRequest(shop_id="demo", buyer_id=buyer)
        answer = dispatch_pb2.RouteResponse.FromString(decide(CommandKind.ROUTE, inquiry))
        shadow[buyer] = answer.agent_id
    expected = [
        (buyer, live[buyer], shadow[buyer]) for buyer in BUYERS if live[buyer] != shadow[buyer]
    ]
    assert expected and [moved(one) for one in differences] == expected
    assert all(one.inquiry and one.decision_id for one in differences)
    sums = last.sums
    assert sums.inquiries.inquiries == len(BUYERS)
    assert sums.inquiries.other_receiver == sums.differences == len(expected)
    assert sums.inquiries.same == len(BUYERS) - len(expected)
    counts = {one.agent_id: (one.live_received, one.shadow_received) for one in sums.agents}
    assert counts == {
        agent: (list(live.values()).count(agent), [shadow[b] for b in BUYERS].count(agent))
        for agent in ("a", "b")
    }


async def report(call: Caller, sender: int, conversation_id: str, **fields: Any) -> None:
    event = dispatch_pb2.MessageEvent(
        shop_id="demo", conversation_id=conversation_id, sender=sender, **fields
    )
    answer = await call(
        "DispatchService/ReportMessagesBatch",
        dispatch_pb2.ReportMessagesBatchRequest(events=[event]),
        dispatch_pb2.ReportMessagesBatchResponse,
    )
    assert not answer.results[0].HasField("status"), answer


async def live_traffic(call: Caller) -> int:
    """Inquiries, replies, closes, transfers, a pause with buyers who wait; how many inquiries."""
    answers = [await call.route(buyer) for buyer in BUYERS]
    for number, answer in enumerate(answers):
        await report(call, types_pb2.SENDER_BUYER, answer.conversation_id)
        if number % 3 == 0:
            await report(call, types_pb2.SENDER_AGENT, answer.conversation_id)
        if number % 4 == 0:
            close = dispatch_pb2.CloseConversationRequest(
                shop_id="demo", conversation_id=answer.conversation_id
            )
            await call(
                "DispatchService/CloseConversation", close, dispatch_pb2.CloseConversationResponse
            )
            await report(call, types_pb2.SENDER_AGENT, answer.conversation_id)
    to = "b" if answers[1].agent_id == "a" else "a"
    transfer = dispatch_pb2.TransferRequest(
        shop_id="demo", conversation_id=answers[1].conversation_id, agent_id=to
    )
    await call("DispatchService/Transfer", transfer, dispatch_pb2.TransferResponse)
    for agent in ("a", "b"):
        await call.set_presence(agent, OFFLINE)
    for buyer in ("night1", "night2"):
        await call.route(buyer)
    await call.set_presence("b", ONLINE)
    await call.route("night1")
    return len(BUYERS) + 3


async def test_the_live_document_makes_no_difference(quiet: Caller):
    await quiet.route("before")
    async with shadowed(quiet, asks(candidate())) as (stream, _):
        inquiries = await live_traffic(quiet)
        differences, last = await until(stream, inquiries)
    assert not differences and last.sums.differences == 0
    assert last.sums.inquiries.same == inquiries
    assert last.sums.live_waiting == last.sums.shadow_waiting == 2
    assert not last.sums.left_out
    assert all(one.live_received == one.shadow_received for one in last.sums.agents)


async def test_the_live_shop_may_change_meanwhile(quiet: Caller):
    async with shadowed(quiet, asks(candidate())) as (stream, first):
        change = shop_pb2.SetWeightsRequest(
            shop_id="demo", weights=[shop_pb2.AgentWeight(agent_id="a", weight=0)]
        )
        answer = await quiet("ShopService/SetWeights", change, shop_pb2.SetWeightsResponse)
        told = [await anext(stream)]
        for buyer in BUYERS:
            await quiet.route(buyer)
        differences, last = await until(stream, len(BUYERS))
    assert told[0].live_changed and told[0].sums.live_etag == answer.etag != first.sums.live_etag
    assert not last.live_changed
    # The candidate is what it was: it goes on giving `a` buyers.
    counts = {one.agent_id: (one.live_received, one.shadow_received) for one in last.sums.agents}
    assert counts == {"a": (0, 15), "b": (24, 9)}
    assert {moved(one)[1:] for one in differences} == {("b", "a")} and len(differences) == 15


async def test_what_happened_before_can_be_compared(quiet: Caller):
    shadowing = asks(candidate(a=1, b=9))
    async with shadowed(quiet, shadowing) as (stream, first):
        await live_traffic(quiet)
        differences, last = await until(stream, len(BUYERS) + 3)
    shadowing.since_ms = first.sums.since_ms
    async with shadowed(quiet, shadowing) as (stream, _):
        again, sums = await until(stream, len(BUYERS) + 3)
    assert differences and again == differences
    assert sums.sums == last.sums


async def test_a_patient_client_goes_on_after_a_restart_and_hears_nothing_twice(start: Start):
    async with start() as call:
        await call.apply(candidate())
        for agent in ("a", "b"):
            await call.set_presence(agent, ONLINE)
        async with FenliuClient(call.address, patience_s=60) as client, asyncio.timeout(TIMEOUT_S):
            stream = client.watch_shadow(asks(candidate(a=0)))
            await anext(stream)
            for buyer in BUYERS[:12]:
                await call.route(buyer)
            before, _ = await until(stream, 12)
            more = asyncio.create_task(until(stream, 24))
            await call.app.stop()
            async with start(listen=call.address) as again:
                for buyer in BUYERS[12:]:
                    await again.route(buyer)
                after, last = await more
    told = [one.buyer_id for one in [*before, *after]]
    assert len(told) == len(set(told)) == last.sums.differences == 15


async def refusal(call: Caller, request: insight_pb2.WatchShadowRequest | bytes) -> Any:
    raw = request if isinstance(request, bytes) else request.SerializeToString()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call.channel.unary_stream(WATCH)(raw, timeout=TIMEOUT_S):
            pass
    return caught.value


async def test_an_invalid_candidate_is_refused_with_what_lint_finds(quiet: Caller):
    shop = candidate(a=101)
    shop.groups.add(group_id="nobody")
    error = await refusal(quiet, asks(shop))
    seen = refused(error)
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert seen.metadata == {
        "field": "candidate_shop.agents[0].weight",
        "rule": "must be within 0..100",
    }
    (finding,) = FenliuError.from_rpc(error).findings
    assert finding.rule == shop_pb2.LINT_RULE_UNSTAFFED_GROUP and "nobody" in finding.message
    # A valid one begins with them.
    shop = candidate()
    shop.groups.add(group_id="nobody")
    async with shadowed(quiet, asks(shop)) as (_, first):
        assert [one.field for one in first.findings] == ["groups[1].agent_ids"]


async def test_what_cannot_be_asked_is_refused(quiet: Caller):
    unknown = candidate()
    unknown.shop_id = "nowhere"
    for request, field, rule in (
        (insight_pb2.WatchShadowRequest(), "candidate_shop", "required"),
        (asks(shop_pb2.Shop()), "candidate_shop.shop_id", "required"),
        (asks(candidate(), since_ms=-1), "since_ms", "must be within"),
        (asks(candidate(), since_ms=9_000_000_000_000), "since_ms", "in the future"),
        (asks(unknown), "shop_id", "unknown shop"),
    ):
        seen = refused(await refusal(quiet, request))
        assert seen.metadata["field"] == field and rule in seen.metadata["rule"]
    assert refused(await refusal(quiet, b"\xff")).reason == "MALFORMED_MESSAGE"


def children() -> Iterator[int]:
    """The processes of jobs that this process has started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text, line = status.read_text(), (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PPid:\t{os.getpid()}\n" in text and b"fenliu.insight.jobs.worker" in line:
            yield int(status.parent.name)


def gone(folder: Path) -> None:
    """Waits until there are no processes and no files of jobs left."""
    until_s = time.monotonic() + TIMEOUT_S
    while list(children()) or list(folder.glob("fenliu-*")):
        assert time.monotonic() < until_s
        time.sleep(0.05)


async def test_shadows_are_bounded_and_leave_nothing_behind(
    quiet: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setitem(jobs.LIMITS, "shadow", jobs.Limits(at_once=1))  # type: ignore[arg-type]
    async with shadowed(quiet, asks(candidate())) as (stream, _):
        assert refused(await refusal(quiet, asks(candidate()))).reason == "OVERLOADED"
        (worker,) = children()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(FenliuError) as caught:
            await anext(stream)
        assert caught.value.code == grpc.StatusCode.INTERNAL
    async with shadowed(quiet, asks(candidate())):
        assert len(list(children())) == 1
    await asyncio.to_thread(gone, tmp_path)


def test_a_job_whose_server_was_killed_leaves_nothing_behind(tmp_path: Path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "tables.db").write_bytes(b"x")
    command = [sys.executable, "-m", "fenliu.insight.jobs.worker", "shadow", tmp_path, "python"]
    with subprocess.Popen(
        [*command, scratch], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as worker:
        assert worker.stdin is not None
        # A request that is not whole, and then nobody is there any more.
        worker.stdin.write(frame(Kind.REQUEST, bytes(8)))
        worker.stdin.close()
        worker.wait(timeout=TIMEOUT_S)
    assert not scratch.exists()


async def test_a_slow_reader_is_cut_off_while_dispatch_goes_on(start: Start):
    async with start(slow_reader_ms=200) as call:
        await call.apply(candidate())
        for agent in ("a", "b"):
            await call.set_presence(agent, ONLINE)
        options = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.insecure_channel(call.address, options=options) as channel:
            stream = channel.unary_stream(WATCH)(asks(candidate(a=0)).SerializeToString())
            assert await stream.read()
            for start_at in range(0, 4000, 500):
                batch = dispatch_pb2.RouteBatchRequest(
                    requests=[
                        dispatch_pb2.RouteRequest(shop_id="demo", buyer_id=f"{'买家' * 20}{n}")
                        for n in range(start_at, start_at + 500)
                    ]
                )
                await call("DispatchService/RouteBatch", batch, dispatch_pb2.RouteBatchResponse)
            await asyncio.sleep(2)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                while await stream.read() is not grpc.aio.EOF:
                    pass
    assert refused(caught.value).reason == "SLOW_READER"
