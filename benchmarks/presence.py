"""The row of presence: 50,000 agents over 20 streams; what heartbeats cost, and how many changes a second go through.

Each stream is a session of 2,500 agents in a shop of its own. Heartbeats go out as often as the server asks for
(every 15 s, jittered). Changes are updates of status, 256 in a message, the next message of a stream when the one
before is acknowledged, which it is once durable. The load runs on one core, the server on the other.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import grpc
from benchmarks.processes import LOAD_CORES, SERVER_CORES, Server, fenliu, on_cores
from benchmarks.shops import many_shops
from benchmarks.table import Figure, Measured, Scale

from fenliu.client import FenliuClient
from fenliu.load.figures import median
from fenliu.load.workload import agent_ids, shop_document
from fenliu.v1 import presence_pb2, types_pb2

STREAMS = 20
AGENTS = 50_000
UPDATES = 256
WATCHED_S = 32
"""Two heartbeats of each stream."""
HEARTBEATS = 200
"""For the cost of one, as fast as they are read."""
CHANGES_S = 3
METHOD = "/fenliu.v1.PresenceService/StreamPresence"
HEARTBEAT = presence_pb2.StreamPresenceRequest(
    heartbeat=presence_pb2.PresenceHeartbeat()
).SerializeToString()
ONLINE, SUSPENDED = types_pb2.PRESENCE_STATUS_ONLINE, types_pb2.PRESENCE_STATUS_SUSPENDED


class Stream:
    """One session, its agents in one shop."""

    def __init__(self, channel: grpc.aio.Channel, shop: str, agents: int) -> None:
        self._call = channel.stream_stream(METHOD)()
        self._shop = shop
        self._messages = {
            status: list(_messages(shop, agents, status)) for status in (ONLINE, SUSPENDED)
        }
        self.heartbeat_s = 0.0

    async def open(self) -> None:
        hello = presence_pb2.PresenceHello(session_id=f"session of {self._shop}")
        request = presence_pb2.StreamPresenceRequest(hello=hello)
        await self._call.write(request.SerializeToString())
        answer = presence_pb2.StreamPresenceResponse.FromString(await self._call.read())
        self.heartbeat_s = answer.welcome.heartbeat_ms / 1000

    async def say(self, status: types_pb2.PresenceStatus) -> int:
        """Everybody changes; how many did."""
        acknowledged = 0
        for message in self._messages[status]:
            await self._call.write(message)
            answer = await self._call.read()
            acknowledged += UPDATES
        response = presence_pb2.StreamPresenceResponse.FromString(answer)
        assert response.acks and not any(ack.status.code for ack in response.acks)
        return min(acknowledged, acknowledged - UPDATES + len(response.acks))

    async def beat(self) -> None:
        await self._call.write(HEARTBEAT)


def _messages(shop: str, agents: int, status: types_pb2.PresenceStatus) -> Iterator[bytes]:
    ids = agent_ids(agents)
    for first in range(0, agents, UPDATES):
        yield presence_pb2.StreamPresenceRequest(
            updates=[
                presence_pb2.PresenceUpdate(
                    update_id=f"{number:08}", shop_id=shop, agent_id=agent, status=status
                )
                for number, agent in enumerate(ids[first : first + UPDATES], first)
            ]
        ).SerializeToString()


def measure(scale: Scale) -> Measured:
    """One server, the three measurements one after the other."""
    with tempfile.TemporaryDirectory() as data, on_cores(LOAD_CORES):
        server = fenliu(Path(data) / "data", cores=SERVER_CORES)
        try:
            return asyncio.run(_measure(server, scale))
        finally:
            server.stop()


async def _measure(server: Server, scale: Scale) -> Measured:
    shops = many_shops(scale.of(STREAMS, 2))
    agents = scale.of(AGENTS // STREAMS, 10)
    async with FenliuClient(server.target, timeout_s=60) as client:
        for shop in shops:
            await client.apply_shop(shop_document(shop, agents))
    async with grpc.aio.insecure_channel(server.target) as channel:
        streams = [Stream(channel, shop, agents) for shop in shops]
        for stream in streams:
            await stream.open()
        await _everybody(streams, lambda stream: stream.say(ONLINE))

        rates, costs = [], []
        statuses = itertools.cycle((SUSPENDED, ONLINE))
        for _ in range(scale.rounds):
            begun, used = time.perf_counter(), server.cpu_s()
            done = 0
            while time.perf_counter() - begun < scale.seconds(CHANGES_S):
                status = next(statuses)
                done += await _everybody(streams, lambda stream, to=status: stream.say(to))
            took = time.perf_counter() - begun
            rates.append(done / took)
            costs.append((server.cpu_s() - used) / done)

        used = server.cpu_s()
        heartbeats = scale.of(HEARTBEATS, 5)
        for _ in range(heartbeats):
            await _everybody(streams, Stream.beat)
            await asyncio.sleep(0.01)
        # A change comes after them, so they have been read when it is acknowledged.
        await _everybody(streams, lambda stream: stream.say(ONLINE))
        one = max(0.0, server.cpu_s() - used - len(streams) * agents * median(costs))
        one /= heartbeats * len(streams)

        watched_s = scale.seconds(WATCHED_S, 1)
        used, begun = server.cpu_s(), time.perf_counter()
        beating = [asyncio.create_task(_beat(stream)) for stream in streams]
        await asyncio.sleep(watched_s)
        share = (server.cpu_s() - used) / (time.perf_counter() - begun)
        for task in beating:
            task.cancel()
    return Measured(
        (
            Figure("CPU of the server, heartbeats only", 100 * share, "% core", 10, True),
            Figure("… one heartbeat", one * 1e6, "µs"),
            Figure("status changes", median(rates), "/s", 20_000),
            Figure("… CPU of the server", median(costs) * 1e6, "µs each"),
        )
    )


async def _beat(stream: Stream) -> None:
    while True:
        await asyncio.sleep(stream.heartbeat_s)
        await stream.beat()


async def _everybody(streams: list[Stream], what: Callable[[Stream], Awaitable[int | None]]) -> int:
    return sum(done or 0 for done in await asyncio.gather(*map(what, streams)))
