"""Backups: whole, checked, taken while a server writes; and directories made from them."""

import hashlib
import os
import sqlite3
import stat
from contextlib import closing
from random import Random

import pytest

from fenliu.journal import (
    CorruptRecord,
    DirectoryInUse,
    IncompatibleDirectory,
    NewerVersion,
    SqliteJournal,
    SqliteReader,
    StorageError,
    TargetRefused,
)
from fenliu.journal import backup as backups
from fenliu.journal.backup import back_up, restore
from journal.test_sqlite import Writer

FLIPPED = (
    "UPDATE records SET record = CAST(substr(record, 1, 75) || x'00' || substr(record, 77) AS BLOB)"
    " WHERE seq = 2"
)


@pytest.fixture
def journal(tmp_path):
    """Served, with three records of two partitions each."""
    journal, writer = SqliteJournal.open(tmp_path / "data", partitions=7), Writer()
    for seq in (1, 2, 3):
        journal.append([writer.next(4, seq), writer.next(6, seq, b"x" * 9000)]).result()
    yield journal
    journal.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def logs(reader):
    return {p: list(reader.read(p)) for p in range(reader.partitions)}


def execute(database, statement):
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(statement)


def test_a_backup_is_one_file_with_all_that_was_stored(journal, tmp_path):
    copied = back_up(journal.directory, tmp_path / "nightly")
    assert names(tmp_path) == ["data", "nightly"]
    assert (copied.records, copied.size) == (6, (tmp_path / "nightly").stat().st_size)
    reader = SqliteReader(tmp_path / "nightly")
    assert logs(reader) == logs(journal)
    assert (reader.data_id, reader.token_key) == (journal.data_id, journal.token_key)
    assert names(tmp_path) == ["data", "nightly"]  # reading it needs nothing beside it


def test_a_backup_is_for_its_owner_only(journal, tmp_path):
    back_up(journal.directory, tmp_path / "nightly")
    assert stat.S_IMODE((tmp_path / "nightly").stat().st_mode) == 0o600


def test_commits_between_its_steps_neither_wait_for_a_backup_nor_delay_or_change_it(
    journal, tmp_path, monkeypatch
):
    before, writer, fsync = logs(journal), Writer(), os.fsync
    written = []

    def server_commits_meanwhile(file):
        if not (tmp_path / "nightly").exists():
            assert len(written) < 1000, "the backup begins anew after each commit"
            written.append(journal.append([writer.next(5, len(written) + 1)]).result())
        fsync(file)

    monkeypatch.setattr(backups, "_STEP_PAGES", 1)
    monkeypatch.setattr(backups, "_STEPS_PER_SYNC", 1)
    monkeypatch.setattr(os, "fsync", server_commits_meanwhile)
    assert back_up(journal.directory, tmp_path / "nightly").records == 6
    assert len(written) > 5
    assert written == [[seq] for seq in range(1, len(written) + 1)]
    assert logs(SqliteReader(tmp_path / "nightly")) == before
    assert [record.seq for record in journal.read(5)] == list(range(1, len(written) + 1))


def test_an_existing_file_stays_unless_it_may_be_replaced(journal, tmp_path):
    target = tmp_path / "nightly"
    target.write_text("precious")
    with pytest.raises(TargetRefused, match="nightly exists; --force replaces it"):
        back_up(journal.directory, target)
    assert target.read_text() == "precious"
    assert back_up(journal.directory, target, force=True).records == 6
    assert logs(SqliteReader(target)) == logs(journal)


def test_a_backup_never_goes_into_a_data_directory(journal, tmp_path):
    before = names(journal.directory)
    (tmp_path / "link").symlink_to(journal.directory)
    for target in (journal.directory / "fenliu.db", tmp_path / "link" / "new"):
        with pytest.raises(TargetRefused, match="is a data directory; back up to another place"):
            back_up(journal.directory, target, force=True)
    assert names(journal.directory) == before


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere/nightly", "there is no directory .*nowhere"),
        ("data", "is a data.*|is a directory"),
    ],
)
def test_a_target_that_cannot_be_is_refused(journal, tmp_path, target, words):
    with pytest.raises(TargetRefused, match=words):
        back_up(journal.directory, tmp_path / target, force=True)
    assert names(tmp_path) == ["data"]


def test_a_damaged_directory_gives_no_backup_and_leaves_the_last_one(journal, tmp_path):
    target = tmp_path / "nightly"
    back_up(journal.directory, target)
    whole = target.read_bytes()
    execute(journal.directory / "fenliu.db", FLIPPED)
    with pytest.raises(CorruptRecord, match=r"partition 4, record 2: checksum"):
        back_up(journal.directory, target, force=True)
    assert target.read_bytes() == whole
    assert names(tmp_path) == ["data", "nightly"]


def test_there_is_nothing_to_back_up_where_no_server_ran(tmp_path):
    with pytest.raises(IncompatibleDirectory, match="no data directory"):
        back_up(tmp_path / "data", tmp_path / "nightly")
    assert names(tmp_path) == []


@pytest.mark.parametrize("existing", [False, True])
def test_a_restored_directory_has_the_log_and_is_another(journal, tmp_path, existing):
    back_up(journal.directory, tmp_path / "nightly")
    restored = tmp_path / "deep" / "restored"
    if existing:
        restored.mkdir(parents=True)
    assert restore(tmp_path / "nightly", restored).records == 6
    assert names(restored) == ["fenliu.db", "fenliu.lock"]
    served = SqliteJournal.open(restored)
    assert (served.partitions, logs(served)) == (7, logs(journal))
    assert served.data_id != journal.data_id
    assert served.token_key != journal.token_key
    assert (len(served.data_id), len(served.token_key)) == (16, 32)
    served.close()
    again = SqliteReader(tmp_path / "nightly")
    assert (again.data_id, again.token_key) == (journal.data_id, journal.token_key)


def test_a_restored_log_goes_on_where_the_backup_ended(journal, tmp_path):
    back_up(journal.directory, tmp_path / "nightly")
    restore(tmp_path / "nightly", tmp_path / "restored")
    served, writer = SqliteJournal.open(tmp_path / "restored"), Writer()
    writer.checksums[4, 3] = list(journal.read(4))[-1].checksum
    assert served.append([writer.next(4, 4)]).result() == [4]
    assert [record.seq for record in served.read(4)] == [1, 2, 3, 4]
    served.close()


def test_a_directory_that_is_not_empty_is_left_as_it_is(journal, tmp_path):
    back_up(journal.directory, tmp_path / "nightly")
    before = logs(journal)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("dear")
    (tmp_path / "file").write_text("")
    for directory in (journal.directory, tmp_path / "other", tmp_path / "file"):
        with pytest.raises(TargetRefused, match=f"{directory.name} is not empty; restore into a"):
            restore(tmp_path / "nightly", directory)
    assert logs(journal) == before
    assert names(tmp_path / "other") == ["letter"]


def test_no_server_takes_a_directory_that_is_being_restored(journal, tmp_path, monkeypatch):
    back_up(journal.directory, tmp_path / "nightly")
    refused, fsync = [], os.fsync

    def somebody_serves_it(file):
        if not refused:
            with pytest.raises(DirectoryInUse) as error:
                SqliteJournal.open(tmp_path / "restored")
            refused.append(error)
        fsync(file)

    monkeypatch.setattr(os, "fsync", somebody_serves_it)
    restore(tmp_path / "nightly", tmp_path / "restored")
    assert len(refused) == 1
    assert logs(SqliteReader(tmp_path / "restored")) == logs(journal)


def cut(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda path: execute(path, FLIPPED), CorruptRecord, "partition 4, record 2: checksum"),
        (
            lambda path: execute(path, "DELETE FROM records WHERE seq = 1 AND partition = 6"),
            CorruptRecord,
            "partition 6, record 1: missing; the next one found is 2",
        ),
        (
            lambda path: execute(path, "UPDATE records SET partition = 7 WHERE partition = 6"),
            StorageError,
            "records of partition 7, where there are only 7",
        ),
        (
            lambda path: execute(path, "UPDATE meta SET value = 9 WHERE key = 'schema_version'"),
            NewerVersion,
            "newer version .schema 9; this one knows 4",
        ),
        (
            lambda path: execute(path, "DELETE FROM meta WHERE key = 'token_key'"),
            StorageError,
            "meta has lost token_key",
        ),
        (cut, StorageError, "malformed"),
        (lambda path: path.write_text("hello" * 2000), StorageError, "not a database"),
        (lambda path: path.write_bytes(b""), IncompatibleDirectory, "no journal of Fenliu's"),
    ],
)
@pytest.mark.parametrize("existing", [False, True])
def test_a_damaged_backup_is_not_restored_and_leaves_nothing(
    journal, tmp_path, damage, error, words, existing
):
    back_up(journal.directory, tmp_path / "nightly")
    damage(tmp_path / "nightly")
    if existing:
        (tmp_path / "restored").mkdir()
    with pytest.raises(error, match=words):
        restore(tmp_path / "nightly", tmp_path / "restored")
    assert names(tmp_path) == ["data", "nightly", *(["restored"] if existing else [])]
    assert not existing or names(tmp_path / "restored") == []


def snapshots(reader):
    return {
        partition: (
            [reader.manifest(partition, head.seq) for head in reader.manifests(partition)],
            reader.chunks(partition, reader.chunk_ids(partition)),
        )
        for partition in range(reader.partitions)
    }


CONTENT = Random(1).randbytes(100_000)
CHUNK = hashlib.sha256(CONTENT).digest()


@pytest.fixture
def with_snapshots(journal):
    """The same, with a snapshot each; the log of partition 4 begins at 3."""
    for partition in (4, 6):
        journal.put_chunks(partition, {CHUNK: CONTENT}, 1).result()
        journal.put_manifest(partition, 2, 1, 1, b"manifest").result()
    assert journal.drop_records(4, 2, 100).result() == 2
    return journal


def test_snapshots_are_backed_up_and_restored(with_snapshots, tmp_path):
    assert back_up(with_snapshots.directory, tmp_path / "nightly").records == 4
    assert restore(tmp_path / "nightly", tmp_path / "restored").records == 4
    assert names(tmp_path / "restored") == ["fenliu.db", "fenliu.lock"]
    for reader in (
        SqliteReader(tmp_path / "nightly"),
        served := SqliteJournal.open(tmp_path / "restored"),
    ):
        assert logs(reader) == logs(with_snapshots)
        assert snapshots(reader) == snapshots(with_snapshots)
        assert [record.seq for record in reader.read(4)] == [3]
    served.close()


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (
            "UPDATE manifests SET manifest = CAST(substr(manifest, 1, 20) || x'00'"
            " || substr(manifest, 22) AS BLOB) WHERE partition = 6",
            StorageError,
            "the copy is not whole: partition 6, snapshot 2: checksum",
        ),
        (
            "UPDATE chunks SET chunk = substr(chunk, 1, 5000) WHERE partition = 6",
            StorageError,
            f"the copy is not whole: partition 6, chunk {CHUNK.hex()}: a content of 4984 bytes",
        ),
        (
            f"UPDATE chunks SET id = x'{'00' * 32}' WHERE partition = 6",
            StorageError,
            f"partition 6, chunk {'00' * 32}: is in truth chunk {CHUNK.hex()}, misplaced",
        ),
        (
            "DELETE FROM manifests WHERE partition = 4",
            CorruptRecord,
            "partition 4, record 2: missing; the next one found is 3, and no snapshot stands",
        ),
        (
            "UPDATE manifests SET seq = 1 WHERE partition = 4",
            CorruptRecord,
            "partition 4, record 2: missing; the next one found is 3, and no snapshot stands",
        ),
        (
            "DELETE FROM records WHERE partition = 6 AND seq > 1",
            StorageError,
            "partition 6, snapshot 2: the log ends at 1, before it",
        ),
    ],
)
def test_what_is_not_whole_is_neither_backed_up_nor_restored(
    with_snapshots, tmp_path, damage, error, words
):
    back_up(with_snapshots.directory, tmp_path / "nightly")
    execute(tmp_path / "nightly", damage)
    with pytest.raises(error, match=words):
        restore(tmp_path / "nightly", tmp_path / "restored")
    execute(with_snapshots.directory / "fenliu.db", damage)
    with pytest.raises(error, match=words):
        back_up(with_snapshots.directory, tmp_path / "again")
    assert names(tmp_path) == ["data", "nightly"]


def test_a_whole_file_has_no_faults(journal):
    assert journal.faults() == []
