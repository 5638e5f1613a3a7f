"""The same load on a server and on the no-op echo, in turn: what `fenliu bench` prints.

Makes a shop of its own on the server and removes it at the end, whatever happens.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fenliu.client import FenliuClient
from fenliu.load.batches import send_batches
from fenliu.load.echo import started_echo
from fenliu.load.figures import median, percentile
from fenliu.load.generator import at_random, closed_loop, open_loop
from fenliu.load.workload import BATCH, ROUTE, Workload, agent_ids, online, shop_document

SHOP_PREFIX = "fenliu-bench-"
AGENTS = 50
UNDER_WAY = 32
KNOWN_BUYERS = 20_000
ROUNDS = 3
MOST_UNARY, MOST_BATCHES = 20_000, 1_000
"""A second; more is not encoded."""
STEPS = 3 * 2 * ROUNDS
"""Three loads, two sides."""
LATENCY_PART = 0.5
"""The part of the throughput at which latency is measured."""


@dataclass(frozen=True, slots=True)
class Sides:
    """A figure of the echo and of the server."""

    echo: float
    server: float

    @property
    def ratio(self) -> float:
        """The server's, in parts of the echo's."""
        return self.server / self.echo


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians over the rounds. Rates are inquiries a second, latencies seconds."""

    unary: Sides
    batches: Sides
    half: float
    """Unary calls a second at which latency was measured."""
    p50_s: Sides
    p99_s: Sides
    refused: int
    """Calls the server did not answer; more than none makes the rest worth little."""
    lag_s: float
    """99 % of the calls of the latency measurement were sent within this of being due."""


@asynccontextmanager
async def bench_shop(client: FenliuClient) -> AsyncIterator[str]:
    """A shop of its own with agents ONLINE, as long as the block runs. Raises FenliuError."""
    shop_id = SHOP_PREFIX + uuid.uuid4().hex[:12]
    try:
        await client.apply_shop(shop_document(shop_id, AGENTS))
        for agent in agent_ids(AGENTS):
            await client.set_presence(online(shop_id, agent))
        yield shop_id
    finally:
        await client.delete_shop(shop_id, force=True)


def compare(target: str, shop_id: str, seconds: float, step: Callable[[], None]) -> Comparison:
    """Measures for about so many seconds; `step` is called STEPS times.

    Raises OSError and grpc.aio.AioRpcError when the server goes away or does not answer.
    """
    part_s = seconds / STEPS
    workload = Workload([shop_id], known=KNOWN_BUYERS)
    unary: list[list[float]] = [[], []]
    batches: list[list[float]] = [[], []]
    p50: list[list[float]] = [[], []]
    p99: list[list[float]] = [[], []]
    lags: list[float] = []
    refused = 0
    with started_echo() as echo:
        sides = (echo, target)
        for _ in range(ROUNDS):
            for side, address in enumerate(sides):
                inquiries = workload.inquiries(int(MOST_UNARY * part_s) + UNDER_WAY)
                loaded = closed_loop(address, ROUTE, inquiries, under_way=UNDER_WAY, seconds=part_s)
                refused += loaded.refused
                unary[side].append(loaded.rate)
                step()
        for _ in range(ROUNDS):
            for side, address in enumerate(sides):
                some = [workload.batch() for _ in range(int(MOST_BATCHES * part_s / 2) + 1)]
                answered = asyncio.run(send_batches(address, some, seconds=part_s))
                refused += answered.refused
                batches[side].append(answered.rate * BATCH)
                step()
        half = median(unary[1]) * LATENCY_PART
        for number in range(ROUNDS):
            for side, address in enumerate(sides):
                due = at_random(half, part_s, seed=number)
                loaded = open_loop(address, ROUTE, workload.inquiries(len(due)), due)
                refused += loaded.refused
                p50[side].append(percentile(loaded.answers, 50))
                p99[side].append(percentile(loaded.answers, 99))
                lags.append(percentile(loaded.lag_s, 99))
                step()
    return Comparison(
        unary=_sides(unary),
        batches=_sides(batches),
        half=half,
        p50_s=_sides(p50),
        p99_s=_sides(p99),
        refused=refused,
        lag_s=median(lags),
    )


def _sides(rounds: list[list[float]]) -> Sides:
    return Sides(*map(median, rounds))
