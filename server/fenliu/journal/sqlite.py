"""The embedded journal: SQLite in one directory (docs/formats.md, "Data directory").

One thread writes, with a connection of its own; readers open theirs, read-only, also on a directory
that another process serves.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal, Self, TypeVar

from fenliu.journal.base import Append, Conflict, Head
from fenliu.journal.errors import DirectoryInUse, IncompatibleDirectory, NewerVersion, StorageError
from fenliu.journal.record import Record, chain

SCHEMA_VERSION = 1
DEFAULT_PARTITIONS = 64
MAX_PARTITIONS = 65536
DATABASE = "fenliu.db"
LOCK = "fenliu.lock"

_BUSY_SECONDS = 5.0  # how long a write waits for somebody else's, e.g. a backup's
_CHECKPOINT_PAGES = 1000  # the write-ahead log is moved into the database when it has this many
_KEPT_LOG_BYTES = 64 * 2**20  # and cut back to this when it once grew larger
_READ_AT_ONCE = 64  # records; no read transaction stays open between them
_READ_BYTES = 2**20  # nor are more bytes held than one record beyond these

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE records (
  partition INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  append_id BLOB    NOT NULL,
  record    BLOB    NOT NULL,
  PRIMARY KEY (partition, seq)
) WITHOUT ROWID""",
)
_META = {"schema_version", "partitions", "data_id", "token_key"}
_HEAD = "SELECT seq, append_id FROM records WHERE partition = ? ORDER BY seq DESC LIMIT 1"
_START = "SELECT min(seq) FROM records WHERE partition = ?"
_READ = """SELECT seq, append_id, record FROM records
WHERE partition = ? AND seq >= ? ORDER BY seq LIMIT ?"""
_APPEND = """INSERT INTO records (partition, seq, append_id, record)
SELECT :partition, :seq + 1, :append_id, :record
WHERE coalesce((SELECT max(seq) FROM records WHERE partition = :partition), 0) = :seq"""
_STRAYS = "SELECT DISTINCT partition FROM records WHERE partition NOT BETWEEN 0 AND ?"
_PROBE = "UPDATE meta SET value = value WHERE key = 'schema_version'"

T = TypeVar("T")

Durability = Literal["full", "relaxed"]
"""When an append is called done: on the disk, or with the operating system (a power cut may lose
the last commits, a crash of the process does not)."""


_SYNCHRONOUS: dict[Durability, str] = {"full": "FULL", "relaxed": "NORMAL"}


class SqliteReader:
    """Reads a data directory, or a backup's file; another process may be writing to it.

    Raises IncompatibleDirectory when there is none or it is newer than this program, StorageError.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory if directory.is_file() else directory / DATABASE
        if not self.database.is_file():
            raise IncompatibleDirectory(f"{directory}: no data directory (no {DATABASE} in it)")
        with self._reading() as connection:
            meta = _read_meta(connection, directory)
        self._partitions = int(meta["partitions"])
        self.data_id = bytes(meta["data_id"])
        """16 random bytes: this directory's name."""
        self.token_key = bytes(meta["token_key"])
        """32 random bytes that sign resume tokens. Secret."""

    @property
    def partitions(self) -> int:
        """As `Reader.partitions`."""
        return self._partitions

    def heads(self, partitions: Collection[int] | None = None) -> dict[int, Head]:
        """As `Reader.heads`."""
        with self._reading() as connection:
            rows = {
                partition: connection.execute(_HEAD, (partition,)).fetchone()
                for partition in (range(self._partitions) if partitions is None else partitions)
            }
        return {partition: Head(*row) for partition, row in rows.items() if row is not None}

    def starts(self, partitions: Collection[int] | None = None) -> dict[int, int]:
        """As `Reader.starts`."""
        with self._reading() as connection:
            starts = {
                partition: connection.execute(_START, (partition,)).fetchone()[0]
                for partition in (range(self._partitions) if partitions is None else partitions)
            }
        return {partition: start for partition, start in starts.items() if start is not None}

    def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
        """As `Reader.read`."""
        if from_seq == 1:
            return chain(self._rows(partition, 1), partition, 1)
        # The record before is read too, so that the first one asked for is checked against it.
        records = chain(self._rows(partition, from_seq - 1), partition, from_seq - 1)
        next(records, None)
        return records

    def faults(self) -> list[str]:
        """What is wrong with the file itself, in words; empty: nothing. Reads all of it.

        What the records say is not looked at: `read` does that. Raises StorageError where the file is
        too damaged to be looked through.
        """
        with self._reading() as connection:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(10)")]
            strays = connection.execute(_STRAYS, (self._partitions - 1,)).fetchall()
        return [
            *(f"SQLite: {text}" for text in found if text != "ok"),
            *(
                f"records of partition {partition}, where there are only {self._partitions}"
                for (partition,) in strays
            ),
        ]

    def _rows(self, partition: int, from_seq: int) -> Iterator[tuple[int, bytes, bytes]]:
        more = True
        while more:
            rows: list[tuple[int, bytes, bytes]] = []
            size = 0
            more = False
            with self._reading() as connection:
                for row in connection.execute(_READ, (partition, from_seq, _READ_AT_ONCE)):
                    rows.append(row)
                    size += len(row[2])
                    more = len(rows) == _READ_AT_ONCE or size >= _READ_BYTES
                    if more:
                        break
            yield from rows
            from_seq += len(rows)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with (
            storage_errors(self.directory),
            closing(connect_read_only(self.database)) as connection,
        ):
            yield connection


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
        this program or somebody else's, StorageError, ValueError for an impossible number.
        """
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise ValueError(f"partitions must be within 1..{MAX_PARTITIONS}")
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            lock = take_lock(directory)
            try:
                with closing(
                    sqlite3.connect(directory / DATABASE, isolation_level=None)
                ) as connection:
                    _make_schema(connection, partitions)
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

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        """As `Journal.append`."""
        return self._writer.submit(self._write, lambda connection: _append(connection, group))

    def probe(self) -> Future[None]:
        """As `Journal.probe`."""
        return self._writer.submit(self._write, _probe)

    def close(self) -> None:
        """Waits for the appends handed in, then gives the directory free; again: does nothing."""
        if self._lock is None:
            return
        self._writer.submit(self._disconnect).result()
        self._writer.shutdown()
        os.close(self._lock)  # which unlocks it
        self._lock = None

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs on the writer thread: `work` in one transaction."""
        with storage_errors(self.directory):
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.execute("BEGIN IMMEDIATE")
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                # Closing ends the transaction; a connection that failed once is not trusted again.
                with suppress(sqlite3.Error):
                    self._disconnect()
                raise
            return result

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.directory / DATABASE, isolation_level=None, timeout=_BUSY_SECONDS
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


def _append(connection: sqlite3.Connection, group: Sequence[Append]) -> list[int | Conflict]:
    results: list[int | Conflict] = []
    for item in group:
        row = {
            "partition": item.partition,
            "seq": item.expected_seq,
            "append_id": item.append_id,
            "record": item.record,
        }
        if connection.execute(_APPEND, row).rowcount == 1:
            results.append(item.expected_seq + 1)
        else:
            head = connection.execute(_HEAD, (item.partition,)).fetchone()
            results.append(Conflict(head[0] if head else 0))
    return results


def _probe(connection: sqlite3.Connection) -> None:
    connection.execute(_PROBE)


def _make_schema(connection: sqlite3.Connection, partitions: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in _SCHEMA:
            connection.execute(statement)
        meta = {
            "schema_version": SCHEMA_VERSION,
            "partitions": partitions,
            **new_identity(),
        }
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta.items())
    connection.execute("COMMIT")


def _read_meta(connection: sqlite3.Connection, directory: Path) -> dict[str, int | bytes]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
        raise IncompatibleDirectory(f"{directory}: the database is no journal of Fenliu's")
    meta: dict[str, int | bytes] = dict(connection.execute("SELECT key, value FROM meta"))
    version = int(meta.get("schema_version", 0))
    if version > SCHEMA_VERSION:
        raise NewerVersion(
            f"{directory}: written by a newer version (schema {version}; "
            f"this one knows {SCHEMA_VERSION})"
        )
    if missing := _META - meta.keys():
        raise StorageError(f"{directory}: meta has lost {', '.join(sorted(missing))}")
    return meta


def connect_read_only(database: Path) -> sqlite3.Connection:
    """A connection for reading; raises sqlite3.Error."""
    return sqlite3.connect(
        f"{database.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
    )


def new_identity() -> dict[str, bytes]:
    """The rows of `meta` that make a directory itself and no other."""
    return {"data_id": secrets.token_bytes(16), "token_key": secrets.token_bytes(32)}


def take_lock(directory: Path) -> int:
    """The open, locked lock file; its text is the process that holds it. Raises DirectoryInUse."""
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(lock, 32).decode(errors="replace").strip()
        os.close(lock)
        raise DirectoryInUse(f"{directory}: another server (process {holder}) uses it") from error
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


@contextmanager
def storage_errors(directory: Path) -> Iterator[None]:
    """Turns what SQLite and the system say of a data directory into StorageError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{directory}: {error}") from error
