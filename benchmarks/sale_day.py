"""The row of the sale day: a generated 双11 with shifts, replies and orders, at full speed over gRPC.

Its own time passes on the server's trace clock; events go out as fast as they are answered, one shop's in order, all
shops at once, each in a call of its own as small gateways make them (`fenliu.traffic`). So the player costs as much as
the server.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.processes import fenliu
from benchmarks.table import Figure, Measured, Scale

from fenliu.client import FenliuClient
from fenliu.load.figures import percentile
from fenliu.traffic.day import DAY_MS, example_shops, sale_day
from fenliu.traffic.player import PlayReport, play
from fenliu.v1 import dispatch_pb2, operator_pb2

SHOPS = 60
BUYERS = 100
START_MS = 1_762_790_400_000
"""11 November 2025, midnight in Shanghai."""


class Timed(FenliuClient):
    """Notes how long each inquiry took, seconds."""

    def __init__(self, target: str) -> None:
        super().__init__(target, timeout_s=60)
        self.took_s: list[float] = []

    async def route(
        self, request: dispatch_pb2.RouteRequest, *, now_ms: int | None = None
    ) -> dispatch_pb2.RouteResponse:
        begun = time.perf_counter()
        answer = await super().route(request, now_ms=now_ms)
        self.took_s.append(time.perf_counter() - begun)
        return answer


def measure(scale: Scale) -> Measured:
    """The day on both cores."""
    shops = example_shops(scale.of(SHOPS, 2), features=True)
    traffic = sale_day(
        shops,
        seed=1111,
        start_ms=START_MS,
        end_ms=START_MS + DAY_MS,
        buyers=scale.of(BUYERS, 5),
        features=True,
    )
    figures: list[Figure] = []
    notes = []
    for core in ("rust", "python"):
        with tempfile.TemporaryDirectory() as data:
            server = fenliu(Path(data) / "data", "--clock", "trace", core=core)
            try:

                async def day(target: str = server.target) -> tuple[PlayReport, list[float], float]:
                    async with Timed(target) as client:
                        begun = time.perf_counter()
                        report = await play(client, traffic, operator_pb2.CLOCK_TRACE)
                        return report, client.took_s, time.perf_counter() - begun

                report, took_s, seconds = asyncio.run(day())
            finally:
                server.stop()
        assert not report.failures, report.failures[0]
        figures += [
            Figure(f"inquiries, {core} core", len(took_s) / seconds, "/s"),
            Figure(f"… all events, {core} core", len(traffic.events) / seconds, "/s"),
            Figure(f"… p99 of Route, {core} core", percentile(took_s, 99) * 1e3, "ms"),
        ]
        notes.append(
            f"{core}: {len(took_s):,} inquiries, {len(traffic.events):,} events, {report.transfers} transfers,"
            f" {report.orders} order events in {seconds:.0f} s"
        )
    return Measured(tuple(figures), tuple(notes))
