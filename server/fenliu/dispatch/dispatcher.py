"""Decide, append, answer: one engine and one journal, on one event loop.

Commands are decided at once, on the loop. Their entries are gathered while a commit is under way and go
into the journal together with the next one (commits.py); an answer is given when all it rests on is durable. What
cannot be made durable is undone: its partitions are read back from the log. No rule is known here.

All methods are for the loop on which `start` ran.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from fenliu.dispatch.clock import Clock
from fenliu.dispatch.commits import NO_RECORD, Commits
from fenliu.dispatch.dispatching import FAILED, Answer, BatchAnswer
from fenliu.dispatch.errors import DeadlineGone, EngineFailure, JournalUnavailable, Overloaded
from fenliu.dispatch.fairness import FairLine
from fenliu.dispatch.load import LoopLoad
from fenliu.dispatch.pace import BUDGET_S, Pace
from fenliu.dispatch.shops import FailedShops
from fenliu.dispatch.stored import Keeping, StoredState
from fenliu.engine import CommandKind, Core, Engine, QueryKind
from fenliu.journal import Journal, JournalError
from fenliu.recovery import Recovered, recover

log = logging.getLogger(__name__)

MAX_WAITING = 65_536
"""Answers waiting to become durable; while there are so many, nothing more is taken."""
OVERLOAD_RETRY_MS = 100
SHARED = frozenset(
    (
        CommandKind.ROUTE,
        CommandKind.TRANSFER,
        CommandKind.CLOSE_CONVERSATION,
        CommandKind.CANCEL_INQUIRY,
    )
)
"""Single commands that no shop may crowd out others with. Each names its shop in field 1."""
TICK_S = 1.0
"""Between looks at what has fallen due. Results never depend on when that is."""
TICK_SPAN_MS = 1_000
"""How much time one tick makes up for, so that a long pause is caught up in small steps."""
MOST_DUE = 512
"""About how many due effects are applied before the loop gets its turn."""
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 5.0

MALFORMED = -1  # the partition of what names no shop
MISSING = -1  # the code with which the engine names chunks it needs
BEHIND = -2  # and that with which it names a shop to be ticked first

FOR_EVER = Keeping()

SHOP_ID = 0x0A  # how field 1 begins where it is a string, before its length
LONG = 0x80  # lengths below it take one byte

TICKED_FIRST = frozenset((QueryKind.LIST_PRESENCE,))
"""Queries whose answer hangs on what is due. Like a tick they name the shop in field 1."""


class PendingBatch:
    """A batch that is decided and whose answer may still have to become durable."""

    def __init__(self, answer: BatchAnswer, durable: asyncio.Future[bool] | None) -> None:
        self._answer = answer
        self._durable = durable

    async def answer(self) -> BatchAnswer:
        """The answer, once durable. Call at most once. Raises JournalUnavailable."""
        if self._durable is not None and not await self._durable:
            raise JournalUnavailable
        return self._answer


class Dispatcher:
    """Serves the shops of one journal, or of some of its partitions. `start` once, then calls, then `close`."""

    def __init__(
        self,
        core: Core,
        journal: Journal,
        clock: Clock,
        *,
        max_waiting: int = MAX_WAITING,
        slice_size: int | None = None,
        keeping: Keeping = FOR_EVER,
        partitions: Collection[int] | None = None,
        fair: bool = False,
        watch_load: bool = False,
    ) -> None:
        """`slice_size`: elements of a batch to decide at a time; None: by how long they take.

        `partitions`: those served here (default: all); it is not asked about others' shops. `fair`: a
        shop's flood of single calls waits, so that other shops' calls need not. `watch_load`: single
        calls wait for each other only while the loop has no time to spare, not always, and snapshots
        wait while a surge lasts.
        """
        self.on_health_change: Callable[[bool], None] | None = None
        """Called with `healthy` whenever it changes."""
        self.on_durable: Callable[[Mapping[int, int]], None] | None = None
        """Called with where logs durably end, the last record's number by partition: at the start of
        all that have one, then of those that may have grown, once the answers are on their way."""
        self._core = core
        self._journal = journal
        self._partitions = frozenset(
            range(journal.partitions) if partitions is None else partitions
        )
        self._clock = clock
        self._max_waiting = max_waiting
        self._pace = Pace(slice_size)
        self._fair = fair
        self._line: FairLine | None = None
        self._watch_load = watch_load
        self._loads: list[LoopLoad] = []
        self._engine: Engine = core.engine(journal.partitions)
        self._commits = Commits(journal, core.rules_version, self)
        self._healthy = False
        self._readable = False
        """Whether the state is what the log says, so that it can be shown."""
        self._closed = False
        self._broken: set[int] = set()
        """Partitions whose state in the engine is not what the log says."""
        self._mending = False
        self._losses = 0  # how often decisions were taken back
        self._setbacks = 0  # times in a row, with no commit between
        self._tasks: set[asyncio.Task[None]] = set()
        self._state = StoredState(self, journal, core, keeping, self._partitions)
        self._shops = FailedShops(self, journal, core)
        self._sealing: dict[int, asyncio.Future[tuple[int, int]]] = {}
        """Partitions to be closed at a record's end; given that record's number and the tail's bytes."""

    # Calls

    async def start(self) -> Recovered:
        """Recovers the state, then serves. Raises what `recovery.recover` raises."""
        self._loop = asyncio.get_running_loop()
        # A process that was killed may have left what can be read and is not on the disk yet.
        await asyncio.wrap_future(self._journal.probe())
        self._engine, recovered = await asyncio.to_thread(
            recover, self._journal, self._core, self._partitions, store=self._state.store_if_much
        )
        self._recovered(recovered)
        log.info("read %d entries in %d records", recovered.entries, recovered.records)
        self._tell_durable(self._commits.ends)
        self._readable = True
        self._set_healthy(True)
        self.run(self._apply_what_falls_due())
        for work in self._state.housekeeping():
            self.run(work)
        if self._watch_load:
            self._commits.pacing.busy = self._busy()
            self._state.surge.busy = self._busy()
        if self._fair:
            self._line = FairLine(self._busy())
            self.run(self._line.run())
        return recovered

    async def command(
        self,
        kind: CommandKind,
        request: bytes,
        *,
        actor: str = "",
        now_ms: int | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Decides one command; answers when that is durable.

        `now_ms`: the caller's time, for clocks that take one. `deadline`: on the loop's clock; when it has
        passed before the command's turn comes nothing is done. Raises Overloaded, DeadlineGone,
        JournalUnavailable, EngineFailure, ClockRefused.
        """
        self._admit(deadline)
        if self._line is not None and kind in SHARED:
            turn = self._line.enter(_shop_of(request))
            if turn is not None:
                await turn
                self._admit(deadline)
        code, body, partition = await self._decided(
            kind, request, self._clock.now_ms(now_ms), actor
        )
        await self._durable(partition)
        return Answer(code, body)

    async def commands(
        self, kind: CommandKind, requests: Sequence[bytes], *, now_ms: int | None = None
    ) -> list[Answer]:
        """Decides commands in order, each by itself; answers when all are durable. Raises as `command`."""
        self._admit()
        now = self._clock.now_ms(now_ms)
        losses = self._losses
        answers = []
        until = time.thread_time() + BUDGET_S
        for request in requests:
            if time.thread_time() >= until:
                await self._yield(losses)
                until = time.thread_time() + BUDGET_S
            code, body, _ = await self._decided(kind, request, now, "")
            answers.append(Answer(code, body))
        await self._durable(None, len(requests))
        return answers

    async def batch(
        self,
        kind: CommandKind,
        batch: bytes,
        *,
        now_ms: int | None = None,
        deadline: float | None = None,
    ) -> BatchAnswer:
        """Decides a batch (ROUTE or MESSAGE); answers when it is durable. Raises as `command`."""
        self._admit(deadline)
        return await (await self.begin_batch(kind, batch, now_ms=now_ms)).answer()

    async def begin_batch(
        self, kind: CommandKind, batch: bytes, *, now_ms: int | None = None
    ) -> PendingBatch:
        """Decides a batch without waiting until it is durable, so that the next may be decided.

        Raises as `command`.
        """
        self._admit()
        now = self._clock.now_ms(now_ms)
        losses = self._losses
        results = []
        first, total, batch_id = 0, 1, 0
        while first < total:
            if first:
                await self._yield(losses)
            try:
                with self._pace:
                    code, result, total, batch_id, entries, decided = self._engine.decide_batch(
                        kind, batch, now, first, self._pace.count, MOST_DUE
                    )
            except BaseException as error:
                raise self.engine_failed(error) from error
            self._pace.did(decided)
            self._look_for_failures()
            if code == MISSING:
                await self._fetch(result, losses)
                total = first + 1  # not known yet; there is at least the one that needs something
                continue
            if code == BEHIND:
                await self._catch_up(result, now, losses)
                total = first + 1
                continue
            if code:
                return PendingBatch(BatchAnswer(code, result, total, batch_id), None)
            self._commits.gather_all(entries)
            results.append(result)
            first += decided
        whole = results[0] if len(results) == 1 else b"".join(results)
        answer = BatchAnswer(0, whole, total, batch_id)
        return PendingBatch(answer, self._commits.wait_for(None, total))

    async def query(self, kind: QueryKind, request: bytes, *, now_ms: int | None = None) -> Answer:
        """Answers from a state in which all that is due is applied, and which is durable.

        A clock that does not run says nothing about a query without a time: then nothing is applied
        first. Nor is anything while nothing can be written. Raises as `command`.
        """
        self._admit_reading()
        now = self._clock.now_ms(now_ms)
        if self._healthy and kind in TICKED_FIRST and (now_ms is not None or self._clock.runs):
            await self._decided(CommandKind.TICK, request, now, "")
        while True:
            try:
                code, body, partition = self._engine.query(kind, request)
            except BaseException as error:
                raise self.engine_failed(error) from error
            if code != MISSING:
                break
            await self._fetch(body, self._losses)
        self._look_for_failures()
        if partition != MALFORMED:
            await self._durable(partition)
        elif code == 0:  # it spans all shops
            await self._durable(None)
        return Answer(code, body)

    async def state_hash(self) -> tuple[bytes, int]:
        """32 bytes over the whole state as it is durable now, and the number of shops.

        Of all shops of the journal, and computed from it, so it holds up nobody. Raises as `command`.
        """
        self._admit_reading()
        await self._durable(None)
        if len(self._partitions) < self._journal.partitions:
            return await self._state.state_hash(None)
        ends = {partition: seq for partition, (seq, _) in self._commits.ends.items()}
        return await self._state.state_hash(ends)

    async def snapshot(self, partition: int) -> None:
        """Makes a snapshot of a partition that has records. Failing is told in the log.

        Raises JournalUnavailable when what it would hold is lost.
        """
        await self._state.snapshot(partition)

    async def retain(self, since_ms: int) -> None:
        """Drops records and snapshots not needed to look back to `since_ms`. Failing is told in the log."""
        await self._state.retain(since_ms)

    def sessions(self) -> list[tuple[str, str]]:
        """(session id, shop id) of every presence session that still has agents, sorted."""
        return self._engine.sessions()

    @property
    def healthy(self) -> bool:
        """Whether calls are served: started, not closed, the state is what the log says."""
        return self._healthy

    @property
    def clock(self) -> Clock:
        """Whose time commands get."""
        return self._clock

    def use_clock(self, clock: Clock) -> None:
        """Goes by another clock from now on."""
        self._clock = clock

    async def drain(self) -> None:
        """Returns when nothing that was decided waits to become durable any more."""
        while (future := self._commits.wait_for(None, 0)) is not None:
            await future

    async def close(self) -> None:
        """Takes no more calls, answers those under way, ends. The journal stays open."""
        self._closed = True
        self._readable = False
        self._set_healthy(False)
        await self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._commits.pacing.busy = self._state.surge.busy = None
        for load in self._loads:
            load.close()
        await self._state.close({} if self._broken else self._commits.ends)

    def _busy(self) -> Callable[[], float]:
        """How busy the loop was since it was asked last: one for each who asks."""
        self._loads.append(LoopLoad())
        return self._loads[-1].busy

    # Deciding

    def _admit(self, deadline: float | None = None) -> None:
        if deadline is not None and self._loop.time() >= deadline:
            raise DeadlineGone
        if not self._healthy:
            raise JournalUnavailable
        self._limit()

    def _admit_reading(self) -> None:
        """As `_admit`, and also while the state is right and only nothing can be written."""
        if not self._readable:
            raise JournalUnavailable
        self._limit()

    def _limit(self) -> None:
        if self._commits.waiting >= self._max_waiting:
            raise Overloaded(OVERLOAD_RETRY_MS)

    async def _decided(
        self, kind: CommandKind, request: bytes, now_ms: int, actor: str
    ) -> tuple[int, bytes, int]:
        """As `_decide`, with whatever chunks that needs, and behind what is due if that is much."""
        losses = self._losses
        code, body, partition = self._decide(kind, request, now_ms, actor)
        while code < 0:
            if code == MISSING:
                await self._fetch(body, losses)
            else:
                await self._catch_up(body, now_ms, losses)
            code, body, partition = self._decide(kind, request, now_ms, actor)
        return code, body, partition

    def _decide(
        self, kind: CommandKind, request: bytes, now_ms: int, actor: str
    ) -> tuple[int, bytes, int]:
        try:
            code, body, partition, entry = self._engine.decide(
                kind, request, now_ms, actor, MOST_DUE
            )
        except BaseException as error:
            raise self.engine_failed(error) from error
        if entry:
            self._commits.gather(partition, 1, entry)
        elif code == FAILED:
            self._look_for_failures()
        return code, body, partition

    def _look_for_failures(self) -> None:
        """Sees to it that shops at which the engine has failed are read back."""
        if failures := self._engine.failures():
            self._shops.failed(failures)

    async def _fetch(self, ids: bytes, losses: int) -> None:
        """Gets the engine chunks; raises when decisions made before have been taken back meanwhile."""
        await self._state.fetch(ids)
        if self._losses != losses or not self._readable:
            raise JournalUnavailable

    async def _catch_up(self, shop_id: bytes, now_ms: int, losses: int) -> None:
        """Applies some of the much that is due in a shop; raises as `_yield`."""
        try:
            entries = self._engine.tick(now_ms, MOST_DUE, shop_id.decode())
        except BaseException as error:
            raise self.engine_failed(error) from error
        self._commits.gather_all(entries)
        self._look_for_failures()
        await self._yield(losses)

    async def _yield(self, losses: int) -> None:
        """Gives the loop its turn; raises when decisions made before it have been taken back."""
        await asyncio.sleep(0)
        if self._losses != losses:
            raise JournalUnavailable

    async def _apply_what_falls_due(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            with suppress(JournalUnavailable, EngineFailure):  # told and mended where they arose
                while self._healthy and self._clock.runs and await self._tick():
                    await self._durable(None)

    async def _tick(self) -> bool:
        """Applies the earliest part of what is due; returns whether anything was."""
        try:
            due, now = self._engine.next_due(), self._clock.now_ms()
            if due is None or due > now:
                return False
            until = min(now, due + TICK_SPAN_MS)
            missing = self._engine.missing_due(until)
        except BaseException as error:
            raise self.engine_failed(error) from error
        if missing:
            with suppress(JournalUnavailable):  # the others' time has come all the same
                await self._state.fetch(missing)
        if not self._healthy:
            return False
        try:
            entries = self._engine.tick(until, MOST_DUE)
        except BaseException as error:
            raise self.engine_failed(error) from error
        self._commits.gather_all(entries)
        self._look_for_failures()
        return bool(entries)

    # For what is stored

    @property
    def engine(self) -> Engine:
        """The engine as it is now; another one after a recovery."""
        return self._engine

    @property
    def losses(self) -> int:
        """How often decisions were taken back, and state was recovered."""
        return self._losses

    async def sealed(self, partition: int) -> tuple[int, int]:
        """Closes what the engine has learned of a partition at the end of a record.

        Returns, once it is durable, that record's number and the bytes of the tail up to it.
        """
        future = self._sealing.setdefault(partition, self._loop.create_future())
        self.handed_in()
        sealed = await future
        await self._durable(partition)
        return sealed

    # For shops that are read back

    async def durable(self, partition: int) -> None:
        """Everything decided of the partition so far is durable. Raises JournalUnavailable."""
        await self._durable(partition, 0)

    def still(self, partition: int) -> AbstractAsyncContextManager[None]:
        """For who needs that no snapshot of the partition is made meanwhile."""
        return self._state.still(partition)

    def unusable(self) -> Collection[tuple[int, int]]:
        """(partition, seq) of snapshots known to be damaged."""
        return self._state.unusable

    # For the commits

    def record_time_ms(self) -> int:
        """What a record made now says of its time."""
        return self._clock.now_ms()

    def handed_in(self) -> None:
        """Closes the partitions of which everything decided is in records, if they wait for that."""
        for partition in [one for one in self._sealing if not self._commits.gathers(one)]:
            future = self._sealing.pop(partition)
            try:
                self._engine.rotate(partition)
            except BaseException as error:
                # Who waits finds out: what is recovered counts as a loss.
                self.engine_failed(error)
            seq, coming = self._commits.record_to_come(partition)
            if not future.done():  # done: nobody waits any more
                future.set_result((seq, self._state.tail(partition) + coming))

    def committed(self, sizes: Mapping[int, int]) -> None:
        """Says of these partitions that more is durable, by so many bytes."""
        for partition, size in sizes.items():
            self._state.grew(partition, size)
        if sizes:
            self._setbacks = 0
        self._tell_durable(sizes)

    def lost(self, partitions: Set[int]) -> None:
        """Takes back what was decided and did not go in."""
        self.take_back(partitions)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Does this beside everything else, until the end."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell_durable(self, partitions: Collection[int]) -> None:
        if self.on_durable is not None and partitions:
            self.on_durable(
                {partition: self._commits.ends[partition][0] for partition in partitions}
            )

    # Waiting

    async def _durable(self, partition: int | None, answers: int = 1) -> None:
        future = self._commits.wait_for(partition, answers)
        if future is not None and not await future:
            raise JournalUnavailable

    # Mending

    def engine_failed(self, error: BaseException) -> EngineFailure:
        """For an exception out of the engine, at no shop in particular: it may have left any half changed."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        log.critical("the engine failed", exc_info=error)
        self.take_back(self._partitions)
        return EngineFailure()

    def take_back(self, partitions: Set[int]) -> None:
        """Serves nobody until these partitions are again what the log says; then reads, until it can write."""
        self._broken |= partitions
        self._losses += 1
        self._readable = False
        self._set_healthy(False)
        if not self._mending:
            self._mending = True
            self.run(self._mend())

    async def _mend(self) -> None:
        mended: set[int] = set()
        while True:
            if self._setbacks:
                pause = FIRST_RETRY_S * 2 ** min(self._setbacks - 1, 10)
                await asyncio.sleep(min(pause, LAST_RETRY_S))
            self._setbacks += 1
            await self.drain()  # what was decided before the engine failed is still good
            mended |= await self._read_back(frozenset(self._broken))
            self._readable = not self._broken and not self._closed
            try:
                await asyncio.wrap_future(self._journal.probe())
            except JournalError as error:
                log.error("the journal cannot be written", exc_info=error)
                continue
            if not self._broken:
                break
        self._mending = False
        self._tell_durable(mended)
        log.warning("read back %d partitions: serving again", len(mended))
        self._set_healthy(not self._closed)

    async def _read_back(self, broken: Set[int]) -> Set[int]:
        """Puts these partitions in place as the log says; returns them, or none when that cannot be yet."""
        if not broken:
            return broken
        try:
            engine, recovered = await asyncio.to_thread(
                recover, self._journal, self._core, broken, unusable=self._state.unusable
            )
            self._swap_in(engine, broken)
        except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # an engine's panic is no Exception
            log.error("partitions cannot be read back yet", exc_info=error)
            return frozenset()
        for partition in broken:
            self._commits.ends[partition] = NO_RECORD
        self._recovered(recovered)
        self._broken -= broken
        return broken

    def _recovered(self, recovered: Recovered) -> None:
        """Goes on from where a recovery ended."""
        self._commits.ends.update(recovered.ends)
        self._state.recovered(recovered)

    def _swap_in(self, engine: Engine, partitions: Set[int]) -> None:
        if len(partitions) == len(self._partitions):
            self._engine = engine
        else:
            for partition in partitions:
                self._engine.take_partition(engine, partition)
        self._shops.replaced(partitions)

    def _set_healthy(self, healthy: bool) -> None:
        if healthy != self._healthy:
            self._healthy = healthy
            if self.on_health_change is not None:
                self.on_health_change(healthy)


def _shop_of(request: bytes) -> bytes:
    """The shop's id in an encoded command, as far as it is plain to see; b"" else. For counting only."""
    if len(request) > 2 and request[0] == SHOP_ID and request[1] < LONG:
        return request[2 : 2 + request[1]]
    return b""
