"""What a journal's writer does to its tables, each in the transaction of its caller but for `append`.

All raise sqlite3.Error.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from fenliu.failpoints import reached
from fenliu.journal.base import Append, Conflict
from fenliu.journal.errors import ChangeRefused

APPEND = """INSERT INTO records (partition, seq, append_id, record)
SELECT column1, column2 + 1, column3, column4 FROM (VALUES {rows})
WHERE coalesce((SELECT max(seq) FROM records WHERE partition = column1), 0) = column2"""
"""Appends a whole group in one statement, so that a commit is one call of SQLite's; `rows`: "(?, ?, ?, ?)" for each."""
APPENDED_AT_ONCE = 1024
"""Records in it at most; SQLite takes 32766 values."""
_APPENDED = "SELECT 1 FROM records WHERE partition = ? AND seq = ? AND append_id = ?"
_PROBE = "INSERT INTO meta (key, value) VALUES ('probe', zeroblob(16384))"
_UNPROBE = "DELETE FROM meta WHERE key = 'probe'"
# One by one, since SQLite looks through all the records for both in one.
_ENDS = """SELECT (SELECT min(seq) FROM records WHERE partition = :partition),
(SELECT max(seq) FROM records WHERE partition = :partition)"""
_OLDEST_SNAPSHOT = "SELECT min(seq) FROM manifests WHERE partition = ?"
_NEWEST_SNAPSHOT = "SELECT max(seq) FROM manifests WHERE partition = ?"
_PUT_CHUNK = "REPLACE INTO chunks (partition, id, chunk) VALUES (?, ?, ?)"
_PUT_MANIFEST = "REPLACE INTO manifests (partition, seq, now_ms, manifest) VALUES (?, ?, ?, ?)"
_DROP_CHUNK = "DELETE FROM chunks WHERE partition = ? AND id = ?"
_DROP_MANIFEST = "DELETE FROM manifests WHERE partition = ? AND seq = ?"
_DROP_RECORDS = "DELETE FROM records WHERE partition = ? AND seq BETWEEN ? AND ?"


def append(connection: sqlite3.Connection, group: Sequence[Append]) -> list[int | Conflict]:
    """As `Journal.append`, in a transaction of its own."""
    if len(group) <= APPENDED_AT_ONCE:
        return _append(connection, group)
    connection.execute("BEGIN IMMEDIATE")
    results: list[int | Conflict] = []
    for start in range(0, len(group), APPENDED_AT_ONCE):
        results += _append(connection, group[start : start + APPENDED_AT_ONCE])
    connection.execute("COMMIT")
    return results


def _append(connection: sqlite3.Connection, group: Sequence[Append]) -> list[int | Conflict]:
    values = [
        value
        for item in group
        for value in (item.partition, item.expected_seq, item.append_id, item.record)
    ]
    statement = APPEND.format(rows=",".join(["(?, ?, ?, ?)"] * len(group)))
    if connection.execute(statement, values).rowcount == len(group):
        return [item.expected_seq + 1 for item in group]
    return outcomes(connection, group)


def outcomes(connection: sqlite3.Connection, group: Sequence[Append]) -> list[int | Conflict]:
    """What became of a group of which not all went in."""
    return [
        item.expected_seq + 1
        if connection.execute(
            _APPENDED, (item.partition, item.expected_seq + 1, item.append_id)
        ).fetchall()
        else Conflict(_ends(connection, item.partition)[1])
        for item in group
    ]


def probe(connection: sqlite3.Connection) -> None:
    """As `Journal.probe`. Commits between; a row left by a process that ended there is as good as none."""
    # Something that is there, and is gone again: writing what is there already writes nothing.
    connection.execute(_UNPROBE)
    connection.execute(_PROBE)
    connection.execute("COMMIT")
    reached("probe-written")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_UNPROBE)


def put_chunks(
    connection: sqlite3.Connection, partition: int, stored: Mapping[bytes, bytes]
) -> None:
    """As `Journal.put_chunks`, of chunks that are packed."""
    # Written anew also where there is one: that one may be damaged.
    connection.executemany(
        _PUT_CHUNK, [(partition, chunk_id, chunk) for chunk_id, chunk in stored.items()]
    )


def put_manifest(
    connection: sqlite3.Connection, partition: int, seq: int, now_ms: int, stored: bytes
) -> None:
    """As `Journal.put_manifest`, of one that is packed."""
    _, end = _ends(connection, partition)
    if not 1 <= seq <= end:
        raise ChangeRefused(
            f"partition {partition}: no snapshot of record {seq} of a log that ends at {end}"
        )
    connection.execute(_PUT_MANIFEST, (partition, seq, now_ms, stored))


def drop_manifests(connection: sqlite3.Connection, partition: int, seqs: Collection[int]) -> None:
    """As `Journal.drop_manifests`."""
    connection.executemany(_DROP_MANIFEST, [(partition, seq) for seq in seqs])
    start, _ = _ends(connection, partition)
    newest = _one(connection, _NEWEST_SNAPSHOT, partition)
    if start > 1 and newest < start - 1:
        raise ChangeRefused(
            f"partition {partition}: the log begins at {start}; a snapshot of what was before must stay"
        )


def drop_chunks(connection: sqlite3.Connection, partition: int, ids: Collection[bytes]) -> None:
    """As `Journal.drop_chunks`."""
    connection.executemany(_DROP_CHUNK, [(partition, chunk_id) for chunk_id in ids])


def drop_records(connection: sqlite3.Connection, partition: int, up_to_seq: int, limit: int) -> int:
    """As `Journal.drop_records`."""
    start, end = _ends(connection, partition)
    if not 0 < start <= up_to_seq:
        return 0
    oldest = _one(connection, _OLDEST_SNAPSHOT, partition)
    if up_to_seq > oldest:
        raise ChangeRefused(
            f"partition {partition}: records up to {up_to_seq} must stay, "
            f"the oldest snapshot holds them only up to {oldest}"
        )
    if up_to_seq >= end:
        raise ChangeRefused(f"partition {partition}: record {end}, the log's last, must stay")
    last = min(up_to_seq, start + limit - 1)
    return connection.execute(_DROP_RECORDS, (partition, start, last)).rowcount


def _ends(connection: sqlite3.Connection, partition: int) -> tuple[int, int]:
    """The log's first and last number; 0, 0: it has no records."""
    ((start, end),) = connection.execute(_ENDS, {"partition": partition}).fetchall()
    return start or 0, end or 0


def _one(connection: sqlite3.Connection, query: str, partition: int) -> int:
    ((number,),) = connection.execute(query, (partition,)).fetchall()
    return number or 0
