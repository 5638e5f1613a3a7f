"""Flipped bits and torn ends: what is damaged is refused by name or makes no difference; it is never served."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from random import Random

import pytest

from end_to_end.processes import free_address
from faults.traffic import Server, ready
from fenliu.engine import CommandKind, load_core, partition_of
from fenliu.journal import (
    Append,
    CorruptRecord,
    JournalError,
    SqliteJournal,
    SqliteReader,
    pack,
    reading,
)
from fenliu.recovery import recover, state_hash
from model.wire import T0
from simulation.script import SHOPS, Script

PARTITIONS = 8


def make(directory: Path, commits: int, *, leave_log: bool = False) -> None:
    """A data directory with a few shops and inquiries; `leave_log`: as a process that was killed leaves it."""
    core, rng = load_core("python"), Random(2)
    engine, script = core.engine(PARTITIONS), Script(rng, 0)
    journal = SqliteJournal.open(directory, partitions=PARTITIONS)
    ends: dict[int, tuple[int, int]] = {}
    calls = script.opening()
    calls += [script.next() for _ in range(commits)]
    for step, call in enumerate(calls):
        for message in call.messages:
            name = {"update_presence": "UPDATE_PRESENCE"}.get(call.name, call.name.upper())
            body = message.SerializeToString()
            _, _, at, entry = engine.decide(CommandKind[name], body, T0 + step * 100)
            if not entry:
                continue
            seq, predecessor = ends.get(at, (0, 0))
            append_id = rng.randbytes(16)
            record, checksum = pack(
                rules_version=core.rules_version, append_id=append_id, writer=bytes(16),
                now_ms=T0 + step * 100, count=1, seq=seq + 1, partition=at,
                predecessor=predecessor, entries=entry,
            )  # fmt: skip
            assert journal.append([Append(at, seq, append_id, record)]).result() == [seq + 1]
            ends[at] = (seq + 1, checksum)
    if leave_log:
        shutil.copytree(directory, directory.with_name("killed"))
    journal.close()


def hash_of(directory: Path) -> bytes:
    reader = SqliteReader(directory)
    try:
        return state_hash(reader, load_core())[0]
    finally:
        reader.close()


def test_a_flipped_bit_anywhere_in_the_database_is_refused_or_changes_nothing_but_at_most_hides_an_end(
    tmp_path,
):
    make(tmp_path / "data", 60)
    records = records_of(tmp_path / "data")
    right = hash_of(tmp_path / "data")
    whole = (tmp_path / "data" / "fenliu.db").read_bytes()
    rng, refused, hidden = Random(9), 0, 0
    there = tmp_path / "flipped"
    for _ in range(300):
        place = rng.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        there.mkdir()
        (there / "fenliu.db").write_bytes(damaged)
        try:
            found = hash_of(there)
        except JournalError:
            refused += 1
        else:
            if found != right:  # SQLite's own pages have no checksums: an end may be out of sight
                hidden += 1
                for partition, ids in records_of(there).items():
                    assert ids == records[partition][: len(ids)], f"byte {place}"
        shutil.rmtree(there)
    assert refused > 30
    assert hidden < 5


def test_a_log_of_which_sqlite_finds_only_a_part_is_refused(tmp_path, monkeypatch):
    """A damaged page may hide records from a range, and not from who asks for the last one."""
    make(tmp_path / "data", 20)

    hidden = reading._READ.replace("seq >= ?", "seq >= ? AND seq < 3")
    monkeypatch.setattr(reading, "_READ", hidden)
    with pytest.raises(CorruptRecord, match="record 3: missing; the log ends at"):
        recover(SqliteReader(tmp_path / "data"), load_core())


def records_of(directory: Path) -> dict[int, list[bytes]]:
    reader = SqliteReader(directory)
    try:
        return {p: [r.append_id for r in reader.read(p)] for p in reader.heads()}
    finally:
        reader.close()


def test_a_torn_write_ahead_log_leaves_whole_commits_up_to_the_tear_and_nothing_else(tmp_path):
    make(tmp_path / "data", 40, leave_log=True)
    killed = tmp_path / "killed"
    whole = records_of(killed)
    assert whole == records_of(tmp_path / "data")
    log = (killed / "fenliu.db-wal").read_bytes()
    assert len(log) > 20 * 4096
    rng, seen, there = Random(6), set(), tmp_path / "torn"
    for trial in range(60):
        cut = rng.randrange(32, len(log))
        torn = log[:cut]
        if trial % 2:  # the last page was begun and is half old, half new
            torn = log[: cut - 2048] + rng.randbytes(2048)
        there.mkdir()
        shutil.copyfile(killed / "fenliu.db", there / "fenliu.db")
        (there / "fenliu.db-wal").write_bytes(torn)
        found = records_of(there) if has_schema(there) else {}
        for partition, ids in found.items():
            assert ids == whole[partition][: len(ids)]
        seen.add(sum(map(len, found.values())))
        shutil.rmtree(there)
    assert len(seen) > 20


def has_schema(directory: Path) -> bool:
    try:
        SqliteReader(directory).close()
    except JournalError:  # The tables themselves are not there yet.
        return False
    return True


@pytest.mark.faults
async def test_a_server_refuses_a_damaged_record_and_says_which(tmp_path):
    make(tmp_path / "data", 30)
    database = tmp_path / "data" / "fenliu.db"
    shop = partition_of(SHOPS[0], PARTITIONS)
    with sqlite3.connect(database) as connection:
        ((record,),) = connection.execute(
            "SELECT record FROM records WHERE partition = ? AND seq = 3", (shop,)
        ).fetchall()
    damaged = bytearray(database.read_bytes())
    damaged[damaged.index(record) + len(record) - 5] ^= 1
    database.write_bytes(damaged)
    server = Server(tmp_path / "data", free_address(), load_core().name, log=tmp_path / "log")
    server.start()
    assert not await ready(server)
    assert server.ended() not in (0, -9)
    assert f"partition {shop}, record 3" in (tmp_path / "log").read_text()


@pytest.mark.faults
async def test_a_second_server_on_the_same_directory_is_refused_and_the_first_goes_on(tmp_path):
    log, core = tmp_path / "log", load_core().name
    first = Server(tmp_path / "data", free_address(), core, log=log)
    second = Server(tmp_path / "data", free_address(), core, log=log)
    first.start()
    try:
        assert await ready(first)
        second.start()
        assert not await ready(second)
        assert second.ended() not in (0, -9)
        assert f"another server (process {first.process.pid}) uses it" in log.read_text()
        assert first.process.poll() is None
    finally:
        first.kill()
