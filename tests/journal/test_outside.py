"""Appends committed outside of the interpreter: turns with other writes, many threads, the end."""

import asyncio
import os
import sqlite3
import threading
from contextlib import closing

import pytest

from fenliu.journal import Append, SqliteJournal, StorageError, sqlite
from fenliu.journal.outside import addresses
from model.cores import all_cores

MAKES = {core.CORE: core.Appender for core in all_cores() if hasattr(core, "Appender")}


@pytest.fixture
def make():
    if not MAKES:
        pytest.skip(
            "without cargo nothing commits outside of the interpreter: it is the Rust core that does"
        )
    (one,) = MAKES.values()
    return one


def append(partition: int, seq: int, record: bytes = b"record") -> Append:
    return Append(partition, seq - 1, os.urandom(16), record)


async def attached(folder, make) -> SqliteJournal:
    journal = SqliteJournal.open(folder)
    journal.attach(asyncio.get_running_loop(), make)
    assert journal.outside
    return journal


async def test_futures_are_done_on_the_loop_and_in_order(tmp_path, make):
    journal = await attached(tmp_path, make)
    told = []
    appended = [journal.append([append(3, seq)]) for seq in range(1, 101)]
    for seq, one in enumerate(appended, 1):
        one.add_done_callback(lambda _, seq=seq: told.append((seq, threading.get_ident())))
    await asyncio.gather(*map(asyncio.wrap_future, appended))
    assert told == [(seq, threading.get_ident()) for seq in range(1, 101)]
    journal.detach()
    journal.close()


async def test_what_was_handed_in_is_done_before_the_end_and_then_the_journal_goes_on(
    tmp_path, make
):
    journal = await attached(tmp_path, make)
    appended = [journal.append([append(3, seq)]) for seq in range(1, 101)]
    journal.detach()
    assert [one.result(0) for one in appended] == [[seq] for seq in range(1, 101)]
    assert not journal.outside
    assert await asyncio.wrap_future(journal.append([append(3, 101)])) == [101]
    journal.close()


async def test_it_takes_turns_with_everything_else_that_is_written(tmp_path, make):
    journal = await attached(tmp_path, make)
    writes = []
    for seq in range(1, 201):
        writes.append(journal.append([append(3, seq), append(5, seq)]))
        writes.append(journal.probe())
    results = await asyncio.gather(*map(asyncio.wrap_future, writes))
    assert results[::2] == [[seq, seq] for seq in range(1, 201)]
    journal.detach()
    journal.close()


async def test_appends_from_several_threads_all_go_in(tmp_path, make):
    journal = await attached(tmp_path, make)
    appended = []

    def some(partition: int) -> None:
        appended.extend(journal.append([append(partition, seq)]) for seq in range(1, 101))

    threads = [threading.Thread(target=some, args=(partition,)) for partition in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await asyncio.gather(*map(asyncio.wrap_future, appended))
    assert {head.seq for head in journal.heads().values()} == {100}
    assert len(journal.heads()) == 8
    journal.detach()
    journal.close()


async def test_a_database_that_somebody_holds_is_an_error_and_is_served_again_after_it(
    tmp_path, make, monkeypatch
):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    journal = await attached(tmp_path, make)
    with closing(sqlite3.connect(tmp_path / "fenliu.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="database is locked"):
            await asyncio.wrap_future(journal.append([append(3, 1)]))
    assert await asyncio.wrap_future(journal.append([append(3, 1)])) == [1]
    journal.detach()
    journal.close()


async def test_groups_of_any_size_are_one_transaction(tmp_path, make):
    journal = await attached(tmp_path, make)
    ends = dict.fromkeys(range(64), 0)
    for size in (1, 64, 2, 63, 1, 64):
        group = []
        for partition in range(size):
            ends[partition] += 1
            group.append(append(partition, ends[partition], b"x" * 1000 * size))
        appended = journal.append(group)
        assert await asyncio.wrap_future(appended) == [ends[p] for p in range(size)]
    journal.detach()
    journal.close()
    wide = SqliteJournal.open(tmp_path / "wide", partitions=2000)
    wide.attach(asyncio.get_running_loop(), make)
    for size in (65, 1024, 1025, 2000):  # the last two are the journal's own thread's
        seqs = {p: head.seq for p, head in wide.heads().items()}
        group = [append(p, seqs.get(p, 0) + 1) for p in range(size)]
        assert await asyncio.wrap_future(wide.append(group)) == [a.expected_seq + 1 for a in group]
    wide.detach()
    wide.close()


async def test_a_group_after_the_end_is_refused(tmp_path, make):
    journal = await attached(tmp_path, make)
    outside = journal._outside
    journal.detach()
    # As from a thread that has not heard of it yet.
    refused = outside.append([append(3, 1)])
    with pytest.raises(StorageError, match="closed"):
        refused.result(0)
    journal.close()


def test_an_address_of_nothing_is_refused(make, tmp_path):
    with pytest.raises(ValueError, match="an address is 0"):
        make([0] * len(make.SQLITE), os.fsencode(tmp_path / "db"), 1, "", "", 0)


def test_functions_that_are_not_there_are_not_found(make):
    assert len(addresses(make.SQLITE)) == len(make.SQLITE)
    assert addresses(["open_v2", "no_such_function"]) is None
