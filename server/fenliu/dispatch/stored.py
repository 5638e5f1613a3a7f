"""What the engine need not hold in memory: fetched for it when named, stored as logs grow, dropped when old.

Runs beside deciding and committing and never holds them up. Knows sizes and times, no rule and nothing
of what is stored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fenliu.dispatch.chunks import Chunks
from fenliu.dispatch.clock import Clock
from fenliu.dispatch.errors import EngineFailure, JournalUnavailable
from fenliu.dispatch.surge import Surge
from fenliu.dispatch.tails import Tails
from fenliu.engine import Core, Engine
from fenliu.failpoints import reached
from fenliu.journal import CorruptSnapshot, Journal, JournalError
from fenliu.recovery import Recovered, SnapshotWriter, Written, state_hash

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_S = 1.0
"""Between looks at tails and memory."""
DAY_MS = 86_400_000
REST = 3.0
"""Times as long as it works the making of snapshots rests: while a surge lasts after each WORK_S, else after
each snapshot."""
WORK_S = 0.005
LONGEST_REST_S = 1.0
READ_BACK_S = 5.0
"""While a surge lasts none is begun as long as a start would read what tails hold within this time, but"""
MUCH = (8, 32)
"""... from so many times what tails should hold on at the earliest, and at the latest."""
READS = {"rust": 64 * 2**20, "python": 2 * 2**20}
"""Bytes of log that a core reads in a second, about, until a snapshot has told."""
HURRY = 64
"""From so many times that on there is no rest any more."""
LEARNED_FROM = 2**20
"""Bytes of a tail from which on it tells how long reading takes."""
RETENTION_S = 3600.0
"""Between looks at what is too old to be kept."""
SHRINK_BYTES = 4 * 2**20
"""How much is forgotten before the loop gets its turn."""
HANDED_AT_ONCE = 64
"""Chunks and filters given to the engine before the loop gets its turn."""
CLOSING_TAIL_BYTES = 64 * 2**10
"""At the end, tails of more than this together get snapshots, so that the next start is quick."""
CLOSING_S = 10.0
"""But no more are begun after this time."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much is kept, and where."""

    snapshot_after: int = 16 * 2**20
    """Bytes of entries that a restart may have to read; while a surge lasts more (MUCH)."""
    state_bytes: int | None = None
    """About how much memory the state may take, as far as it can be stored instead; None: any."""
    retention_ms: int | None = None
    """How far back logs are kept; None: for ever."""


class Host(Protocol):
    """Who decides and commits, as seen from here."""

    @property
    def engine(self) -> Engine: ...

    @property
    def healthy(self) -> bool: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def losses(self) -> int: ...

    async def sealed(self, partition: int) -> tuple[int, int]: ...

    def engine_failed(self, error: BaseException) -> EngineFailure: ...

    def take_back(self, partitions: Set[int]) -> None: ...


class StoredState:
    """The stored part of one journal's state. For one event loop."""

    def __init__(
        self,
        host: Host,
        journal: Journal,
        core: Core,
        keeping: Keeping,
        partitions: frozenset[int],
    ) -> None:
        """`partitions`: those that are stored, and dropped, here; others see to the rest."""
        self._host = host
        self._journal = journal
        self._core = core
        self._keeping = keeping
        self._partitions = partitions
        self._chunks = Chunks(journal, self._put)
        self._put_bytes = 0  # since memory was looked at
        self._tails = Tails(keeping.snapshot_after)
        self._writer = SnapshotWriter(journal, core, self._rest)
        # One thread: snapshots are written, dropped and read whole one after the other, also by work
        # whose caller has gone meanwhile.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fenliu-snapshots")
        self._worked_s = 0.0
        """The thread's time when it rested last."""
        self.surge = Surge()
        self._closing = False
        self._waiting = 0
        """How many wait until a snapshot is made, or for the thread: it does not rest then."""
        self._reads = float(READS[core.name])
        """Bytes of log that are read in a second of processor time, as the last snapshot found."""
        self._too_much = False
        self._room = asyncio.Lock()  # held by who makes room; others wait for it
        self._making: dict[int, asyncio.Lock] = {}  # held while a partition's snapshot is made
        self.unusable: set[tuple[int, int]] = set()
        """(partition, seq) of snapshots that were found damaged."""

    def housekeeping(self) -> list[Coroutine[Any, Any, None]]:
        """What is to run as long as calls are served."""
        return [self._watch(), self._make_snapshots(), self._drop_what_is_old()]

    def recovered(self, recovered: Recovered) -> None:
        """Goes on from where a recovery ended."""
        self._tails.start(recovered.tails)
        for partition, seq in self.unusable | set(recovered.unusable):
            # The next one is not to be made out of it. Should this fail, it is passed over again.
            self._journal.drop_manifests(partition, [seq])
        self.unusable.clear()

    def store_if_much(self, engine: Engine, partition: int, seq: int) -> bool:
        """While state is recovered: stores a partition when there is too much in memory by now.

        Not for the event loop. Failing is told in the log.
        """
        limit = self._keeping.state_bytes
        if limit is None or engine.memory() <= limit:
            return False
        engine.shrink(limit)
        if engine.memory() <= limit:
            return False
        try:
            engine.load_manifest(self._writer.write(partition, seq).manifest)
        except JournalError as error:
            log.error("partition %d has no new snapshot", partition, exc_info=error)
            return False
        return True

    def grew(self, partition: int, size: int) -> None:
        """Says that a log has grown by so many bytes."""
        self._tails.grew(partition, size)

    def tail(self, partition: int) -> int:
        """About how many bytes lie behind the partition's newest snapshot."""
        return self._tails.size(partition)

    async def fetch(self, ids: bytes) -> None:
        """Gets the engine the chunks it named. Raises JournalUnavailable when that cannot be."""
        if self._put_bytes > SHRINK_BYTES:
            self._put_bytes = 0
            await self._make_room()
        try:
            await self._chunks.fetch(ids)
        except CorruptSnapshot as error:
            log.error("a snapshot is damaged: %s", error)
            await self._distrust(error.partition)
            raise JournalUnavailable from error
        except JournalError as error:
            log.error("stored state cannot be read", exc_info=error)
            raise JournalUnavailable from error

    async def snapshot(self, partition: int) -> None:
        """Makes a snapshot of a partition and lets the engine go by it. Failing is told in the log.

        Raises JournalUnavailable when what it would hold is lost.
        """
        async with self._lock(partition):
            await self._snapshot(partition)

    @asynccontextmanager
    async def still(self, partition: int) -> AsyncIterator[None]:
        """For who needs that no snapshot of the partition is made meanwhile; one under way is waited for."""
        lock = self._lock(partition)
        with self._hurried():
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _lock(self, partition: int) -> asyncio.Lock:
        return self._making.setdefault(partition, asyncio.Lock())

    @contextmanager
    def _hurried(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _snapshot(self, partition: int) -> None:
        losses = self._host.losses
        seq, size = await self._host.sealed(partition)
        try:
            written = await self._beside(self._writer.write, partition, seq)
        except JournalError as error:
            log.error("partition %d has no new snapshot", partition, exc_info=error)
            # Not again before it has grown well.
            self._tails.shortened(partition, 0, self._tails.size(partition) * 8)
            return
        self._tails.shortened(partition, size, written.size)
        if written.tail >= LEARNED_FROM and written.read_s:
            self._reads = written.tail / written.read_s
        if self._host.losses == losses:  # else its state was recovered and is another generation
            await self._hand_over(written)
        if self._host.losses == losses:
            try:
                self._host.engine.install(written.manifest)
                reached("snapshot-installed")
            except BaseException as error:
                raise self._host.engine_failed(error) from error
            await self._tidy()

    async def _tidy(self) -> None:
        """Has the engine free what is stored by now, a little at a time."""
        more = True
        while more:
            try:
                more = self._host.engine.tidy()
            except BaseException as error:
                raise self._host.engine_failed(error) from error
            await asyncio.sleep(0)

    async def _hand_over(self, written: Written) -> None:
        """Gives the engine what spares it looking into the snapshot's new chunks, a few at a time."""
        engine, limit = self._host.engine, self._keeping.state_bytes
        given: list[tuple[Callable[[bytes, bytes], None], Mapping[bytes, bytes]]] = [
            (engine.put_filter, written.filters)
        ]
        if limit is None:  # else what is asked for is fetched, so that it can be let go
            given.append((engine.put_chunk, written.contents))
        for put, things in given:
            for number, (chunk_id, content) in enumerate(things.items(), 1):
                try:
                    put(chunk_id, content)
                except BaseException as error:
                    raise self._host.engine_failed(error) from error
                if number % HANDED_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def retain(self, since_ms: int) -> None:
        """Drops what is not needed to look back to `since_ms`. Failing is told in the log.

        Raises JournalUnavailable as `snapshot`.
        """
        a_day_ago = self._host.clock.now_ms() - DAY_MS
        for partition in sorted(await asyncio.to_thread(self._journal.heads, self._partitions)):
            newest = (await asyncio.to_thread(self._journal.manifests, partition))[-1:]
            if self.tail(partition) and all(head.now_ms < a_day_ago for head in newest):
                # Where little happens, too, there is to be one to go back to when logs are cut.
                await self.snapshot(partition)
            try:
                await self._beside(self._writer.retain, partition, since_ms)
            except JournalError as error:
                log.error("partition %d: what is old stays", partition, exc_info=error)

    async def state_hash(self, ends: Mapping[int, int] | None) -> tuple[bytes, int]:
        """The hash and the number of shops of the state up to these records (None: all there are).

        Raises JournalUnavailable.
        """
        try:
            with self._hurried():
                return await self._beside(state_hash, self._journal, self._core, ends)
        except JournalError as error:
            log.error("the state hash cannot be computed", exc_info=error)
            raise JournalUnavailable from error

    async def close(self, ends: Mapping[int, tuple[int, int]]) -> None:
        """When nothing is decided any more: snapshots of what is long, up to these last records."""
        self._closing = True
        loop = asyncio.get_running_loop()
        until = loop.time() + CLOSING_S
        while (
            self._tails.total > CLOSING_TAIL_BYTES
            and loop.time() < until
            and (partition := self._tails.longest()) is not None
            and partition in ends
        ):
            try:
                await self._beside(self._writer.write, partition, ends[partition][0])
            except JournalError as error:
                log.error("partition %d has no new snapshot", partition, exc_info=error)
            self._tails.shortened(partition, self._tails.size(partition), 0)
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._chunks.close)

    async def _beside(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _rest(self) -> None:
        """On the thread, between two steps of a snapshot: leaves the processor to others while a surge lasts."""
        hurry = self._too_much or self._tails.total >= HURRY * self._keeping.snapshot_after
        if hurry or self._waiting or self._closing or not self.surge.lasts:
            return
        worked = time.thread_time() - self._worked_s
        if worked >= WORK_S:
            time.sleep(min(REST * worked, LONGEST_REST_S))
            self._worked_s = time.thread_time()

    def _put(self, chunk_id: bytes, content: bytes) -> None:
        self._put_bytes += len(content)
        try:
            self._host.engine.put_chunk(chunk_id, content)
        except BaseException as error:
            raise self._host.engine_failed(error) from error

    async def _distrust(self, partition: int | None) -> None:
        """A snapshot in use cannot be read: its partition (None: any) is recovered without it."""
        of = self._partitions if partition is None else {partition}
        for one in of:
            newest = (await asyncio.to_thread(self._journal.manifests, one))[-1:]
            self.unusable.update((one, head.seq) for head in newest)
        self._host.take_back(of)

    async def _shrink(self) -> None:
        """Has the engine forget what is stored as long as it takes too much."""
        limit, engine = self._keeping.state_bytes, self._host.engine
        self._too_much = False
        while limit is not None:
            try:
                before = engine.memory()
                if before <= limit:
                    return
                engine.shrink(max(before - SHRINK_BYTES, limit * 9 // 10))
                self._too_much = engine.memory() >= before
            except BaseException as error:
                raise self._host.engine_failed(error) from error
            if self._too_much:  # the rest must be stored first
                return
            await asyncio.sleep(0)

    async def _make_room(self) -> None:
        """Before more is loaded: where too much is loaded that is not stored yet, stores some first."""
        async with self._room:
            await self._shrink()
            partition = self._tails.longest()
            if self._too_much and partition is not None:
                await self.snapshot(partition)
                await self._shrink()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            self.surge.look()
            if self._host.healthy:
                with suppress(EngineFailure):  # told and mended where it arose
                    await self._shrink()

    async def _make_snapshots(self) -> None:
        loop, rests_until = asyncio.get_running_loop(), 0.0
        while True:
            waits = self.surge.lasts or loop.time() < rests_until
            partition = self._tails.longest() if self._too_much else self._tails.due()
            if partition is None or not self._host.healthy or (waits and not self._is_urgent()):
                await asyncio.sleep(CHECK_S)
                continue
            self._too_much = False
            begun = loop.time()
            with suppress(JournalUnavailable, EngineFailure):  # told and mended where they arose
                await self.snapshot(partition)
            rests_until = loop.time() + REST * (loop.time() - begun)

    def _is_urgent(self) -> bool:
        """Whether no more may wait to be stored."""
        least, most = (times * self._keeping.snapshot_after for times in MUCH)
        return self._too_much or self._tails.total >= max(
            least, min(READ_BACK_S * self._reads, most)
        )

    async def _drop_what_is_old(self) -> None:
        while self._keeping.retention_ms is not None:
            await asyncio.sleep(RETENTION_S)
            if self._host.healthy and self._host.clock.runs:  # a recorded day is old from the start
                with suppress(JournalUnavailable, EngineFailure):
                    await self.retain(self._host.clock.now_ms() - self._keeping.retention_ms)
