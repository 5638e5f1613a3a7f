"""Following logs: only what is durable, in bounded batches, every partition in its turn."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from google.protobuf import proto

from fenliu.engine import partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.errors import LogUnreadable
from fenliu.insight.follow import BATCH_BYTES, Logs
from fenliu.insight.watch import AssignmentWatch
from fenliu.journal import Append, Record, SqliteJournal, pack
from fenliu.v1 import dispatch_pb2

PARTITIONS = 4


class Journal:
    """A journal to which records can be added."""

    def __init__(self, data: Path) -> None:
        self.stored = SqliteJournal.open(data, partitions=PARTITIONS)
        self.ends: dict[int, tuple[int, int]] = {}

    def add(self, partition: int, *records: int | bytes) -> dict[int, int]:
        """Appends records, of these sizes or these entries, durably; where the log ends then."""
        for entries in records:
            seq, predecessor = self.ends.get(partition, (0, 0))
            append_id = secrets.token_bytes(16)
            record, checksum = pack(
                rules_version=1,
                append_id=append_id,
                writer=append_id,
                now_ms=1,
                count=1,
                seq=seq + 1,
                partition=partition,
                predecessor=predecessor,
                entries=entries if isinstance(entries, bytes) else b"x" * entries,
            )
            self.stored.append([Append(partition, seq, append_id, record)]).result()
            self.ends[partition] = (seq + 1, checksum)
        return {partition: self.ends[partition][0]}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "data")
    yield journal
    journal.stored.close()


@pytest.fixture
def logs(journal: Journal) -> Iterator[Logs]:
    logs = Logs(journal.stored)
    yield logs
    logs.close()


async def read_all(logs: Logs, passed: dict[int, int], first: int = 0) -> list[tuple[int, int]]:
    """(partition, seq) of all there is, in the order in which it is given."""
    found = []
    with logs.following(passed, first) as follower:
        while any(passed[partition] < logs.ends.get(partition, 0) for partition in passed):
            async with asyncio.timeout(10):
                batch = await follower.next()
            assert batch is not None
            partition, records = batch
            assert records
            found += [(partition, record.seq) for record in records]
            follower.read(partition, len(records))
    return found


async def test_nothing_is_read_before_it_is_said_to_be_durable(journal: Journal, logs: Logs):
    logs.grown(journal.add(0, 10, 10))
    journal.add(0, 10)  # in the log already, but nobody has said so
    passed = {0: 0}
    with logs.following(passed, 0) as follower:
        partition, records = await follower.next() or (0, [])
        assert [record.seq for record in records] == [1, 2]
        follower.read(partition, len(records))
        waiting = asyncio.create_task(follower.next())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        logs.grown({0: 3})
        partition, records = await waiting or (0, [])
        assert [record.seq for record in records] == [3]


async def test_a_batch_is_bounded_and_one_long_record_is_a_batch(journal: Journal, logs: Logs):
    sizes = [BATCH_BYTES // 2] * 5 + [3 * BATCH_BYTES] + [10] * 200
    logs.grown(journal.add(1, *sizes))
    passed = {1: 0}
    with logs.following(passed, 1) as follower:
        while passed[1] < len(sizes):
            _, records = await follower.next() or (0, [])
            assert sum(len(record.entries) for record in records[:-1]) < BATCH_BYTES
            assert [len(one.entries) for one in records] == sizes[passed[1] :][: len(records)]
            follower.read(1, len(records))


async def test_a_long_log_does_not_keep_the_others_waiting(journal: Journal, logs: Logs):
    logs.grown(journal.add(0, *[BATCH_BYTES] * 6))
    for partition in range(1, PARTITIONS):
        logs.grown(journal.add(partition, 10))
    found = await read_all(logs, dict.fromkeys(range(PARTITIONS), 0))
    assert [partition for partition, _ in found[:PARTITIONS]] == list(range(PARTITIONS))
    assert [seq for partition, seq in found if partition == 0] == list(range(1, 7))


async def test_where_a_token_stands_inside_a_record_is_read_first(journal: Journal, logs: Logs):
    for partition in range(PARTITIONS):
        logs.grown(journal.add(partition, 10))
    found = await read_all(logs, dict.fromkeys(range(PARTITIONS), 0), first=2)
    assert found[0] == (2, 1)
    assert sorted(found) == [(partition, 1) for partition in range(PARTITIONS)]


async def test_a_follower_of_one_partition_is_not_woken_by_the_others(journal: Journal, logs: Logs):
    with logs.following({0: 0}, 0) as follower:
        waiting = asyncio.create_task(follower.next())
        for partition in range(1, PARTITIONS):
            logs.grown(journal.add(partition, 10))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        logs.grown(journal.add(0, 10))
        partition, records = await waiting or (9, [])
        assert (partition, [record.seq for record in records]) == (0, [1])


async def test_stopping_ends_those_who_wait_and_those_who_read(journal: Journal, logs: Logs):
    logs.grown(journal.add(0, *[BATCH_BYTES] * 3))
    with logs.following({0: 0}, 0) as reading, logs.following({1: 0}, 1) as waiting:
        waits = asyncio.create_task(waiting.next())
        batch = await reading.next()
        assert batch is not None
        logs.stop()
        assert await waits is None
        reading.read(0, 1)
        assert await reading.next() is None


async def test_a_storage_that_fails_is_said_to_be_unreadable(
    journal: Journal, logs: Logs, tmp_path: Path
):
    logs.grown(journal.add(0, 10))
    (tmp_path / "data").rename(tmp_path / "gone")
    with logs.following({0: 0}, 0) as follower:
        with pytest.raises(LogUnreadable):
            await follower.next()
        # Once it is back, so is everything.
        (tmp_path / "gone").rename(tmp_path / "data")
        _, records = await follower.next() or (0, [])
        assert len(records) == 1


async def test_a_watch_reads_on_only_when_its_events_have_been_taken(journal: Journal):
    stored, reads = journal.stored, []

    class Counting:
        partitions = PARTITIONS
        starts = staticmethod(stored.starts)

        def read(self, partition: int, from_seq: int = 1) -> Iterator[Record]:
            reads.append(from_seq)
            return stored.read(partition, from_seq)

    entry = engine_pb2.Entry(
        route=dispatch_pb2.RouteRequest(shop_id="s", buyer_id="b"),
        facts=[engine_pb2.Fact(decided=engine_pb2.Decided(decision=1, conversation=1))],
    )
    buffer = BytesIO()
    proto.serialize_length_prefixed(entry, buffer)
    many = buffer.getvalue() * (BATCH_BYTES // len(buffer.getvalue()) + 1)
    watch = AssignmentWatch(Counting(), data_id=b"d" * 16, token_key=b"k" * 32)  # type: ignore[arg-type]
    events = watch.watch("s", "")
    await anext(events)
    watch.grown(journal.add(partition_of("s", PARTITIONS), *[many] * 5))
    for _ in range(100):
        assert (await anext(events)).buyer_id == "b"
    assert reads == [1]
    watch.stop()
    assert {event.buyer_id async for event in events} == {"b"}
    assert reads == [1]
    watch.close()
