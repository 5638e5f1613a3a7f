"""Reads a data directory, also one that another process serves (docs/formats.md, "Data directory").

Keeps a few connections open, all read-only. No read transaction stays open between two calls, nor
between two batches of records.
"""

import sqlite3
import weakref
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from fenliu.journal.base import Head, ManifestHead
from fenliu.journal.directory import (
    DATABASE,
    SNAPSHOTS_SINCE,
    connect_read_only,
    read_meta,
    schema_version,
    storage_errors,
)
from fenliu.journal.errors import (
    CorruptRecord,
    CorruptSnapshot,
    DroppedRecord,
    IncompatibleDirectory,
    MissingChunk,
)
from fenliu.journal.record import Record, chain
from fenliu.journal.stored import StoredManifest, unpack_chunk, unpack_manifest
from fenliu.journal.wal import damage

_KEPT_CONNECTIONS = 8
_READ_AT_ONCE = 64  # records
_READ_BYTES = 2**20  # nor are more bytes held than one record beyond these
_FAULTS = 10  # damaged snapshots named at most

_HEAD = "SELECT seq, append_id FROM records WHERE partition = ? ORDER BY seq DESC LIMIT 1"
_START = "SELECT min(seq) FROM records WHERE partition = ?"
_READ = """SELECT seq, append_id, record FROM records
WHERE partition = ? AND seq >= ? ORDER BY seq LIMIT ?"""
_STRAYS = "SELECT DISTINCT partition FROM {} WHERE partition NOT BETWEEN 0 AND ?"
_MANIFESTS = "SELECT seq, now_ms, length(manifest) FROM manifests WHERE partition = ? ORDER BY seq"
_MANIFEST = """SELECT seq, now_ms, manifest FROM manifests
WHERE partition = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"""
_CHUNK = "SELECT partition, chunk FROM chunks WHERE partition = ? AND id = ?"
_CHUNK_ANYWHERE = "SELECT partition, chunk FROM chunks WHERE id = ? LIMIT 1"
_CHUNK_IDS = "SELECT id FROM chunks WHERE partition = ?"
_SNAPSHOT_END = "SELECT coalesce(max(seq), 0) FROM manifests WHERE partition = ?"
_TAIL = "SELECT coalesce(sum(length(record)), 0) FROM records WHERE partition = ? AND seq > ?"
_ANY_SEQ = 2**63 - 1
_NO_HEAD = Head(0, b"")


class SqliteReader:
    """Reads a data directory, or a backup's file; another process may be writing to it.

    `close` is only for letting go of its files at once. Raises IncompatibleDirectory when there is none
    or it is newer than this program, StorageError.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory if directory.is_file() else directory / DATABASE
        if not self.database.is_file():
            raise IncompatibleDirectory(f"{directory}: no data directory (no {DATABASE} in it)")
        self._idle: deque[sqlite3.Connection] = deque()
        self._let_go = weakref.finalize(self, _close_all, self._idle)
        with self._reading() as connection:
            meta = read_meta(connection, directory)
        self._schema = int(meta["schema_version"])
        self._partitions = int(meta["partitions"])
        self.data_id = bytes(meta["data_id"])
        """16 random bytes: this directory's name."""
        self.token_key = bytes(meta["token_key"])
        """32 random bytes that sign resume tokens. Secret."""

    @property
    def partitions(self) -> int:
        """As `Reader.partitions`."""
        return self._partitions

    def close(self) -> None:
        """Closes the files that are kept open; what is read later opens them each time."""
        self._let_go()

    def heads(self, partitions: Collection[int] | None = None) -> dict[int, Head]:
        """As `Reader.heads`."""
        with self._reading() as connection:
            rows = {
                partition: connection.execute(_HEAD, (partition,)).fetchall()
                for partition in self._these(partitions)
            }
        return {partition: Head(*row) for partition, found in rows.items() for row in found}

    def starts(self, partitions: Collection[int] | None = None) -> dict[int, int]:
        """As `Reader.starts`."""
        with self._reading() as connection:
            starts = {
                partition: _number(connection, _START, partition)
                for partition in self._these(partitions)
            }
        return {partition: start for partition, start in starts.items() if start is not None}

    def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
        """As `Reader.read`."""
        start = self.starts([partition]).get(partition, 1)
        # The record before is read too, so that the first one asked for is checked against it.
        first = start if from_seq == 1 else max(from_seq - 1, min(start, from_seq))
        records = chain(self._rows(partition, first), partition, first)
        if first < from_seq:
            next(records, None)
        return records

    def manifests(self, partition: int) -> list[ManifestHead]:
        """As `Reader.manifests`."""
        with self._reading() as connection:
            rows = self._snapshot_rows(connection, _MANIFESTS, (partition,))
        return [ManifestHead(*row) for row in rows]

    def manifest(self, partition: int, seq: int | None = None) -> StoredManifest | None:
        """As `Reader.manifest`."""
        up_to = _ANY_SEQ if seq is None else seq
        with self._reading() as connection:
            rows = self._snapshot_rows(connection, _MANIFEST, (partition, up_to))
        for found, now_ms, data in rows:
            return unpack_manifest(data, partition, found, now_ms)
        return None

    def chunks(self, partition: int | None, ids: Collection[bytes]) -> dict[bytes, bytes]:
        """As `Reader.chunks`."""
        query, where = (_CHUNK_ANYWHERE, ()) if partition is None else (_CHUNK, (partition,))
        with self._reading() as connection:
            stored = {
                chunk_id: self._snapshot_rows(connection, query, (*where, chunk_id))
                for chunk_id in ids
            }
        contents = {}
        for chunk_id, rows in stored.items():
            if not rows:
                raise MissingChunk(partition, 0, "missing", chunk_id)
            ((found_in, chunk),) = rows
            contents[chunk_id] = unpack_chunk(chunk, found_in, chunk_id)
        return contents

    def chunk_ids(self, partition: int) -> set[bytes]:
        """As `Reader.chunk_ids`."""
        with self._reading() as connection:
            return {row[0] for row in self._snapshot_rows(connection, _CHUNK_IDS, (partition,))}

    def tail_sizes(self) -> dict[int, int]:
        """As `Reader.tail_sizes`."""
        sizes = {}
        for partition, head in self.heads().items():
            with self._reading() as connection:
                ((end,),) = self._snapshot_rows(connection, _SNAPSHOT_END, (partition,)) or [(0,)]
                # Adding up walks through all the records there are behind.
                size = 0 if end >= head.seq else _number(connection, _TAIL, partition, end)
            sizes[partition] = size or 0
        return sizes

    def faults(self) -> list[str]:
        """What is wrong with the file itself and with snapshots, in words; empty: nothing. Reads all of it.

        What the records say is not looked at: `read` does that; nor are the contents of snapshots. Raises
        StorageError where the file is too damaged to be looked through.
        """
        with self._reading() as connection:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(10)").fetchall()]
            tables = ["records"]
            if self._has_snapshots(connection):
                tables += ["manifests", "chunks"]
            strays = [
                (table, partition)
                for table in tables
                for (partition,) in connection.execute(
                    _STRAYS.format(table), (self._partitions - 1,)
                ).fetchall()
            ]
        damaged = [f"SQLite: {text}" for text in found if text != "ok"]
        with storage_errors(self.directory):
            if lost := damage(self.database):
                damaged.append(lost)
        if not damaged:
            damaged = list(islice(self._damaged_snapshots(), _FAULTS))
        return [
            *damaged,
            *(
                f"{table} of partition {partition}, where there are only {self._partitions}"
                for table, partition in strays
            ),
        ]

    def _damaged_snapshots(self) -> Iterator[str]:
        for partition in range(self._partitions):
            snapshots = self.manifests(partition)
            head = self.heads([partition]).get(partition)  # Read after them: logs grow meanwhile.
            end = head.seq if head is not None else 0
            for kept in snapshots:
                if kept.seq > end:
                    yield f"partition {partition}, snapshot {kept.seq}: the log ends at {end}, before it"
                try:
                    self.manifest(partition, kept.seq)
                except CorruptSnapshot as error:
                    yield str(error)
            for chunk_id in sorted(self.chunk_ids(partition)):
                try:
                    self.chunks(partition, [chunk_id])
                except MissingChunk:  # A server has dropped it meanwhile.
                    continue
                except CorruptSnapshot as error:
                    yield str(error)

    def _these(self, partitions: Collection[int] | None) -> Collection[int]:
        return range(self._partitions) if partitions is None else partitions

    def _rows(self, partition: int, from_seq: int) -> Iterator[tuple[int, bytes, bytes]]:
        more = True
        while more:
            rows: list[tuple[int, bytes, bytes]] = []
            size = 0
            more = False
            with (
                self._reading() as connection,
                closing(connection.execute(_READ, (partition, from_seq, _READ_AT_ONCE))) as found,
            ):
                for row in found:
                    rows.append(row)
                    size += len(row[2])
                    more = len(rows) == _READ_AT_ONCE or size >= _READ_BYTES
                    if more:
                        break
            if not more:
                # Where SQLite's own pages are damaged, it may find fewer than there are.
                end = self.heads([partition]).get(partition, _NO_HEAD).seq
                more = end >= from_seq + len(rows)
                if more and not rows:
                    self._check_dropped(partition, from_seq)
                    raise CorruptRecord(partition, from_seq, f"missing; the log ends at {end}")
            if rows and rows[0][0] > from_seq:
                self._check_dropped(partition, from_seq)
            yield from rows
            from_seq += len(rows)

    def _check_dropped(self, partition: int, seq: int) -> None:
        """Raises DroppedRecord if the log begins behind a record."""
        start = self.starts([partition]).get(partition, 1)
        if start > seq:
            raise DroppedRecord(partition, seq, f"dropped; the log begins at {start}")

    def _snapshot_rows(
        self, connection: sqlite3.Connection, query: str, values: Sequence[int | bytes]
    ) -> list[tuple[Any, ...]]:
        return (
            connection.execute(query, values).fetchall() if self._has_snapshots(connection) else []
        )

    def _has_snapshots(self, connection: sqlite3.Connection) -> bool:
        if self._schema < SNAPSHOTS_SINCE:  # A server may have opened it since.
            self._schema = schema_version(connection)
        return self._schema >= SNAPSHOTS_SINCE

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone. Each query is to be read to its end."""
        with storage_errors(self.directory):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = connect_read_only(self.database)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            if len(self._idle) > _KEPT_CONNECTIONS or not self._let_go.alive:
                _close_one(self._idle)


def _close_all(connections: deque[sqlite3.Connection]) -> None:
    while connections:
        _close_one(connections)


def _close_one(connections: deque[sqlite3.Connection]) -> None:
    with suppress(IndexError):  # Another thread was quicker.
        connections.pop().close()


def _number(connection: sqlite3.Connection, query: str, *values: int) -> int | None:
    ((number,),) = connection.execute(query, values).fetchall()
    return None if number is None else int(number)
