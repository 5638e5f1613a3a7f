"""A data directory: its lock, its database's tables and what it is (docs/formats.md, "Data directory").

Knows which tables there are; nothing of what is in them but `meta`.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fenliu.journal.errors import DirectoryInUse, IncompatibleDirectory, NewerVersion, StorageError

SCHEMA_VERSION = 4
SNAPSHOTS_SINCE = 2
"""The first schema that has tables for manifests and chunks."""
DATABASE = "fenliu.db"
LOCK = "fenliu.lock"
BUSY_SECONDS = 5.0
"""How long a call waits for somebody else's, e.g. a write for a backup's."""

_SNAPSHOTS = (
    """CREATE TABLE manifests (
  partition INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  now_ms    INTEGER NOT NULL,
  manifest  BLOB    NOT NULL,
  PRIMARY KEY (partition, seq)
)""",
    """CREATE TABLE chunks (
  partition INTEGER NOT NULL,
  id        BLOB    NOT NULL,
  chunk     BLOB    NOT NULL,
  PRIMARY KEY (partition, id)
)""",
    "CREATE INDEX chunks_by_id ON chunks (id)",
)
_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE records (
  partition INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  append_id BLOB    NOT NULL,
  record    BLOB    NOT NULL,
  PRIMARY KEY (partition, seq)
)""",
    *_SNAPSHOTS,
)
_META = {"schema_version", "partitions", "data_id", "token_key"}
_VERSION = "SELECT value FROM meta WHERE key = 'schema_version'"


def make_schema(connection: sqlite3.Connection, partitions: int) -> None:
    """Makes an empty database a journal's, and brings an older journal's to this schema; raises sqlite3.Error.

    All or nothing. Anything else is left as it is.
    """
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
    elif _has_meta(connection) and 1 <= (version := schema_version(connection)) < SCHEMA_VERSION:
        # From 2 to 3 nothing changes but that there may be records of format 2, from 3 to 4 chunks of it.
        for statement in _SNAPSHOTS if version < SNAPSHOTS_SINCE else ():
            connection.execute(statement)
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'schema_version'", (SCHEMA_VERSION,)
        )
    connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    """The schema of a journal's database now, 0 if it does not say; raises sqlite3.Error."""
    rows = connection.execute(_VERSION).fetchall()
    return int(rows[0][0]) if rows else 0


def read_meta(connection: sqlite3.Connection, directory: Path) -> dict[str, int | bytes]:
    """The rows of `meta`, all that there must be.

    Raises IncompatibleDirectory when it is newer than this program or no journal, StorageError, sqlite3.Error.
    """
    if not _has_meta(connection):
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


def _has_meta(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchall()
    return bool(found)


def connect_read_only(database: Path) -> sqlite3.Connection:
    """A connection for reading, for one thread at a time; raises sqlite3.Error."""
    return sqlite3.connect(
        f"{database.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
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
