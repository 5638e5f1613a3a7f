"""How long one explanation takes in a large shop and a long log, and how much memory it takes.

    .venv/bin/python -m benchmarks.explain [--megabytes 200] [--keep DIR]

Builds a data directory through the dispatcher, with the snapshots a server would make: one partition, a
large shop whose buyers are all different, and a small one that gets one inquiry in 256. Then explains
decisions of both drawn at random, one after the other, each the first question about its time.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.restart import AT_WORK, START_MS, document, online, shop_id
from rich.console import Console
from rich.table import Table

from fenliu.dispatch import Dispatcher, TraceClock
from fenliu.engine import CommandKind, load_core
from fenliu.insight.explain import Explainer
from fenliu.journal import SqliteJournal
from fenliu.v1 import dispatch_pb2, types_pb2

LARGE, SMALL = 0, 1
AT_ONCE = 64  # inquiries of one batch, and so of one record
SMALL_ONE_IN = 256
DAYS_MS = 3 * 86_400_000
ENTRY_BYTES = 92  # about, of an inquiry and its end
ASKED = 15


async def fill(data: Path, inquiries: int) -> None:
    """The shops, and all inquiries within three days."""
    journal = SqliteJournal.open(data, partitions=1, durability="relaxed")
    dispatcher = Dispatcher(load_core(), journal, TraceClock())
    await dispatcher.start()
    for number in (LARGE, SMALL):
        await dispatcher.command(CommandKind.APPLY_SHOP, document(number), now_ms=START_MS)
        agents = [online(number, agent) for agent in range(AT_WORK)]
        await dispatcher.commands(CommandKind.SET_PRESENCE, agents, now_ms=START_MS)
    for first in range(0, inquiries, AT_ONCE):
        requests = [
            dispatch_pb2.RouteRequest(
                shop_id=shop_id(LARGE if one % SMALL_ONE_IN else SMALL), buyer_id=f"buyer-{one:010}"
            )
            for one in range(first, first + AT_ONCE)
        ]
        batch = dispatch_pb2.RouteBatchRequest(requests=requests).SerializeToString()
        now = START_MS + DAYS_MS * first // inquiries
        await dispatcher.batch(CommandKind.ROUTE, batch, now_ms=now)
    await dispatcher.close()
    journal.close()


async def measure(data: Path, number: int, decisions: int) -> list[float]:
    """Seconds that each explanation took, shortest first."""
    journal = SqliteJournal.open(data)
    explainer = Explainer(journal, load_core())
    took = []
    for decision in random.Random(1).sample(range(1, decisions), ASKED):
        began = time.perf_counter()
        await explainer.explain(shop_id(number), f"d{decision}", "", types_pb2.LANGUAGE_ENGLISH)
        took.append(time.perf_counter() - began)
    explainer.close()
    journal.close()
    return sorted(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200, help="of log")
    parser.add_argument("--keep", type=Path, help="where the data directory is, or is made to stay")
    arguments = parser.parse_args()
    inquiries = arguments.megabytes * 2**20 // ENTRY_BYTES
    with tempfile.TemporaryDirectory() as temporary:
        data = arguments.keep or Path(temporary) / "data"
        if not data.exists():
            asyncio.run(fill(data, inquiries))
        on_disk = sum(one.stat().st_size for one in data.iterdir()) / 2**20
        table = Table(
            title=f"{inquiries:,} inquiries, {on_disk:,.0f} MiB on disk, {load_core().name} core"
        )
        for heading in ("shop", "shortest s", "median s", "longest s", "resident MiB"):
            table.add_column(heading, justify="right")
        for name, number, decisions in (
            ("small", SMALL, inquiries // SMALL_ONE_IN),
            ("large", LARGE, inquiries - inquiries // SMALL_ONE_IN),
        ):
            took = asyncio.run(measure(data, number, decisions))
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            figures = (took[0], took[len(took) // 2], took[-1])
            table.add_row(name, *(f"{one:.2f}" for one in figures), f"{resident:,.0f}")
        Console().print(table)


if __name__ == "__main__":
    main()
