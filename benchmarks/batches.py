"""Rows of batches over gRPC: one hot shop, 10,000 shops, and what an inquiry takes on disk.

RouteStream with eight batches under way; each batch's replies are reported in one call
when it is answered. The load runs on one core. The server runs on the other one ("pinned"); another one,
afterwards, on both, where it also gets what the load leaves over. The no-op echo gets the same
calls and runs on one core like the pinned server.

Buyers' conversations fall idle after IDLE_CLOSE_MS, so that as many close as begin.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import (
    ALL_CORES,
    LOAD_CORES,
    SERVER_CORES,
    Server,
    disk_bytes,
    echo,
    fenliu,
    on_cores,
    stopped,
)
from benchmarks.shops import LONG_LEASE, many_shops, open_shops
from benchmarks.table import Figure, Measured, Scale

from fenliu.journal.directory import DATABASE
from fenliu.load.batches import send_batches
from fenliu.load.figures import median, spread
from fenliu.load.workload import (
    BATCH,
    KNOWN_BUYERS,
    SHOP,
    Workload,
)
from fenliu.v1 import dispatch_pb2, shop_pb2

AGENTS = 500
SHOPS = 10_000
AGENTS_OF_MANY = 5
BATCHES = 300
IDLE_CLOSE_MS = 10_000


def rate(
    target: str,
    batches: Sequence[tuple[bytes, bytes]],
    *,
    streamed: bool = True,
    replies: bool = True,
) -> float:
    """Inquiries a second over all batches."""
    answered = asyncio.run(send_batches(target, batches, streamed=streamed, replies=replies))
    _check(answered.routed, answered.reported)
    return answered.rate * BATCH


def _check(routed: bytes, reported: bytes) -> None:
    """What is refused is no work."""
    for result in dispatch_pb2.RouteBatchResponse.FromString(routed).results:
        assert result.response.agent_id and not result.status.code, result
    for event in dispatch_pb2.ReportMessagesBatchResponse.FromString(reported).results:
        assert not event.status.code, event


def _known(shops: Sequence[str], known: int) -> list[tuple[bytes, bytes]]:
    workload = Workload(shops, known=known, new=0)
    return [workload.batch() for _ in range(-(-known // BATCH))]


def _open(target: str, agents: int, shops: Sequence[str], known: int) -> None:
    settings = shop_pb2.ShopSettings(idle_close_ms=IDLE_CLOSE_MS)
    asyncio.run(open_shops(target, agents, shops, settings=settings))
    for batches in (_known(shops, known)[place::8] for place in range(8)):
        rate(target, batches)


def _measure(scale: Scale, agents: int, shops: Sequence[str]) -> dict[str, list[float]]:
    """Inquiries a second by kind, all rounds."""
    known = scale.of(KNOWN_BUYERS, BATCH)
    workload = Workload(shops, known=known)
    count = scale.of(BATCHES)
    rates: dict[str, list[float]] = {"echo": [], "pinned": [], "free": [], "unary": [], "bare": []}

    def rounds(*kinds: tuple[str, Server, dict[str, bool]]) -> None:
        for _ in range(scale.rounds):
            for name, server, how in kinds:
                batches = [workload.batch() for _ in range(count)]
                rates[name].append(rate(server.target, batches, **how))

    with tempfile.TemporaryDirectory() as data, on_cores(LOAD_CORES):
        with (
            stopped(echo(SERVER_CORES)) as noop,
            stopped(fenliu(Path(data) / "1", *LONG_LEASE, cores=SERVER_CORES)) as pinned,
        ):
            _open(pinned.target, agents, shops, known)
            rounds(
                ("echo", noop, {}),
                ("pinned", pinned, {}),
                ("unary", pinned, {"streamed": False}),
                ("bare", pinned, {"replies": False}),
            )
        # Not beside the other one: what either stores when it has time would take that from the other.
        with stopped(fenliu(Path(data) / "2", *LONG_LEASE, cores=ALL_CORES)) as free:
            _open(free.target, agents, shops, known)
            rounds(("free", free, {}))
    return rates


def _figures(rates: dict[str, list[float]], goal: float, ratio: float | None) -> Measured:
    ours, noop = median(rates["pinned"]), median(rates["echo"])
    return Measured(
        (
            Figure("RouteStream, replies reported", ours, "/s", goal),
            Figure("… / no-op echo", ours / noop, "×", ratio),
            Figure("… no-op echo", noop, "/s"),
            Figure("… server on both cores", median(rates["free"]), "/s"),
            Figure("RouteBatch, replies reported", median(rates["unary"]), "/s"),
            Figure("RouteStream alone", median(rates["bare"]), "/s"),
        ),
        (f"rounds of RouteStream: {spread(rates['pinned'])} /s",),
    )


def measure_hot_shop(scale: Scale) -> Measured:
    """One shop of 500 agents."""
    return _figures(_measure(scale, scale.of(AGENTS, 4), (SHOP,)), 300_000, 0.6)


def measure_many_shops(scale: Scale) -> Measured:
    """10,000 shops, one after the other within each batch."""
    shops = many_shops(scale.of(SHOPS, 4))
    return _figures(_measure(scale, AGENTS_OF_MANY, shops), 200_000, None)


def measure_journal(scale: Scale) -> Measured:
    """Bytes of the log for each inquiry, and of the whole data directory after the server's end."""
    known = scale.of(KNOWN_BUYERS // 4, BATCH)
    workload = Workload(known=known)
    count = scale.of(BATCHES)
    sizes = []
    with tempfile.TemporaryDirectory() as data:
        folder = Path(data)
        for replies in (False, True):
            here = folder / str(replies)
            server = fenliu(here, *LONG_LEASE)
            try:
                _open(server.target, AGENTS, (SHOP,), known)
                before = _log_bytes(here)
                batches = [workload.batch() for _ in range(count)]
                rate(server.target, batches, replies=replies)
                sizes.append((_log_bytes(here) - before) / count / BATCH)
            finally:
                server.stop()
        whole = disk_bytes(here) / (count * BATCH + known)
    return Measured(
        (
            Figure("log, an inquiry", sizes[0], "bytes", 160, True),
            Figure("log, an inquiry and its reply", sizes[1], "bytes"),
            Figure("data directory after a stop, an inquiry and its reply", whole, "bytes"),
        )
    )


def _log_bytes(data: Path) -> int:
    """What the records take, their keys included."""
    connection = sqlite3.connect(f"file:{data / DATABASE}?mode=ro", uri=True)
    try:
        (size,) = connection.execute(
            "SELECT coalesce(sum(length(record) + length(append_id) + 8), 0) FROM records"
        ).fetchone()
    finally:
        connection.close()
    return int(size)
