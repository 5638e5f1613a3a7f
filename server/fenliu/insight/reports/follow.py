"""The journal's records into the tables: in bounded batches, each with the place it came to in one transaction.

So it goes on where it stopped, whatever stopped it, and nothing is taken twice. Reads only what is committed
in the journal, which is durable.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fenliu.insight.errors import LogUnreadable
from fenliu.insight.reports.projection import Projection
from fenliu.insight.reports.schema import discard, open_tables
from fenliu.insight.watch import entries
from fenliu.journal import Reader, Record

BATCH_ENTRIES = 4_000
"""A transaction takes about so many entries, at least one record's."""


class Tables:
    """The tables of one journal, being written; begun from nothing if they do not fit it.

    Raises sqlite3.Error, StorageError, and LogUnreadable where the log was cut off before it was read.
    """

    def __init__(self, path: Path, reader: Reader, data_id: bytes) -> None:
        self._path = path
        self._reader = reader
        self._data_id = data_id
        self._connection = open_tables(path, data_id)
        if not self._agrees():
            self.start_over()

    def close(self) -> None:
        """Gives the file free."""
        self._connection.close()

    def catch_up(self) -> int:
        """One batch of each partition that has grown; how many records that were."""
        return sum(
            self._take(partition, head.seq) for partition, head in self._reader.heads().items()
        )

    def start_over(self) -> None:
        """Throws everything away."""
        self._connection.close()
        discard(self._path)
        self._connection = open_tables(self._path, self._data_id)

    def _take(self, partition: int, head: int) -> int:
        if self._position(partition) == head:
            return 0
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            # Read again: another process may be at it, one that does not know yet that it should end.
            taken = self._batch(partition, self._position(partition))
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        return taken

    def _batch(self, partition: int, passed: int) -> int:
        projection = Projection(self._connection, self._reader.partitions)
        taken = seen = 0
        for record in self._records(partition, passed):
            for entry in entries(record):
                projection.take(entry)
            taken += 1
            seen += record.count
            if seen >= BATCH_ENTRIES:
                break
        projection.write()
        if taken:
            self._connection.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                (partition, record.seq, record.checksum),
            )
        return taken

    def _records(self, partition: int, passed: int) -> Iterator[Record]:
        """Those behind the first `passed`; of a log read for the first time, those that are kept."""
        first = self._reader.starts([partition]).get(partition, 1)
        if passed == 0:
            return self._reader.read(partition, 1)  # the first one kept
        if first > passed:  # the record before is needed too
            raise LogUnreadable("records that were not read are not kept any more")
        return self._reader.read(partition, passed + 1)

    def _agrees(self) -> bool:
        """Whether the logs have what was read of them, and go on from there."""
        heads, starts = self._reader.heads(), self._reader.starts()
        for partition, seq, checksum in self._connection.execute("SELECT * FROM positions"):
            if partition not in heads or not starts[partition] <= seq <= heads[partition].seq:
                return False
            # The first one kept cannot be read without its predecessor, unless it has none.
            if starts[partition] < seq or seq == 1:
                record = next(self._reader.read(partition, seq))
                if record.checksum != checksum:
                    return False
        return True

    def _position(self, partition: int) -> int:
        row = self._connection.execute(
            "SELECT seq FROM positions WHERE partition = ?", (partition,)
        ).fetchone()
        return 0 if row is None else int(row[0])
