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
    LostCommits,
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


def served_from(database: bytes, log: bytes, there: Path) -> dict[int, list[bytes]] | None:
    """What a server that starts on these files has; None: it refuses them, `fenliu check` as well, and leaves them."""
    there.mkdir()
    (there / "fenliu.db").write_bytes(database)
    (there / "fenliu.db-wal").write_bytes(log)
    try:
        SqliteJournal.open(there, partitions=PARTITIONS).close()
        return records_of(there)
    except LostCommits as refused:
        assert "fenliu.db-wal is damaged behind frame" in str(refused)
        assert (there / "fenliu.db-wal").read_bytes() == log
        if has_schema(there):
            assert any("fenliu.db-wal is damaged" in one for one in SqliteReader(there).faults())
        return None
    finally:
        shutil.rmtree(there)


def frames_of(log: bytes) -> list[int]:
    """Where the commits of a write-ahead log end."""
    each = 24 + int.from_bytes(log[8:12], "big")
    ends = range(32 + each, len(log) + 1, each)
    return [end for end in ends if any(log[end - each + 4 : end - each + 8])]


def killed(tmp_path: Path, commits: int) -> tuple[bytes, bytes, dict[int, list[bytes]]]:
    """Database, write-ahead log and records that a killed server has left."""
    make(tmp_path / "data", commits, leave_log=True)
    left = tmp_path / "killed"
    database, log = ((left / name).read_bytes() for name in ("fenliu.db", "fenliu.db-wal"))
    return database, log, records_of(tmp_path / "data")


def test_a_flipped_bit_in_the_write_ahead_log_is_refused_unless_it_is_in_the_last_commits(tmp_path):
    database, log, records = killed(tmp_path, 40)
    ends = frames_of(log)
    assert len(ends) > 40
    rng, there = Random(7), tmp_path / "flipped"
    for trial in range(120):
        place = trial if trial < 32 else rng.randrange(ends[-3])
        damaged = bytearray(log)
        damaged[place] ^= 1 << rng.randrange(8)
        assert served_from(database, bytes(damaged), there) is None, place
    for _ in range(20):  # in the last two it is a torn end for all one can see
        place = rng.randrange(ends[-3], len(log))
        damaged = bytearray(log)
        damaged[place] ^= 1 << rng.randrange(8)
        found = served_from(database, bytes(damaged), there)
        if found is not None:
            assert all(ids == records[p][: len(ids)] for p, ids in found.items())
            assert sum(map(len, found.values())) >= sum(map(len, records.values())) - 2


def test_a_torn_end_is_no_damage(tmp_path):
    """Whatever of the last commit did not reach the disk, in whatever order; and what lies behind it from before."""
    database, log, records = killed(tmp_path, 40)
    ends, each = frames_of(log), 24 + int.from_bytes(log[8:12], "big")
    rng, there = Random(8), tmp_path / "torn"
    for trial in range(60):
        last = rng.randrange(3, len(ends))
        begin, end = ends[last - 1], ends[last]
        torn = bytearray(log[:end])
        for at in range(begin, end, 512):  # sectors
            if rng.randrange(2):
                torn[at : min(at + 512, end)] = bytes(min(512, end - at))
        torn[begin + each - 4 : begin + each] = b"torn"
        if trial % 2:  # frames of a round before, with other salts
            torn += log[32 : 32 + 3 * each].replace(log[16:24], rng.randbytes(8))
        found = served_from(database, bytes(torn), there)
        assert found is not None
        assert all(ids == records[p][: len(ids)] for p, ids in found.items())


def test_who_goes_on_all_the_same_says_so(tmp_path):
    make(tmp_path / "data", 20, leave_log=True)
    log = tmp_path / "killed" / "fenliu.db-wal"
    damaged = bytearray(log.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    log.write_bytes(damaged)
    with pytest.raises(LostCommits, match="starting once with --durability relaxed"):
        SqliteJournal.open(tmp_path / "killed")
    SqliteJournal.open(tmp_path / "killed", durability="relaxed").close()
    SqliteJournal.open(tmp_path / "killed").close()
    records = records_of(tmp_path / "data")
    assert all(ids == records[p][: len(ids)] for p, ids in records_of(tmp_path / "killed").items())


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
