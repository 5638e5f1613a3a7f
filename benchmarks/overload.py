"""The row of overload: what is left of the peak when more is asked for, whom it hurts, and when it is over.

    .venv/bin/python -m benchmarks.overload      # draws the picture of what is recorded

Open loops: calls come at random at 0.25 to 4 times the capacity, whatever is answered. Goodput is what is answered
within DEADLINE_S of being due, in calls a second, once the load has settled. The load runs on one core, the server
on the other.

- foreign: unary calls over CONNECTIONS connections with a deadline each, from clients that neither wait nor try
  again; on the server as it is, and on one without its protection.
- client: through `fenliu.client`'s Router, on the Python core and a shop of GROUPS groups with bindings: anything
  quicker answers more than Python on one core can ask for four times over.
- noisy: SHOPS shops at a normal load each, with one of them at 50 times its own and without, in turn; once so that
  this is more than the capacity, once so that it is less. The former also through one Router.
- recovery: half of the capacity, a flood of four times it, half of it again; how long until no window of half a second
  has a p99 of more than twice that of the worst one before.
"""

from __future__ import annotations

import asyncio
import gc
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.client_gain import closed_loop as routed_closed_loop
from benchmarks.client_gain import requests
from benchmarks.processes import LOAD_CORES, SERVER_CORES, Server, fenliu, on_cores
from benchmarks.shops import LONG_LEASE, many_shops, open_shops
from benchmarks.table import Figure, Measured, Scale, read_recorded

from fenliu.client import FenliuClient, FenliuError, Router
from fenliu.load.figures import median, percentile
from fenliu.load.generator import Loaded, at_random, closed_loop, open_loop
from fenliu.load.workload import ROUTE, SHOP, Workload, agent_ids, shop_document
from fenliu.v1 import dispatch_pb2, shop_pb2

AGENTS = 100
CONNECTIONS = 8
DEADLINE_S = 1.0
POINT_S = 4.0
NEARLY_TWICE = 1.8
"""Of the peak: a closed loop through our client finds less than open loops reach, so its points end about there."""
SETTLED_S = 1.5
"""From here on a point counts: what was queued at its start is answered or late by then."""
LATE_S = 0.1
"""When 99 % of a point's calls were sent within more than this, the load was the bound: it says nothing."""
PAUSE_S = 1.5
LOADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
UNDER_WAY = 256
CALLERS = 2_048
GROUPS = 12
SERVERS = {"protected": "on", "unprotected": "off"}
"""Values of --protection."""

SHOPS = 20
TOO_MUCH = 0.02
"""A shop's normal load, of the capacity: with one shop at NOISY times its own all together ask for 138 % of it,"""
ENOUGH = 0.01
"""and for 69 % with this one."""
NOISY = 50
NEXT_TO_NOTHING = 0.01
"""Of the capacity. What is divided by less than this says "at least"."""
NOISY_S = 5.0

FLOOD = 4.0
RECOVERY_S = 14.0
WINDOW_S = 0.5

PICTURE = Path(__file__).parent / "overload.png"


@dataclass(frozen=True, slots=True)
class Point:
    """What came of one offered load. Calls a second; latencies in seconds, of what was answered in time."""

    load: float
    offered: float
    goodput: float
    refused: float
    p50: float
    p99: float
    lag: float


def _loads(scale: Scale) -> Sequence[float]:
    """All of them, or in a trial those that figures are made of."""
    return LOADS if scale.size >= 0.05 else (1.0, 2.0, FLOOD)


def _point(load: float, due: Sequence[float], loaded: Loaded, settled_s: float) -> Point:
    counted = [number for number, at in enumerate(due) if at >= settled_s]
    took = due[-1] - settled_s
    in_time = [
        one for n in counted if (one := loaded.latency_s[n]) is not None and one <= DEADLINE_S
    ]
    return Point(
        load,
        len(counted) / took,
        len(in_time) / took,
        loaded.refused / due[-1],
        percentile(in_time, 50),
        percentile(in_time, 99),
        percentile(loaded.lag_s, 99),
    )


# Unary calls of clients that are not ours


def _capacity(target: str, workload: Workload, calls: int) -> float:
    """What a closed loop reaches, the best of three."""
    return max(
        closed_loop(
            target, ROUTE, workload.inquiries(calls), under_way=UNDER_WAY, connections=CONNECTIONS
        ).rate
        for _ in range(3)
    )


def _flood(target: str, workload: Workload, due: Sequence[float]) -> Loaded:
    messages = workload.inquiries(len(due))
    return open_loop(target, ROUTE, messages, due, deadline_s=DEADLINE_S, connections=CONNECTIONS)


def _foreign(
    servers: Mapping[str, Server], scale: Scale
) -> tuple[float, dict[str, list[Point]], float, float]:
    """Capacity, points by server, and CPU seconds of an answer and of what was not answered."""
    workload = Workload(known=scale.of(100_000, 100))
    capacity = median(
        [_capacity(one.target, workload, scale.of(6_000, UNDER_WAY)) for one in servers.values()]
    )
    point_s, settled_s = scale.seconds(POINT_S, 0.4), scale.seconds(SETTLED_S, 0.1)
    points: dict[str, list[Point]] = {name: [] for name in servers}
    answer_s = refusal_s = float("nan")
    for number, load in enumerate(_loads(scale)):
        for name, server in servers.items():
            due = at_random(load * capacity, point_s, seed=number)
            used = server.cpu_s()
            loaded = _flood(server.target, workload, due)
            time.sleep(scale.seconds(PAUSE_S, 0.05))
            used = server.cpu_s() - used
            points[name].append(_point(load, due, loaded, settled_s))
            if name == "protected" and load == 1.0:
                answer_s = used / max(1, len(loaded.answers))
            if name == "protected" and load == FLOOD and loaded.refused:
                refusal_s = max(0.0, used - answer_s * len(loaded.answers)) / loaded.refused
    return capacity, points, answer_s, refusal_s


@dataclass(frozen=True, slots=True)
class Noise:
    """What a noisy shop does to the others. Seconds; `answered` is the share of their calls answered in time."""

    alone_s: float
    beside_s: float
    answered: float


Send = Callable[[Sequence[bytes], Sequence[float]], Loaded]
"""Sends encoded inquiries when they are due."""


def _noisy(send: Send, capacity: float, normal: float, scale: Scale) -> Noise:
    """p99 of the other shops without and with the noisy one."""
    shops = many_shops(SHOPS)
    quiet = Workload(shops[1:], known=scale.of(20_000, 100))
    loud = Workload(shops[:1], known=scale.of(20_000, 100))
    seconds = scale.seconds(NOISY_S, 0.3)
    p99: dict[bool, list[float]] = {False: [], True: []}
    answered = []
    for number in range(scale.rounds):
        for noisy in (False, True):
            others = at_random(normal * capacity * (SHOPS - 1), seconds, seed=number)
            one = at_random(normal * capacity * (NOISY if noisy else 1), seconds, seed=number + 100)
            calls = [
                (at, raw, True)
                for at, raw in zip(others, quiet.inquiries(len(others)), strict=True)
            ]
            calls += [
                (at, raw, False) for at, raw in zip(one, loud.inquiries(len(one)), strict=True)
            ]
            calls.sort()
            loaded = send([raw for _, raw, _ in calls], [at for at, _, _ in calls])
            theirs = [
                DEADLINE_S if took is None else took
                for took, (_, _, of_others) in zip(loaded.latency_s, calls, strict=True)
                if of_others
            ]
            p99[noisy].append(percentile(theirs, 99))
            if noisy:
                answered.append(sum(took < DEADLINE_S for took in theirs) / len(theirs))
            time.sleep(scale.seconds(PAUSE_S, 0.05))
    return Noise(median(p99[False]), median(p99[True]), median(answered))


def _unary(server: Server) -> Send:
    """As foreign clients do, the calls of each shop over all connections."""
    return lambda messages, due: open_loop(
        server.target, ROUTE, messages, due, deadline_s=DEADLINE_S, connections=CONNECTIONS
    )


def _through_router(server: Server) -> Send:
    """As one gateway of all the shops does."""

    async def send(messages: Sequence[bytes], due: Sequence[float]) -> Loaded:
        inquiries = [dispatch_pb2.RouteRequest.FromString(raw) for raw in messages]
        async with Router(server.target, timeout_s=60) as router:
            await router.route(inquiries[0])  # connected
            with _uncollected():
                return await _routed(router, inquiries, due)

    return lambda messages, due: asyncio.run(send(messages, due))


def _recovery(server: Server, capacity: float, scale: Scale) -> float:
    """Seconds from the end of a flood until service is as before; infinite when it is not by the end."""
    workload = Workload(known=scale.of(100_000, 100))
    before_s, flood_s = scale.seconds(3, 0.4), scale.seconds(5, 0.3)
    after_s = scale.seconds(RECOVERY_S, 0.5)
    due = [
        *at_random(capacity / 2, before_s, seed=1),
        *(before_s + at for at in at_random(FLOOD * capacity, flood_s, seed=2)),
        *(before_s + flood_s + at for at in at_random(capacity / 2, after_s, seed=3)),
    ]
    loaded = _flood(server.target, workload, due)
    calls = list(zip(due, loaded.latency_s, strict=True))

    def within(start_s: float, end_s: float) -> list[float]:
        return [
            float("inf") if took is None else took for at, took in calls if start_s <= at < end_s
        ]

    end_s = before_s + flood_s
    window_s = scale.seconds(WINDOW_S, 0.1)
    usual = max(
        percentile(within(before_s - (place + 1) * window_s, before_s - place * window_s), 99)
        for place in range(int(before_s / window_s) - 1)
    )
    recovered = float("inf")
    for place in reversed(range(int(after_s / window_s))):
        window = within(end_s + place * window_s, end_s + (place + 1) * window_s)
        if window and percentile(window, 99) > 2 * usual:
            break
        recovered = place * window_s
    return recovered


# Our client


@contextmanager
def _uncollected() -> Iterator[None]:
    """A load of some seconds is not to stop and look for garbage among all it has prepared."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


async def _routed(
    router: Router, inquiries: Sequence[dispatch_pb2.RouteRequest], due: Sequence[float]
) -> Loaded:
    """An open loop through the Router: a task for each inquiry, as gateways have it."""
    count = len(due)
    loaded = Loaded(seconds=due[-1], latency_s=[None] * count, lag_s=[0.0] * count)
    calls: set[asyncio.Task[None]] = set()
    begun = time.perf_counter()

    async def ask(number: int) -> None:
        loaded.lag_s[number] = time.perf_counter() - begun - due[number]
        left_s = DEADLINE_S - loaded.lag_s[number]
        if left_s <= 0:
            loaded.late += 1
            return
        try:
            await router.route(inquiries[number], timeout_s=left_s)
        except FenliuError:
            loaded.refused += 1
            return
        loaded.latency_s[number] = time.perf_counter() - begun - due[number]

    sent = 0
    while sent < count:
        now = time.perf_counter() - begun
        while sent < count and due[sent] <= now:
            task = asyncio.create_task(ask(sent))
            calls.add(task)
            task.add_done_callback(calls.discard)
            sent += 1
        await asyncio.sleep(0 if sent < count and due[sent] <= now else 0.001)
    await asyncio.gather(*calls)
    return loaded


def _bound_shop() -> shop_pb2.Shop:
    """As many shops of that size have it: each group takes half of the agents, some products, intents and pages."""
    shop = shop_document(SHOP, AGENTS)
    del shop.groups[:]
    for number in range(GROUPS):
        shop.groups.add(
            group_id=f"group-{number:02}",
            agent_ids=agent_ids(AGENTS)[number * AGENTS // GROUPS // 2 :][: AGENTS // 2],
            priority=number % 3,
            bindings=shop_pb2.Bindings(
                product_ids=[f"product-{(number + more) % 8}" for more in range(4)],
                intents=[f"intent-{(number + more) % 5}" for more in range(3)],
                page_sources=[f"page-{(number + more) % 4}" for more in range(3)],
            ),
        )
    return shop


def _bound(inquiries: list[dispatch_pb2.RouteRequest]) -> list[dispatch_pb2.RouteRequest]:
    """With what the groups are bound to."""
    for number, one in enumerate(inquiries):
        one.product_id = f"product-{number % 8}"
        one.intent = f"intent-{number % 5}"
        one.page_source = f"page-{number % 4}"
    return inquiries


async def _client(server: Server, scale: Scale) -> tuple[float, list[Point]]:
    """The peak of a closed loop, and the points."""
    await open_shops(server.target, AGENTS)
    async with FenliuClient(server.target, timeout_s=60) as client:
        await client.apply_shop(_bound_shop())
    workload = Workload(known=scale.of(100_000, 100))
    point_s, settled_s = scale.seconds(POINT_S, 0.4), scale.seconds(SETTLED_S, 0.1)
    points = []
    async with Router(server.target, timeout_s=60) as router:
        count = scale.of(12_000, CALLERS)
        peak = max(
            [
                await routed_closed_loop(router.route, _bound(requests(workload, count)), CALLERS)
                for _ in range(3)
            ]
        )
        for number, load in enumerate(_loads(scale)):
            due = at_random(load * peak, point_s, seed=number)
            inquiries = _bound(requests(workload, len(due)))
            with _uncollected():
                loaded = await _routed(router, inquiries, due)
            points.append(_point(load, due, loaded, settled_s))
            await asyncio.sleep(scale.seconds(PAUSE_S, 0.05))
    return peak, points


# The row


def measure(scale: Scale) -> Measured:
    """All of it."""
    with tempfile.TemporaryDirectory() as data, on_cores(LOAD_CORES):
        folder = Path(data)
        servers: dict[str, Server] = {}
        try:
            for name, protection in SERVERS.items():
                servers[name] = fenliu(
                    folder / name, *LONG_LEASE, "--protection", protection, cores=SERVER_CORES
                )
                asyncio.run(open_shops(servers[name].target, AGENTS, (SHOP, *many_shops(SHOPS))))
            capacity, points, answer_s, refusal_s = _foreign(servers, scale)
            servers.pop("unprotected").stop()
            protected = servers["protected"]
            noise = {
                "": _noisy(_unary(protected), capacity, TOO_MUCH, scale),
                ", enough for all": _noisy(_unary(protected), capacity, ENOUGH, scale),
                ", through fenliu.client": _noisy(
                    _through_router(protected), capacity, TOO_MUCH, scale
                ),
            }
            recovery_s = _recovery(protected, capacity, scale)
            protected.stop()
            servers["python"] = fenliu(
                folder / "python", *LONG_LEASE, core="python", cores=SERVER_CORES
            )
            peak, points["client"] = asyncio.run(_client(servers["python"], scale))
        finally:
            for server in servers.values():
                server.stop()
    peak = max(peak, *(one.goodput for one in points["client"]))
    points["client"] = [replace(one, load=one.offered / peak) for one in points["client"]]
    twice = {name: min(points[name], key=lambda one: abs(one.load - 2)) for name in points}
    figures = []
    notes = []
    if twice["client"].lag <= LATE_S and twice["client"].load >= NEARLY_TWICE:
        kept = twice["client"].goodput / peak
        figures += [
            Figure("fenliu.client: goodput at twice the peak / peak", kept, "×", 0.9),
            *_latency("… p99 at twice the peak", twice["client"]),
        ]
    figures.append(Figure("fenliu.client: peak, Python core", peak, "/s"))
    ours, bare = twice["protected"], twice["unprotected"]
    if max(ours.lag, bare.lag) <= LATE_S:
        least = NEXT_TO_NOTHING * capacity
        gain = ours.goodput / max(least, bare.goodput)
        least_said = ", at least" if bare.goodput < least else ""
        figures += [
            Figure(f"foreign unary: goodput at 2 × / unprotected{least_said}", gain, "×", 2),
            Figure("… goodput at 2 × / capacity", ours.goodput / capacity, "×"),
            Figure("… unprotected", bare.goodput / capacity, "×"),
        ]
    for name, point in twice.items():
        if point.lag > LATE_S:
            late = f"{point.lag * 1e3:.0f} ms"
            notes.append(f"{name}: no figure, calls at twice the capacity were sent {late} late")
    figures += [
        Figure("… capacity, Rust core", capacity, "/s"),
        Figure("… CPU of an answer", answer_s * 1e6, "µs"),
    ]
    if not math.isnan(refusal_s):  # something was refused
        figures.append(Figure("… a refusal / an answer", refusal_s / answer_s, "×"))
    for how, one in noise.items():
        moved = one.beside_s / one.alone_s
        figures += [
            Figure(f"a shop at 50 ×{how}: the others' p99 / without it", moved, "×", 2, True),
            Figure(f"… p99 of the others without it{how}", one.alone_s * 1e3, "ms"),
            Figure(f"… of theirs answered in time{how}", 100 * one.answered, "%"),
        ]
    figures += [
        Figure("normal service after a flood of 4 ×", min(recovery_s, 999.0), "s", 10, True),
    ]
    lags = ", ".join(
        f"{name} {max(one.lag for one in lines) * 1e3:.1f} ms" for name, lines in points.items()
    )
    series = {
        "capacity": capacity,
        "peak": peak,
        "points": {
            name: [[_known(getattr(one, field)) for field in Point.__slots__] for one in lines]
            for name, lines in points.items()
        },
    }
    return Measured(
        tuple(figures),
        (f"99 % of the calls were sent within, at the worst load: {lags}", *notes),
        series,
    )


def _latency(name: str, point: Point) -> list[Figure]:
    """Nothing where nothing was answered in time."""
    return [] if math.isnan(point.p99) else [Figure(name, point.p99 * 1e3, "ms")]


def _known(value: float) -> float | None:
    """None for what there is not: the latency of nothing."""
    return None if math.isnan(value) else float(f"{value:.4g}")


# The picture

_LINES = {
    "client": ("through fenliu.client", "#2a6f97", "o"),
    "protected": ("foreign unary calls", "#e07a1f", "s"),
    "unprotected": ("foreign, server unprotected", "#8a8a8a", "^"),
}


def draw(series: Mapping[str, Any], path: Path = PICTURE) -> None:
    """Goodput and latency against the offered load."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - heavy

    figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 7.5), sharex=True)
    upper.plot([0, 1, 4], [0, 1, 1], color="#cccccc", linewidth=1, label="all that can be done")
    for name, (label, colour, marker) in _LINES.items():
        points = [
            Point(*(math.nan if one is None else one for one in values))
            for values in series["points"][name]
        ]
        best = series["peak"] if name == "client" else series["capacity"]
        loads = [one.load for one in points]
        upper.plot(
            loads, [one.goodput / best for one in points], marker + "-", color=colour, label=label
        )
        for percent, style in (("p50", ":"), ("p99", "-")):
            lower.plot(
                loads,
                [getattr(one, percent) * 1e3 for one in points],
                marker + style,
                color=colour,
                label=f"{label}, {percent}",
            )
    upper.set_ylabel("goodput / capacity")
    upper.set_ylim(0, 1.15)
    lower.set_ylabel("latency of what was answered in time, ms")
    lower.set_yscale("log")
    lower.axhline(DEADLINE_S * 1e3, color="#cc3333", linewidth=1)
    lower.annotate("deadline", (0.05, DEADLINE_S * 1e3), va="bottom", color="#cc3333", fontsize=8)
    lower.set_xlabel("offered load / capacity (open loop, arrivals at random)")
    lower.set_xlim(0, 4.1)
    upper.set_title("Asked for more than can be done: answered within a second")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="best")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    draw(read_recorded()["overload"]["series"])


if __name__ == "__main__":
    main()
