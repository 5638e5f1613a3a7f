"""One run: processes that serve one disk, clients that ask them, and what the seed does to both.

A process is the real `Dispatcher` with a real core; killing it leaves the disk as it then is. In some runs there are
two who know nothing of each other, in some two workers with partitions of their own whose writes go through a third
(workers.py). Clients send again what they have no answer for, and at times what they have one for.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Set
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from fenliu.dispatch import Dispatcher, EngineFailure, JournalUnavailable, Overloaded
from fenliu.dispatch import commits as commits_module
from fenliu.dispatch.stored import Keeping
from fenliu.engine import CommandKind, Core, QueryKind, partition_of
from fenliu.journal import JournalError
from fenliu.v1 import dispatch_pb2, presence_pb2
from model.wire import COMMANDS, T0
from simulation.disk import Disk, Faults, Handle
from simulation.judge import Acknowledged, check_durable, judge
from simulation.loop import PROCESS, Stuck, VirtualLoop
from simulation.script import SHOPS, Call, Script
from simulation.workers import SharedHandle, Writer

PARTITIONS = 8
"""In which the shops lie apart."""
NETWORK_S = 0.004
HOUR_MS = 3_600_000
GIVE_UP_S = 900.0
"""Of virtual time; by then all faults are long over, so everybody must have been answered."""


@dataclass(frozen=True)
class Plan:
    """What kind of run a seed is."""

    seed: int
    core: Core
    judge: Core | None = None
    """Holds the log against what was said; None: the same."""
    calls: int = 22
    """Of each client."""
    clients: int = 3
    sabotage: Callable[[Dispatcher], None] = lambda _dispatcher: None
    """Breaks a dispatcher on purpose, for the tests of these tests."""


class ConnectionLost(Exception):
    """The process has gone, or the network has; whether it had done anything is not known."""


@dataclass
class SimClock:
    """A process's wall clock: virtual time from wherever it stood at the process's start."""

    loop: VirtualLoop
    offset_ms: int
    runs: bool = True

    def now_ms(self, given: int | None = None) -> int:
        assert given is None
        return self.offset_ms + int(self.loop.time() * 1000)


class Process:
    """One life of a server."""

    def __init__(self, world: World, slot: int) -> None:
        self.killed = False
        self.slot = slot
        self.world = world
        self.handle: Handle = world.disk.open(self, world.journal_of_a_worker())
        self.dispatcher: Dispatcher | None = None
        self.waiting: set[asyncio.Future[Any]] = set()
        """Answers on their way."""
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return self.context.run(call, *arguments)

    async def main(self) -> None:
        world = self.world
        clock = SimClock(world.loop, T0 + world.clock_offset())
        dispatcher = Dispatcher(
            world.plan.core,
            self.handle,
            clock,
            slice_size=3,
            keeping=world.keeping,
            partitions=world.partitions_of(self.slot),
        )
        world.plan.sabotage(dispatcher)
        try:
            await dispatcher.start()
        except JournalError:
            world.loop.call_soon(world.kill, self)  # as `serve` ends; somebody starts it again
            return
        self.dispatcher = dispatcher


@dataclass
class World:
    plan: Plan
    acknowledged: Acknowledged = field(default_factory=Acknowledged)

    def __post_init__(self) -> None:
        assert len({partition_of(shop_id, PARTITIONS) for shop_id in SHOPS}) == len(SHOPS)
        rng = self.rng = Random(self.plan.seed)
        self.two_writers = rng.randrange(4) == 0
        # Generously many; what is seldom in life must not be seldom here.
        stored = rng.randrange(3) == 0
        self.keeping = Keeping(rng.choice((1500, 6000)), rng.choice((None, 60_000)))
        if not stored:
            self.keeping = Keeping()
        self.jumps = rng.randrange(3) == 0
        self.loop = VirtualLoop(rng, shuffled=rng.randrange(2) == 0)
        self.loop.on_killed = self.kill
        self.disk = Disk(self.loop, rng, PARTITIONS, self._faults(rng))
        # Drawn apart: what other seeds do stays as it is.
        drawn = Random(f"{self.plan.seed}/workers").randrange(3) == 0
        self.workers = drawn and not self.two_writers
        self.writer: Writer | None = None
        self.processes: list[Process | None] = [None] * (1 + (self.two_writers or self.workers))
        self.kills_left = rng.choice((0, 1, 2, 3, 5))
        self.seen: Counter[str] = Counter()
        """What has happened, so that nobody believes in runs in which nothing does."""
        self.seen["two writers"] += self.two_writers
        self.seen["workers"] += self.workers
        self.seen["snapshots"] += stored
        self.digest = hashlib.sha256()
        self.over = self.alone = False
        self.outside = copy_context()
        """Nobody's: what is set going here happens whoever is killed."""

    @staticmethod
    def _faults(rng: Random) -> Faults:
        def times(odds: int) -> list[tuple[float, float]]:
            if rng.randrange(odds):
                return []
            start = rng.random() * 4
            return [(start, start + rng.random() * 5)]

        kind = rng.randrange(4)
        return Faults(
            error=(0.0, 0.02, 0.1, 0.25)[kind],
            stall=rng.choice((0.0, 0.0, 0.02)),
            read_error=rng.choice((0.0, 0.0, 0.01)),
            full=times(3),
            broken=times(4),
        )

    def clock_offset(self) -> int:
        return self.rng.choice((-HOUR_MS, 0, HOUR_MS)) if self.jumps else 0

    # Workers

    def journal_of_a_worker(self) -> Callable[[Disk, Any], Handle] | None:
        """What a process has for a journal, if not one of its own."""
        return partial(SharedHandle, writer=self.writer) if self.workers else None

    def partitions_of(self, slot: int) -> Set[int] | None:
        """Those a process serves; None: all."""
        if not self.workers:
            return None
        second = {partition_of(SHOPS[1], PARTITIONS)}
        return second if slot else set(range(PARTITIONS)) - second

    def slot_of(self, shop_id: str) -> int:
        """The process that a gateway's call about a shop comes to in the end."""
        return int(self.workers and shop_id == SHOPS[1])

    def start_writer(self) -> None:
        if self.writer is None and self.workers:
            self.writer = Writer(self.disk, self.kill_writer)

    def kill_writer(self, writer: Writer) -> None:
        """Its workers hear of it and end, each in its own time; somebody starts it all again."""
        if writer.killed:
            return
        writer.killed = True
        self.writer = None
        self.seen["writer killed"] += 1
        self.disk.killed(writer.handle)
        writer.gone()
        for worker in self.processes:
            if worker is not None:
                delay = self.rng.random() * 0.3
                self.loop.call_later(delay, self.kill, worker, context=self.outside)
        delay = 0.01 + self.rng.random() * 0.8
        self.loop.call_later(delay, self.start_writer, context=self.outside)

    # Processes

    def start(self, slot: int) -> None:
        if self.processes[slot] is not None or (self.alone and slot):
            return
        if self.workers and self.writer is None:
            self.loop.call_later(0.05, self.start, slot, context=self.outside)
            return
        process = Process(self, slot)
        self.processes[slot] = process
        process.run(self.loop.create_task, process.main())

    def kill(self, process: Process) -> None:
        """The process is gone from one step to the next."""
        if process.killed:
            return
        process.killed = True
        self.seen["killed in a thread" if self.loop.in_thread else "killed"] += 1
        self.processes[process.slot] = None
        self.disk.killed(process.handle)
        for reply in process.waiting:
            delay = self.rng.random() * NETWORK_S
            self.loop.call_later(delay, _lose, reply, context=self.outside)
        process.waiting.clear()
        delay = 0.01 + self.rng.random() * 0.8
        self.loop.call_later(delay, self.start, process.slot, context=self.outside)

    def strike(self) -> None:
        """Kills processes, or cuts the power of the machine, and plans the next."""
        alive: list[Process | Writer] = [p for p in (*self.processes, self.writer) if p is not None]
        power = self.rng.randrange(2) == 0
        for process in alive if power or not alive else [self.rng.choice(alive)]:
            if isinstance(process, Writer):
                self.kill_writer(process)
            else:
                self.kill(process)
        if power:
            self.seen["power cut"] += 1
            self.disk.power_cut()
        check_durable(self.disk, self.acknowledged)
        self.plan_strike()

    def plan_strike(self) -> None:
        self.kills_left -= 1
        if self.over or self.kills_left < 0:
            return
        if self.rng.randrange(5) == 0:
            self.disk.kill_in = self.rng.randrange(1, 40)  # in the middle of a thread's work
        self.loop.at_step = (self.loop.steps + self.rng.randrange(30, 900), self.strike)

    # Calls

    async def call(self, slot: int, method: str, *arguments: Any, patience: float = 0.0) -> Any:
        """One call on a server. Raises ConnectionLost, or what the dispatcher raises.

        `patience`: seconds after which the caller has gone; 0: never.
        """
        process = self.processes[slot]
        await asyncio.sleep(self.rng.random() * NETWORK_S)
        if process is None or process.killed or process.dispatcher is None:
            raise ConnectionLost
        reply: asyncio.Future[Any] = self.loop.create_future()
        process.waiting.add(reply)
        work = getattr(process.dispatcher, method)(*arguments)
        task = process.run(self.loop.create_task, work)
        task.add_done_callback(
            lambda done: self._answer(process, reply, done), context=process.context
        )
        if not patience:
            return await reply
        try:
            async with asyncio.timeout(patience):
                return await reply
        except TimeoutError:
            if not process.killed:
                task.cancel()
            process.waiting.discard(reply)
            raise ConnectionLost from None

    def _answer(self, process: Process, reply: asyncio.Future[Any], done: Any) -> None:
        """The answer leaves the process: from now on its end does not hold it up."""
        process.waiting.discard(reply)
        if done.cancelled():
            return
        delay = self.rng.random() * NETWORK_S
        self.loop.call_later(delay, _arrive, reply, done, context=self.outside)

    # Clients

    async def client(self, number: int) -> None:
        rng = Random(f"{self.plan.seed}/{number}")
        script = Script(rng, number)
        done: list[Call] = []
        if number == 0:
            for call in script.opening():
                await self.until_answered(rng, script, call)
        for _ in range(self.plan.calls):
            await asyncio.sleep(rng.random() * rng.choice((0.002, 0.05, 0.6)))
            turn = rng.randrange(20)
            if turn == 0:
                await self.look(rng)
                continue
            repeated = turn < 3 and bool(done)
            self.seen["repeated"] += repeated
            call = rng.choice(done) if repeated else script.next()
            if await self.until_answered(rng, script, call):
                done.append(call)

    async def until_answered(self, rng: Random, script: Script, call: Call) -> bool:
        """Sends a call until it is answered, and returns whether nothing of it was refused.

        Now and then gives it up, and nobody knows how it went.
        """
        call = self._for_one_worker(call)
        slot = self._slot(rng, call)
        self.acknowledged.sent(call)
        tries = 0
        while True:
            tries += 1
            patience = rng.random() * 0.02 if rng.randrange(12) == 0 else 0.0
            try:
                return await self._send(slot, call, script, patience)
            except (ConnectionLost, JournalUnavailable, Overloaded) as error:
                self._note(f"{type(error).__name__} {call.bodies}")
                self.seen[type(error).__name__] += 1
            if tries > 2 and rng.randrange(10) == 0:
                return False
            await asyncio.sleep(rng.random() * min(0.01 * 2**tries, 0.5))
            slot = self._slot(rng, call)

    def _slot(self, rng: Random, call: Call) -> int:
        """The process that is asked."""
        if self.workers:
            return self.slot_of(_shop_of(call.messages[0]))
        return rng.randrange(len(self.processes))

    def _for_one_worker(self, call: Call) -> Call:
        """Of a batch for several workers, one's part."""
        if not self.workers or len(call.messages) == 1:
            return call
        first = self.slot_of(_shop_of(call.messages[0]))
        own = [
            (message, buyer)
            for message, buyer in zip(call.messages, call.buyers, strict=True)
            if self.slot_of(_shop_of(message)) == first
        ]
        return Call(call.name, [m for m, _ in own], [b for _, b in own], pipelined=call.pipelined)

    async def _send(self, slot: int, call: Call, script: Script, patience: float) -> bool:
        """Whether nothing of it was refused."""
        kind = CommandKind(COMMANDS[call.name][0])
        if len(call.messages) == 1:
            answer = await self.call(slot, "command", kind, call.bodies[0], patience=patience)
            self._learn(script, call, 0, answer.code, answer.body)
            return bool(answer.code == 0)
        batch = dispatch_pb2.RouteBatchRequest(requests=call.messages).SerializeToString()  # type: ignore[arg-type]
        if call.pipelined:
            pending = await self.call(slot, "begin_batch", kind, batch)
            process = self.processes[slot]
            if process is None or process.killed:
                raise ConnectionLost
            answer = await self._await_batch(process, pending)
        else:
            answer = await self.call(slot, "batch", kind, batch, patience=patience)
        assert answer.code == 0
        results = dispatch_pb2.RouteBatchResponse.FromString(answer.results).results
        for i, result in enumerate(results):
            if result.HasField("response"):
                body = result.response.SerializeToString(deterministic=True)
                self._learn(script, call, i, 0, body)
            else:
                self._learn(script, call, i, result.status.code, b"")
        return all(result.HasField("response") for result in results)

    async def _await_batch(self, process: Process, pending: Any) -> Any:
        reply: asyncio.Future[Any] = self.loop.create_future()
        process.waiting.add(reply)
        task = process.run(self.loop.create_task, pending.answer())
        task.add_done_callback(
            lambda done: self._answer(process, reply, done), context=process.context
        )
        return await reply

    def _learn(self, script: Script, call: Call, index: int, code: int, body: bytes) -> None:
        self._note(f"{call.bodies[index]!r} {code} {body!r}")
        self.acknowledged.answered(call, index, code, body)
        self.seen["refused" if code else "acknowledged"] += 1
        if code == 0 and call.name in ("route", "transfer"):
            message: Any = call.messages[index]
            reply: Any = COMMANDS[call.name][2]
            answer = reply.FromString(body)
            script.learned(message.shop_id, call.buyers[index], answer.conversation_id)

    async def look(self, rng: Random) -> None:
        """Reads."""
        shop_id = rng.choice(SHOPS)
        request = presence_pb2.ListPresenceRequest(shop_id=shop_id).SerializeToString()
        with suppress(ConnectionLost, JournalUnavailable, Overloaded):
            slot = self.slot_of(shop_id) if self.workers else rng.randrange(len(self.processes))
            await self.call(slot, "query", QueryKind.LIST_PRESENCE, request)
            self.seen["read"] += 1

    def _note(self, what: str) -> None:
        self.digest.update(f"{self.loop.time():.9f} {what}\n".encode())

    # The run

    async def run(self) -> None:
        self.start_writer()
        for slot in range(len(self.processes)):
            self.start(slot)
        self.plan_strike()
        clients = [self.loop.create_task(self.client(i)) for i in range(self.plan.clients)]
        try:
            async with asyncio.timeout(GIVE_UP_S):
                await asyncio.gather(*clients)
                self.over = True
                self.loop.at_step = self.disk.kill_in = None
                self.disk.faults = Faults()
                await self._all_healthy()
                await self._one_is_left()
        except TimeoutError:
            raise Stuck(f"not all is answered after {GIVE_UP_S:.0f} s of virtual time") from None
        dispatcher = self.processes[0].dispatcher  # type: ignore[union-attr]
        assert dispatcher is not None
        await dispatcher.drain()
        judge(
            self.disk,
            self.plan.judge or self.plan.core,
            self.acknowledged,
            dispatcher.engine,
            PARTITIONS,
        )
        for process in list(self.processes):
            if process is not None:
                self.kill(process)
        self.disk.power_cut()
        check_durable(self.disk, self.acknowledged)
        for partition, log in sorted(self.disk.logs.items()):
            self.digest.update(f"{partition} {len(log)}".encode())

    async def _all_healthy(self) -> None:
        while not all(  # noqa: ASYNC110 - of virtual time
            p is not None and p.dispatcher is not None and p.dispatcher.healthy
            for p in self.processes
        ):
            await asyncio.sleep(0.1)

    def _first_is_healthy(self) -> bool:
        first = self.processes[0]
        return first is not None and first.dispatcher is not None and first.dispatcher.healthy

    async def _one_is_left(self) -> None:
        """Ends all processes but the first, and has that one read what they wrote: it writes everywhere."""
        self.alone = True
        if self.workers:
            assert self.writer is not None
            self.workers = False
            self.kill_writer(self.writer)
            for process in self.processes:
                assert process is not None
                self.kill(process)
            while not self._first_is_healthy():  # noqa: ASYNC110 - of virtual time
                await asyncio.sleep(0.1)
        for process in self.processes[1:]:
            if process is not None:
                self.kill(process)
        script = Script(Random(0), 99)
        for shop_id in SHOPS:
            # A document: nothing else is sure to be written by who does not know the shop yet.
            call = Call("apply_shop", [script.apply(shop_id, display_name="last")], [])
            while not await self._sent_at_last(call, script):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def _sent_at_last(self, call: Call, script: Script) -> bool:
        with suppress(ConnectionLost, JournalUnavailable, Overloaded):
            return await self._send(0, call, script, 0.0)
        return False


def _shop_of(message: Any) -> str:
    """Whose a command is."""
    for place in (message, getattr(message, "update", None), getattr(message, "shop", None)):
        if getattr(place, "shop_id", ""):
            return str(place.shop_id)
    raise AssertionError(f"of no shop: {message}")


def _lose(reply: asyncio.Future[Any]) -> None:
    if not reply.done():
        reply.set_exception(ConnectionLost())


def _arrive(reply: asyncio.Future[Any], done: asyncio.Task[Any]) -> None:
    if reply.done():
        return
    error = done.exception()
    if error is None:
        reply.set_result(done.result())
    elif isinstance(error, EngineFailure):
        reply.set_exception(AssertionError("the engine failed"))
    else:
        reply.set_exception(error)


class _Tokens:
    """In place of `secrets` where records get their ids."""

    def __init__(self, rng: Random) -> None:
        self.token_bytes = rng.randbytes


@dataclass(frozen=True)
class Run:
    """A run in which every promise was kept."""

    digest: str
    """Over all that was said and when, the same whenever and on whichever core the run is made."""
    seen: Counter[str]


def simulate(plan: Plan) -> Run:
    """One whole run. Raises AssertionError where a promise is broken."""
    world = World(plan)
    real = commits_module.secrets
    commits_module.secrets = _Tokens(Random(plan.seed))  # type: ignore[assignment]
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        world.loop.run_until_complete(world.run())
    finally:
        world.loop.unwind()
        world.loop.close()
        logging.disable(disabled)
        commits_module.secrets = real
    return Run(world.digest.hexdigest(), world.seen + world.disk.seen)
