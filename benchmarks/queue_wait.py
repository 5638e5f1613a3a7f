"""How honest estimated_wait_ms is: what queued buyers were told against how long they then waited.

    .venv/bin/python -m benchmarks.queue_wait

Generated sale days in shops with caps and a queue that nobody leaves but for an agent, played through real
gRPC on the trace clock. What happened is read from the log. The same seeds give the same table.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import proto
from rich.console import Console
from rich.table import Table

from fenliu.app import App
from fenliu.client import FenliuClient
from fenliu.config import ServerConfig
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import SqliteReader
from fenliu.traffic.day import DAY_MS, MINUTE_MS, SHANGHAI_MS, example_shops, sale_day
from fenliu.traffic.player import play
from fenliu.v1 import operator_pb2, types_pb2

MIDNIGHT_MS = 20_000 * DAY_MS - SHANGHAI_MS
CAP = 3
LOADS = {"short": 10, "long": 30}
"""How long the queue gets, by minutes without a message until a conversation closes and frees its slot."""
POSITIONS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, None))


@dataclass(frozen=True)
class Wait:
    """One queued buyer: the place, what was told (0: nothing yet) and the actual wait, milliseconds."""

    position: int
    estimate_ms: int
    actual_ms: int


async def play_day(data: Path, idle_minutes: int, seed: int, options: argparse.Namespace) -> None:
    """Plays one day."""
    shops = example_shops(options.shops)
    for shop in shops:
        shop.settings.queue_limit = 1_000_000
        shop.settings.queue_timeout_ms = 0
        shop.settings.idle_close_ms = idle_minutes * MINUTE_MS
        for agent in shop.agents:
            agent.cap = CAP
    traffic = sale_day(
        shops, seed=seed, start_ms=MIDNIGHT_MS, end_ms=MIDNIGHT_MS + DAY_MS, buyers=options.buyers
    )
    app = App(
        ServerConfig(
            listen="127.0.0.1:0",
            data=data,
            core=options.core,
            clock="trace",
            durability="relaxed",
        )
    )
    try:
        async with FenliuClient(await app.start(), timeout_s=120) as client:
            await play(client, traffic, operator_pb2.CLOCK_TRACE)
    finally:
        await app.stop()


def waits(data: Path) -> Iterator[Wait]:
    """Every wait in the log that an agent ended."""
    queued: dict[tuple[str, str], tuple[int, engine_pb2.Decided]] = {}
    for entry in entries(data):
        command = getattr(entry, str(entry.WhichOneof("command")))
        for fact in entry.facts:
            if not fact.HasField("decided"):
                continue  # Commands without a shop_id of their own decide nothing.
            decided = fact.decided
            at_ms = decided.at_ms or entry.now_ms
            who = (command.shop_id, decided.buyer_id or command.buyer_id)
            if decided.reason == types_pb2.REASON_QUEUED_AT_CAP:
                queued[who] = (at_ms, decided)
            elif decided.outcome == types_pb2.OUTCOME_AGENT and who in queued:
                since_ms, told = queued.pop(who)
                yield Wait(told.queue_position, told.estimated_wait_ms, at_ms - since_ms)


def entries(data: Path) -> Iterator[engine_pb2.Entry]:
    """Every entry of a data directory, each shop's in order."""
    reader = SqliteReader(data)
    for partition in sorted(reader.heads()):
        for record in reader.read(partition):
            stream = io.BytesIO(record.entries)
            while (entry := proto.parse_length_prefixed(engine_pb2.Entry, stream)) is not None:
                yield entry


def minutes(ms: float) -> str:
    return f"{ms / MINUTE_MS:.1f}"


def row(name: str, some: list[Wait]) -> list[str]:
    """Medians, deciles of the error, and how many were told a wait off by at most half of the actual."""
    told = [wait for wait in some if wait.estimate_ms]
    if len(told) < 2:
        return [name, str(len(some)), str(len(told)), *["–"] * 6]
    errors = sorted(wait.estimate_ms - wait.actual_ms for wait in told)
    deciles = statistics.quantiles(errors, n=10)
    near = sum(2 * abs(wait.estimate_ms - wait.actual_ms) <= wait.actual_ms for wait in told)
    return [
        name,
        str(len(some)),
        str(len(told)),
        minutes(statistics.median(wait.actual_ms for wait in told)),
        minutes(statistics.median(wait.estimate_ms for wait in told)),
        minutes(deciles[0]),
        minutes(statistics.median(errors)),
        minutes(deciles[8]),
        f"{100 * near / len(told):.0f}%",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="days, from seed 1 on")
    parser.add_argument("--shops", type=int, default=4, help="of 8 agents each")
    parser.add_argument("--buyers", type=int, default=300, help="who come to each shop in a day")
    parser.add_argument("--core", choices=["auto", "rust", "python"], default="auto")
    options = parser.parse_args()
    table = Table(title="told and actual waits in the queue, minutes; error = told − actual")
    table.add_column("place")
    for column in ("queued", "told", "actual", "told wait", "p10", "p50", "p90", "within ½"):
        table.add_column(column, justify="right")
    for load, idle_minutes in LOADS.items():
        found: list[Wait] = []
        for seed in range(1, options.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                data = Path(folder) / "data"
                asyncio.run(play_day(data, idle_minutes, seed, options))
                found += waits(data)
        table.add_row(load)
        for first, last in POSITIONS:
            name = str(first) if first == last else f"{first}–{last or ''}"
            here = [w for w in found if first <= w.position <= (last or w.position)]
            if here:
                table.add_row(*row(name, here))
        table.add_row(*row("all", found))
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
