"""SIGKILL again and again under load: nothing acknowledged is lost or doubled, and replay gives the state.

`python -m faults.kills --kills 1000 --folder DIR` goes on where an interrupted run in DIR has stopped. With
`--workers 2` it is the supervisor or one of the workers, whichever comes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pickle
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from end_to_end.processes import free_address
from faults.traffic import Book, Server, Traffic, audit, children, ready, running_hash
from fenliu.engine import load_core

AUDIT_EVERY = 50
SNAPSHOT_AFTER = "20000"
"""Bytes: small, so that there are always snapshots being made."""


def workers_of(server: Server) -> list[int]:
    """The processes of a server's workers."""
    found = []
    for pid in children(server.process.pid):
        with suppress(OSError):  # it is gone
            if b"fenliu.worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def kill_a_worker(server: Server, rng: Random) -> bool:
    """Whether there was one; it is started again."""
    found = workers_of(server)
    if found:
        with suppress(ProcessLookupError):
            os.kill(rng.choice(found), signal.SIGKILL)
    return bool(found)


async def kill_again_and_again(
    folder: Path,
    kills: int,
    core: str,
    seed: int,
    *,
    minutes: float | None = None,
    workers: int = 1,
) -> tuple[int, Book]:
    """Goes on to that many kills, or about so long; returns how many there were, and the book."""
    kept = folder / "book.pickle"
    done, book = pickle.loads(kept.read_bytes()) if kept.exists() else (0, Book())
    address, data = free_address(), folder / "data"
    server = Server(
        data, address, core, "--snapshot-after", SNAPSHOT_AFTER, "--workers", str(workers),
        log=folder / "server.log",
    )  # fmt: skip
    began = time.monotonic()
    while done < kills and (minutes is None or time.monotonic() - began < minutes * 60):
        rng = Random(f"{seed}/{done}")
        async with Traffic(address, book, rng) as traffic:
            server.start()
            assert await ready(server), "it does not start"
            await traffic.open_shops()
            traffic.begin()
            for _ in range(min(AUDIT_EVERY, kills - done)):
                if workers > 1 and rng.randrange(2):
                    await asyncio.sleep(rng.random() * 1.5)
                    done += kill_a_worker(server, rng)
                    continue
                if rng.randrange(8):
                    await asyncio.sleep(rng.random() * 0.5)
                    server.kill()
                else:  # before it serves
                    server.kill()
                    server.start()
                    await asyncio.sleep(rng.random() * 2)
                    server.kill()
                done += 1
                server.start()
                await ready(server)
                if minutes is not None and time.monotonic() - began > minutes * 60:
                    break
            await asyncio.wait_for(traffic.finish(), 120)
            running = await asyncio.to_thread(running_hash, address)
            server.kill()
        assert (await asyncio.to_thread(audit, data, load_core(core), book)).hex() == running
        new = kept.with_suffix(".new")
        new.write_bytes(pickle.dumps((done, book)))
        new.replace(kept)
        print(
            f"{done} kills, {len(book)} acknowledged: lost 0, doubled 0, replay right", flush=True
        )
    return done, book


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--core", default="auto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    core = load_core(options.core).name
    done, _ = asyncio.run(
        kill_again_and_again(
            options.folder,
            options.kills,
            core,
            options.seed,
            minutes=options.minutes,
            workers=options.workers,
        )
    )
    return 0 if done >= options.kills else 3


if __name__ == "__main__":
    sys.exit(main())
