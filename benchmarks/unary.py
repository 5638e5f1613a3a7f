"""Rows of unary Route over gRPC: throughput from an external generator, and latency at half of it.

The external generator is h2load (Debian: nghttp2-client), a native one. It sends one fixed body, so there
is one h2load for each of BUYERS buyers, without a request id: each of them is given back to the agent of the open
conversation, which is decided, logged and made durable like any other. What the issue's workload (30 % new buyers,
request ids) makes of it is measured beside it with our own generator (fenliu/load/http2.py). Unary calls cost what
gRPC costs, so the two agree.

Latency is measured by our generator in an open loop: calls come at random at half of the throughput, and
count from when they were due.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import Server, echo, fenliu
from benchmarks.shops import LONG_LEASE, open_shops
from benchmarks.table import Figure, Measured, Scale

from fenliu.load.figures import median, percentile, spread
from fenliu.load.generator import Loaded, at_random, closed_loop, open_loop
from fenliu.load.workload import ROUTE, SHOP, Workload
from fenliu.v1 import dispatch_pb2

AGENTS = 500
BUYERS = 8
UNDER_WAY = 64
CALLS = 8_000
HINT = (
    "h2load is not installed (Debian, Ubuntu: apt install nghttp2-client): our own generator alone"
)


def h2load(target: str, bodies: Sequence[Path], calls: int) -> float:
    """Calls a second of one h2load for each body, all at once."""
    each = max(1, calls // len(bodies))
    processes = [
        subprocess.Popen(
            ["h2load", "-n", str(each), "-c", "1", "-m", str(UNDER_WAY // len(bodies)), "-d", body,
             "-H", "content-type: application/grpc", "-H", "te: trailers",
             f"http://{target}{ROUTE}"],
            stdout=subprocess.PIPE, text=True,
        )
        for body in bodies
    ]  # fmt: skip
    took = []
    for process in processes:
        said, _ = process.communicate(timeout=120)
        succeeded = re.search(r"(\d+) succeeded, 0 failed", said)
        finished = re.search(r"finished in ([\d.]+)(us|ms|s)", said)
        assert succeeded and finished and int(succeeded[1]) == each, said
        took.append(float(finished[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1}[finished[2]])
    return each * len(bodies) / max(took)


def _bodies(folder: Path) -> list[Path]:
    """A gRPC message each: not compressed, its length, a buyer's inquiry."""
    bodies = []
    for number in range(BUYERS):
        request = dispatch_pb2.RouteRequest(shop_id=SHOP, buyer_id=f"h2load-{number:09}")
        message = request.SerializeToString()
        bodies.append(folder / f"body-{number}")
        bodies[-1].write_bytes(len(message).to_bytes(5, "big") + message)
    return bodies


def measure(scale: Scale) -> Measured:
    """Throughput of both generators and latency, Fenliu and the echo in turn."""
    external = shutil.which("h2load") is not None
    calls = scale.of(CALLS, 2 * UNDER_WAY)
    workload = Workload(known=scale.of(100_000, 100))
    rates: dict[tuple[str, str], list[float]] = {}
    p50: dict[str, list[float]] = {"echo": [], "fenliu": []}
    p99: dict[str, list[float]] = {"echo": [], "fenliu": []}
    lags: list[float] = []
    refused = 0
    with tempfile.TemporaryDirectory() as data:
        servers: dict[str, Server] = {}
        try:
            servers["echo"] = echo()
            servers["fenliu"] = fenliu(Path(data) / "data", *LONG_LEASE)
            asyncio.run(open_shops(servers["fenliu"].target, scale.of(AGENTS, 4)))
            bodies = _bodies(Path(data))
            for server in servers.values():  # once to warm up
                closed_loop(
                    server.target, ROUTE, workload.inquiries(calls // 4), under_way=UNDER_WAY
                )
            for _ in range(scale.rounds):
                for name, server in servers.items():
                    ours = closed_loop(
                        server.target,
                        ROUTE,
                        workload.inquiries(calls),
                        under_way=UNDER_WAY,
                        connections=BUYERS,
                    )
                    refused += _check(ours)
                    rates.setdefault(("ours", name), []).append(ours.rate)
                    if external:
                        rate = h2load(server.target, bodies, calls)
                        rates.setdefault(("h2load", name), []).append(rate)
            half = median(rates["h2load" if external else "ours", "fenliu"]) / 2
            for number in range(scale.rounds):
                for name, server in servers.items():
                    due = at_random(half, scale.seconds(3), seed=number)
                    loaded = open_loop(server.target, ROUTE, workload.inquiries(len(due)), due)
                    refused += _check(loaded)
                    p50[name].append(percentile(loaded.answers, 50))
                    p99[name].append(percentile(loaded.answers, 99))
                    lags.append(percentile(loaded.lag_s, 99))
        finally:
            for server in servers.values():
                server.stop()
    figures = []
    for generator in ("h2load", "ours") if external else ("ours",):
        ours, noop = median(rates[generator, "fenliu"]), median(rates[generator, "echo"])
        goal = 0.85 if generator == "h2load" or not external else None
        figures += [
            Figure(f"Route / no-op echo, {generator}", ours / noop, "×", goal),
            Figure(f"… Route, {generator}", ours, "/s"),
            Figure(f"… no-op echo, {generator}", noop, "/s"),
        ]
    late, early = median(p99["fenliu"]), median(p99["echo"])
    figures += [
        Figure("p99 at half of it / the echo's", late / early, "×", 1.5, True),
        Figure("… p99 of Route", late * 1e3, "ms"),
        Figure("… p99 of the echo", early * 1e3, "ms"),
        Figure("… median of Route", median(p50["fenliu"]) * 1e3, "ms"),
        Figure("… median of the echo", median(p50["echo"]) * 1e3, "ms"),
    ]
    notes = [
        f"latency at {half:,.0f}/s, at random; 99 % of the calls were sent within"
        f" {median(lags) * 1e3:.2f} ms of being due; p99 of the rounds:"
        f" {spread([one * 1e3 for one in p99['fenliu']])} ms",
    ]
    if refused:
        notes.append(
            f"{refused} calls were not answered: the machine is too busy for these figures"
        )
    return Measured(tuple(figures), tuple(notes if external else [HINT, *notes]))


def _check(loaded: Loaded) -> int:
    """What is answered is answered with an agent; how many calls were not."""
    assert loaded.sample
    for answer in loaded.sample:
        assert dispatch_pb2.RouteResponse.FromString(answer).agent_id
    return loaded.refused
