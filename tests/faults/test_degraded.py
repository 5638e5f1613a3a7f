"""When the journal cannot be written: said at once, reads work, and service returns by itself."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from end_to_end.processes import free_address
from faults.disks import fill, gone_read_only, loop, make_image, read_only, repaired, tmpfs
from faults.traffic import AGENTS, ROUTE, SHOPS, Book, Server, Traffic, audit, ready
from fenliu.engine import load_core
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


class Watched:
    """A server under traffic, and what one sees of it from outside."""

    def __init__(self, traffic: Traffic, server: Server) -> None:
        self.traffic, self.server = traffic, server
        self._health = health_pb2_grpc.HealthStub(traffic.channel)

    async def health(self) -> int:
        answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=5)
        return int(answer.status)

    async def until_health(self, wanted: int) -> None:
        end = time.monotonic() + 30
        while await self.health() != wanted:
            assert time.monotonic() < end, "health does not change"
            await asyncio.sleep(0.05)

    async def refused(self) -> float:
        """Route is answered UNAVAILABLE; returns after how many seconds."""
        began = time.monotonic()
        request = dispatch_pb2.RouteRequest(shop_id=SHOPS[0], buyer_id="somebody")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.traffic.channel.unary_unary(ROUTE)(request.SerializeToString(), timeout=10)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        return time.monotonic() - began

    async def _read(self, method: str, request: Any, answer: Any) -> Any:
        call = self.traffic.channel.unary_unary(f"/fenliu.v1.{method}")
        return answer.FromString(await call(request.SerializeToString(), timeout=5))

    async def reads_work(self) -> None:
        request = shop_pb2.GetShopRequest(shop_id=SHOPS[0])
        got = await self._read("ShopService/GetShop", request, shop_pb2.GetShopResponse)
        assert got.shop.shop_id == SHOPS[0]
        listed = await self._read(
            "ShopService/ListShops", shop_pb2.ListShopsRequest(), shop_pb2.ListShopsResponse
        )
        assert len(listed.shops) == len(SHOPS)
        agents = await self._read(
            "PresenceService/ListPresence",
            presence_pb2.ListPresenceRequest(shop_id=SHOPS[0]),
            presence_pb2.ListPresenceResponse,
        )
        assert len(agents.agents) == len(AGENTS)


@asynccontextmanager
async def under_traffic(
    data: Path, log: Path, book: Book, *, leave: bool = False
) -> AsyncIterator[Watched]:
    """`leave`: in the end nobody waits for an answer any more."""
    address = free_address()
    server = Server(data, address, load_core().name, log=log)
    server.start()
    try:
        assert await ready(server)
        async with Traffic(address, book, Random(3)) as traffic:
            await traffic.open_shops()
            traffic.begin()
            yield Watched(traffic, server)
            if not leave:
                await traffic.finish()
    finally:
        server.kill()


async def fails_and_returns(
    data: Path, log: Path, stop: Callable[[Watched], Callable[[], None]]
) -> None:
    """`stop` takes the disk away and returns how to give it back."""
    book = Book()
    async with under_traffic(data, log, book) as watched:
        await asyncio.sleep(0.5)
        before = len(book)
        give_back = stop(watched)
        await watched.until_health(NOT_SERVING)
        acknowledged = len(book)
        # Tried again and again meanwhile, and found wanting each time.
        for _ in range(8):
            await asyncio.sleep(0.25)
            assert await watched.health() == NOT_SERVING
            assert await watched.refused() < 2
            await watched.reads_work()
        assert len(book) == acknowledged >= before > 0
        give_back()
        await watched.until_health(SERVING)
    assert len(book) > acknowledged
    assert audit(data, load_core(), book)


@pytest.mark.slow
async def test_a_full_disk(tmp_path):
    with tmpfs(tmp_path / "disk", 32) as disk:

        def stop(_watched: Watched) -> Callable[[], None]:
            return fill(disk).unlink

        await fails_and_returns(disk / "data", tmp_path / "log", stop)


@pytest.mark.faults
async def test_a_disk_that_takes_no_more_than_there_is(tmp_path):
    """RLIMIT_FSIZE of the running process: writes behind it fail as I/O errors do."""

    def stop(watched: Watched) -> Callable[[], None]:
        pid = watched.server.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
        return lambda: print(resource.prlimit(pid, resource.RLIMIT_FSIZE, before))

    await fails_and_returns(tmp_path / "data", tmp_path / "log", stop)


@pytest.mark.faults
async def test_a_file_system_that_goes_read_only_under_a_running_server(tmp_path):
    """For good: with files open for writing nobody makes it writable again. After a repair everything is there."""
    image, book = tmp_path / "image", Book()
    make_image(image, 64)
    place, log = tmp_path / "disk", tmp_path / "log"
    with loop(image, place) as disk:
        async with under_traffic(disk / "data", log, book, leave=True) as watched:
            await asyncio.sleep(1)
            before = len(book)
            gone_read_only(disk)
            await watched.until_health(NOT_SERVING)
            acknowledged = len(book)
            for _ in range(4):
                await asyncio.sleep(0.25)
                assert await watched.health() == NOT_SERVING
                assert await watched.refused() < 2
                await watched.reads_work()
            assert len(book) == acknowledged >= before > 0
    repaired(image)
    with loop(image, place) as disk:
        async with under_traffic(disk / "data", log, book):
            await asyncio.sleep(0.5)
        assert len(book) > acknowledged
        assert audit(disk / "data", load_core(), book)


@pytest.mark.faults
async def test_a_directory_that_is_read_only_from_the_start_is_refused_with_its_name(tmp_path):
    with tmpfs(tmp_path / "disk", 4) as disk:
        read_only(disk)
        log = tmp_path / "log"
        server = Server(disk / "data", free_address(), load_core().name, log=log)
        server.start()
        assert not await ready(server)
        assert server.ended() not in (0, -9)
        assert str(disk / "data") in log.read_text()
