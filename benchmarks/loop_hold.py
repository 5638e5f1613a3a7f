"""The row of the event loop: the longest any one callback holds it, in CPU time of its thread (watched.py).

A large shop's settings, its batches, snapshots under load, conversations falling idle by the hundred thousand, a
million-contact shop loading after a restart, a report. The Python core is asked for batches only.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import grpc
from benchmarks.batches import rate
from benchmarks.processes import Server
from benchmarks.shops import LONG_LEASE, open_shops
from benchmarks.table import Figure, Measured, Scale

from fenliu.client import FenliuClient
from fenliu.load.workload import BATCH, ROUTE_BATCH, SHOP, Workload, agent_ids, shop_document
from fenliu.v1 import insight_pb2, shop_pb2

AGENTS = 10_000
CONTACTS = 1_000_000
IDLE_CLOSE_MS = 5_000
GOAL_MS = 10
LARGEST = 4096
SETTLED_S = 1.0
"""After a start; what that takes is no matter of service."""


class Watched:
    """A server whose loop is watched."""

    def __init__(self, folder: Path, *options: str, core: str = "rust") -> None:
        self._file = folder / "held.json"
        self.server = Server(
            "benchmarks.watched", self._file, "serve", "--listen", "127.0.0.1:0",
            "--data", folder / "data", *LONG_LEASE, *options,
            env={"FENLIU_CORE": core},
        )  # fmt: skip
        self.held: dict[str, tuple[float, str]] = {}
        time.sleep(SETTLED_S)
        self.since("start")

    def since(self, what: str) -> None:
        """Notes the worst callback since the last call as that of `what`."""
        self._file.unlink(missing_ok=True)
        os.kill(self.server.pid, signal.SIGUSR2)
        until = time.monotonic() + 30
        while not self._file.exists():
            assert time.monotonic() < until, "the watched server does not tell"
            time.sleep(0.01)
        told = json.loads(self._file.read_text())
        self.held[what] = (told["ms"], told["what"])


def measure(scale: Scale) -> Measured:
    """The Rust core's worst callbacks, then the twin's with batches."""
    with tempfile.TemporaryDirectory() as data:
        held = _rust(Path(data), scale)
        twin = _twin(Path(data) / "twin", scale)
    figures = [
        Figure(name, ms, "ms", GOAL_MS, True) for name, (ms, _) in held.items() if name != "start"
    ]
    figures.append(Figure("the twin: batches of 4096", twin, "ms"))
    worst = max(figures[:-1], key=lambda figure: figure.value).name
    return Measured(tuple(figures), (f"the longest: {worst}, in {held[worst][1]}",))


def _rust(folder: Path, scale: Scale) -> dict[str, tuple[float, str]]:
    contacts = scale.of(CONTACTS, BATCH)
    agents = scale.of(AGENTS, 10)
    workload = Workload(known=1, new=100)
    watched = Watched(folder, "--snapshot-after", str(64 * 2**20))
    target = watched.server.target
    try:
        asyncio.run(_settings(target, agents))
        watched.since(f"settings of a shop of {AGENTS:,} agents")
        settings = shop_pb2.ShopSettings(idle_close_ms=IDLE_CLOSE_MS)
        asyncio.run(open_shops(target, agents, settings=settings))
        watched.since(f"{AGENTS:,} agents coming ONLINE")
        asyncio.run(_largest(target, workload))
        watched.since("batches of 4096")
        # Now, not after the million: its tables follow the log at low priority, and its rows are the agents.
        asyncio.run(_report(target))
        watched.since("a report")
        for _ in range(0, contacts, 100 * BATCH):
            rate(target, [workload.batch() for _ in range(min(100, contacts // BATCH))])
        watched.since("batches of 512, snapshots, conversations falling idle")
        time.sleep(scale.seconds(2 * IDLE_CLOSE_MS / 1000))
        watched.since("the rest falling idle")
    finally:
        watched.server.stop()
    again = Watched(folder)
    try:
        asyncio.run(_largest(again.server.target, Workload(known=contacts, new=0)))
        again.since("the million-contact shop after a restart")
    finally:
        again.server.stop()
    return {**watched.held, **again.held}


def _twin(folder: Path, scale: Scale) -> float:
    folder.mkdir()
    watched = Watched(folder, core="python")
    try:
        asyncio.run(open_shops(watched.server.target, scale.of(500, 4)))
        watched.since("shops")
        asyncio.run(_largest(watched.server.target, Workload(known=1, new=100)))
        watched.since("batches")
    finally:
        watched.server.stop()
    return watched.held["batches"][0]


async def _settings(target: str, agents: int) -> None:
    """The shop made, changed as a whole, in part and in its weights."""
    async with FenliuClient(target, timeout_s=60) as client:
        await client.apply_shop(shop_document(SHOP, agents))
        await client.apply_shop(
            shop_document(SHOP, agents, settings=shop_pb2.ShopSettings(busy_threshold=6))
        )
        await client.update_shop(
            shop_pb2.Shop(shop_id=SHOP, settings=shop_pb2.ShopSettings(slow_count=4)),
            ["settings.slow_count"],
        )
        await client.set_weights(
            shop_pb2.SetWeightsRequest(
                shop_id=SHOP,
                weights=[
                    shop_pb2.AgentWeight(agent_id=agent, weight=7)
                    for agent in agent_ids(agents)[:1000]
                ],
            )
        )
        await client.get_shop(SHOP)
        await client.list_presence(SHOP)


async def _largest(target: str, workload: Workload) -> None:
    """A few of the largest batches there may be."""
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.unary_unary(ROUTE_BATCH)
        for _ in range(4):
            await call(workload.batch(LARGEST)[0], timeout=60)


async def _report(target: str) -> None:
    now_ms = int(time.time() * 1000)
    request = insight_pb2.GetReceptionReportRequest(
        shop_id=SHOP,
        window=insight_pb2.Window(start_ms=now_ms - 3_600_000, end_ms=now_ms),
        subject=insight_pb2.REPORT_SUBJECT_AGENT,
        grain=insight_pb2.REPORT_GRAIN_WINDOW,
    )
    async with FenliuClient(target, timeout_s=60, patience_s=180) as client:
        await client.get_reception_report(request)
