"""WatchAssignments over a real port: what is seen, where it goes on, who is cut off, what is refused."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from fenliu.client import FenliuClient, FenliuError
from fenliu.v1 import dispatch_pb2, shop_pb2
from support.calls import OFFLINE, ONLINE, Caller, Start, demo_shop, refused
from support.watching import Event, bare, take, told

WATCH = "/fenliu.v1.DispatchService/WatchAssignments"
# Without bandwidth probing the transport holds little for somebody who does not read.
SMALL_WINDOWS = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
LONG = "买家" * 20


@asynccontextmanager
async def watching(call: Caller, shop: str = "", token: str = "") -> AsyncIterator[Any]:
    """A watcher who begins now."""
    async with FenliuClient(call.address) as client:
        stream = client.watch_assignments(shop, resume_token=token)
        first = await anext(stream)
        assert first == Event(resume_token=first.resume_token)
        yield stream
        await stream.aclose()


async def first_token(call: Caller, shop: str = "") -> str:
    async with FenliuClient(call.address) as client:
        return (await anext(client.watch_assignments(shop))).resume_token


async def other_shop(call: Caller, shop_id: str) -> None:
    shop = demo_shop()
    shop.shop_id = shop_id
    await call.apply(shop)


async def route_many(call: Caller, buyers: list[str], shop_id: str = "demo") -> None:
    for start in range(0, len(buyers), 500):
        batch = dispatch_pb2.RouteBatchRequest(
            requests=[
                dispatch_pb2.RouteRequest(shop_id=shop_id, buyer_id=buyer)
                for buyer in buyers[start : start + 500]
            ]
        )
        answer = await call("DispatchService/RouteBatch", batch, dispatch_pb2.RouteBatchResponse)
        assert all(result.HasField("response") for result in answer.results)


async def refusal(call: Caller, request: dispatch_pb2.WatchAssignmentsRequest | bytes) -> Any:
    raw = request if isinstance(request, bytes) else request.SerializeToString()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.channel.unary_stream(WATCH)(raw).read()
    return refused(caught.value)


async def token_refusal(call: Caller, token: str, shop: str = "demo") -> Any:
    request = dispatch_pb2.WatchAssignmentsRequest(shop_id=shop, resume_token=token)
    seen = await refusal(call, request)
    assert seen.metadata["field"] == "resume_token"
    assert "start over with an empty token" in seen.metadata["rule"]
    return seen


async def test_a_watcher_sees_what_is_decided_from_now_on(call: Caller):
    before = await call.route("before")
    async with watching(call, "demo") as stream:
        answers = [await call.route(f"b{number}") for number in range(20)]
        events = await take(stream, 20)
    assert [event.assignment for event in events] == answers
    assert before.decision_id not in {event.assignment.decision_id for event in events}


async def test_each_token_goes_on_right_behind_its_message(call: Caller):
    await call.apply(demo_shop(busy_threshold=1000))
    start = await first_token(call, "demo")
    # One record with many entries, and several facts in one entry.
    await route_many(call, [f"b{number}" for number in range(30)])
    for agent in ("a", "b"):
        await call.set_presence(agent, OFFLINE)
    for number in range(6):
        await call.route(f"pooled-{number}")
    await call.set_presence("a", ONLINE)
    await call.set_presence("b", ONLINE)
    async with watching(call, "demo", start) as stream:
        events = await take(stream, 30 + 6 + 6)
    for at, event in enumerate(events[:-1]):
        async with watching(call, "demo", event.resume_token) as stream:
            rest = len(events) - at - 1 if at % 10 == 0 else 1
            assert await take(stream, rest) == events[at + 1 : at + 1 + rest]


async def test_two_watchers_see_the_same(call: Caller):
    async with watching(call, "demo") as one, watching(call, "demo") as other:
        await route_many(call, [f"b{number}" for number in range(100)])
        assert await take(one, 100) == await take(other, 100)


async def test_all_shops_are_watched_together_each_in_its_order(call: Caller):
    shops = ["demo", *(f"shop-{number}" for number in range(1, 6))]
    start = await first_token(call)
    for shop_id in shops[1:]:
        await other_shop(call, shop_id)
    async with watching(call) as stream:
        for number in range(10):
            await asyncio.gather(*(route_many(call, [f"b{number}"], shop) for shop in shops))
        events = await take(stream, 60)
    for shop_id in shops:
        buyers = [event.buyer_id for event in events if event.shop_id == shop_id]
        assert buyers == [f"b{number}" for number in range(10)]
    # From any token on, each shop goes on where it was.
    for at in range(0, 60, 7):
        async with watching(call, "", events[at].resume_token) as stream:
            rest = await take(stream, 59 - at)
        for shop_id in shops:
            expected = [bare(one) for one in events[at + 1 :] if one.shop_id == shop_id]
            assert [bare(one) for one in rest if one.shop_id == shop_id] == expected
    async with watching(call, "", start) as stream:
        assert len(await take(stream, 60)) == 60


async def test_a_watcher_of_a_quiet_shop_hears_nothing_of_the_others(start: Start):
    # In one partition, so that it reads past what is not its own.
    async with start(partitions=1) as call:
        await call.apply(demo_shop())
        await other_shop(call, "quiet")
        async with watching(call, "quiet") as stream:
            await route_many(call, [f"b{number}" for number in range(300)])
            await route_many(call, ["wang"], "quiet")
            (event,) = await take(stream, 1)
        assert (event.shop_id, told(event)) == ("quiet", "wang: POOLED OFFLINE_POOL")


async def test_it_goes_on_after_a_restart(start: Start):
    async with start() as call:
        await call.apply(demo_shop())
        token = await first_token(call, "demo")
        await call.route("wang")
        async with watching(call, "demo", token) as stream:
            (wang,) = await take(stream, 1)
        await call.route("li")
    async with start() as call:
        await call.route("zhao")
        async with watching(call, "demo", wang.resume_token) as stream:
            assert [event.buyer_id for event in await take(stream, 2)] == ["li", "zhao"]


async def test_draining_ends_the_stream_which_a_patient_client_resumes(start: Start):
    async with start() as call:
        await call.apply(demo_shop())
        stream = call.channel.unary_stream(WATCH)(b"")
        assert await stream.read()
        stopping = asyncio.create_task(call.app.stop())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        seen = refused(caught.value)
        assert (seen.code, seen.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        assert "grpc-retry-pushback-ms" in seen.trailing
        await stopping


async def test_a_patient_client_resumes_by_itself(start: Start):
    async with start() as call:
        await call.apply(demo_shop())
        address = call.address
        async with FenliuClient(address, patience_s=60) as client:
            stream = client.watch_assignments("demo")
            await anext(stream)
            await call.route("wang")
            (wang,) = await take(stream, 1)
            next_one = asyncio.create_task(take(stream, 1))
            await call.app.stop()
            async with start(listen=address) as again:
                await again.route("li")
                (li,) = await next_one
    assert (wang.buyer_id, li.buyer_id) == ("wang", "li")


async def test_a_slow_reader_is_cut_off_while_dispatch_goes_on_and_resumes_without_loss(
    start: Start,
):
    limit_ms = 200
    async with start(slow_reader_ms=limit_ms) as call:
        await call.apply(demo_shop())
        token = await first_token(call, "demo")
        buyers = [f"{LONG}{number}" for number in range(1500)]
        await route_many(call, buyers)
        seen: list[str] = []
        async with grpc.aio.insecure_channel(call.address, options=SMALL_WINDOWS) as channel:
            request = dispatch_pb2.WatchAssignmentsRequest(shop_id="demo", resume_token=token)
            stream = channel.unary_stream(WATCH)(request.SerializeToString())
            assert await stream.read()
            for number in range(5):
                await asyncio.sleep(2 * limit_ms / 1_000)
                await call.route(f"meanwhile-{number}")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                while (raw := await stream.read()) is not grpc.aio.EOF:
                    event = Event.FromString(raw)
                    seen.append(event.buyer_id)
                    token = event.resume_token
        cut = refused(caught.value)
        assert (cut.code, cut.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_READER")
        assert "resume_token goes on" in cut.metadata["rule"]
        assert 0 < len(seen) < len(buyers)
        buyers += [f"meanwhile-{number}" for number in range(5)]
        async with watching(call, "demo", token) as rest:
            seen += [event.buyer_id for event in await take(rest, len(buyers) - len(seen))]
        assert seen == buyers


async def test_a_patient_client_is_told_that_it_is_slow():
    async def slow(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield Event(resume_token="t").SerializeToString()
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow", details)

    from fenliu.rpc.errors import STATUS_METADATA, refusal

    status = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_READER", "slow").status
    details = ((STATUS_METADATA, status.SerializeToString()),)
    server = grpc.aio.server()
    table = {"WatchAssignments": grpc.unary_stream_rpc_method_handler(slow)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("fenliu.v1.DispatchService", table),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with FenliuClient(f"127.0.0.1:{port}", patience_s=60) as client:
        with pytest.raises(FenliuError) as caught:
            [message async for message in client.watch_assignments()]
    assert caught.value.reason == "SLOW_READER"
    await server.stop(None)


async def test_a_reader_who_has_nothing_to_read_is_not_slow(start: Start):
    async with start(slow_reader_ms=50) as call:
        await call.apply(demo_shop())
        async with watching(call, "demo") as stream:
            await asyncio.sleep(0.3)
            await call.route("wang")
            assert (await take(stream, 1))[0].buyer_id == "wang"


async def test_an_unknown_shop_is_not_found(call: Caller):
    seen = await refusal(call, dispatch_pb2.WatchAssignmentsRequest(shop_id="nowhere"))
    assert (seen.code, seen.reason) == (grpc.StatusCode.NOT_FOUND, "SHOP_NOT_FOUND")
    assert seen.metadata["field"] == "shop_id"


@pytest.mark.parametrize(
    ("request_", "reason", "rule"),
    [
        (b"\xff\xff", "MALFORMED_MESSAGE", "not a fenliu.v1.WatchAssignmentsRequest"),
        (
            dispatch_pb2.WatchAssignmentsRequest(shop_id="x" * 129),
            "INVALID_FIELD",
            "at most 128 bytes",
        ),
    ],
)
async def test_a_bad_request_is_refused_with_the_rule(
    call: Caller, request_: Any, reason: str, rule: str
):
    seen = await refusal(call, request_)
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert seen.metadata["rule"] == rule


@pytest.mark.parametrize("token", ["x", "not a token", "买家", "A" * 64, "A" * 500_000, "=" * 70])
async def test_what_is_no_token_is_refused(call: Caller, token: str):
    seen = await token_refusal(call, token)
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert "not a resume token" in seen.metadata["rule"]


@pytest.mark.parametrize("shop", ["demo", ""])
async def test_a_token_with_any_character_changed_is_refused(call: Caller, shop: str):
    token = await first_token(call, shop)
    for at, character in enumerate(token):
        changed = token[:at] + ("A" if character != "A" else "B") + token[at + 1 :]
        await token_refusal(call, changed, shop)
    await token_refusal(call, token[:-1], shop)
    await token_refusal(call, token + "A", shop)


async def test_a_token_of_another_server_is_refused(call: Caller, start: Start, tmp_path: Path):
    async with start(data=tmp_path / "elsewhere") as elsewhere:
        await elsewhere.apply(demo_shop())
        token = await first_token(elsewhere, "demo")
    seen = await token_refusal(call, token)
    assert seen.code is grpc.StatusCode.INVALID_ARGUMENT
    assert seen.metadata["rule"].startswith("from another server")


async def test_a_token_of_another_scope_is_refused(call: Caller):
    await other_shop(call, "other")
    for given_for, used_for, rule in (
        ("demo", "other", "given out for shop demo, not for shop other"),
        ("demo", "", "given out for shop demo, not for all shops"),
        ("", "demo", "given out for all shops, not for shop demo"),
    ):
        seen = await token_refusal(call, await first_token(call, given_for), used_for)
        assert seen.code is grpc.StatusCode.INVALID_ARGUMENT
        assert seen.metadata["rule"].startswith(rule)


@pytest.mark.parametrize("shop", ["demo", ""])
async def test_a_token_from_before_an_older_backup_came_back_is_refused(
    start: Start, tmp_path: Path, shop: str
):
    async with start() as call:
        await call.apply(demo_shop())
    shutil.copytree(tmp_path / "data", tmp_path / "backup")
    async with start() as call:
        await call.route("wang")
        token = await first_token(call, shop)
    async with start(data=tmp_path / "backup") as call:
        seen = await token_refusal(call, token, shop)
        assert (seen.code, seen.reason) == (grpc.StatusCode.OUT_OF_RANGE, "RESUME_TOKEN_AHEAD")


@pytest.mark.parametrize("shop", ["demo", ""])
async def test_a_token_of_what_is_not_kept_any_more_is_refused(
    start: Start, tmp_path: Path, shop: str
):
    async with start() as call:
        await call.apply(demo_shop())
        old = await first_token(call, shop)
        await call.route("wang")
        kept = await first_token(call, shop)
        await call.route("li")
        with closing(sqlite3.connect(tmp_path / "data" / "fenliu.db")) as database:
            database.execute("DELETE FROM records WHERE seq < 3")
            database.commit()
        seen = await token_refusal(call, old, shop)
        assert (seen.code, seen.reason) == (grpc.StatusCode.OUT_OF_RANGE, "RESUME_TOKEN_TOO_OLD")
        async with watching(call, shop, kept) as stream:
            assert (await take(stream, 1))[0].buyer_id == "li"


async def test_watchers_see_nothing_of_what_is_refused_or_repeated(call: Caller):
    async with watching(call, "demo") as stream:
        await call.route("wang", request_id="r1")
        await call.route("wang", request_id="r1")
        bad = dispatch_pb2.RouteRequest(shop_id="demo", buyer_id="li", request_id="r1")
        assert (await call.refusal("DispatchService/Route", bad)).reason == "REQUEST_ID_REUSED"
        await call.apply(demo_shop(idle_close_ms=60_000))
        await call.route("zhao")
        assert [event.buyer_id for event in await take(stream, 2)] == ["wang", "zhao"]


async def test_a_shop_is_watched_from_its_very_beginning(call: Caller):
    """All shops includes those made later."""
    async with watching(call) as stream:
        shop = shop_pb2.Shop(shop_id="new")
        await call.apply(shop)
        await route_many(call, ["wang"], "new")
        assert (await take(stream, 1))[0].shop_id == "new"
