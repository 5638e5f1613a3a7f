"""The embedded journal: SQLite in one directory (docs/formats.md, "Data directory").

One thread writes, with a connection of its own, one transaction after the other; appends are another's where the
core has one outside of the interpreter (outside.py), and the two take turns. A third one moves the write-ahead log
into the database, so that commits need not wait for that; only to begin the log anew the writer moves the last of it.
"""

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Literal, Self, TypeVar

from fenliu.failpoints import on_journal_thread, reached
from fenliu.journal import writing
from fenliu.journal.base import Append, Conflict
from fenliu.journal.directory import (
    BUSY_SECONDS,
    DATABASE,
    make_schema,
    storage_errors,
    take_lock,
)
from fenliu.journal.errors import LostCommits
from fenliu.journal.outside import AppenderType, Outside, addresses
from fenliu.journal.reading import SqliteReader
from fenliu.journal.stored import pack_chunk, pack_manifest
from fenliu.journal.wal import damage

log = logging.getLogger(__name__)

DEFAULT_PARTITIONS = 64
MAX_PARTITIONS = 65536

_PAGE_BYTES = 8192
_MOVED_BYTES = (
    4 * 2**20
)  # the write-ahead log is moved into the database when so many more have come
_ANEW_PAGES = 2_048  # and begun anew when it has so many
_CHECKPOINT_PAGES = 4_096  # whatever came between: at the latest then SQLite does both by itself
_KEPT_LOG_BYTES = 64 * 2**20  # and cut back to this when it once grew larger

T = TypeVar("T")

Durability = Literal["full", "relaxed"]
"""When an append is called done: on the disk, or with the operating system (a power cut may lose
the last commits, a crash of the process does not)."""


_SYNCHRONOUS: dict[Durability, str] = {"full": "FULL", "relaxed": "NORMAL"}


class SqliteJournal(SqliteReader):
    """Serves a data directory; `open` makes one."""

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        partitions: int = DEFAULT_PARTITIONS,
        durability: Durability = "full",
    ) -> Self:
        """Takes the directory for this process, making it when it is not there.

        `partitions` (1..65536) is for making one; an existing directory keeps its own number. Raises
        DirectoryInUse when another server runs on it, IncompatibleDirectory when it is newer than
        this program or somebody else's, LostCommits, StorageError, ValueError for an impossible number.
        """
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise ValueError(f"partitions must be within 1..{MAX_PARTITIONS}")
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            lock = take_lock(directory)
            try:
                # With "relaxed" a power cut may leave just what damage does.
                if durability == "full" and (found := damage(directory / DATABASE)):
                    raise LostCommits(directory, found)
                with closing(
                    sqlite3.connect(directory / DATABASE, isolation_level=None)
                ) as connection:
                    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new one
                    make_schema(connection, partitions)
                return cls(directory, durability, lock)
            except BaseException:
                os.close(lock)
                raise

    def __init__(self, directory: Path, durability: Durability, lock: int) -> None:
        """For `open`: the directory is made and `lock` is its open lock file."""
        super().__init__(directory)
        self._durability = durability
        self._lock: int | None = lock
        self._connection: sqlite3.Connection | None = None
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fenliu-journal")
        self._mover = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fenliu-checkpoint")
        self._moving: Future[None] | None = None
        self._unmoved = 0  # bytes, about
        self._counting = threading.Lock()  # held while that is looked at
        self._outside: Outside | None = None
        self._log = directory / f"{DATABASE}-wal"
        self._told_at = 2 * _KEPT_LOG_BYTES  # bytes of it

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        """As `Journal.append`."""

        def work(connection: sqlite3.Connection) -> list[int | Conflict]:
            reached("append-begins")
            results = writing.append(connection, group)
            reached("append-done")
            return results

        size = sum(len(item.record) for item in group)
        if self._outside is not None and len(group) <= writing.APPENDED_AT_ONCE:
            self._move_log(size)
            return self._outside.append(group)
        return self._writer.submit(self._write, work, size)

    def attach(self, loop: asyncio.AbstractEventLoop, make: AppenderType) -> None:
        """From now on a thread outside of the interpreter commits, where it can; its appends are told of on this loop.

        For its thread, as `detach`, which goes before `close`. Raises OSError.
        """
        functions = addresses(make.SQLITE)
        if functions is None or on_journal_thread:
            return
        self._outside = Outside(
            make,
            functions,
            loop,
            database=self.directory / DATABASE,
            busy_s=BUSY_SECONDS,
            setup="; ".join(self._pragmas()),
            insert=writing.APPEND,
            outcomes=lambda group: self._writer.submit(
                self._write, lambda connection: writing.outcomes(connection, group), 0
            ),
        )

    @property
    def outside(self) -> bool:
        """Whether it does."""
        return self._outside is not None

    def detach(self) -> None:
        """Waits for what was handed in; appends are the journal's own thread's again."""
        if self._outside is not None:
            self._outside.close()
            self._outside = None

    def probe(self) -> Future[None]:
        """As `Journal.probe`."""
        return self._submit(writing.probe)

    def put_chunks(
        self, partition: int, chunks: Mapping[bytes, bytes], rules_version: int
    ) -> Future[None]:
        """As `Journal.put_chunks`."""
        stored = {
            chunk_id: pack_chunk(chunk_id, content, rules_version)
            for chunk_id, content in chunks.items()
        }
        size = sum(map(len, stored.values()))
        return self._submit(
            lambda connection: writing.put_chunks(connection, partition, stored), size
        )

    def put_manifest(
        self, partition: int, seq: int, now_ms: int, rules_version: int, content: bytes
    ) -> Future[None]:
        """As `Journal.put_manifest`."""
        stored = pack_manifest(content, rules_version)
        return self._submit(
            lambda connection: writing.put_manifest(connection, partition, seq, now_ms, stored)
        )

    def drop_manifests(self, partition: int, seqs: Collection[int]) -> Future[None]:
        """As `Journal.drop_manifests`."""
        return self._submit(lambda connection: writing.drop_manifests(connection, partition, seqs))

    def drop_chunks(self, partition: int, ids: Collection[bytes]) -> Future[None]:
        """As `Journal.drop_chunks`."""
        return self._submit(lambda connection: writing.drop_chunks(connection, partition, ids))

    def drop_records(self, partition: int, up_to_seq: int, limit: int) -> Future[int]:
        """As `Journal.drop_records`."""
        return self._submit(
            lambda connection: writing.drop_records(connection, partition, up_to_seq, limit)
        )

    def close(self) -> None:
        """Waits for the writes handed in, then gives the directory free; again: does nothing."""
        if self._lock is None:
            return
        super().close()
        self._writer.submit(lambda: None).result()  # else it could hand the mover something yet
        self._mover.shutdown()
        # The writer goes last: so the write-ahead log is moved into the database.
        self._writer.submit(self._disconnect).result()
        self._writer.shutdown()
        os.close(self._lock)  # which unlocks it
        self._lock = None

    def _submit(self, work: Callable[[sqlite3.Connection], T], size: int = 0) -> Future[T]:
        """Has the writer thread do it in one transaction, of about so many bytes."""

        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
            return result

        return self._writer.submit(self._write, transaction, size)

    def _write(self, work: Callable[[sqlite3.Connection], T], size: int) -> T:
        """Runs on the writer thread: `work`, a transaction of about so many bytes (0: not worth counting)."""
        outside = self._outside
        with storage_errors(self.directory), nullcontext() if outside is None else outside.paused():
            try:
                if self._connection is None:
                    self._connection = self._connect()
                result = work(self._connection)
                if size:
                    self._move_log(size)
            except BaseException:
                # Closing ends the transaction; a connection that failed once is not trusted again.
                with suppress(sqlite3.Error):
                    self._disconnect()
                raise
            return result

    def _move_log(self, written: int) -> None:
        """So many bytes more are in the write-ahead log, or will be soon; has it moved when it is time."""
        with self._counting:
            self._unmoved += written + 2 * _PAGE_BYTES
            if self._unmoved >= _MOVED_BYTES and (self._moving is None or self._moving.done()):
                self._unmoved = 0
                self._moving = self._mover.submit(self._move_aside)

    def _move_aside(self) -> None:
        """Runs on a thread of its own: as much as can be moved while commits go on."""
        self._watch_log()
        try:
            with closing(self._connect()) as connection:
                pages = _move(connection)
        except sqlite3.Error as error:  # The writer tries it, too, when there is much more.
            log.warning("%s is not moved into the database now: %s", self._log, error)
            return
        if pages >= _ANEW_PAGES:
            # A log is begun anew when all of it is moved, which is seldom so while commits go on.
            self._writer.submit(self._write, _move, 0)

    def _watch_log(self) -> None:
        """Tells when the write-ahead log grows, because somebody reads for long, and at each doubling."""
        try:
            size = self._log.stat().st_size
        except OSError:  # what is durable stays so, whatever this says
            return
        if size > self._told_at:
            log.warning(
                "%s has grown to %d MiB: a reader that does not end (a backup, a shell) keeps it from being "
                "moved into the database; it shrinks when that one ends",
                self._log,
                size // 2**20,
            )
            self._told_at = 2 * size
        elif size <= _KEPT_LOG_BYTES:
            self._told_at = 2 * _KEPT_LOG_BYTES

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.directory / DATABASE, isolation_level=None, timeout=BUSY_SECONDS
        )
        for pragma in self._pragmas():
            connection.execute(pragma)
        return connection

    def _pragmas(self) -> tuple[str, ...]:
        """Of each connection that writes."""
        return (
            "PRAGMA journal_mode = WAL",
            f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}",
            f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"PRAGMA journal_size_limit = {_KEPT_LOG_BYTES}",
        )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _move(connection: sqlite3.Connection) -> int:
    """Moves what may be moved of the write-ahead log into the database; how many pages the log has.

    Waits for nobody: what somebody reads stays, and nothing is done while somebody else is at it.
    """
    ((_, pages, _),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return int(pages)
