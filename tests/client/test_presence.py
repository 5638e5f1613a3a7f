"""The presence helper against real servers: through restarts, broken streams, lost sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from client.middle import Middle
from end_to_end.processes import free_address
from fenliu.client import FenliuError, Presence
from fenliu.v1 import types_pb2
from support.calls import OFFLINE, ONLINE, SUSPENDED, Caller, Start, demo_shop


async def until(condition: Any, patience_s: float = 20.0) -> None:
    """Waits for something that must come; how long is not what is tested."""
    async with asyncio.timeout(patience_s):
        while not await condition():  # noqa: ASYNC110 - polls another process's view
            await asyncio.sleep(0.02)


async def status(call: Caller, agent: str) -> int:
    return (await call.presence())[agent].status


@pytest.fixture
async def shop(start: Start) -> AsyncIterator[Caller]:
    async with start(lease_ms=1_000, heartbeat_ms=100) as caller:
        await caller.apply(demo_shop())
        yield caller


@pytest.fixture
async def between(shop: Caller) -> AsyncIterator[Middle]:
    async with Middle(shop.address).running() as middle:
        yield middle


def said(middle: Middle) -> list[tuple[str, int]]:
    return [(one.agent_id, one.status) for message in middle.presence for one in message.updates]


async def test_a_state_is_durable_when_set_returns_and_the_lease_is_kept(shop: Caller):
    async with Presence(shop.address) as presence:
        await asyncio.gather(
            presence.set("demo", "a", ONLINE, awaiting=2), presence.set("demo", "b", SUSPENDED)
        )
        agents = await shop.presence()
        assert (agents["a"].status, agents["a"].awaiting) == (ONLINE, 2)
        assert agents["a"].session_id == presence.session_id
        await asyncio.sleep(2.5)  # two and a half leases
        assert presence.connected
        assert await status(shop, "a") == ONLINE
        assert await status(shop, "b") == SUSPENDED

    async def offline() -> bool:
        return await status(shop, "a") == OFFLINE

    await until(offline)  # Nobody speaks for them any more.


async def test_a_refused_state_raises_and_is_not_said_again(between: Middle, shop: Caller):
    async with Presence(between.address) as presence:
        await presence.set("demo", "a", ONLINE)
        with pytest.raises(FenliuError) as caught:
            await presence.set("demo", "nobody", ONLINE)
        assert caught.value.code == grpc.StatusCode.NOT_FOUND
        await lose_session(between, shop)

        async def online() -> bool:
            return await status(shop, "a") == ONLINE

        await until(online)
    assert [agent for agent, _ in said(between)] == ["a", "nobody", "a"]


async def lose_session(middle: Middle, shop: Caller) -> None:
    """Keeps the gateway away until its lease has run out, then lets it come back."""
    middle.open.clear()
    middle.breaking.set()

    async def offline() -> bool:
        return await status(shop, "a") == OFFLINE

    await until(offline)
    middle.breaking.clear()
    middle.open.set()


async def test_after_a_lost_session_everybodys_last_state_is_said_again(
    between: Middle, shop: Caller
):
    heard: list[bool] = []
    async with Presence(between.address, on_connected=heard.append) as presence:
        await presence.set("demo", "a", SUSPENDED)
        await presence.set("demo", "a", ONLINE)
        await presence.set("demo", "b", ONLINE)
        await presence.set("demo", "b", OFFLINE)
        await lose_session(between, shop)

        async def online() -> bool:
            return await status(shop, "a") == ONLINE

        await until(online)
        assert presence.connected
    assert said(between)[4:] == [("a", ONLINE)]
    assert heard == [True, False, True, False]


async def test_a_broken_stream_is_resumed_and_repeats_nothing(between: Middle, shop: Caller):
    async with Presence(between.address) as presence:
        await presence.set("demo", "a", ONLINE)
        await shop.set_presence("a", SUSPENDED)  # A manager's word, later than ours.
        streams = between.streams
        between.breaking.set()

        async def broken() -> bool:
            return not presence.connected

        await until(broken)
        between.breaking.clear()

        async def resumed() -> bool:
            return presence.connected and between.streams > streams

        await until(resumed)
        await presence.set("demo", "b", ONLINE)
        assert await status(shop, "a") == SUSPENDED
    assert said(between) == [("a", ONLINE), ("b", ONLINE)]


async def test_what_is_said_while_the_server_is_away_arrives_later_only_the_last_word(
    between: Middle, shop: Caller
):
    between.open.clear()
    async with Presence(between.address, timeout_s=1) as presence:
        for one in (ONLINE, OFFLINE):
            with pytest.raises(FenliuError) as caught:
                await presence.set("demo", "a", one)
            assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
        last = asyncio.create_task(presence.set("demo", "a", SUSPENDED))
        await asyncio.sleep(0)
        between.open.set()
        await last
    assert said(between) == [("a", SUSPENDED)]


async def test_nobody_listening_is_unavailable_when_the_time_is_up():
    async with Presence("127.0.0.1:1", timeout_s=0.3) as presence:
        assert not presence.connected
        with pytest.raises(FenliuError) as caught:
            await presence.set("demo", "a", ONLINE)
        assert caught.value.code == grpc.StatusCode.UNAVAILABLE


async def test_agents_stay_online_through_a_restart_of_the_server(start: Start):
    address = free_address()
    heard: list[bool] = []
    async with Presence(address, timeout_s=20, on_connected=heard.append) as presence:
        async with start(listen=address, lease_ms=30_000) as call:
            await call.apply(demo_shop())
            await presence.set("demo", "a", ONLINE)
            since = (await call.presence())["a"].since_ms
        async with start(listen=address, lease_ms=1_500, heartbeat_ms=100) as call:

            async def connected() -> bool:
                return presence.connected

            await until(connected)
            await asyncio.sleep(2)  # More than the lease that the restart gave.
            agent = (await call.presence())["a"]
            assert (agent.status, agent.since_ms) == (ONLINE, since)
        assert heard == [True, False, True, False]


async def test_a_server_that_never_gave_the_token_gets_a_new_session(start: Start, tmp_path: Path):
    address = free_address()
    async with Presence(address, timeout_s=20) as presence:
        async with start(listen=address) as call:
            await call.apply(demo_shop())
            await presence.set("demo", "a", ONLINE)
        first = presence.session_id
        async with start(listen=address, data=tmp_path / "other") as call:
            await call.apply(demo_shop())

            async def online() -> bool:
                return await status(call, "a") == ONLINE

            await until(online)
            assert (await call.presence())["a"].session_id == presence.session_id != first


async def test_a_process_that_takes_over_silences_the_one_before(shop: Caller):
    async with Presence(shop.address, session_id="gateway") as before:
        await before.set("demo", "a", ONLINE)
        async with Presence(
            shop.address, session_id="gateway", resume_token=before.resume_token
        ) as after:
            await after.set("demo", "b", ONLINE)

            async def silent() -> bool:
                return not before.connected

            await until(silent)
            with pytest.raises(FenliuError) as caught:
                await before.set("demo", "a", OFFLINE)
            assert caught.value.reason == "SESSION_RESUMED"
            await asyncio.sleep(1.5)
            assert (await shop.presence())["a"].cause == types_pb2.PRESENCE_CAUSE_SESSION
            assert await status(shop, "a") == ONLINE


async def test_a_session_id_against_the_rules_is_told_to_whoever_sets(shop: Caller):
    async with Presence(shop.address, session_id="x" * 129) as presence:
        with pytest.raises(FenliuError) as caught:
            await presence.set("demo", "a", ONLINE)
        assert caught.value.field == "hello.session_id"


async def test_a_failing_callback_does_not_end_the_session(shop: Caller):
    def fail(_connected: bool) -> None:
        raise ValueError("the caller's own")

    async with Presence(shop.address, on_connected=fail) as presence:
        await presence.set("demo", "a", ONLINE)
        assert presence.connected
