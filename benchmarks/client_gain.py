"""The row of the client: what `fenliu.client`'s Router gains over unary calls.

256 callers, each with one inquiry under way, through the Router and as unary Route calls to the same server, in
alternating rounds. Unary is bounded by gRPC itself, some 0.2 ms of CPU a call on each side. The Router is
bounded by whichever is slower: the server's core, which decides one batch while this process has nothing to
do, or the Python around one call here (a task of the caller's, a message, a future, a timer; printed
as microseconds of this process's CPU for each inquiry).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.processes import fenliu
from benchmarks.shops import LONG_LEASE, open_shops
from benchmarks.table import Figure, Measured, Scale

from fenliu.client import FenliuClient, Router
from fenliu.load.figures import median
from fenliu.load.workload import Workload
from fenliu.v1 import dispatch_pb2

AGENTS = 500
CALLERS = 256
UNARY = 4_000
ROUTED = 40_000

Route = Callable[[dispatch_pb2.RouteRequest], Awaitable[dispatch_pb2.RouteResponse]]


async def closed_loop(
    route: Route, requests: list[dispatch_pb2.RouteRequest], callers: int = CALLERS
) -> float:
    """Inquiries per second of callers who ask again as soon as they are answered."""
    pending = iter(requests)

    async def caller() -> None:
        for request in pending:
            await route(request)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return len(requests) / (time.perf_counter() - begun)


def requests(workload: Workload, count: int) -> list[dispatch_pb2.RouteRequest]:
    """Inquiries as a gateway has them."""
    return [dispatch_pb2.RouteRequest.FromString(raw) for raw in workload.inquiries(count)]


def measure(scale: Scale) -> Measured:
    """Both cores: in batches it is the core that counts."""
    figures: list[Figure] = []
    for core, part in (("rust", 1.0), ("python", 0.25)):
        unary, routed, cpu = asyncio.run(_measure(core, scale, part))
        figures += [
            Figure(f"Router / unary, {core} core", median(routed) / median(unary), "×"),
            Figure(f"… Router, {core} core", median(routed), "/s"),
            Figure(f"… unary, {core} core", median(unary), "/s"),
            Figure(f"… CPU of the client, {core} core", median(cpu) * 1e6, "µs each"),
        ]
    return Measured(tuple(figures))


async def _measure(
    core: str, scale: Scale, part: float
) -> tuple[list[float], list[float], list[float]]:
    """Unary and routed inquiries/s, CPU seconds of this process an inquiry."""
    unary, routed, cpu = [], [], []
    workload = Workload(known=scale.of(100_000, CALLERS))
    few, many = (scale.of(count * part, 2 * CALLERS) for count in (UNARY, ROUTED))
    with tempfile.TemporaryDirectory() as data:
        server = fenliu(Path(data) / "data", *LONG_LEASE, core=core)
        try:
            await open_shops(server.target, AGENTS)
            async with (
                FenliuClient(server.target) as client,
                Router(server.target, timeout_s=60) as router,
            ):
                await closed_loop(router.route, requests(workload, many // 8))
                for _ in range(scale.rounds):
                    unary.append(await closed_loop(client.route, requests(workload, few)))
                    asked = requests(workload, many)
                    used = time.process_time()
                    routed.append(await closed_loop(router.route, asked))
                    cpu.append((time.process_time() - used) / many)
        finally:
            server.stop()
    return unary, routed, cpu
