"""Route and RouteBatch over real gRPC against a no-op echo with the same messages, in one run.

    .venv/bin/python -m benchmarks.grpc_load

Both servers run as processes of their own; this process is the load generator, a closed loop. Rounds
alternate between the two, so that whatever else the machine does hits both. The journal is durable.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from rich.console import Console
from rich.table import Table

from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

AGENTS = 500
BATCH = 512
METHODS = {
    "Route": "/fenliu.v1.DispatchService/Route",
    "RouteBatch": "/fenliu.v1.DispatchService/RouteBatch",
}


@dataclass
class Load:
    """One row: a method, how many inquiries a call carries, how many calls are under way."""

    name: str
    per_call: int
    under_way: int
    payloads: Callable[[], Iterator[bytes]]


def inquiry(number: int) -> dispatch_pb2.RouteRequest:
    """30 % new buyers, the others from a million who come again."""
    buyer = number if number % 10 < 3 else number % 1_000_000
    return dispatch_pb2.RouteRequest(
        shop_id="bench",
        buyer_id=f"buyer-{buyer:010}",
        request_id=f"6f1c2a34-5b6d-4e7f-8a9b-{number:012}",
    )


def unary_payloads() -> Iterator[bytes]:
    return (inquiry(number).SerializeToString() for number in itertools.count(RUN.take()))


def batch_payloads() -> Iterator[bytes]:
    for first in itertools.count(RUN.take(), BATCH):
        requests = [inquiry(number) for number in range(first, first + BATCH)]
        yield dispatch_pb2.RouteBatchRequest(requests=requests).SerializeToString()


class _Run:
    """Gives every round its own range of numbers, so that no request id comes twice."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        self._next += 50_000_000
        return self._next


RUN = _Run()


async def closed_loop(target: str, load: Load, calls: int) -> float:
    """Inquiries per second over `calls` calls, encoded beforehand."""
    payloads = list(itertools.islice(load.payloads(), calls))
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.unary_unary(METHODS[load.name])
        await call(payloads.pop())
        total = len(payloads)

        async def worker() -> None:
            while payloads:
                await call(payloads.pop())

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(load.under_way)))
        return total * load.per_call / (time.perf_counter() - start)


async def make_shop(target: str) -> None:
    ids = [f"agent-{number:03}" for number in range(AGENTS)]
    shop = shop_pb2.Shop(
        shop_id="bench",
        agents=[shop_pb2.Agent(agent_id=agent, weight=5) for agent in ids],
        groups=[shop_pb2.Group(group_id="all", agent_ids=ids)],
    )
    async with grpc.aio.insecure_channel(target) as channel:
        apply = channel.unary_unary("/fenliu.v1.ShopService/ApplyShop")
        await apply(shop_pb2.ApplyShopRequest(shop=shop).SerializeToString())
        set_presence = channel.unary_unary("/fenliu.v1.PresenceService/SetPresence")
        for agent in ids:
            request = presence_pb2.SetPresenceRequest(
                shop_id="bench", agent_id=agent, status=types_pb2.PRESENCE_STATUS_ONLINE
            )
            await set_presence(request.SerializeToString())


async def echo() -> None:
    """The no-op server: the same messages in, an answer of the usual size out."""
    answer = dispatch_pb2.RouteResponse(
        conversation_id="c1000000",
        decision_id="d1000000",
        outcome=types_pb2.OUTCOME_AGENT,
        agent_id="agent-000",
        group_id="all",
        reason=types_pb2.REASON_WEIGHTED,
    )
    result = dispatch_pb2.RouteResult(response=answer)
    one = answer.SerializeToString()
    many = dispatch_pb2.RouteBatchResponse(results=[result] * BATCH).SerializeToString()

    async def route(_request: bytes, _context: object) -> bytes:
        return one

    async def route_batch(_request: bytes, _context: object) -> bytes:
        return many

    server = grpc.aio.server()
    table = {
        "Route": grpc.unary_unary_rpc_method_handler(route),
        "RouteBatch": grpc.unary_unary_rpc_method_handler(route_batch),
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("fenliu.v1.DispatchService", table),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def start(*command: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("listening on "):
            return process, line.split()[-1]
    raise SystemExit(f"{command}: did not start")


async def measure(core: str, rounds: int, scale: float) -> list[tuple[str, float, float]]:
    rows = []
    loads = [
        (Load("Route", 1, 64, unary_payloads), int(4_000 * scale)),
        (Load("RouteBatch", BATCH, 4, batch_payloads), int(60 * scale)),
    ]
    with tempfile.TemporaryDirectory() as data:
        noop, noop_target = start("-m", "benchmarks.grpc_load", "--echo")
        fenliu, target = start(
            "-m", "fenliu", "serve", "--listen", "127.0.0.1:0", "--data", data, FENLIU_CORE=core
        )
        try:
            await make_shop(target)
            for load, calls in loads:
                pairs = [
                    (
                        await closed_loop(noop_target, load, calls),
                        await closed_loop(target, load, calls),
                    )
                    for _ in range(rounds)
                ]
                rows.append(
                    (
                        f"{load.name}" + (f" of {load.per_call}" if load.per_call > 1 else ""),
                        statistics.median(pair[0] for pair in pairs),
                        statistics.median(pair[1] for pair in pairs),
                    )
                )
        finally:
            for process in (noop, fenliu):
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=20)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the calls in a round")
    parser.add_argument("--core", action="append", choices=["rust", "python"])
    arguments = parser.parse_args()
    if arguments.echo:
        asyncio.run(echo())
        return
    table = Table(title="inquiries per second, median of interleaved rounds, durable journal")
    for column in ("core", "call", "no-op echo", "fenliu", "ratio"):
        table.add_column(column, justify="left" if column in {"core", "call"} else "right")
    for core in arguments.core or ["rust", "python"]:
        scale = arguments.scale * (1 if core == "rust" else 0.25)
        for name, noop, ours in asyncio.run(measure(core, arguments.rounds, scale)):
            table.add_row(core, name, f"{noop:,.0f}", f"{ours:,.0f}", f"{ours / noop:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
