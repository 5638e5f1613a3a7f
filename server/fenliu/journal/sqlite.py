"""The embedded journal: SQLite in one directory (docs/formats.md, "Data directory").

One thread writes, with a connection of its own, one transaction after the other.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal, Self, TypeVar

from fenliu.failpoints import reached
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
from fenliu.journal.reading import SqliteReader
from fenliu.journal.stored import pack_chunk, pack_manifest
from fenliu.journal.wal import damage

log = logging.getLogger(__name__)

DEFAULT_PARTITIONS = 64
MAX_PARTITIONS = 65536

_PAGE_BYTES = 8192
_CHECKPOINT_PAGES = 512  # the write-ahead log is moved into the database when it has this many
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
        self._log = directory / f"{DATABASE}-wal"
        self._told_at = 2 * _KEPT_LOG_BYTES  # bytes of it

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        """As `Journal.append`."""

        def work(connection: sqlite3.Connection) -> list[int | Conflict]:
            reached("append-begins")
            results = writing.append(connection, group)
            reached("append-done")
            return results

        return self._writer.submit(self._write, work)

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
        return self._submit(lambda connection: writing.put_chunks(connection, partition, stored))

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
        super().close()  # The writer goes last: so the write-ahead log is moved into the database.
        self._writer.submit(self._disconnect).result()
        self._writer.shutdown()
        os.close(self._lock)  # which unlocks it
        self._lock = None

    def _submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Has the writer thread do it in one transaction."""

        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
            return result

        return self._writer.submit(self._write, transaction)

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs on the writer thread: `work`, a transaction."""
        with storage_errors(self.directory):
            try:
                if self._connection is None:
                    self._connection = self._connect()
                result = work(self._connection)
                self._watch_log()
            except BaseException:
                # Closing ends the transaction; a connection that failed once is not trusted again.
                with suppress(sqlite3.Error):
                    self._disconnect()
                raise
            return result

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
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_KEPT_LOG_BYTES}")
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
