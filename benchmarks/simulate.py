"""The row of what-if simulation: a day of a million inquiries played again, and a whole `Simulate` of it.

    .venv/bin/python -m benchmarks --only simulate

The day is one shop's with 40 agents, inquiries spread evenly, without messages: what is left to do is deciding. It is
played from its log as it lies there; beside it the same inquiries are decided in batches, as a live server does.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Figure, Measured, Scale

from fenliu.dispatch import Dispatcher, TraceClock
from fenliu.engine import CommandKind, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.reports.follow import Tables
from fenliu.insight.reports.schema import FILE
from fenliu.insight.simulation.simulation import Simulation
from fenliu.journal import SqliteJournal, SqliteReader
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2, types_pb2

SHOP = "shop"
START_MS = 1_762_012_800_000  # midnight in Shanghai
DAY_MS = 86_400_000
INQUIRIES = 1_000_000
WHOLE = 100_000
"""So many inquiries has the day of which a whole simulation is measured."""
AT_ONCE = 512
AGENTS = [f"agent-{number:02}" for number in range(40)]


def document() -> shop_pb2.Shop:
    """Four groups of ten; nobody is ever busy, so that shares follow the weights."""
    return shop_pb2.Shop(
        shop_id=SHOP,
        settings=shop_pb2.ShopSettings(busy_threshold=1_000_000, idle_close_ms=10_000),
        agents=[
            shop_pb2.Agent(agent_id=one, weight=1 + place % 9) for place, one in enumerate(AGENTS)
        ],
        groups=[
            shop_pb2.Group(group_id=f"group-{number}", agent_ids=AGENTS[number::4])
            for number in range(4)
        ],
    )


def batches(inquiries: int) -> Iterator[tuple[int, bytes]]:
    """The day's inquiries: the time of each batch, and the batch."""
    for first in range(0, inquiries, AT_ONCE):
        requests = [
            dispatch_pb2.RouteRequest(shop_id=SHOP, buyer_id=f"buyer-{one * 7 % inquiries:010}")
            for one in range(first, min(first + AT_ONCE, inquiries))
        ]
        batch = dispatch_pb2.RouteBatchRequest(requests=requests).SerializeToString()
        yield START_MS + DAY_MS * first // inquiries, batch


async def fill(data: Path, inquiries: int) -> None:
    """The day, through the dispatcher."""
    journal = SqliteJournal.open(data, partitions=1, durability="relaxed")
    dispatcher = Dispatcher(load_core(), journal, TraceClock())
    await dispatcher.start()
    apply = shop_pb2.ApplyShopRequest(shop=document()).SerializeToString()
    await dispatcher.command(CommandKind.APPLY_SHOP, apply, now_ms=START_MS)
    for agent_id in AGENTS:
        online = presence_pb2.SetPresenceRequest(
            shop_id=SHOP, agent_id=agent_id, status=types_pb2.PRESENCE_STATUS_ONLINE
        )
        await dispatcher.command(
            CommandKind.SET_PRESENCE, online.SerializeToString(), now_ms=START_MS
        )
    for at_ms, batch in batches(inquiries):
        await dispatcher.batch(CommandKind.ROUTE, batch, now_ms=at_ms)
    await dispatcher.close()
    journal.close()


def played(script: bytes) -> tuple[float, float]:
    """Seconds to play a log's entries again on an engine of its own, and of these the processor's."""
    engine = load_core().engine(1)
    playing = engine_pb2.Playing(
        shop_id=SHOP, start_ms=START_MS, end_ms=START_MS + DAY_MS, without=[CommandKind.MESSAGE]
    )
    began, worked = time.perf_counter(), time.process_time()
    engine.play(script, playing.SerializeToString())
    return time.perf_counter() - began, time.process_time() - worked


def decided(inquiries: int) -> float:
    """Seconds to decide them in batches, as they come to a server."""
    engine = load_core().engine(1)
    apply = shop_pb2.ApplyShopRequest(shop=document()).SerializeToString()
    engine.decide(CommandKind.APPLY_SHOP, apply, START_MS)
    for agent_id in AGENTS:
        online = presence_pb2.SetPresenceRequest(
            shop_id=SHOP, agent_id=agent_id, status=types_pb2.PRESENCE_STATUS_ONLINE
        )
        engine.decide(CommandKind.SET_PRESENCE, online.SerializeToString(), START_MS)
    day = list(batches(inquiries))
    began = time.perf_counter()
    for at_ms, batch in day:
        engine.decide_batch(CommandKind.ROUTE, batch, at_ms)
    return time.perf_counter() - began


def simulated(data: Path, folder: Path) -> float:
    """Seconds for a whole simulation with other weights, its reports included."""
    reader = SqliteReader(data)
    tables = Tables(data / FILE, reader, reader.data_id)
    while tables.catch_up():
        pass
    tables.close()
    shop = document()
    for agent in shop.agents:
        agent.weight = 10 - agent.weight
    request = insight_pb2.SimulateRequest(
        shop_id=SHOP,
        window=insight_pb2.Window(start_ms=START_MS, end_ms=START_MS + DAY_MS),
        changed_shop=shop,
    )
    began = time.perf_counter()
    Simulation(
        reader, load_core(), request, START_MS + 2 * DAY_MS, folder, lambda _step: None
    ).simulate()
    return time.perf_counter() - began


def measure(scale: Scale) -> Measured:
    """A million inquiries played from their log, beside deciding them; a whole simulation of 100,000."""
    inquiries = scale.of(INQUIRIES, AT_ONCE)
    whole = scale.of(WHOLE, AT_ONCE)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        asyncio.run(fill(data / "large", inquiries))
        reader = SqliteReader(data / "large")
        script = b"".join(record.entries for record in reader.read(0))
        rounds = [(*played(script), decided(inquiries)) for _ in range(scale.rounds)]
        played_s, worked_s, decided_s = map(statistics.median, zip(*rounds, strict=True))
        asyncio.run(fill(data / "whole", whole))
        (data / "scratch").mkdir()
        whole_s = simulated(data / "whole", data / "scratch")
    return Measured(
        (
            Figure(f"{inquiries:,} inquiries played again", played_s, "s", 5.0, True),
            Figure("… of processor time", worked_s, "s"),
            Figure("… beside deciding them in batches", played_s / decided_s, "×"),
            Figure(f"Simulate of a day of {whole:,}, reports included", whole_s, "s"),
        ),
        (f"the log of the day has {len(script) / 2**20:.0f} MiB of entries",),
    )
