"""A journal's storage that fails as the seed says: `Disk` outlives processes, a `Handle` is one's journal on it.

The contract is `fenliu.journal.base`. Modelled on SQLite's write-ahead log with synchronous=FULL: a
transaction is written, then synced, and only then seen by readers and reported. Between these steps may lie the
end of the process (then who opens the files next sees what was written, although it is not synced) or of the
machine (then what was not synced may be gone). An error may come before, between or after them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fenliu.journal import (
    Append,
    ChangeRefused,
    Conflict,
    DroppedRecord,
    Head,
    ManifestHead,
    MissingChunk,
    Record,
    StorageError,
    StoredManifest,
)
from fenliu.journal.record import chain
from simulation.loop import PROCESS, ProcessKilled, VirtualLoop

Undo = Callable[[], None]
Work = Callable[[list[Undo]], Any]
"""Changes the files and says how to change them back; returns what is reported."""

WRITE_S = 0.003
SYNC_S = 0.004
STALL_S = 4.0


@dataclass
class Faults:
    """How often what goes wrong, and when the disk does not work at all."""

    error: float = 0.0
    """Chance that a write reports an error; in which step is drawn."""
    stall: float = 0.0
    """Chance that a write takes long."""
    read_error: float = 0.0
    full: list[tuple[float, float]] = field(default_factory=list)
    """Times in which nothing can be written, and reads work."""
    broken: list[tuple[float, float]] = field(default_factory=list)
    """Times in which nothing works, and what was being written may have gone in."""


@dataclass
class _Limbo:
    """A transaction that is written and not synced, and that no reader sees."""

    work: Work
    owner: Handle | None
    """Whose it is while it may still be synced: nobody else can write then."""


class Disk:
    """The files: logs, manifests and chunks."""

    def __init__(self, loop: VirtualLoop, rng: Random, partitions: int, faults: Faults) -> None:
        self.loop = loop
        self.rng = rng
        self.partitions = partitions
        self.faults = faults
        self.logs: dict[int, list[tuple[bytes, bytes]]] = {}
        """(append id, record) by partition; the first has number 1."""
        self.manifests: dict[int, dict[int, StoredManifest]] = {}
        self.stored_chunks: dict[tuple[int, bytes], bytes] = {}
        self.handles: list[Handle] = []
        self.seen: Counter[str] = Counter()
        self.kill_in: int | None = None
        """So many operations of threads from now the process ends."""
        self._unsynced: list[list[Undo]] = []
        """Transactions that readers see and that a power cut may undo, oldest first."""
        self._limbo: _Limbo | None = None

    # What processes do

    def open(self, process: Any, make: Callable[[Disk, Any], Handle] | None = None) -> Handle:
        """A journal for one process, of this kind. Who is the only one finds what was written and not synced."""
        if not self.handles and self._limbo is not None:
            self._surface()
        handle = (make or Handle)(self, process)
        self.handles.append(handle)
        return handle

    def commit(self, work: Work) -> Any:
        """One transaction, written and synced."""
        self._limbo = None  # overwritten
        result = work([])
        self._unsynced.clear()
        return result

    def write(self, work: Work, owner: Handle) -> None:
        """One transaction up to where it would have to be synced."""
        self._limbo = _Limbo(work, owner)

    def writer(self) -> Handle | None:
        """Who is in the middle of a transaction."""
        return None if self._limbo is None else self._limbo.owner

    def give_up(self) -> None:
        """The sync has failed. Closing the only connection may let the next one read what was written."""
        if self._limbo is not None:
            self._limbo.owner = None
            if len(self.handles) == 1 and self.rng.randrange(3) == 0:
                self._surface()

    def _surface(self) -> None:
        self.seen["written, not synced, and read"] += 1
        assert self._limbo is not None
        undo: list[Undo] = []
        self._limbo.work(undo)
        self._limbo = None
        self._unsynced.append(undo)

    # What happens to them

    def killed(self, handle: Handle) -> None:
        """The process has ended; the system still has what it has written."""
        self.handles.remove(handle)
        handle.end(self.rng)
        if self._limbo is not None and self._limbo.owner is handle:
            self._limbo.owner = None

    def power_cut(self) -> None:
        """No process is left; of what was not synced only a beginning is there, maybe none of it."""
        assert not self.handles
        if self._limbo is not None and self.rng.randrange(2):
            self._surface()
        self._limbo = None
        lost = self.rng.randrange(len(self._unsynced) + 1) if self._unsynced else 0
        self.seen["synced by nobody and lost"] += lost
        while lost:
            for undo in reversed(self._unsynced.pop()):
                undo()
            lost -= 1
        self._unsynced.clear()

    def fault_of_write(self) -> str:
        """What happens to the next write."""
        fault = self._drawn()
        if fault:
            self.seen[f"error {fault}"] += 1
        return fault

    def _drawn(self) -> str:
        faults, now = self.faults, self.loop.time()
        if any(start <= now < end for start, end in faults.full):
            return "before"
        if any(start <= now < end for start, end in faults.broken):
            return self.rng.choice(("before", "before", "unsynced", "after"))
        if faults.error and self.rng.random() < faults.error:
            return self.rng.choice(("before", "unsynced", "after"))
        return ""

    def check_read(self) -> None:
        """Raises StorageError when the seed says so."""
        faults, now = self.faults, self.loop.time()
        if any(start <= now < end for start, end in faults.broken) or (
            faults.read_error and self.rng.random() < faults.read_error
        ):
            self.seen["error in reading"] += 1
            raise StorageError("disk I/O error")


@dataclass
class _Operation:
    work: Work
    future: Future[Any]
    fault: str


class Handle:
    """The `Journal` of one process: writes one after the other, as its one writer thread does."""

    def __init__(self, disk: Disk, process: Any) -> None:
        self.partitions = disk.partitions
        self._disk = disk
        self._loop = disk.loop
        self._rng = disk.rng
        self._process = process
        self._queue: list[_Operation] = []
        self._written = False  # the first of the queue, and not synced
        self._closed = False

    def end(self, rng: Random) -> None:
        """The process is gone. What its writer was at may have been written just yet."""
        self._closed = True
        if self._queue and not self._written and rng.randrange(3) == 0:
            first = self._queue[0]
            if first.fault != "before":
                self._disk.write(first.work, self)
        self._queue.clear()

    # Writing

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        assert len({item.partition for item in group}) == len(group)
        self._disk.seen["partitions together"] += len(group) > 1
        logs = self._disk.logs

        def work(undo: list[Undo]) -> list[int | Conflict]:
            results: list[int | Conflict] = []
            for item in group:
                log = logs.setdefault(item.partition, [])
                if len(log) == item.expected_seq:
                    log.append((item.append_id, item.record))
                    undo.append(log.pop)
                    results.append(len(log))
                else:
                    self._disk.seen["conflict"] += 1
                    results.append(Conflict(len(log)))
            return results

        return self._submit(work)

    def probe(self) -> Future[None]:
        return self._submit(lambda undo: None)

    def put_chunks(
        self, partition: int, chunks: Mapping[bytes, bytes], rules_version: int
    ) -> Future[None]:
        stored = self._disk.stored_chunks
        put = {(partition, chunk_id): content for chunk_id, content in chunks.items()}

        def work(undo: list[Undo]) -> None:
            undo.append(_restore(stored, put.keys()))
            stored.update(put)

        return self._submit(work)

    def put_manifest(
        self, partition: int, seq: int, now_ms: int, rules_version: int, content: bytes
    ) -> Future[None]:
        manifests = self._disk.manifests.setdefault(partition, {})

        def work(undo: list[Undo]) -> None:
            end = len(self._disk.logs.get(partition, ()))
            if not 1 <= seq <= end:
                raise ChangeRefused(f"no snapshot of record {seq} of a log that ends at {end}")
            undo.append(_restore(manifests, [seq]))
            manifests[seq] = StoredManifest(partition, seq, now_ms, rules_version, content)

        return self._submit(work)

    def drop_manifests(self, partition: int, seqs: Collection[int]) -> Future[None]:
        manifests = self._disk.manifests.setdefault(partition, {})

        def work(undo: list[Undo]) -> None:
            undo.append(_restore(manifests, seqs))
            for seq in seqs:
                manifests.pop(seq, None)

        return self._submit(work)

    def drop_chunks(self, partition: int, ids: Collection[bytes]) -> Future[None]:
        stored = self._disk.stored_chunks
        keys = [(partition, chunk_id) for chunk_id in ids]

        def work(undo: list[Undo]) -> None:
            undo.append(_restore(stored, keys))
            for key in keys:
                stored.pop(key, None)

        return self._submit(work)

    def drop_records(self, partition: int, up_to_seq: int, limit: int) -> Future[int]:
        raise NotImplementedError("logs are kept whole here")

    def _submit(self, work: Work) -> Future[Any]:
        future: Future[Any] = Future()
        if self._closed:
            return future  # a ghost's: nobody will ever hear of it
        self._queue.append(_Operation(work, future, self._disk.fault_of_write()))
        if self._loop.in_thread:
            self._flush()
        elif len(self._queue) == 1:
            self._later(WRITE_S, self._write)
        return future

    def _later(self, within: float, step: Callable[[], None]) -> None:
        delay = self._rng.random() * within
        if self._disk.faults.stall and self._rng.random() < self._disk.faults.stall:
            delay += self._rng.random() * STALL_S
        self._loop.call_later(delay, step)

    def _write(self) -> None:
        if not self._queue:
            return  # a thread's wait has brought it forward
        other = self._disk.writer()
        if other is self:
            return
        if other is not None:
            if not self._loop.in_thread:
                self._later(WRITE_S, self._write)
                return
            self._for(other, other._sync)
        first = self._queue[0]
        if first.fault == "before":
            self._report(StorageError("database or disk is full"))
        elif first.fault or self._rng.randrange(3) == 0:
            self._disk.write(first.work, self)
            self._written = True
            self._later(SYNC_S, self._sync)
        else:
            self._done()

    def _sync(self) -> None:
        if not self._queue or not self._written:
            return
        if self._queue[0].fault == "unsynced":
            self._disk.give_up()
            self._report(StorageError("disk I/O error"))
        else:
            self._done()

    def _done(self) -> None:
        first = self._queue[0]
        try:
            result = self._disk.commit(first.work)
        except ChangeRefused as refused:
            self._report(refused)
            return
        self._report(StorageError("disk I/O error") if first.fault == "after" else result)

    def _report(self, result: Any) -> None:
        """What the writer thread says; it goes on with the next."""
        future = self._queue.pop(0).future
        self._written = False
        if self._loop.in_thread:
            _resolve(future, result)
        else:
            self._loop.call_later(self._rng.random() * WRITE_S, _resolve, future, result)
            if self._queue:
                self._later(WRITE_S, self._write)

    def _flush(self) -> None:
        """For a thread that waits: the writer does all that was handed in."""
        while self._queue:
            self._breathe()
            if self._written:
                self._sync()
            else:
                self._write()

    def _breathe(self) -> None:
        """Before each thing a thread does: others' writes go on, or this process ends."""
        if self._closed:
            raise ProcessKilled
        if not self._loop.in_thread:
            return
        disk = self._disk
        if disk.kill_in is not None:
            disk.kill_in -= 1
            if disk.kill_in <= 0 and PROCESS.get() is self._process:
                disk.kill_in = None
                raise ProcessKilled
        for other in disk.handles:
            if other is not self and other._queue and self._rng.randrange(3) == 0:
                self._for(other, other._sync if other._written else other._write)

    def _for(self, other: Handle, step: Callable[[], None]) -> None:
        """A step of another process's writer."""
        in_thread, self._loop.in_thread = self._loop.in_thread, False
        try:
            other._process.context.run(step)
        finally:
            self._loop.in_thread = in_thread

    # Reading

    def _reading(self) -> None:
        self._breathe()
        self._disk.check_read()

    def heads(self, partitions: Collection[int] | None = None) -> dict[int, Head]:
        self._reading()
        logs = self._disk.logs
        wanted = range(self.partitions) if partitions is None else partitions
        return {p: Head(len(logs[p]), logs[p][-1][0]) for p in wanted if logs.get(p)}

    def starts(self, partitions: Collection[int] | None = None) -> dict[int, int]:
        return dict.fromkeys(self.heads(partitions), 1)

    def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
        self._reading()
        first = max(from_seq - 1, 1)
        records = chain(self._rows(partition, first), partition, first)
        if first < from_seq:
            next(records, None)
        return records

    def _rows(self, partition: int, first: int) -> Iterator[tuple[int, bytes, bytes]]:
        log = self._disk.logs.get(partition, [])
        if first > len(log) + 1:
            raise DroppedRecord(partition, first, "not there")
        while first <= len(log):
            yield (first, *log[first - 1])
            first += 1

    def manifests(self, partition: int) -> list[ManifestHead]:
        self._reading()
        found = self._disk.manifests.get(partition, {})
        return [ManifestHead(s, found[s].now_ms, len(found[s].content)) for s in sorted(found)]

    def manifest(self, partition: int, seq: int | None = None) -> StoredManifest | None:
        self._reading()
        found = self._disk.manifests.get(partition, {})
        wanted = [one for one in found if seq is None or one <= seq]
        return found[max(wanted)] if wanted else None

    def chunks(self, partition: int | None, ids: Collection[bytes]) -> dict[bytes, bytes]:
        self._reading()
        places = range(self.partitions) if partition is None else (partition,)
        stored = self._disk.stored_chunks
        found = {i: stored[p, i] for i in ids for p in places if (p, i) in stored}
        for chunk_id in ids:
            if chunk_id not in found:
                raise MissingChunk(partition, 0, "missing", chunk_id)
        return found

    def chunk_ids(self, partition: int) -> set[bytes]:
        self._reading()
        return {chunk_id for at, chunk_id in self._disk.stored_chunks if at == partition}

    def tail_sizes(self) -> dict[int, int]:
        raise NotImplementedError("asked by nobody who serves")


def _resolve(future: Future[Any], result: Any) -> None:
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)


def _restore(mapping: dict[Any, Any], keys: Collection[Any]) -> Undo:
    """Puts back what these keys have now."""
    before = {key: mapping[key] for key in keys if key in mapping}
    affected = list(keys)

    def undo() -> None:
        for key in affected:
            mapping.pop(key, None)
        mapping.update(before)

    return undo
