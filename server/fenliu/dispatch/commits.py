"""Group commit: what is decided while one commit is under way goes into the journal with the next.

Knows where each log ends and who waits for what to be durable; nothing of engines and answers. For one
event loop.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Iterable, Mapping, Set
from concurrent.futures import Future as StorageFuture
from threading import get_ident
from typing import Any, Protocol

from fenliu.dispatch.pacing import Pacing
from fenliu.failpoints import reached
from fenliu.journal import Append, Conflict, Journal, JournalError, pack

log = logging.getLogger(__name__)

PACKED_ASIDE = 1_000_000
"""Bytes of entries from which on records are packed in a thread, so that the loop is not held meanwhile."""

ID_BYTES = 16  # of an append id
NO_RECORD = (0, 0)  # where an empty log ends: (seq, checksum)


class Host(Protocol):
    """Who decides, as seen from here."""

    def record_time_ms(self) -> int:
        """What a record made now says of its time."""
        ...

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Sees to it that this is done."""
        ...

    def handed_in(self) -> None:
        """Everything decided so far is in records, durable or on their way."""
        ...

    def committed(self, sizes: Mapping[int, int]) -> None:
        """The logs of these partitions have grown by so many bytes; who waited has been told."""
        ...

    def lost(self, partitions: Set[int]) -> None:
        """What was decided of these partitions since `ends` has not gone in; who waited has been told."""
        ...


class _Commit:
    """What goes into the journal together, and the answers that wait for it."""

    __slots__ = ("answers", "appends", "checksums", "counts", "entries", "sizes", "waiters")

    def __init__(self) -> None:
        self.entries: dict[int, list[bytes]] = {}
        self.counts: dict[int, int] = {}
        self.sizes: dict[int, int] = {}
        """Bytes of entries."""
        self.waiters: list[tuple[asyncio.Future[bool], int | None]] = []
        """Each with the partition it rests on; None: may rest on any."""
        self.answers = 0
        self.appends: list[Append] = []
        self.checksums: dict[int, int] = {}

    def finish(self, lost: Set[int]) -> None:
        """Tells the waiters how it went: all durable but these partitions."""
        for future, partition in self.waiters:
            if not future.done():  # done: its caller has gone
                future.set_result(not lost or (partition is not None and partition not in lost))


class Commits:
    """The commits of one journal, one after the other."""

    def __init__(self, journal: Journal, rules_version: int, host: Host) -> None:
        self.pacing = Pacing()
        self.ends: dict[int, tuple[int, int]] = {}
        """Where each log durably ends: (seq, checksum)."""
        self.waiting = 0
        """Answers that wait to become durable."""
        self._journal = journal
        self._rules_version = rules_version
        self._host = host
        self._writer = secrets.token_bytes(16)
        self._gathering = _Commit()
        self._in_flight: _Commit | None = None
        self._scheduled = False
        self._not_before = 0.0  # on the loop's clock

    # Waiting

    def wait_for(self, partition: int | None, answers: int) -> asyncio.Future[bool] | None:
        """Until what `partition` (None: any) holds is durable: True, or lost: False. None: it is now."""
        commit = self._last_with(partition)
        if commit is None:
            return None
        future = asyncio.get_running_loop().create_future()
        commit.waiters.append((future, partition))
        commit.answers += answers
        self.waiting += answers
        return future

    def gathers(self, partition: int) -> bool:
        """Whether something of the partition is decided and in no record yet."""
        return partition in self._gathering.entries

    def record_to_come(self, partition: int) -> tuple[int, int]:
        """The last record's number once what is under way is durable, and bytes that adds to its log."""
        seq, _ = self.ends.get(partition, NO_RECORD)
        if self._in_flight is None or partition not in self._in_flight.entries:
            return seq, 0
        return seq + 1, self._in_flight.sizes[partition]

    def _last_with(self, partition: int | None) -> _Commit | None:
        if partition is None:
            return self._gathering if self._gathering.entries else self._in_flight
        if partition in self._gathering.entries:
            return self._gathering
        if self._in_flight is not None and partition in self._in_flight.entries:
            return self._in_flight
        return None

    # Committing

    def gather_all(self, entries: Iterable[tuple[int, int, bytes]]) -> None:
        """Takes (partition, number, the entries) of each."""
        for partition, count, some in entries:
            self.gather(partition, count, some)

    def gather(self, partition: int, count: int, entries: bytes) -> None:
        """Takes so many entries of a partition."""
        commit = self._gathering
        if not commit.entries and self._in_flight is None:
            self._schedule()
        commit.entries.setdefault(partition, []).append(entries)
        commit.counts[partition] = commit.counts.get(partition, 0) + count
        commit.sizes[partition] = commit.sizes.get(partition, 0) + len(entries)

    def _schedule(self) -> None:
        """Sees to the next commit: not at once, so that what this turn of the loop still decides goes in, too."""
        if self._scheduled:
            return
        self._scheduled = True
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            loop.call_at(self._not_before, self._commit)
        else:
            loop.call_soon(self._commit)

    def _commit(self) -> None:
        """Hands what was gathered to the journal, unless a commit is under way."""
        self._scheduled = False
        commit = self._gathering
        if self._in_flight is not None or not commit.entries:
            return
        reached("commit-begins")
        self._in_flight, self._gathering = commit, _Commit()
        now = asyncio.get_running_loop().time()
        self._not_before = self.pacing.begun(now, commit.answers)
        now_ms = self._host.record_time_ms()
        self._host.handed_in()
        if sum(commit.sizes.values()) < PACKED_ASIDE:
            self._pack(commit, now_ms)
            self._store(commit)
        else:
            self._host.run(self._store_large(commit, now_ms))

    async def _store_large(self, commit: _Commit, now_ms: int) -> None:
        try:
            await asyncio.to_thread(self._pack, commit, now_ms)
        except BaseException:
            self._settle(commit, commit.entries.keys())
            raise
        self._store(commit)

    def _pack(self, commit: _Commit, now_ms: int) -> None:
        """Makes its records. Changes nothing but the commit."""
        # One call of the system for all of them.
        ids = secrets.token_bytes(ID_BYTES * len(commit.entries))
        for number, (partition, entries) in enumerate(commit.entries.items()):
            seq, predecessor = self.ends.get(partition, NO_RECORD)
            append_id = ids[ID_BYTES * number : ID_BYTES * (number + 1)]
            record, commit.checksums[partition] = pack(
                rules_version=self._rules_version,
                append_id=append_id,
                writer=self._writer,
                now_ms=now_ms,
                count=commit.counts[partition],
                seq=seq + 1,
                partition=partition,
                predecessor=predecessor,
                entries=entries[0] if len(entries) == 1 else b"".join(entries),
            )
            commit.appends.append(Append(partition, seq, append_id, record))

    def _store(self, commit: _Commit) -> None:
        """Hands its records to the journal."""
        loop, its = asyncio.get_running_loop(), get_ident()

        def told(stored: StorageFuture[list[int | Conflict]]) -> None:
            # On the loop's own thread there is no need to wake it.
            soon = loop.call_soon if get_ident() == its else loop.call_soon_threadsafe
            soon(self._stored, commit, stored)

        self._journal.append(commit.appends).add_done_callback(told)
        reached("commit-handed-in")

    def _stored(self, commit: _Commit, stored: StorageFuture[list[int | Conflict]]) -> None:
        reached("commit-stored")
        error = stored.exception()
        if error is not None:
            log.error("a commit failed", exc_info=error)
            self._host.run(self._find_out(commit))
            return
        lost = {
            append.partition
            for append, result in zip(commit.appends, stored.result(), strict=True)
            if isinstance(result, Conflict)
        }
        if lost:
            log.warning("somebody else has written to partitions %s", sorted(lost))
        self._settle(commit, lost)

    async def _find_out(self, commit: _Commit) -> None:
        """After an error: a group may have gone in all the same; append ids at the heads tell."""
        lost = set(commit.entries)
        try:
            # It may be there to be read and not be on the disk; after a probe it is.
            await asyncio.wrap_future(self._journal.probe())
            heads = await asyncio.to_thread(self._journal.heads, lost)
            lost -= {
                append.partition
                for append in commit.appends
                if append.partition in heads
                and heads[append.partition].append_id == append.append_id
            }
        except JournalError as error:
            log.error("whether it went in is not known", exc_info=error)
        finally:
            self._settle(commit, lost)

    def _settle(self, commit: _Commit, lost: Set[int]) -> None:
        """Ends a commit of which all went in but `lost`."""
        self._in_flight = None
        sizes = {}
        for append in commit.appends:
            if append.partition not in lost:
                end = (append.expected_seq + 1, commit.checksums[append.partition])
                self.ends[append.partition] = end
                sizes[append.partition] = commit.sizes[append.partition]
        self._finish(commit, lost)
        reached("commit-told")
        self._host.committed(sizes)
        if not lost:
            if self._gathering.entries:
                self._schedule()
            return
        # What was decided meanwhile may rest on what is lost.
        dropped, self._gathering = self._gathering, _Commit()
        self._finish(dropped, dropped.entries.keys())
        self._host.handed_in()
        self._host.lost(lost | dropped.entries.keys())

    def _finish(self, commit: _Commit, lost: Set[int]) -> None:
        self.waiting -= commit.answers
        commit.finish(lost)
