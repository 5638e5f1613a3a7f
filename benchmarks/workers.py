"""The row of worker processes: the same load on one and on two, over 10,000 shops, with the load's own share named.

Nobody is put on a core: both workers and the load share the machine's, and what the load takes is missing to the
workers. Rounds alternate between the two servers.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from benchmarks.batches import AGENTS_OF_MANY, SHOPS, rate
from benchmarks.processes import Server, fenliu, run_module
from benchmarks.shops import LONG_LEASE, many_shops, open_shops
from benchmarks.table import Figure, Measured, Missing, Scale

from fenliu.load.figures import median
from fenliu.load.generator import closed_loop
from fenliu.load.workload import BATCH, ROUTE, Workload

BATCHES = 300
CALLS = 8_000
UNDER_WAY = 64
CONNECTIONS = 8
"""Each is accepted by one of the workers."""


def measure(scale: Scale) -> Measured:
    """Unary calls and batches."""
    if "--workers" not in run_module("fenliu", ["serve", "--help"]):
        raise Missing("this version has no `fenliu serve --workers`")
    shops = many_shops(scale.of(SHOPS, 8))
    workload = Workload(shops, known=scale.of(100_000, BATCH))
    rates: dict[tuple[str, int], list[float]] = {}
    shares: dict[str, list[float]] = {"unary": [], "batches": []}
    refused = 0
    with tempfile.TemporaryDirectory() as data:
        servers: dict[int, Server] = {}
        try:
            for count in (1, 2):
                options = ("--workers", str(count), *LONG_LEASE)
                servers[count] = fenliu(Path(data) / str(count), *options)
                asyncio.run(open_shops(servers[count].target, AGENTS_OF_MANY, shops))
            for _ in range(scale.rounds):
                for count, server in servers.items():
                    inquiries = workload.inquiries(scale.of(CALLS, 2 * UNDER_WAY))
                    begun, used = time.perf_counter(), time.process_time()
                    loaded = closed_loop(
                        server.target, ROUTE, inquiries,
                        under_way=UNDER_WAY, connections=CONNECTIONS,
                    )  # fmt: skip
                    shares["unary"].append(_share(begun, used))
                    refused += loaded.refused
                    rates.setdefault(("unary", count), []).append(loaded.rate)
                    batches = [workload.batch() for _ in range(scale.of(BATCHES))]
                    begun, used = time.perf_counter(), time.process_time()
                    rates.setdefault(("batches", count), []).append(rate(server.target, batches))
                    shares["batches"].append(_share(begun, used))
        finally:
            for server in servers.values():
                server.stop()
    figures = []
    for what in ("unary", "batches"):
        one, two = median(rates[what, 1]), median(rates[what, 2])
        figures += [
            Figure(f"{what}: two workers / one", two / one, "×"),
            Figure(f"… one, {what}", one, "/s"),
            Figure(f"… two, {what}", two, "/s"),
            Figure(f"… CPU of the load, {what}", 100 * median(shares[what]), "% core"),
        ]
    cores = len(os.sched_getaffinity(0))
    notes = [f"{cores} cores for the load and the workers together"]
    if refused:
        notes.append(
            f"{refused} calls were not answered: the machine is too busy for these figures"
        )
    return Measured(tuple(figures), tuple(notes))


def _share(begun: float, used: float) -> float:
    return (time.process_time() - used) / (time.perf_counter() - begun)
