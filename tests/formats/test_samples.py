"""Directories that earlier versions made (tests/formats/vN, see make_sample.py) are opened by this one.

And what a newer version has made is refused with a word that says so.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fenliu.engine import load_core
from fenliu.journal import (
    Append,
    NewerRecord,
    NewerSnapshot,
    NewerVersion,
    SqliteJournal,
    SqliteReader,
    StorageError,
    pack,
)
from fenliu.journal.backup import back_up, restore
from fenliu.recovery import recover, replay, state_hash, verify

SAMPLES = sorted(path.parent for path in Path(__file__).parent.glob("v*/sample.json"))
SCHEMA = 4


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name)
def sample(request):
    return request.param


@pytest.fixture
def data(sample, tmp_path):
    """A copy of the sample, as a data directory."""
    return shutil.copytree(sample, tmp_path / "data", ignore=shutil.ignore_patterns("*.json"))


@pytest.fixture
def held(sample):
    """What the version that made the sample said is in it."""
    return json.loads((sample / "sample.json").read_text())


def query(data, text, *values):
    with closing(sqlite3.connect(data / "fenliu.db", isolation_level=None)) as connection:
        return connection.execute(text, values).fetchall()


def schema_of(data):
    return query(data, "SELECT value FROM meta WHERE key = 'schema_version'")[0][0]


def rows(data):
    return query(data, "SELECT * FROM records ORDER BY partition, seq")


def tables(data):
    """Without how a table keeps its rows: an older directory's records stay as they are."""
    found = query(data, "SELECT type, name, replace(sql, ' WITHOUT ROWID', '') FROM sqlite_master")
    return sorted(row for row in found if row[1] != "sqlite_autoindex_records_1")


def state(reader, core):
    engine, replayed = replay(reader, core)
    return {
        "state_hash": engine.state_hash().hex(),
        "shops": len(engine.shop_ids()),
        "records": replayed.records,
        "entries": replayed.entries,
    }


def test_every_schema_has_its_sample_and_the_samples_are_small():
    assert [path.name for path in SAMPLES] == [f"v{n}" for n in range(1, SCHEMA + 1)]
    for path in SAMPLES:
        assert sorted(file.name for file in path.iterdir()) == ["fenliu.db", "sample.json"]
        assert (path / "fenliu.db").stat().st_size < 200_000


def test_it_is_read_as_it_lies(core, data, held, sample):
    reader = SqliteReader(data)
    assert reader.faults() == []
    assert state(reader, load_core(core.CORE)) == held
    reader.close()
    assert schema_of(data) == int(sample.name.removeprefix("v"))


def test_it_is_served_and_its_log_stays_byte_for_byte(core, data, held, tmp_path):
    before = rows(data)
    SqliteJournal.open(tmp_path / "new").close()
    for _ in range(2):
        journal = SqliteJournal.open(data)
        assert state(journal, load_core(core.CORE)) == held
        assert journal.faults() == []
        journal.close()
        assert rows(data) == before
        assert schema_of(data) == SCHEMA
        assert tables(data) == tables(tmp_path / "new")


def test_its_snapshots_and_what_follows_them_give_the_same_state(core, data, held, sample):
    reader, loaded = SqliteReader(data), load_core(core.CORE)
    digest, shops = state_hash(reader, loaded)
    assert (digest.hex(), shops) == (held["state_hash"], held["shops"])
    _, recovered = recover(reader, loaded)
    assert recovered.unusable == []
    assert (recovered.records < held["records"]) == (sample.name != "v1")


def test_every_command_in_it_is_decided_again_the_same(core, data, held):
    verified = verify(SqliteReader(data), load_core(core.CORE))
    assert verified.differences == []
    assert verified.entries == held["entries"]


def test_its_log_goes_on_and_takes_snapshots(data):
    journal = SqliteJournal.open(data)
    partition, head = next(iter(journal.heads().items()))
    *_, last = journal.read(partition)
    record, _ = pack(
        rules_version=1,
        append_id=b"i" * 16,
        writer=b"w" * 16,
        now_ms=last.now_ms,
        count=1,
        seq=head.seq + 1,
        partition=partition,
        predecessor=last.checksum,
        entries=last.entries,
    )
    assert journal.append([Append(partition, head.seq, b"i" * 16, record)]).result() == [
        head.seq + 1
    ]
    journal.put_manifest(partition, head.seq + 1, last.now_ms, 1, b"content").result()
    assert journal.manifest(partition).content == b"content"
    journal.close()


def test_it_is_backed_up_and_restored(core, data, held, tmp_path):
    back_up(data, tmp_path / "backup")
    restored = SqliteReader(tmp_path / "backup")
    assert state(restored, load_core(core.CORE)) == held
    restore(tmp_path / "backup", tmp_path / "restored")
    journal = SqliteJournal.open(tmp_path / "restored")
    assert state(journal, load_core(core.CORE)) == held
    journal.close()


def test_a_reader_sees_what_a_server_does_that_opened_the_directory_later(data):
    reader = SqliteReader(data)
    partition, head = next(iter(reader.heads().items()))
    newest = reader.manifest(partition)
    assert newest is None or newest.content != b"later"
    journal = SqliteJournal.open(data)
    journal.put_manifest(partition, head.seq, 1, 1, b"later").result()
    assert reader.manifest(partition).content == b"later"
    journal.close()


def test_an_upgrade_that_does_not_come_through_leaves_the_directory_as_it_was(tmp_path):
    data = shutil.copytree(SAMPLES[0], tmp_path / "data")
    query(
        data,
        "CREATE TRIGGER full BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    before = rows(data), tables(data)
    with pytest.raises(StorageError, match="disk full"):
        SqliteJournal.open(data)
    assert ((rows(data), tables(data)), schema_of(data)) == (before, 1)
    query(data, "DROP TRIGGER full")
    SqliteJournal.open(data).close()
    assert (rows(data), schema_of(data)) == (before[0], SCHEMA)


def test_a_newer_schema_is_refused_and_left_alone(data):
    query(data, "UPDATE meta SET value = ? WHERE key = 'schema_version'", SCHEMA + 1)
    before = tables(data)
    for refused in (SqliteJournal.open, SqliteReader):
        with pytest.raises(
            NewerVersion,
            match=rf"written by a newer version \(schema {SCHEMA + 1}; this one knows {SCHEMA}\)",
        ):
            refused(data)
    assert (schema_of(data), tables(data)) == (SCHEMA + 1, before)


# The format's two bytes are the fifth and the sixth of every header.
NEWER_FORMAT = (
    "UPDATE {0} SET {1} = CAST(substr({1}, 1, 4) || x'{2}' || substr({1}, 7) AS BLOB)"
    " WHERE partition = ?"
)


def test_newer_formats_are_refused_by_name(core, data):
    journal = SqliteJournal.open(data)
    partition, head = next(iter(journal.heads().items()))
    chunk_id = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    journal.put_chunks(partition, {chunk_id: b"abc"}, 1).result()
    journal.put_manifest(partition, head.seq, 1, 1, b"content").result()
    for table, column, newer in (
        ("records", "record", "0003"),
        ("manifests", "manifest", "0002"),
        ("chunks", "chunk", "0003"),
    ):
        query(data, NEWER_FORMAT.format(table, column, newer), partition)
    words = "format 2; this program knows 1"
    with pytest.raises(
        NewerRecord, match=f"partition {partition}, record 1: format 3; this program knows 2"
    ):
        replay(journal, load_core(core.CORE))
    with pytest.raises(NewerSnapshot, match=f"partition {partition}, snapshot {head.seq}: {words}"):
        journal.manifest(partition)
    with pytest.raises(
        NewerSnapshot, match=f"partition {partition}, chunk ba7816bf.*15ad: format 3; .* knows 2"
    ):
        journal.chunks(partition, [chunk_id])
    journal.close()
