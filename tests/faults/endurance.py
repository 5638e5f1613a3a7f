"""Mixed load for a long time, at a bounded rate: memory, files, threads and processes do not grow.

`python -m faults.endurance --minutes 120 --folder DIR` goes on where an interrupted run in DIR has stopped.

State grows with what must be remembered (ids, for 24 hours), so the server runs with a memory limit, and a long piece
begins by giving it more to remember than that. What may still come and go is what allocators and caches keep:
`ALLOWED_KIB`, whatever the length. A piece of an hour so finds what leaks 32 MiB an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from end_to_end.processes import free_address
from faults.mixed import SHOPS, Mixed
from faults.traffic import Book, Server, audit, children, ready
from fenliu.engine import load_core
from fenliu.v1 import dispatch_pb2

MEMORY_LIMIT = "256MiB"
WARM_UP_S = 180.0
LONG_S = 600.0
"""Pieces of so long are filled first."""
FILLED = 600_000
"""Inquiries whose ids are remembered: more than there is memory for."""
BATCH = 1000
SAMPLE_S = 2.0
SAMPLES = "samples.jsonl"
"""Of all pieces, to look at while it runs."""
PARTS = 20
ALLOWED_KIB = 24 * 1024
MORE = {"files": 16, "threads": 8, "processes": 2}
WAL_KIB = 64 * 1024
"""What the write-ahead log is cut back to."""

Sample = dict[str, int]


def anonymous_kib(pid: int) -> int:
    """Memory that is nobody else's and no file's."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])


def sample(server: Server, data: Path) -> Sample:
    """What the server and its processes take now. A job's process that ends meanwhile does not count."""
    pid = server.process.pid
    tables = [
        child
        for child in children(pid)
        if b"reports.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    wal = data / "fenliu.db-wal"
    return {
        "server_kib": anonymous_kib(pid),
        "reports_kib": sum(map(anonymous_kib, tables)),
        "files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
        "processes": len(children(pid)),
        "wal_kib": wal.stat().st_size // 1024 if wal.exists() else 0,
    }


def grown(values: Sequence[float]) -> float:
    """By how much they rise from the first to the last: a line through the medians of parts, so peaks do not count."""
    parts = min(PARTS, len(values))
    edges = [len(values) * n // parts for n in range(parts + 1)]
    medians = [statistics.median(values[a:b]) for a, b in pairwise(edges) if b > a]
    if len(medians) < 2:
        return 0.0
    return statistics.linear_regression(range(len(medians)), medians).slope * len(medians)


async def fill(traffic: Mixed, inquiries: int) -> None:
    """Has the server remember this many ids, of buyers who are few, and asks all again: so they are in memory."""
    batches = []
    for number in range(inquiries // BATCH):
        requests = [
            dispatch_pb2.RouteRequest(
                shop_id=SHOPS[number % len(SHOPS)],
                buyer_id=f"filler-{n % 50}",
                request_id=f"fill-{time.time_ns()}-{n}",
            )
            for n in range(BATCH)
        ]
        batches.append(dispatch_pb2.RouteBatchRequest(requests=requests))
    for batch in (*batches, *batches):
        await traffic.ask("/fenliu.v1.DispatchService/RouteBatch", batch)


async def piece(
    folder: Path, seconds: float, core: str, rate: float, **settings: str
) -> dict[str, Any]:
    """One server under load for so long, and what it took; `settings`: of its environment."""
    rng = Random()
    book, address = Book(next_id=time.time_ns(), one_in=20), free_address()
    data = folder / "data"
    server = Server(
        data, address, core, "--memory-limit", MEMORY_LIMIT, "--snapshot-after", "1MiB",
        log=folder / "server.log",
    )  # fmt: skip
    samples: list[Sample] = []
    server.start(**settings)
    try:
        assert await ready(server, 600)
        async with Mixed(address, book, rng, rate=rate) as traffic:
            await traffic.open_shops()
            if seconds >= LONG_S:
                await fill(traffic, FILLED)
            traffic.begin()
            begun = time.monotonic()
            warm_up_s = min(WARM_UP_S, seconds / 4)
            while (spent_s := time.monotonic() - begun) < seconds:
                await asyncio.sleep(SAMPLE_S)
                traffic.check()
                if spent_s >= warm_up_s:
                    samples.append(sample(server, data))
                    with (folder / SAMPLES).open("a") as file:
                        print(json.dumps(samples[-1]), file=file)
            await asyncio.wait_for(traffic.finish(), 300)
            assert server.process.poll() is None
    finally:
        server.kill()
    await asyncio.to_thread(audit, data, load_core(core), book)
    found: dict[str, Any] = {
        "seconds": seconds,
        "calls": traffic.calls,
        "audited": len(book),
        "refused": sum(traffic.refused.values()),
        "codes": {f"{method} {code}": n for (method, code), n in sorted(traffic.codes.items())},
    }
    for name in samples[0]:
        values = [one[name] for one in samples]
        found[name] = {
            "first": values[0], "median": statistics.median(values), "most": max(values),
            "last": values[-1], "grown": round(grown(values)),
        }  # fmt: skip
    return found


def judged(found: dict[str, Any]) -> None:
    """Raises AssertionError where something has grown."""
    for name in ("server_kib", "reports_kib"):
        assert found[name]["grown"] < ALLOWED_KIB, (name, found[name])
    for name, more in MORE.items():
        assert found[name]["grown"] <= more, (name, found[name])
    assert found["wal_kib"]["last"] <= 2 * WAL_KIB, found["wal_kib"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--piece", type=float, default=60, help="minutes of one server")
    parser.add_argument("--rate", type=float, default=200, help="calls a second in all")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--core", default="auto")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    core = load_core(options.core).name
    kept = options.folder / "endurance.json"
    done = json.loads(kept.read_text()) if kept.exists() else []
    while (left := options.minutes * 60 - sum(one["seconds"] for one in done)) > 1:
        seconds = min(left, options.piece * 60)
        found = asyncio.run(piece(options.folder, seconds, core, options.rate))
        print(json.dumps(found), flush=True)
        judged(found)
        done.append(found)
        kept.write_text(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
