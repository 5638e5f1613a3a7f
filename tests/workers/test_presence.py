"""Presence sessions: one home, wherever their streams come in and whosever their shops are."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import grpc
import pytest

from fenliu.v1 import presence_pb2, types_pb2
from fenliu.workers.seat import home_of
from model.cores import all_cores
from support.calls import OFFLINE, ONLINE, Caller, refused
from support.several import presence, session_of, shop, shop_of

Request = presence_pb2.StreamPresenceRequest
LEASE_EXPIRED = types_pb2.PRESENCE_CAUSE_LEASE_EXPIRED
SHOPS = [shop_of(0), shop_of(1)]


@pytest.fixture
def core() -> ModuleType:
    """One will do: what is decided is not the point here."""
    return all_cores()[-1]


class Stream:
    """One presence stream from the client's end."""

    def __init__(self, caller: Caller) -> None:
        self._stream = caller.channel.stream_stream("/fenliu.v1.PresenceService/StreamPresence")()

    async def send(self, message: presence_pb2.StreamPresenceRequest) -> None:
        await self._stream.write(message.SerializeToString())

    async def read(self) -> presence_pb2.StreamPresenceResponse:
        return presence_pb2.StreamPresenceResponse.FromString(await self._stream.read())

    async def hello(self, session: str, token: str = "") -> presence_pb2.PresenceWelcome:
        hello = presence_pb2.PresenceHello(session_id=session, resume_token=token)
        await self.send(Request(hello=hello))
        return (await self.read()).welcome

    async def update(self, status: int, *shops: str) -> list[presence_pb2.PresenceAck]:
        updates = [
            presence_pb2.PresenceUpdate(
                update_id=shop_id, shop_id=shop_id, agent_id="a", status=status
            )
            for shop_id in shops
        ]
        await self.send(Request(updates=updates))
        return list((await self.read()).acks)

    async def heartbeat(self) -> None:
        await self.send(Request(heartbeat=presence_pb2.PresenceHeartbeat()))

    async def refusal(self) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while await self._stream.read() is not grpc.aio.EOF:
                pass
        return refused(caught.value)

    def drop(self) -> None:
        self._stream.cancel()


async def until_offline(caller: Caller, *shops: str) -> list[presence_pb2.AgentPresence]:
    async with asyncio.timeout(20):
        while True:
            agents = [(await presence(caller, shop_id))["a"] for shop_id in shops]
            if all(agent.status == OFFLINE for agent in agents):
                return agents
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("home", "asked"), [(0, 0), (1, 0)])
async def test_updates_reach_the_owners_and_so_does_the_end_of_the_lease(
    together: Any, home: int, asked: int
):
    async with together(lease_ms=400, heartbeat_ms=100) as workers:
        for shop_id in SHOPS:
            await workers[0].apply(shop(shop_id))
        stream = Stream(workers[asked])
        assert not (await stream.hello(session_of(home))).resumed
        acks = await stream.update(ONLINE, *SHOPS, "nowhere")
        assert [ack.update_id for ack in acks] == [*SHOPS, "nowhere"]
        assert [ack.HasField("status") for ack in acks] == [False, False, True]
        for caller in (workers[0], workers[1]):
            for shop_id in SHOPS:
                agent = (await presence(caller, shop_id))["a"]
                assert (agent.status, agent.session_id) == (ONLINE, session_of(home))
        for _ in range(8):  # twice the lease
            await asyncio.sleep(0.1)
            await stream.heartbeat()
        assert (await presence(workers[asked], SHOPS[1]))["a"].status == ONLINE
        stream.drop()
        for agent in await until_offline(workers[1 - asked], *SHOPS):
            assert agent.cause == LEASE_EXPIRED


async def test_a_dropped_stream_is_resumed_at_another_worker_and_nobody_flaps(together: Any):
    async with together(workers=3, lease_ms=600, heartbeat_ms=100) as workers:
        for shop_id in SHOPS:
            await workers[0].apply(shop(shop_id))
        token, since = "", set()
        for turn in range(4):  # at each worker in turn, well beyond one lease
            stream = Stream(workers[turn % 3])
            welcome = await stream.hello("desk", token)
            assert welcome.resumed == (turn > 0)
            token = welcome.resume_token
            if turn == 0:
                await stream.update(ONLINE, *SHOPS)
            await asyncio.sleep(0.3)
            stream.drop()
            agents = [(await presence(workers[0], shop_id))["a"] for shop_id in SHOPS]
            assert {agent.status for agent in agents} == {ONLINE}
            since.add(tuple(agent.since_ms for agent in agents))
        assert len(since) == 1
        await until_offline(workers[0], *SHOPS)


async def test_a_session_is_one_whichever_workers_its_streams_come_to(together: Any):
    async with together() as workers:
        await workers[0].apply(shop(SHOPS[0]))
        first, second, thief = Stream(workers[0]), Stream(workers[1]), Stream(workers[0])
        welcome = await first.hello("desk")
        assert (await second.hello("desk", welcome.resume_token)).resumed
        await first.heartbeat()
        found = await first.refusal()
        assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, "SESSION_RESUMED")
        await thief.send(Request(hello=presence_pb2.PresenceHello(session_id="desk")))
        found = await thief.refusal()
        assert found.code == grpc.StatusCode.PERMISSION_DENIED
        assert found.reason == "RESUME_TOKEN_MISMATCH"
        assert [ack.update_id for ack in await second.update(ONLINE, SHOPS[0])] == [SHOPS[0]]


@pytest.mark.parametrize("raw", [b"", b"\xff\xff", Request().SerializeToString()])
async def test_a_stream_without_hello_is_refused_as_ever(together: Any, alone: Any, raw: bytes):
    async with together() as workers, alone() as one:
        said = []
        for caller in (one, workers[0], workers[1]):
            call = caller.channel.stream_stream("/fenliu.v1.PresenceService/StreamPresence")()
            await call.write(raw)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            said.append(refused(caught.value))
        assert said[1:] == [said[0], said[0]]


@pytest.mark.parametrize(
    "again", [3, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
async def test_after_a_restart_each_session_has_one_lease_at_one_worker(
    together: Any, tmp_path: Any, again: int
):
    """Also when there are fewer or more workers than before."""
    sessions = [f"s{number}" for number in range(4)]
    async with together(lease_ms=60_000) as workers:
        for shop_id in SHOPS:
            await workers[0].apply(_with_agents(shop_id, sessions))
        tokens = {}
        for session in sessions:
            stream = Stream(workers[0])
            tokens[session] = (await stream.hello(session)).resume_token
            updates = [
                presence_pb2.PresenceUpdate(
                    update_id=shop_id, shop_id=shop_id, agent_id=session, status=ONLINE
                )
                for shop_id in SHOPS
            ]
            await stream.send(Request(updates=updates))
            await stream.read()
    async with together(workers=again, lease_ms=700, heartbeat_ms=200) as workers:
        kept = Stream(workers[again - 1])
        assert (await kept.hello("s0", tokens["s0"])).resumed
        for _ in range(7):  # the others' leases run out; this one is kept
            await asyncio.sleep(0.2)
            await kept.heartbeat()
        for shop_id in SHOPS:
            found = await presence(workers[0], shop_id)
            assert {agent: found[agent].status for agent in sessions} == {
                "s0": ONLINE,
                "s1": OFFLINE,
                "s2": OFFLINE,
                "s3": OFFLINE,
            }
            assert {found[agent].cause for agent in sessions[1:]} == {LEASE_EXPIRED}


def _with_agents(shop_id: str, agents: list[str]) -> Any:
    made = shop(shop_id)
    for agent in agents:
        made.agents.add(agent_id=agent, weight=1)
    return made


async def test_who_drains_sends_reconnect_whichever_worker_holds_the_session(together: Any):
    async with together() as workers:
        streams = [Stream(workers[index]) for index in (0, 0, 1, 1)]
        for stream, session in zip(streams, ("s0", "s1", "s2", "s3"), strict=True):
            await stream.hello(session)
        assert {home_of(session, 2) for session in ("s0", "s1")} == {0, 1}
        assert {home_of(session, 2) for session in ("s2", "s3")} == {0, 1}
        stopping = asyncio.create_task(workers.stop())
        for stream in streams:
            assert (await stream.read()).HasField("reconnect")
            assert (await stream.refusal()).reason == "DRAINING"
        await stopping
