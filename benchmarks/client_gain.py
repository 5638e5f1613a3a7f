"""What `fenliu.client` gains over unary calls, and what it keeps of the peak when asked for too much.

    .venv/bin/python -m benchmarks.client_gain

Gain: 256 callers, each with one inquiry under way, through the Router and as unary Route calls to the same
server, in alternating rounds. Unary is bounded by gRPC itself, some 0.2 ms of CPU a call on each side. The Router is
bounded by whichever is slower: the server's core, which decides one batch while this process has nothing to
do, or the Python around one call here (a task of the caller's, a message, a future, a timer; printed
as microseconds of this process's CPU for each inquiry).

Overload: a server that answers CAPACITY inquiries a second and not one more, and sleeps meanwhile, so that load and
server do not take each other's CPU: what is measured is the client. Inquiries come at twice the peak just
reached, whether answered or not, each with a deadline; goodput is what is answered in time.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
from benchmarks.grpc_load import inquiry, make_shop, start
from rich.console import Console
from rich.table import Table

from fenliu.client import FenliuClient, FenliuError, Router
from fenliu.v1 import dispatch_pb2

CALLERS = 256
CAPACITY = 3_000
PEAK_CALLERS = 2_048
DEADLINE_S = 1.0
OVERLOAD_S = 5
STEP_S = 0.01
"""Inquiries of an overload come in bunches, this far apart."""

Route = Callable[[dispatch_pb2.RouteRequest], Awaitable[dispatch_pb2.RouteResponse]]


async def closed_loop(
    route: Route, numbers: itertools.count[int], inquiries: int, callers: int = CALLERS
) -> float:
    """Inquiries per second of callers who ask again as soon as they are answered."""
    requests = [inquiry(next(numbers)) for _ in range(inquiries)]

    async def caller() -> None:
        while requests:
            await route(requests.pop())

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return inquiries / (time.perf_counter() - begun)


async def open_loop(
    router: Router, numbers: itertools.count[int], rate: float, seconds: float
) -> float:
    """Inquiries per second answered within DEADLINE_S while `rate` a second come, once that has settled."""
    answered = settled = 0
    calls: set[asyncio.Task[None]] = set()

    async def ask(request: dispatch_pb2.RouteRequest) -> None:
        nonlocal answered
        try:
            await router.route(request, timeout_s=DEADLINE_S)
        except FenliuError:
            return
        answered += 1

    begun = time.perf_counter()
    sent = 0
    while (passed := time.perf_counter() - begun) < seconds:
        while sent < passed * rate:
            task = asyncio.create_task(ask(inquiry(next(numbers))))
            calls.add(task)
            task.add_done_callback(calls.discard)
            sent += 1
        if passed < DEADLINE_S:
            settled = answered
        await asyncio.sleep(STEP_S)
    in_time = answered - settled
    await asyncio.gather(*calls)
    return in_time / (passed - DEADLINE_S)


async def limited() -> None:
    """A server whose RouteStream answers CAPACITY inquiries a second, all streams together."""
    free_at = 0.0

    async def route_stream(
        requests: AsyncIterator[bytes], _context: object
    ) -> AsyncIterator[bytes]:
        nonlocal free_at
        async for raw in requests:
            batch = dispatch_pb2.RouteStreamRequest.FromString(raw)
            now = time.monotonic()
            free_at = max(free_at, now) + len(batch.requests) / CAPACITY
            await asyncio.sleep(free_at - now)
            result = dispatch_pb2.RouteResult(response=dispatch_pb2.RouteResponse(agent_id="a"))
            yield dispatch_pb2.RouteStreamResponse(
                results=[result] * len(batch.requests), batch_id=batch.batch_id
            ).SerializeToString()

    server = grpc.aio.server()
    table = {"RouteStream": grpc.stream_stream_rpc_method_handler(route_stream)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("fenliu.v1.DispatchService", table),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def measure_gain(core: str, rounds: int, scale: float) -> tuple[float, float, float]:
    """Medians: unary and routed inquiries/s, CPU seconds an inquiry here."""
    unary, routed, cpu = [], [], []
    numbers = itertools.count(1)
    with tempfile.TemporaryDirectory() as data:
        server, target = start(
            "-m", "fenliu", "serve", "--listen", "127.0.0.1:0", "--data", data, FENLIU_CORE=core
        )
        try:
            await make_shop(target)
            async with FenliuClient(target) as client, Router(target, timeout_s=60) as router:
                await closed_loop(router.route, numbers, int(5_000 * scale))
                for _ in range(rounds):
                    unary.append(await closed_loop(client.route, numbers, int(4_000 * scale)))
                    inquiries = int(40_000 * scale)
                    used = time.process_time()
                    routed.append(await closed_loop(router.route, numbers, inquiries))
                    cpu.append((time.process_time() - used) / inquiries)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=20)
    return statistics.median(unary), statistics.median(routed), statistics.median(cpu)


async def measure_overload(rounds: int) -> tuple[float, float]:
    """Medians: peak and goodput, inquiries/s."""
    peaks, goodputs = [], []
    numbers = itertools.count(1)
    server, target = start("-m", "benchmarks.client_gain", "--limited")
    try:
        async with Router(target, timeout_s=60) as router:
            for _ in range(rounds):
                peak = await closed_loop(router.route, numbers, 3 * CAPACITY, PEAK_CALLERS)
                peaks.append(peak)
                goodputs.append(await open_loop(router, numbers, 2 * peak, OVERLOAD_S))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
    return statistics.median(peaks), statistics.median(goodputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the inquiries in a round")
    parser.add_argument("--core", action="append", choices=["rust", "python"])
    parser.add_argument("--limited", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.limited:
        asyncio.run(limited())
        return
    table = Table(title=f"{CALLERS} callers, inquiries per second, median of interleaved rounds")
    for column in ("core", "unary", "router", "gain", "CPU here"):
        table.add_column(column, justify="left" if column == "core" else "right")
    for core in arguments.core or ["rust", "python"]:
        scale = arguments.scale * (1 if core == "rust" else 0.25)
        unary, routed, cpu = asyncio.run(measure_gain(core, arguments.rounds, scale))
        table.add_row(
            core,
            f"{unary:,.0f}",
            f"{routed:,.0f}",
            f"{routed / unary:.1f}",
            f"{cpu * 1e6:.0f} µs",
        )
    console = Console()
    console.print(table)
    peak, goodput = asyncio.run(measure_overload(arguments.rounds))
    console.print(
        f"at twice the peak of {peak:,.0f}/s, deadline {DEADLINE_S:g} s: {goodput:,.0f}/s in time, "
        f"{goodput / peak:.0%} of the peak"
    )


if __name__ == "__main__":
    main()
