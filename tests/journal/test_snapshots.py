"""Snapshots in the SQLite journal: what is kept, what is found damaged, and what may be dropped."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from fenliu.journal import (
    ChangeRefused,
    Conflict,
    CorruptSnapshot,
    ManifestHead,
    MissingChunk,
    SqliteJournal,
    SqliteReader,
    StorageError,
    StoredManifest,
)
from journal.test_sqlite import Writer

PARTITION = 4


def chunk(content: bytes) -> tuple[bytes, bytes]:
    return hashlib.sha256(content).digest(), content


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def journal(tmp_path, writer):
    """With ten records in one partition."""
    journal = SqliteJournal.open(tmp_path / "data", partitions=7)
    grow(journal, writer, 1, 10)
    yield journal
    journal.close()


def grow(journal, writer, first, last):
    for seq in range(first, last + 1):
        assert journal.append([writer.next(PARTITION, seq)]).result() == [seq]


def put(journal, seq, content=b"manifest", now_ms=5):
    journal.put_manifest(PARTITION, seq, now_ms, 1, content).result()


def execute(journal, statement):
    with closing(sqlite3.connect(journal.directory / "fenliu.db", isolation_level=None)) as writing:
        return writing.execute(statement).fetchall()


# What is kept


def test_a_new_directory_has_no_snapshots(journal):
    assert journal.manifests(PARTITION) == []
    assert journal.manifest(PARTITION) is None
    assert journal.chunk_ids(PARTITION) == set()
    assert journal.chunks(PARTITION, []) == {}


def test_the_newest_manifest_is_found_or_the_newest_up_to_a_record(journal):
    for seq in (8, 2, 5):
        journal.put_manifest(PARTITION, seq, 100 * seq, 3, b"at %d" % seq).result()
    assert journal.manifests(PARTITION) == [
        ManifestHead(2, 200, 20),
        ManifestHead(5, 500, 20),
        ManifestHead(8, 800, 20),
    ]
    assert journal.manifest(PARTITION) == StoredManifest(PARTITION, 8, 800, 3, b"at 8")
    found = {seq: journal.manifest(PARTITION, seq) for seq in (1, 2, 4, 5, 7, 8, 99)}
    assert {seq: m and m.seq for seq, m in found.items()} == {
        1: None, 2: 2, 4: 2, 5: 5, 7: 5, 8: 8, 99: 8,
    }  # fmt: skip
    assert journal.manifests(PARTITION + 1) == []
    assert journal.manifest(PARTITION + 1) is None


def test_a_manifest_takes_the_place_of_one_of_its_number(journal):
    put(journal, 5, b"first")
    put(journal, 5, b"second")
    assert [head.seq for head in journal.manifests(PARTITION)] == [5]
    assert journal.manifest(PARTITION).content == b"second"


def test_there_is_no_snapshot_ahead_of_its_log(journal):
    for partition, seq, end in ((PARTITION, 11, 10), (PARTITION, 0, 10), (2, 1, 0)):
        with pytest.raises(ChangeRefused, match=f"no snapshot of record {seq} of a log that ends "):
            journal.put_manifest(partition, seq, 1, 1, b"").result()
        with pytest.raises(ChangeRefused, match=f"at {end}$"):
            journal.put_manifest(partition, seq, 1, 1, b"").result()
    assert journal.manifests(PARTITION) == []
    put(journal, 10)
    assert journal.manifest(PARTITION).seq == 10


def test_chunks_are_kept_by_partition_and_given_by_name(journal):
    one, two, empty = chunk(b"one"), chunk(b"two" * 300_000), chunk(b"")
    journal.put_chunks(PARTITION, dict([one, two, empty]), 1).result()
    journal.put_chunks(PARTITION, dict([one]), 1).result()  # again: nothing changes
    journal.put_chunks(PARTITION + 1, dict([one]), 1).result()
    assert journal.chunk_ids(PARTITION) == {one[0], two[0], empty[0]}
    assert journal.chunks(PARTITION, [two[0], one[0]]) == dict([one, two])
    assert journal.chunks(PARTITION, [empty[0]]) == dict([empty])
    assert journal.chunk_ids(PARTITION + 1) == {one[0]}
    assert journal.faults() == []


def test_a_chunk_that_cannot_be_is_refused_at_once(journal):
    long = chunk(bytes(2**20 + 1))
    with pytest.raises(ValueError, match="at most 1048576 bytes"):
        journal.put_chunks(PARTITION, dict([long]), 1)
    with pytest.raises(ValueError, match="its id is not the SHA-256 of its content"):
        journal.put_chunks(PARTITION, {b"x" * 32: b"content"}, 1)
    assert journal.chunk_ids(PARTITION) == set()


def test_all_of_it_is_there_after_closing_and_for_other_readers(journal):
    one = chunk(b"one")
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    put(journal, 7)
    expected = StoredManifest(PARTITION, 7, 5, 1, b"manifest")
    reader = SqliteReader(journal.directory)
    assert (reader.manifest(PARTITION), reader.chunks(PARTITION, [one[0]])) == (
        expected,
        dict([one]),
    )
    reader.close()
    journal.close()
    assert sorted(path.name for path in journal.directory.iterdir()) == ["fenliu.db", "fenliu.lock"]
    again = SqliteJournal.open(journal.directory)
    assert (again.manifest(PARTITION), again.chunks(PARTITION, [one[0]])) == (expected, dict([one]))
    again.close()


def test_tails_are_the_bytes_behind_the_newest_snapshot(journal, writer):
    journal.append([writer.next(6, 1, b"x" * 1000)]).result()
    size = 72 + len(b"entries")
    assert journal.tail_sizes() == {PARTITION: 10 * size, 6: 72 + 1000}
    put(journal, 3)
    put(journal, 8)
    assert journal.tail_sizes() == {PARTITION: 2 * size, 6: 72 + 1000}
    put(journal, 10)
    assert journal.tail_sizes() == {PARTITION: 0, 6: 72 + 1000}


# Damage


# Bytes of a header and of a content: magic, format, rules version, length, checksum, content.
@pytest.mark.parametrize("byte", [1, 5, 7, 9, 13, 17])
def test_flipped_bits_are_found_and_named(journal, byte):
    one = chunk(b"one")
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    put(journal, 7)
    for table, column in (("manifests", "manifest"), ("chunks", "chunk")):
        ((data,),) = execute(journal, f"SELECT {column} FROM {table}")
        flipped = bytearray(data)
        flipped[byte] ^= 4
        execute(journal, f"UPDATE {table} SET {column} = x'{flipped.hex()}'")
    manifest = f"partition {PARTITION}, snapshot 7: "
    part = f"partition {PARTITION}, chunk {one[0].hex()}: "
    with pytest.raises(CorruptSnapshot, match=manifest) as error:
        journal.manifest(PARTITION)
    assert (error.value.partition, error.value.seq, error.value.chunk_id) == (PARTITION, 7, b"")
    with pytest.raises(CorruptSnapshot, match=part) as error:
        journal.chunks(PARTITION, [one[0]])
    assert (error.value.partition, error.value.seq, error.value.chunk_id) == (PARTITION, 0, one[0])
    first, second = journal.faults()
    assert first.startswith(manifest)
    assert second.startswith(part)


def test_what_is_damaged_is_mended_by_writing_it_again(journal):
    one = chunk(b"one")
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    put(journal, 7)
    execute(journal, "UPDATE chunks SET chunk = substr(chunk, 1, 17)")
    execute(journal, "UPDATE manifests SET manifest = substr(manifest, 1, 17)")
    assert len(journal.faults()) == 2
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    put(journal, 7)
    assert journal.faults() == []
    assert journal.chunks(PARTITION, [one[0]]) == dict([one])


def test_a_damaged_manifest_does_not_hide_the_one_before_it(journal):
    put(journal, 3, b"older")
    put(journal, 7, b"newer")
    execute(journal, "UPDATE manifests SET manifest = x'00' WHERE seq = 7")
    with pytest.raises(CorruptSnapshot, match="snapshot 7: only 1 bytes"):
        journal.manifest(PARTITION)
    assert journal.manifest(PARTITION, 6).content == b"older"


def test_a_missing_chunk_is_named(journal):
    one, two = chunk(b"one"), chunk(b"two")
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    with pytest.raises(MissingChunk, match=f"partition 4, chunk {two[0].hex()}: missing"):
        journal.chunks(PARTITION, [one[0], two[0]])


def test_a_log_that_has_lost_its_end_is_a_fault_when_a_snapshot_remembers_it(journal):
    put(journal, 9)
    execute(journal, "DELETE FROM records WHERE seq > 6")
    assert journal.faults() == ["partition 4, snapshot 9: the log ends at 6, before it"]


def test_snapshots_of_partitions_that_are_not_there_are_faults(journal):
    journal.put_chunks(PARTITION, dict([chunk(b"one")]), 1).result()
    put(journal, 9)
    execute(journal, "UPDATE manifests SET partition = 7")
    execute(journal, "UPDATE chunks SET partition = 9")
    assert journal.faults() == [
        "manifests of partition 7, where there are only 7",
        "chunks of partition 9, where there are only 7",
    ]


# Dropping


def test_manifests_and_chunks_are_dropped_by_name(journal):
    one, two = chunk(b"one"), chunk(b"two")
    journal.put_chunks(PARTITION, dict([one, two]), 1).result()
    for seq in (2, 5, 8):
        put(journal, seq)
    journal.drop_manifests(PARTITION, [2, 8, 9]).result()
    journal.drop_chunks(PARTITION, [one[0], b"never there"]).result()
    assert [head.seq for head in journal.manifests(PARTITION)] == [5]
    assert journal.chunk_ids(PARTITION) == {two[0]}


def test_records_are_dropped_oldest_first_and_some_at_a_time(journal, writer):
    put(journal, 8)
    put(journal, 9)
    dropped = [journal.drop_records(PARTITION, 7, 3).result() for _ in range(4)]
    assert dropped == [3, 3, 1, 0]
    assert journal.starts() == {PARTITION: 8}
    assert [record.seq for record in journal.read(PARTITION)] == [8, 9, 10]
    grow(journal, writer, 11, 12)
    assert [record.seq for record in journal.read(PARTITION, 9)] == [9, 10, 11, 12]
    assert journal.faults() == []


@pytest.mark.parametrize(
    ("snapshots", "up_to", "words"),
    [
        ([], 1, "records up to 1 must stay, the oldest snapshot holds them only up to 0"),
        ([4, 9], 5, "records up to 5 must stay, the oldest snapshot holds them only up to 4"),
        ([10], 10, "record 10, the log's last, must stay"),
        ([10], 11, "records up to 11 must stay"),
    ],
)
def test_no_record_is_dropped_that_is_still_needed(journal, snapshots, up_to, words):
    for seq in snapshots:
        put(journal, seq)
    with pytest.raises(ChangeRefused, match=f"partition 4: {words}"):
        journal.drop_records(PARTITION, up_to, 100).result()
    assert [record.seq for record in journal.read(PARTITION)] == list(range(1, 11))


def test_a_log_cut_to_its_last_record_goes_on(journal, writer):
    put(journal, 10)
    assert journal.drop_records(PARTITION, 9, 100).result() == 9
    assert journal.drop_records(PARTITION, 9, 100).result() == 0
    assert journal.append([Writer().next(PARTITION, 10)]).result() == [Conflict(10)]
    grow(journal, writer, 11, 11)
    assert [record.seq for record in journal.read(PARTITION)] == [10, 11]


def test_the_snapshot_that_stands_for_dropped_records_stays(journal):
    put(journal, 5)
    put(journal, 8)
    journal.drop_records(PARTITION, 5, 100).result()
    with pytest.raises(ChangeRefused, match="the log begins at 6; a snapshot of what was before "):
        journal.drop_manifests(PARTITION, [5, 8]).result()
    journal.drop_manifests(PARTITION, [5]).result()
    assert [head.seq for head in journal.manifests(PARTITION)] == [8]


def test_appends_go_in_between_the_drops(journal, writer):
    put(journal, 9)
    drops = [journal.drop_records(PARTITION, 8, 1)]
    appended = [journal.append([writer.next(PARTITION, 11)])]
    drops.append(journal.drop_records(PARTITION, 8, 1))
    appended.append(journal.append([writer.next(PARTITION, 12)]))
    assert [drop.result() for drop in drops] == [1, 1]
    assert [append.result() for append in appended] == [[11], [12]]
    assert [record.seq for record in journal.read(PARTITION)] == list(range(3, 13))


def test_what_was_dropped_leaves_room_for_what_comes(journal):
    contents = [os.urandom(60_000) for _ in range(20)]
    sizes = []
    for content in contents:
        one = chunk(content)
        journal.put_chunks(PARTITION, dict([one]), 1).result()
        journal.drop_chunks(PARTITION, [one[0]]).result()
        ((pages,),) = execute(journal, "PRAGMA page_count")
        sizes.append(pages)
    assert sizes[-1] == sizes[0]


# Readers and the writer


def test_a_reader_gets_a_chunk_whole_or_hears_that_it_is_missing(journal):
    reader = SqliteReader(journal.directory)
    one = chunk(b"x" * 500_000)
    ready, dropped_last = threading.Barrier(4), threading.Event()

    def read() -> None:
        ready.wait()
        while True:
            last = dropped_last.is_set()
            try:
                assert reader.chunks(PARTITION, [one[0]]) == dict([one])
            except MissingChunk:
                if last:
                    return
            assert not last

    with ThreadPoolExecutor(3) as threads:
        readings = [threads.submit(read) for _ in range(3)]
        ready.wait()
        for _ in range(30):
            journal.put_chunks(PARTITION, dict([one]), 1).result()
            journal.drop_chunks(PARTITION, [one[0]]).result()
        dropped_last.set()
        for reading in readings:
            reading.result()
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    assert reader.chunks(PARTITION, [one[0]]) == dict([one])
    reader.close()


def test_connections_are_kept_for_reading_until_it_is_closed(journal, monkeypatch):
    one = chunk(b"one")
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    reader = SqliteReader(journal.directory)
    opened = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **kw: opened.append(connect(*args, **kw)) or opened[-1]
    )
    with ThreadPoolExecutor(3) as threads:
        for _ in range(50):
            list(threads.map(lambda _: reader.chunks(PARTITION, [one[0]]), range(10)))
            list(threads.map(lambda _: list(reader.read(PARTITION)), range(10)))
    assert len(opened) <= 3
    reader.close()
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
    assert reader.chunks(PARTITION, [one[0]]) == dict([one])  # a closed one opens anew
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[-1].execute("SELECT 1")


def test_kept_connections_hold_no_old_state_open(journal, writer):
    one = chunk(b"one")
    journal.put_chunks(PARTITION, dict([one]), 1).result()
    put(journal, 9)
    reader = SqliteReader(journal.directory)
    records = reader.read(PARTITION)  # and not to its end
    next(records)
    with pytest.raises(MissingChunk):
        reader.chunks(PARTITION, [one[0], b"x" * 32])
    reader.heads(), reader.starts(), reader.manifests(PARTITION), reader.manifest(PARTITION)
    reader.tail_sizes(), reader.chunk_ids(PARTITION), reader.faults()
    grow(journal, writer, 11, 12)
    ((busy, _, _),) = execute(journal, "PRAGMA wal_checkpoint(TRUNCATE)")
    assert busy == 0
    reader.close()


def test_a_full_disk_leaves_what_was_there(tmp_path, writer):
    class Small(SqliteJournal):
        pages = 24

        def _connect(self):
            connection = super()._connect()
            connection.execute(f"PRAGMA max_page_count = {self.pages}")
            return connection

    journal = Small.open(tmp_path, partitions=7)
    grow(journal, writer, 1, 2)
    put(journal, 1, b"older")
    one, two = chunk(b"one"), chunk(Random(1).randbytes(200_000))
    with pytest.raises(StorageError, match="database or disk is full"):
        journal.put_chunks(PARTITION, dict([one, two]), 1).result()
    with pytest.raises(StorageError, match="database or disk is full"):
        journal.put_manifest(PARTITION, 2, 5, 1, b"x" * 200_000).result()
    assert journal.chunk_ids(PARTITION) == set()
    assert journal.manifest(PARTITION).content == b"older"
    Small.pages = 1_000_000
    journal.put_chunks(PARTITION, dict([one, two]), 1).result()
    assert journal.chunks(PARTITION, [one[0], two[0]]) == dict([one, two])
    journal.close()


def test_a_server_killed_between_chunks_and_manifest_leaves_the_snapshot_before(tmp_path):
    program = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from journal.test_snapshots import PARTITION, SqliteJournal, Writer, chunk, grow, put
        journal, writer = SqliteJournal.open(Path({str(tmp_path)!r}), partitions=7), Writer()
        grow(journal, writer, 1, 5)
        journal.put_chunks(PARTITION, dict([chunk(b"of the first")]), 1).result()
        put(journal, 4, b"first")
        journal.put_chunks(PARTITION, dict([chunk(b"of the second")]), 1).result()
        print("chunks are there", flush=True)
        time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "chunks are there\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    journal = SqliteJournal.open(tmp_path)
    assert journal.faults() == []
    assert journal.manifest(PARTITION).content == b"first"
    first, second = chunk(b"of the first"), chunk(b"of the second")
    assert journal.chunks(PARTITION, [first[0]]) == dict([first])
    journal.put_chunks(PARTITION, dict([second]), 1).result()
    put(journal, 5, b"second")
    assert journal.manifest(PARTITION).content == b"second"
    assert journal.chunks(PARTITION, [second[0]]) == dict([second])
    journal.close()
