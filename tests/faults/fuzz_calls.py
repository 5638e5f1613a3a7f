"""Fuzzing of the gRPC face: calls of every method, nearly right, against a real server beside honest traffic.

`python -m faults.fuzz_calls --minutes 30 --state DIR` goes on where a run in DIR was interrupted. What brought
something new (a code, reason, field or rule of a method, a field of its answers) is kept and damaged further. A
finding is an answer that is in no table, a call that does not end, traffic that was refused, a server that is not
healthy or grows, and a log that either core would decide otherwise. It ends the run and says how to repeat it.

`--smallest` writes what is worth keeping of DIR's corpus to `faults/corpus`, which a test sends each time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from end_to_end.processes import free_address
from faults.calls import AGENTS, JOBS, METHODS, SHOPS, Call, Maker, Outcome, Words, ask
from faults.hostile import in_the_table, open_files, resident_kib
from faults.traffic import ALONE, APPLY, PRESENCE, Book, Server, Traffic, audit, ready
from fenliu.engine import load_core
from fenliu.v1 import presence_pb2, shop_pb2
from model.cores import all_cores

CORPUS = Path(__file__).parent / "corpus"
AT_ONCE = 6
BYSTANDERS, RATE = 3, 40.0
LOOK_EVERY = 2_000
"""Calls, between looks at everybody else."""
PIECE_MINUTES = 5.0
MEMORY_LIMIT = "256MiB"
GROWTH_KIB = 192 * 1024
MORE_FILES = 64
LONGEST = 4_000
"""Bytes of an input that is kept."""


class Finding(AssertionError):
    """Something nobody should see."""


def judged(call: Call, outcome: Outcome) -> None:
    """Raises Finding."""
    if not in_the_table(call.method, outcome.code):
        raise Finding(f"{call.method}: {outcome.code.name} {outcome.said}")


class Corpus:
    """Calls by method, one a line; and the words they brought."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Call]] = {method: [] for method in METHODS}
        self.words: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self.calls.values()))

    def read(self, folder: Path) -> None:
        """Adds what is in a folder."""
        for method, some in self.calls.items():
            file = folder / f"{method.replace('/', '.')}.txt"
            if file.exists():
                have = set(some)
                calls = (Call.of_line(method, line) for line in file.read_text().splitlines())
                some += [call for call in calls if call not in have]

    def add(self, call: Call, outcome: Outcome, folder: Path | None = None) -> bool:
        """Whether it has brought something new."""
        new = outcome.words - self.words
        self.words |= new
        if not new or sum(map(len, call.messages)) > LONGEST:
            return False
        self.calls[call.method].append(call)
        if folder is not None:
            with (folder / f"{call.method.replace('/', '.')}.txt").open("a") as file:
                file.write(call.line() + "\n")
        return True


async def open_shops(traffic: Traffic) -> None:
    """Those that are the fuzzing's, with something of everything."""
    for shop_id in SHOPS:
        shop = shop_pb2.Shop(shop_id=shop_id, owner_agent_id="a")
        for agent_id in AGENTS:
            shop.agents.add(agent_id=agent_id, cap=5)
        shop.groups.add(group_id="g", agent_ids=AGENTS[:2])
        shop.groups.add(group_id="h", agent_ids=AGENTS[1:], bindings={"product_ids": ["p1"]})
        shop.settings.queue_limit = 3
        shop.settings.robot_id = "robot"
        await traffic.ask(APPLY, shop_pb2.ApplyShopRequest(shop=shop))
        for agent_id in AGENTS:
            online = presence_pb2.SetPresenceRequest(shop_id=shop_id, agent_id=agent_id, status=1)
            await traffic.ask(PRESENCE, online)


class Watcher:
    """Sees to it that nobody else notices."""

    def __init__(self, server: Server, traffic: Traffic, book: Book) -> None:
        self._server, self._traffic, self._book = server, traffic, book
        self._health = health_pb2_grpc.HealthStub(traffic.channel)
        self._memory, self._files = resident_kib(server), open_files(server)
        self._acknowledged = 0

    async def look(self) -> None:
        """Raises Finding."""
        if self._server.process.poll() is not None:
            raise Finding(f"the server has ended with {self._server.process.returncode}")
        answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=20)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise Finding("the server is not healthy")
        self._traffic.check()
        if self._traffic.refused:
            raise Finding(f"honest traffic was refused: {self._traffic.refused}")
        if len(self._book) <= self._acknowledged:
            raise Finding("honest traffic stands still")
        self._acknowledged = len(self._book)
        if (memory := resident_kib(self._server)) > self._memory + GROWTH_KIB:
            raise Finding(f"memory: {self._memory} KiB, and now {memory}")
        if (files := open_files(self._server)) > self._files + MORE_FILES:
            raise Finding(f"open files: {self._files}, and now {files}")


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Traffic, Watcher]]:
    """A new server with traffic; in the end its log is decided again by every core there is."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    book, address, core = Book(), free_address(), load_core()
    server = Server(
        folder / "data", address, core.name, "--memory-limit", MEMORY_LIMIT,
        "--snapshot-after", "1MiB", "--lease-ms", "2000", "--heartbeat-ms", "500",
        log=folder / "server.log",
    )  # fmt: skip
    server.start()
    try:
        assert await ready(server)
        async with Traffic(address, book, Random(1), BYSTANDERS, rate=RATE) as traffic:
            await traffic.open_shops()
            await open_shops(traffic)
            traffic.begin()
            await asyncio.sleep(1)
            watcher = Watcher(server, traffic, book)
            yield traffic, watcher
            await watcher.look()
            await asyncio.wait_for(traffic.finish(), 60)
    finally:
        server.kill()
    cores = [load_core(module.CORE) for module in all_cores()]
    hashes = {audit(folder / "data", core, book, strangers=True) for core in cores}
    assert len(hashes) == 1
    shutil.rmtree(folder / "data")


class Fuzz:
    """One server's share of the run."""

    def __init__(self, corpus: Corpus, folder: Path, rng: Random) -> None:
        self._corpus, self._folder, self._rng = corpus, folder, rng
        self._words = Words()
        self._maker = Maker(rng, self._words)
        self._methods = [m for m in METHODS for _ in range(1 if m in JOBS else 40)]
        self.calls = 0
        self.codes: Counter[str] = Counter()

    def _next(self) -> Call:
        method = self._rng.choice(self._methods)
        known = self._corpus.calls[method]
        if known and self._rng.randrange(5):
            return self._maker.changed(self._rng.choice(known))
        return self._maker.call(method)

    async def send(self, channel: grpc.aio.Channel, call: Call) -> None:
        """Raises Finding, with the call kept."""
        outcome = await ask(channel, call, self._words)
        self.calls += 1
        self.codes[outcome.code.name] += 1
        try:
            judged(call, outcome)
        except Finding:
            found = self._folder / f"found-{time.time_ns()}.txt"
            found.write_text(f"{call.method} {call.line()}\n")
            print(f"again: python -m faults.fuzz_calls --again {found}", flush=True)
            raise
        self._corpus.add(call, outcome, self._folder / "corpus")

    async def run(self, traffic: Traffic, watcher: Watcher, seconds: float) -> None:
        end = time.monotonic() + seconds

        async def one() -> None:
            async with grpc.aio.insecure_channel(traffic.address, options=ALONE) as channel:
                while time.monotonic() < end:
                    await self.send(channel, self._next())
                    if self.calls % LOOK_EVERY == 0:
                        await watcher.look()

        tasks = [asyncio.create_task(one()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def send_all(
    folder: Path, calls: Iterable[Call], corpus: Corpus, *, into: Path | None = None
) -> int:
    """Sends calls one after the other to a new server; raises Finding. How many there were."""
    number = 0
    async with served(folder) as (traffic, _):
        for call in calls:
            outcome = await ask(traffic.channel, call)
            judged(call, outcome)
            corpus.add(call, outcome, into)
            number += 1
    return number


def run(folder: Path, minutes: float, first: int) -> int:
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    state = folder / "state.json"
    done = (
        json.loads(state.read_text())
        if state.exists()
        else {"pieces": 0, "calls": 0, "left": minutes}
    )
    corpus = Corpus()
    corpus.read(CORPUS)
    corpus.read(folder / "corpus")
    known = [call for some in corpus.calls.values() for call in some]

    async def piece(fuzz: Fuzz, seconds: float) -> None:
        async with served(folder) as (traffic, watcher):
            if not corpus.words:  # what is known is new to this process
                for call in known:
                    outcome = await ask(traffic.channel, call)
                    judged(call, outcome)
                    corpus.words |= outcome.words
            await fuzz.run(traffic, watcher, seconds)

    while done["left"] > 0:
        part = min(PIECE_MINUTES, done["left"])
        fuzz = Fuzz(corpus, folder, Random(f"{first}/{done['pieces']}"))
        try:
            asyncio.run(piece(fuzz, part * 60))
        except AssertionError as error:
            print(f"found: {error}", flush=True)
            return 1
        done = {
            "pieces": done["pieces"] + 1,
            "calls": done["calls"] + fuzz.calls,
            "left": done["left"] - part,
        }
        state.write_text(json.dumps(done))
        print(
            f"{done['calls']} calls, {len(corpus)} inputs kept, {len(corpus.words)} words: {dict(fuzz.codes)}",
            flush=True,
        )
    return 0


def smallest(folder: Path) -> None:
    """The inputs of the corpus that between them bring all its words, short ones first."""
    everything, kept = Corpus(), Corpus()
    everything.read(CORPUS)
    everything.read(folder / "corpus")
    calls = [call for some in everything.calls.values() for call in some]
    calls.sort(key=lambda call: (sum(map(len, call.messages)), call.line()))
    fresh = folder / "smallest"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    asyncio.run(send_all(folder, calls, kept, into=fresh))
    shutil.rmtree(CORPUS, ignore_errors=True)
    shutil.copytree(fresh, CORPUS)
    print(f"{len(kept)} of {len(calls)} inputs bring all {len(kept.words)} words")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--state", type=Path, default=Path("var/fuzz-calls"))
    parser.add_argument("--first", type=int, default=0, help="another run than the last")
    parser.add_argument("--again", type=Path, help="a call that was found")
    parser.add_argument("--smallest", action="store_true")
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    if options.smallest:
        smallest(options.state)
        return 0
    if options.again:
        method, _, line = options.again.read_text().partition(" ")
        asyncio.run(send_all(options.state, [Call.of_line(method, line)], Corpus()))
        return 0
    return run(options.state, options.minutes, options.first)


if __name__ == "__main__":
    sys.exit(main())
