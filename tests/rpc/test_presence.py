"""Presence streams over a real port: hello, leases, resuming, draining."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from fenliu.v1 import presence_pb2, types_pb2
from support.calls import OFFLINE, ONLINE, SUSPENDED, Caller, Start, demo_shop, refused

Request = presence_pb2.StreamPresenceRequest
Response = presence_pb2.StreamPresenceResponse


class Stream:
    """One presence stream from the client's end."""

    def __init__(self, call: Caller) -> None:
        self._stream = call.channel.stream_stream("/fenliu.v1.PresenceService/StreamPresence")()

    async def send(self, message: presence_pb2.StreamPresenceRequest) -> None:
        await self._stream.write(message.SerializeToString())

    async def read(self) -> presence_pb2.StreamPresenceResponse:
        return Response.FromString(await self._stream.read())

    async def hello(self, session: str, token: str = "") -> presence_pb2.PresenceWelcome:
        hello = presence_pb2.PresenceHello(session_id=session, resume_token=token)
        await self.send(Request(hello=hello))
        return (await self.read()).welcome

    async def update(
        self, *pairs: tuple[str, int], **fields: Any
    ) -> list[presence_pb2.PresenceAck]:
        await self.send(
            Request(
                updates=[
                    presence_pb2.PresenceUpdate(
                        update_id=f"u{number}",
                        shop_id="demo",
                        agent_id=agent,
                        status=status,
                        **fields,
                    )
                    for number, (agent, status) in enumerate(pairs)
                ]
            )
        )
        return list((await self.read()).acks)

    async def heartbeat(self) -> None:
        await self.send(Request(heartbeat=presence_pb2.PresenceHeartbeat()))

    async def refusal(self) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self._stream.read()
        return refused(caught.value)

    def drop(self) -> None:
        self._stream.cancel()


async def until(condition: Any, patience_s: float = 10.0) -> None:
    """Waits for something that must come; how long is not what is tested."""
    async with asyncio.timeout(patience_s):
        while not await condition():  # noqa: ASYNC110 - polls another process's view
            await asyncio.sleep(0.02)


@pytest.fixture
async def shop(start: Start) -> Any:
    async with start(lease_ms=1_000, heartbeat_ms=100) as caller:
        await caller.apply(demo_shop())
        yield caller


async def test_updates_are_acknowledged_one_by_one(shop: Caller):
    stream = Stream(shop)
    welcome = await stream.hello("gateway-1")
    assert (welcome.lease_ms, welcome.resumed) == (1_000, False)
    assert 90 <= welcome.heartbeat_ms <= 110
    acks = await stream.update(("a", ONLINE), ("nobody", ONLINE), ("b", SUSPENDED))
    assert [ack.update_id for ack in acks] == ["u0", "u1", "u2"]
    assert [ack.HasField("status") for ack in acks] == [False, True, False]
    assert acks[1].status.code == grpc.StatusCode.NOT_FOUND.value[0]
    agents = await shop.presence()
    assert (agents["a"].status, agents["b"].status) == (ONLINE, SUSPENDED)
    assert agents["a"].session_id == "gateway-1"


async def test_the_first_message_must_be_hello_and_only_the_first(shop: Caller):
    stream = Stream(shop)
    await stream.heartbeat()
    assert (await stream.refusal()).metadata["field"] == "hello"
    stream = Stream(shop)
    await stream.hello("gateway-1")
    await stream.send(Request(hello=presence_pb2.PresenceHello(session_id="gateway-1")))
    assert (await stream.refusal()).metadata["rule"] == "only the first message is hello"


@pytest.mark.parametrize(
    ("session_id", "rule"),
    [("", "required"), ("x" * 129, "at most 128 bytes"), ("a\x7fb", "no control characters")],
)
async def test_a_session_id_keeps_the_rule_of_ids(shop: Caller, session_id: str, rule: str):
    stream = Stream(shop)
    await stream.send(Request(hello=presence_pb2.PresenceHello(session_id=session_id)))
    assert (await stream.refusal()).metadata == {"field": "hello.session_id", "rule": rule}


async def test_a_dropped_stream_flaps_nobody_until_the_lease_runs_out(shop: Caller):
    stream = Stream(shop)
    await stream.hello("gateway-1")
    await stream.update(("a", ONLINE))
    stream.drop()
    assert (await shop.presence())["a"].status == ONLINE

    async def offline() -> bool:
        return (await shop.presence())["a"].status == OFFLINE

    await until(offline)
    agent = (await shop.presence())["a"]
    assert (agent.cause, agent.session_id) == (types_pb2.PRESENCE_CAUSE_LEASE_EXPIRED, "")


async def test_heartbeats_keep_the_lease(shop: Caller):
    stream = Stream(shop)
    await stream.hello("gateway-1")
    await stream.update(("a", ONLINE))
    for _ in range(25):  # 2.5 s in all: two and a half leases.
        await asyncio.sleep(0.1)
        await stream.heartbeat()
    assert (await shop.presence())["a"].status == ONLINE


async def test_resuming_within_the_lease_changes_nothing(start: Start):
    async with start(lease_ms=30_000) as call:
        await call.apply(demo_shop())
        stream = Stream(call)
        token = (await stream.hello("gateway-1")).resume_token
        await stream.update(("a", ONLINE), awaiting=3)
        before = await call.state_hash()
        stream.drop()
        again = Stream(call)
        assert (await again.hello("gateway-1", token)).resumed
        assert await call.state_hash() == before


async def test_the_token_of_another_session_is_refused(shop: Caller):
    token = (await Stream(shop).hello("gateway-1")).resume_token
    for session, offered in (("gateway-2", token), ("gateway-1", ""), ("gateway-1", "x")):
        stream = Stream(shop)
        hello = presence_pb2.PresenceHello(session_id=session, resume_token=offered)
        await stream.send(Request(hello=hello))
        refusal = await stream.refusal()
        assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
        assert refusal.metadata["field"] == "hello.resume_token"


async def test_a_resumed_session_leaves_its_old_stream_without_a_voice(shop: Caller):
    old, new = Stream(shop), Stream(shop)
    token = (await old.hello("gateway-1")).resume_token
    await new.hello("gateway-1", token)
    await old.heartbeat()
    assert (await old.refusal()).reason == "SESSION_RESUMED"
    assert not (await new.update(("a", ONLINE)))[0].HasField("status")


async def test_an_expired_session_must_say_hello_again(shop: Caller):
    stream = Stream(shop)
    await stream.hello("gateway-1")
    await asyncio.sleep(1.8)
    await stream.heartbeat()
    assert (await stream.refusal()).reason == "SESSION_EXPIRED"


async def test_after_a_restart_a_session_has_one_full_lease(start: Start):
    async with start(lease_ms=30_000) as call:
        await call.apply(demo_shop())
        stream = Stream(call)
        token = (await stream.hello("gateway-1")).resume_token
        await stream.update(("a", ONLINE), ("b", ONLINE))
    async with start(lease_ms=1_200, heartbeat_ms=100) as call:
        assert (await call.presence())["a"].status == ONLINE
        stream = Stream(call)
        assert (await stream.hello("gateway-1", token)).resumed
        for _ in range(20):
            await asyncio.sleep(0.1)
            await stream.heartbeat()
        assert (await call.presence())["b"].status == ONLINE
    async with start(lease_ms=300, heartbeat_ms=100) as call:

        async def offline() -> bool:
            return {agent.status for agent in (await call.presence()).values()} == {OFFLINE}

        await until(offline)


async def test_what_a_manager_sets_has_no_lease(shop: Caller):
    stream = Stream(shop)
    await stream.hello("gateway-1")
    await stream.update(("a", ONLINE), ("b", ONLINE))
    await shop.set_presence("a", SUSPENDED)
    stream.drop()

    async def b_offline() -> bool:
        return (await shop.presence())["b"].status == OFFLINE

    await until(b_offline)
    agent = (await shop.presence())["a"]
    assert (agent.status, agent.cause) == (SUSPENDED, types_pb2.PRESENCE_CAUSE_MANAGER)


async def test_draining_sends_reconnect_and_changes_nobody(start: Start):
    async with start(lease_ms=30_000) as call:
        await call.apply(demo_shop())
        stream = Stream(call)
        await stream.hello("gateway-1")
        await stream.update(("a", ONLINE))
        stopping = asyncio.create_task(call.app.stop())
        assert (await stream.read()).reconnect.delay_ms > 0
        assert (await stream.refusal()).reason == "DRAINING"
        await stopping
    async with start(lease_ms=30_000) as call:
        assert (await call.presence())["a"].status == ONLINE
