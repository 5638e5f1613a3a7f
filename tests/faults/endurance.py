"""Mixed load for a long time: memory, files, threads and descriptors do not grow.

`python -m faults.endurance --minutes 120 --folder DIR` goes on where an interrupted run in DIR has stopped.
State grows with what must be remembered (ids, for 24 hours), so the server runs with a memory limit, and what is
looked at is what it takes beside the file cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import grpc.aio

from end_to_end.processes import free_address
from faults.hostile import bodies, code_of, methods, open_files, resident_kib
from faults.traffic import OPTIONS, Book, Server, Traffic, ready
from fenliu.engine import load_core

WARM_UP_S = 60.0
MEMORY_LIMIT = "256MiB"
SAMPLE_S = 2.0
GROWTH_KIB = 32 * 1024
MORE_FILES = 16


def _sample(server: Server) -> dict[str, int]:
    threads = Path(f"/proc/{server.process.pid}/task")
    return {
        "resident_kib": resident_kib(server),
        "files": open_files(server),
        "threads": len(list(threads.iterdir())),
    }


async def _mixed(traffic: Traffic, rng: Random) -> None:
    """Now and then somebody sends nonsense, connects and goes."""
    async with grpc.aio.insecure_channel(traffic.address, options=OPTIONS) as channel:
        method = rng.choice(methods())
        for body in bodies(rng)[:5]:
            await code_of(channel.unary_unary(method), body)


async def piece(folder: Path, seconds: float, core: str) -> dict[str, Any]:
    """One server under load for so long; what it took early and late."""
    rng, book, address = Random(), Book(next_id=time.time_ns()), free_address()
    server = Server(
        folder / "data", address, core, "--memory-limit", MEMORY_LIMIT, "--snapshot-after", "1MiB",
        log=folder / "server.log",
    )  # fmt: skip
    samples: list[dict[str, int]] = []
    server.start()
    try:
        assert await ready(server)
        async with Traffic(address, book, rng) as traffic:
            await traffic.open_shops()
            traffic.begin()
            await asyncio.sleep(min(WARM_UP_S, seconds / 4))
            end = time.monotonic() + seconds - min(WARM_UP_S, seconds / 4)
            while time.monotonic() < end:
                samples.append(_sample(server))
                await _mixed(traffic, rng)
                await asyncio.sleep(SAMPLE_S)
            await traffic.finish()
    finally:
        server.kill()
    quarter = max(1, len(samples) // 4)
    found: dict[str, Any] = {"acknowledged": len(book), "seconds": seconds}
    for name in samples[0]:
        early = statistics.median(s[name] for s in samples[:quarter])
        late = statistics.median(s[name] for s in samples[-quarter:])
        found[name] = [early, late]
    return found


def judged(found: dict[str, Any]) -> None:
    """Raises AssertionError where something has grown."""
    assert found["resident_kib"][1] < found["resident_kib"][0] + GROWTH_KIB, found
    for name in ("files", "threads"):
        assert found[name][1] <= found[name][0] + MORE_FILES, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--piece", type=float, default=20, help="minutes of one server")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--core", default="auto")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    core = load_core(options.core).name
    kept = options.folder / "endurance.json"
    done = json.loads(kept.read_text()) if kept.exists() else []
    while (left := options.minutes * 60 - sum(one["seconds"] for one in done)) > 1:
        found = asyncio.run(piece(options.folder, min(left, options.piece * 60), core))
        print(json.dumps(found), flush=True)
        judged(found)
        done.append(found)
        kept.write_text(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
