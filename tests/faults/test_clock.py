"""The wall clock jumps by an hour, either way, under a running server and between two of its lives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import grpc.aio
import pytest

from end_to_end.processes import free_address
from faults.traffic import AGENTS, SHOPS, Book, Server, Traffic, audit, logged, ready
from fenliu.engine import load_core
from fenliu.v1 import presence_pb2, types_pb2

pytestmark = pytest.mark.faults

LIBRARIES = [
    Path(f"/usr/lib/{where}/faketime/libfaketimeMT.so.1")
    for where in ("x86_64-linux-gnu", "aarch64-linux-gnu", ".")
]
HOUR_MS = 3_600_000
LEASE_MS = 3_000
STREAM = "/fenliu.v1.PresenceService/StreamPresence"


class Clock:
    """The wall clock of processes that are started with `settings`; their monotonic clock stays."""

    def __init__(self, folder: Path) -> None:
        library = next((path for path in LIBRARIES if path.exists()), None)
        if library is None:
            pytest.skip("there is no libfaketime (Debian: libfaketime)")
        self._file = folder / "clock"
        self.settings = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.jump(0)

    def jump(self, hours: int) -> None:
        """How far it is off from now on."""
        self._file.write_text(f"{hours * 3600:+d}\n")

    def off_by(self) -> float:
        """Seconds, as such a process has it."""
        program = "import time; print(time.time())"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=self.settings, capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        return float(done.stdout) - time.time()


async def at_the_desk(traffic: Traffic, left: asyncio.Event) -> None:
    """Holds agent a of every shop ONLINE over one stream, whose lease is short."""
    stream = traffic.channel.stream_stream(STREAM)()
    said = presence_pb2.StreamPresenceRequest()
    said.hello.session_id = "desk"
    for shop_id in SHOPS:
        said.updates.add(update_id=shop_id, shop_id=shop_id, agent_id=AGENTS[0], status=1)
    await stream.write(said.SerializeToString())
    await stream.read()
    await stream.read()
    beat = presence_pb2.StreamPresenceRequest()
    beat.heartbeat.SetInParent()
    while not left.is_set():
        await stream.write(beat.SerializeToString())
        await asyncio.sleep(LEASE_MS / 6000)
    stream.cancel()


async def causes(channel: grpc.aio.Channel) -> set[int]:
    """Why agent a of each shop is in its state, with the state."""
    seen = set()
    for shop_id in SHOPS:
        request = presence_pb2.ListPresenceRequest(shop_id=shop_id)
        call = channel.unary_unary("/fenliu.v1.PresenceService/ListPresence")
        answer = presence_pb2.ListPresenceResponse.FromString(
            await call(request.SerializeToString(), timeout=10)
        )
        seen |= {a.cause for a in answer.agents if a.agent_id == AGENTS[0] and a.status == 1}
    return seen


def times_of(data: Path) -> list[list[int]]:
    """When what was decided, in the order of each log, as the shops have it."""
    shops: dict[str, list[int]] = {}
    for _, entry in logged(data):
        name = entry.WhichOneof("command")
        assert name is not None
        command = getattr(entry, name)
        shop_id = command.shop.shop_id if name == "apply_shop" else getattr(command, "shop_id", "")
        if name == "update_presence":
            shop_id = command.update.shop_id
        shops.setdefault(shop_id, []).append(entry.now_ms)
    return list(shops.values())


@pytest.mark.parametrize("hours", [1, -1])
async def test_the_wall_clock_jumps_under_a_running_server_and_before_the_next(
    tmp_path: Path, hours: int
):
    clock, book, address, core = Clock(tmp_path), Book(), free_address(), load_core()
    server = Server(
        tmp_path / "data", address, core.name, "--lease-ms", str(LEASE_MS), "--heartbeat-ms", "500",
        log=tmp_path / "log",
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        server.start(**clock.settings)
        stack.callback(server.kill)
        assert await ready(server)
        traffic = await stack.enter_async_context(
            Traffic(address, book, Random(4), buyers=6, rate=150)
        )
        await traffic.open_shops()
        left = asyncio.Event()
        desk = asyncio.create_task(at_the_desk(traffic, left))
        stack.callback(desk.cancel)
        traffic.begin()
        await asyncio.sleep(1)
        for off in (hours, 0, hours):
            clock.jump(off)
            before = len(book)
            await asyncio.sleep(2.5)  # almost a lease
            traffic.check()
            assert not desk.done()
            assert len(book) > before
            # It is the monotonic clock that leases run on.
            assert await causes(traffic.channel) == {types_pb2.PRESENCE_CAUSE_SESSION}
        assert abs(clock.off_by() - hours * 3600) < 60
        assert not traffic.refused
        running_ms = max(map(max, times_of(tmp_path / "data")))
        assert abs(running_ms - time.time_ns() // 1_000_000) < HOUR_MS / 2  # nor did it follow

        # Killed, it starts with whatever the wall clock says then; no shop's time goes back.
        left.set()
        server.kill()
        server.start(**clock.settings)
        assert await ready(server)
        before = len(book)
        await asyncio.sleep(2)
        assert len(book) > before
        await asyncio.wait_for(traffic.finish(), 60)
        server.kill()
    times = times_of(tmp_path / "data")
    assert all(some == sorted(some) for some in times)
    latest = max(map(max, times)) - time.time_ns() // 1_000_000
    assert latest > HOUR_MS / 2 if hours > 0 else abs(latest) < HOUR_MS / 2
    audit(tmp_path / "data", core, book)
