"""Follows logs: reads them from given places on and waits for them to grow, in bounded batches.

Told where the logs durably end (where other processes write, having looked), it never reads further. Nothing
is kept for a reader but the batch it is at and the partitions it has not looked into since they grew; a reader
that does not come back costs nobody else anything. Knows records, not what their entries say. For one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from fenliu.insight.errors import LogUnreadable
from fenliu.journal import Reader, Record, StorageError

BATCH_BYTES = 256 * 1024
"""What a reader is given at once: records up to about this size, at least one."""
READERS_AT_ONCE = 2
"""Threads for reading, shared by all; they also bound what is being loaded."""
LOOK_S = 0.02
"""Between looks at logs that others write, while somebody follows them."""

T = TypeVar("T")


class Logs:
    """A journal's logs as far as they are durable, and those who follow them."""

    def __init__(self, reader: Reader, others: Collection[int] = ()) -> None:
        """`others`: partitions that another process writes to: nobody says when they grow."""
        self.partitions = reader.partitions
        self._others = frozenset(others)
        self.ends: dict[int, int] = {}
        """The number of the last durable record of each partition that has one."""
        self.stopped = False
        self._reader = reader
        self._threads = ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="fenliu-insight")
        self._followers: dict[int, set[Follower]] = {}
        self._followers_of_all: set[Follower] = set()

    def grown(self, ends: Mapping[int, int]) -> None:
        """Says where logs durably end now. Takes a moment for each follower concerned."""
        self.ends.update(ends)
        for partition in ends:
            for follower in self._followers.get(partition, ()):
                follower.look_into(partition)
            for follower in self._followers_of_all:
                follower.look_into(partition)

    async def look(self, partitions: Collection[int]) -> None:
        """Finds out where the logs of those of the partitions end that others write. Raises LogUnreadable."""
        looked = self._others.intersection(partitions)
        if not looked:
            return
        heads = await self._off_the_loop(lambda: self._reader.heads(looked))
        self.grown(
            {
                partition: head.seq
                for partition, head in heads.items()
                if head.seq > self.ends.get(partition, 0)
            }
        )

    async def keep_looking(self) -> None:
        """Looks at what others write as long as somebody follows it; without an end."""
        while True:
            await asyncio.sleep(LOOK_S)
            followed = self._others if self._followers_of_all else self._followers.keys()
            with suppress(LogUnreadable):  # perhaps the next time
                await self.look(followed)

    def stop(self) -> None:
        """Lets every follower end after the batch it is at."""
        self.stopped = True
        for followers in (self._followers_of_all, *self._followers.values()):
            for follower in followers:
                follower.wake()

    def close(self) -> None:
        """Waits for the reads under way; not for the event loop."""
        self._threads.shutdown(cancel_futures=True)

    @contextmanager
    def following(self, passed: dict[int, int], first: int) -> Iterator[Follower]:
        """A follower of these partitions: all there are, or one.

        `passed`: how many records of each it has read; kept up to date. It begins with `first`.
        """
        follower = Follower(self, passed)
        follower.look_into(first)
        for partition in passed:
            follower.look_into(partition)
        among = self._followers_of_all
        if len(passed) < self.partitions:
            among = self._followers.setdefault(first, set())
        among.add(follower)
        try:
            yield follower
        finally:
            among.discard(follower)
            if self._followers.get(first) == set():
                del self._followers[first]

    async def starts(self, partitions: Collection[int]) -> dict[int, int]:
        """As `Reader.starts`. Raises LogUnreadable."""
        return await self._off_the_loop(lambda: self._reader.starts(partitions))

    async def batch(self, partition: int, passed: int) -> list[Record]:
        """Durable records behind the first `passed` ones, some of them. Raises LogUnreadable."""
        end = self.ends.get(partition, 0)
        return await self._off_the_loop(lambda: self._read(partition, passed, end))

    def _read(self, partition: int, passed: int, end: int) -> list[Record]:
        records: list[Record] = []
        size = 0
        if passed < end:
            for record in self._reader.read(partition, passed + 1):
                records.append(record)
                size += len(record.entries)
                if size >= BATCH_BYTES or record.seq >= end:
                    break
        return records

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except StorageError as error:
            raise LogUnreadable from error


class Follower:
    """One reader's way through the logs; `Logs.following` makes it."""

    def __init__(self, logs: Logs, passed: dict[int, int]) -> None:
        self._logs = logs
        self._passed = passed
        self._unread: dict[int, None] = {}  # a set that keeps its order, so that all get their turn
        self._awake = asyncio.Event()

    def look_into(self, partition: int) -> None:
        """Says that a partition may have grown."""
        if self._logs.ends.get(partition, 0) > self._passed[partition]:
            self._unread[partition] = None
            self._awake.set()

    def wake(self) -> None:
        """Has it look whether the logs have been stopped."""
        self._awake.set()

    async def next(self) -> tuple[int, list[Record]] | None:
        """The next records of some partition, in their order; None: stopped.

        To be told when the whole batch has been used: `read`. Raises LogUnreadable.
        """
        while not self._logs.stopped:
            if self._unread:
                partition = next(iter(self._unread))
                return partition, await self._logs.batch(partition, self._passed[partition])
            self._awake.clear()
            await self._awake.wait()
        return None

    def read(self, partition: int, records: int) -> None:
        """Says that so many more records of a partition have been read; others come before the rest."""
        self._passed[partition] += records
        self._unread.pop(partition, None)
        self.look_into(partition)
