"""The SQLite journal: swaps, heads, what is refused and what survives."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from fenliu.journal import (
    Append,
    Conflict,
    CorruptRecord,
    DirectoryInUse,
    DroppedRecord,
    Head,
    IncompatibleDirectory,
    SqliteJournal,
    SqliteReader,
    StorageError,
    pack,
    sqlite,
)


class Writer:
    """Packs records that follow each other, as a server would."""

    def __init__(self) -> None:
        self.checksums = {}
        self.appended = 0

    def next(self, partition: int, seq: int, entries: bytes = b"entries") -> Append:
        self.appended += 1
        append_id = self.appended.to_bytes(16, "big")
        record, self.checksums[partition, seq] = pack(
            rules_version=1,
            append_id=append_id,
            writer=b"w" * 16,
            now_ms=1,
            count=1,
            seq=seq,
            partition=partition,
            predecessor=self.checksums.get((partition, seq - 1), 0),
            entries=entries,
        )
        return Append(partition, seq - 1, append_id, record)


@pytest.fixture
def journal(tmp_path, appends):
    with appends(SqliteJournal.open(tmp_path / "data")) as journal:
        yield journal


def database(journal) -> sqlite3.Connection:
    return sqlite3.connect(journal.directory / "fenliu.db", isolation_level=None)


def test_a_group_goes_in_together_and_is_read_back_in_order(journal):
    writer = Writer()
    assert journal.append([writer.next(0, 1), writer.next(63, 1)]).result() == [1, 1]
    assert journal.append([writer.next(0, 2, b"second")]).result() == [2]
    assert [(r.seq, r.entries) for r in journal.read(0)] == [(1, b"entries"), (2, b"second")]
    assert [r.seq for r in journal.read(0, from_seq=2)] == [2]
    assert list(journal.read(0, from_seq=3)) == []
    assert list(journal.read(1)) == []


def test_starts_are_the_first_records_kept(journal):
    writer = Writer()
    for seq in range(1, 5):
        journal.append([writer.next(3, seq), writer.next(9, seq)]).result()
    assert journal.starts() == {3: 1, 9: 1}
    with closing(database(journal)) as connection:
        connection.execute("DELETE FROM records WHERE partition = 9 AND seq < 3")
    assert journal.starts([4, 9]) == {9: 3}
    assert [r.seq for r in journal.read(9, from_seq=4)] == [4]
    assert [r.seq for r in journal.read(9, from_seq=3)] == [3, 4]


def test_a_log_whose_beginning_is_gone_is_read_from_its_start(journal):
    writer = Writer()
    for seq in range(1, 200):
        last = journal.append([writer.next(9, seq)])
    last.result()
    with closing(database(journal)) as connection:
        connection.execute("DELETE FROM records WHERE seq < 30")
    assert [r.seq for r in journal.read(9)] == list(range(30, 200))
    with pytest.raises(DroppedRecord, match="partition 9, record 7: dropped; the log begins at 30"):
        list(journal.read(9, from_seq=7))


def test_a_log_that_is_cut_back_further_than_it_was_read_says_so(journal):
    writer = Writer()
    for seq in range(1, 200):
        last = journal.append([writer.next(9, seq)])
    last.result()
    records = journal.read(9)
    assert next(records).seq == 1
    with closing(database(journal)) as connection:
        connection.execute("DELETE FROM records WHERE seq < 150")
    with pytest.raises(DroppedRecord, match=r"record \d+: dropped; the log begins at 150"):
        list(records)


def test_records_lost_in_the_middle_are_missing_not_dropped(journal):
    writer = Writer()
    for seq in range(1, 200):
        last = journal.append([writer.next(9, seq)])
    last.result()
    with closing(database(journal)) as connection:
        connection.execute("DELETE FROM records WHERE seq BETWEEN 65 AND 150")
    for from_seq in (1, 66, 100):
        with pytest.raises(CorruptRecord, match="missing; the next one found is 151") as error:
            list(journal.read(9, from_seq))
        assert not isinstance(error.value, DroppedRecord)


def test_long_records_are_read_few_at_a_time_and_none_is_missed(journal):
    writer = Writer()
    sizes = [700_000, 700_000, 10, 3_000_000, *[20] * 100]
    for seq, size in enumerate(sizes, start=1):
        journal.append([writer.next(2, seq, b"x" * size)]).result()
    assert [len(r.entries) for r in journal.read(2)] == sizes
    assert [r.seq for r in journal.read(2, from_seq=4)] == list(range(4, len(sizes) + 1))


def test_a_record_goes_in_only_behind_the_one_it_expects(journal):
    writer = Writer()
    journal.append([writer.next(5, 1)]).result()
    too_early, too_late, right = writer.next(5, 1), writer.next(5, 3), writer.next(6, 1)
    assert journal.append([too_early, right]).result() == [Conflict(1), 1]
    assert journal.append([too_late]).result() == [Conflict(1)]
    assert journal.append([writer.next(7, 2)]).result() == [Conflict(0)]
    assert journal.heads() == {5: Head(1, (1).to_bytes(16, "big")), 6: Head(1, right.append_id)}


def test_the_head_names_the_append_that_went_in(journal):
    writer = Writer()
    first, second = writer.next(1, 1), writer.next(1, 2)
    journal.append([first]).result()
    assert journal.heads([1, 2]) == {1: Head(1, first.append_id)}
    journal.append([second]).result()
    assert journal.heads([1, 2]) == {1: Head(2, second.append_id)}


def test_a_long_log_is_read_whole(journal):
    writer = Writer()
    for seq in range(1, 200):
        last = journal.append([writer.next(9, seq, b"%d" % seq)])
    assert last.result() == [199]
    assert [int(r.entries) for r in journal.read(9)] == list(range(1, 200))
    assert [int(r.entries) for r in journal.read(9, from_seq=65)] == list(range(65, 200))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            "UPDATE records SET record = CAST(substr(record, 1, 75) || x'00' || substr(record, 77)"
            " AS BLOB)"
            " WHERE seq = 2",
            r"partition 4, record 2: checksum \w+ where \w+ was written",
        ),
        (
            "UPDATE records SET record = substr(record, 1, 20) WHERE seq = 2",
            "partition 4, record 2: only 20 bytes",
        ),
        ("DELETE FROM records WHERE seq = 2", "partition 4, record 2: missing; the next one"),
        (
            "UPDATE records SET append_id = x'00' WHERE seq = 2",
            "partition 4, record 2: stored under another append id",
        ),
        ("UPDATE records SET partition = 5", "partition 5, record 1: is in truth record 1 of"),
    ],
)
def test_damage_is_refused_and_named(journal, damage, words):
    writer = Writer()
    for seq in (1, 2, 3):
        journal.append([writer.next(4, seq)]).result()
    database(journal).execute(damage)
    with pytest.raises(CorruptRecord, match=words):
        [*journal.read(4), *journal.read(5)]


def test_a_record_that_follows_another_than_the_one_before_it_is_refused(journal):
    writer = Writer()
    journal.append([writer.next(4, 1)]).result()
    stranger = Writer()
    stranger.checksums[4, 1] = 0x12345678
    journal.append([stranger.next(4, 2)]).result()
    with pytest.raises(CorruptRecord, match=r"partition 4, record 2: follows .* 12345678"):
        list(journal.read(4))
    with pytest.raises(CorruptRecord, match=r"partition 4, record 2: follows .* 12345678"):
        list(journal.read(4, from_seq=2))


def test_a_second_server_is_refused(journal):
    with pytest.raises(DirectoryInUse, match=rf"data: another server \(process {os.getpid()}\)"):
        SqliteJournal.open(journal.directory)


def test_a_closed_directory_can_be_served_again_under_its_name(tmp_path):
    first = SqliteJournal.open(tmp_path, partitions=7)
    first.append([Writer().next(6, 1)]).result()
    first.close()
    second = SqliteJournal.open(tmp_path)
    assert (second.partitions, second.data_id, second.token_key) == (
        7,
        first.data_id,
        first.token_key,
    )
    assert [r.seq for r in second.read(6)] == [1]
    second.close()
    second.close()


def test_an_existing_directory_keeps_its_number_of_partitions(tmp_path):
    SqliteJournal.open(tmp_path, partitions=7).close()
    journal = SqliteJournal.open(tmp_path, partitions=8)
    assert journal.partitions == 7
    journal.close()


@pytest.mark.parametrize("partitions", [0, 65537])
def test_an_impossible_number_of_partitions_is_refused(tmp_path, partitions):
    with pytest.raises(ValueError, match=r"within 1\.\.65536"):
        SqliteJournal.open(tmp_path, partitions=partitions)


def test_a_newer_schema_is_refused(tmp_path):
    SqliteJournal.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "fenliu.db", isolation_level=None)
    connection.execute("UPDATE meta SET value = 5 WHERE key = 'schema_version'")
    connection.close()
    for refused in (SqliteJournal.open, SqliteReader):
        with pytest.raises(IncompatibleDirectory, match=r"newer version .schema 5; this one kn"):
            refused(tmp_path)


def test_somebody_elses_database_is_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "fenliu.db", isolation_level=None)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(IncompatibleDirectory, match="no journal of Fenliu's"):
        SqliteJournal.open(tmp_path)


def test_a_reader_reads_while_a_server_writes(journal):
    writer = Writer()
    journal.append([writer.next(2, 1)]).result()
    reader = SqliteReader(journal.directory)
    assert [r.seq for r in reader.read(2)] == [1]
    journal.append([writer.next(2, 2)]).result()
    assert [r.seq for r in reader.read(2)] == [1, 2]
    assert reader.heads() == journal.heads()
    assert reader.data_id == journal.data_id


def test_a_reader_reads_a_directory_nobody_serves(tmp_path):
    journal = SqliteJournal.open(tmp_path)
    journal.append([Writer().next(2, 1)]).result()
    journal.close()
    assert [r.seq for r in SqliteReader(tmp_path).read(2)] == [1]
    SqliteJournal.open(tmp_path).close()


def test_a_reader_does_not_make_a_directory(tmp_path):
    with pytest.raises(IncompatibleDirectory, match=r"nowhere: no data directory"):
        SqliteReader(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_full_disk_is_an_error_with_its_cause_and_leaves_nothing(tmp_path, appends):
    class Small(SqliteJournal):
        pages = 16

        def _pragmas(self):
            return (*super()._pragmas(), f"PRAGMA max_page_count = {self.pages}")

    with appends(Small.open(tmp_path)) as journal:
        writer = Writer()
        journal.append([writer.next(0, 1)]).result()
        group = [writer.next(1, 1), writer.next(0, 2, os.urandom(100_000))]
        with pytest.raises(StorageError, match="database or disk is full") as error:
            journal.append(group).result()
        assert isinstance(error.value.__cause__, sqlite3.OperationalError)
        assert journal.heads().keys() == {0}
        assert journal.append([writer.next(3, 1)]).result() == [1]
    Small.pages = 1_000_000
    with appends(Small.open(tmp_path)) as journal:
        assert journal.append(group).result() == [1, 2]


def test_the_write_ahead_log_stays_small_and_a_reader_that_lets_it_grow_is_told(
    tmp_path, monkeypatch, caplog, appends
):
    mebibyte = 2**20
    monkeypatch.setattr(sqlite, "_KEPT_LOG_BYTES", 12 * mebibyte)
    monkeypatch.setattr(sqlite, "_CHECKPOINT_PAGES", 512)
    writer = Writer()
    wal = tmp_path / "fenliu.db-wal"
    with appends(SqliteJournal.open(tmp_path)) as journal:

        def write(first: int, count: int) -> None:
            for seq in range(first, first + count):
                journal.append([writer.next(0, seq, os.urandom(mebibyte))]).result()

        write(1, 40)
        assert wal.stat().st_size < 24 * mebibyte
        assert not caplog.records
        with closing(sqlite3.connect(tmp_path / "fenliu.db")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM records").fetchall()
            write(41, 54)
            assert wal.stat().st_size > 48 * mebibyte
            told = [record.getMessage() for record in caplog.records]
            assert len(told) == 2  # at more than 24 and at more than 48
            assert all("fenliu.db-wal has grown to" in text for text in told)
        write(95, 20)
        assert wal.stat().st_size < 24 * mebibyte
        assert len(caplog.records) == 2


def test_the_write_ahead_log_begins_anew_while_commits_never_pause(tmp_path, monkeypatch, appends):
    monkeypatch.setattr(sqlite, "_MOVED_BYTES", 2**17)
    monkeypatch.setattr(sqlite, "_ANEW_PAGES", 32)
    monkeypatch.setattr(sqlite, "_CHECKPOINT_PAGES", 1_000_000)  # SQLite by itself does nothing
    writer = Writer()
    with appends(SqliteJournal.open(tmp_path)) as journal:
        under_way = journal.append([writer.next(0, 1)])
        for seq in range(2, 801):
            following = journal.append([writer.next(0, seq, os.urandom(600))])
            assert under_way.result() == [seq - 1]
            under_way = following
        assert under_way.result() == [800]
        # Else it would have a page or two for each of them.
        assert (tmp_path / "fenliu.db-wal").stat().st_size < 800 * 8192 // 3
    with closing(SqliteReader(tmp_path)) as reader:
        assert sum(1 for _ in reader.read(0)) == 800


def test_a_log_that_cannot_be_moved_is_told_and_commits_go_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sqlite, "_MOVED_BYTES", 2**16)

    def broken(_connection: sqlite3.Connection) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite, "_move", broken)
    journal, writer = SqliteJournal.open(tmp_path), Writer()
    for seq in range(1, 40):
        assert journal.append([writer.next(0, seq, os.urandom(600))]).result() == [seq]
    journal.close()
    assert any("is not moved into the database now: disk I/O" in text for text in caplog.messages)
    with closing(SqliteReader(tmp_path)) as reader:
        assert reader.heads()[0].seq == 39


def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/data: "):
        SqliteJournal.open(tmp_path / "file" / "data")


def test_a_probe_changes_nothing_and_fails_when_nothing_can_be_written(tmp_path):
    class ReadOnly(SqliteJournal):
        forbid = 0

        def _connect(self):
            connection = super()._connect()
            connection.execute(f"PRAGMA query_only = {self.forbid}")
            return connection

    journal = ReadOnly.open(tmp_path)
    journal.probe().result()
    assert journal.heads() == {}
    journal.close()
    ReadOnly.forbid = 1
    journal = ReadOnly.open(tmp_path)
    with pytest.raises(StorageError, match="readonly"):
        journal.probe().result()
    journal.close()


def test_a_probe_writes(tmp_path):
    journal = SqliteJournal.open(tmp_path)
    log = tmp_path / "fenliu.db-wal"
    for _ in range(3):
        before = log.stat().st_size if log.exists() else 0
        journal.probe().result()
        assert log.stat().st_size > before
    journal.close()


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("relaxed", 1)])
def test_durability_sets_how_far_a_commit_is_waited_for(tmp_path, durability, level):
    seen = []

    class Watched(SqliteJournal):
        def _connect(self):
            connection = super()._connect()
            seen.append(
                (
                    connection.execute("PRAGMA journal_mode").fetchone()[0],
                    connection.execute("PRAGMA synchronous").fetchone()[0],
                )
            )
            return connection

    journal = Watched.open(tmp_path, durability=durability)
    journal.append([Writer().next(0, 1)]).result()
    journal.close()
    assert seen == [("wal", level)]


def test_a_killed_server_leaves_whole_records_and_all_it_reported(tmp_path):
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_sqlite import SqliteJournal, Writer
        journal, writer = SqliteJournal.open(Path({str(tmp_path)!r})), Writer()
        for seq in range(1, 100_000):
            group = [writer.next(p, seq, b"%d" % seq * 500) for p in range(3)]
            assert journal.append(group).result() == [seq] * 3
            print(seq, flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    reported = 0
    for line in process.stdout:
        reported = int(line)
        if reported == 50:
            process.send_signal(signal.SIGKILL)
    process.wait()
    assert reported >= 50
    journal = SqliteJournal.open(tmp_path)
    logs = [[int(r.entries[: len(str(r.seq))]) for r in journal.read(p)] for p in range(3)]
    assert logs[0] == logs[1] == logs[2] == list(range(1, len(logs[0]) + 1))
    assert len(logs[0]) >= reported
    journal.close()
