"""From the log to the state: the same one, or a clear word why not."""

import sqlite3

import pytest

from dispatch.world import (
    NOW,
    OTHER_SHOP,
    PARTITIONS,
    SHOP,
    route,
    routes,
    staffed,
    trace_dispatcher,
    update_presence,
)
from fenliu.engine import CommandKind, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import (
    Append,
    CorruptRecord,
    IncompatibleDirectory,
    SqliteJournal,
    SqliteReader,
    pack,
)
from fenliu.recovery import replay, verify

OURS = partition_of(SHOP, PARTITIONS)


async def a_day(core, journal) -> bytes:
    """A bit of everything; returns the state's hash."""
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher, SHOP, OTHER_SHOP, idle_close_ms=5000)
    update = update_presence("session", "a")
    await dispatcher.command(CommandKind.UPDATE_PRESENCE, update, now_ms=NOW)
    for minute in range(5):
        now = NOW + minute * 60_000
        await dispatcher.batch(
            CommandKind.ROUTE, routes([f"b{n}" for n in range(minute, 20)]), now_ms=now
        )
        await dispatcher.command(
            CommandKind.ROUTE, route("b", OTHER_SHOP, request_id=f"r{minute}"), now_ms=now
        )
    digest, _ = await dispatcher.state_hash()
    await dispatcher.close()
    return digest


def rewrite(journal, change, **fields) -> None:
    """Writes our shop's log anew, well-formed, with the last record changed."""
    records = list(journal.read(OURS))
    connection = sqlite3.connect(journal.stored.directory / "fenliu.db", isolation_level=None)
    connection.execute("DELETE FROM records WHERE partition = ? AND seq = ?", (OURS, len(records)))
    connection.close()
    last = records[-1]
    data, _ = pack(
        **{
            "rules_version": last.rules_version,
            "append_id": last.append_id,
            "writer": last.writer,
            "now_ms": last.now_ms,
            "count": last.count,
            "seq": last.seq,
            "partition": last.partition,
            "predecessor": last.predecessor,
            "entries": change(last.entries),
        }
        | fields
    )
    group = [Append(OURS, last.seq - 1, last.append_id, data)]
    assert journal.append(group).result() == [last.seq]


async def test_recovery_gives_the_same_state_and_goes_on_from_it(core, journal):
    digest = await a_day(core, journal)
    dispatcher = trace_dispatcher(core, journal)
    replayed = await dispatcher.start()
    assert await dispatcher.state_hash() == (digest, 2)
    assert replayed.records == sum(head.seq for head in journal.heads().values())
    assert replayed.entries == 7 + 90 + 5
    assert dispatcher.sessions() == [("session", SHOP)]
    later = NOW + 240_000
    repeat = await dispatcher.command(
        CommandKind.ROUTE, route("b", OTHER_SHOP, request_id="r0"), now_ms=later
    )
    assert b"c1" in repeat.body
    await dispatcher.command(CommandKind.ROUTE, route("new"), now_ms=later)
    goes_on, _ = await dispatcher.state_hash()
    await dispatcher.close()
    assert digest != goes_on == replay(journal, core)[0].state_hash()


async def test_one_partition_can_be_replayed_alone(core, journal):
    await a_day(core, journal)
    engine, replayed = replay(journal, core, {OURS})
    assert engine.shop_ids() == [SHOP]
    assert replayed.ends.keys() == {OURS}


async def test_every_logged_command_is_decided_again_the_same(core, journal):
    await a_day(core, journal)
    _, replayed = replay(journal, core)
    report = verify(journal, core)
    assert report.differences == []
    assert (report.records, report.entries) == (replayed.records, replayed.entries)


async def test_a_log_can_be_read_while_it_is_served(core, journal):
    digest = await a_day(core, journal)
    engine, _ = replay(SqliteReader(journal.stored.directory), core)
    assert engine.state_hash() == digest


async def test_a_decision_that_was_tampered_with_is_found(core, journal):
    await a_day(core, journal)

    def to_b(entries: bytes) -> bytes:
        """Gives the last decision to somebody else, lengths unchanged."""
        place = entries.rindex(b"\x2a\x01")  # Decided.agent_id, one byte long
        other = b"a" if entries[place + 2 : place + 3] == b"b" else b"b"
        return entries[: place + 2] + other + entries[place + 3 :]

    rewrite(journal, to_b)
    (difference,) = verify(journal, core).differences
    assert (difference.partition, difference.seq) == (OURS, journal.heads()[OURS].seq)
    logged = engine_pb2.Entry.FromString(
        difference.logged[1 if len(difference.logged) < 129 else 2 :]
    )
    assert logged.WhichOneof("command") == "route"
    assert difference.decided != difference.logged


@pytest.mark.parametrize(
    ("change", "fields", "words"),
    [
        (lambda entries: entries, {"count": 99}, "its header says 99"),
        (lambda entries: entries[:-1], {}, "entries: |ends inside an entry"),
        (lambda entries: entries + b"\xff", {}, "entries: |ends inside an entry's length"),
    ],
)
async def test_a_record_whose_entries_do_not_add_up_is_refused(
    core, journal, change, fields, words
):
    await a_day(core, journal)
    rewrite(journal, change, **fields)
    with pytest.raises(CorruptRecord, match=words) as error:
        await trace_dispatcher(core, journal).start()
    assert error.value.partition == OURS
    with pytest.raises(CorruptRecord, match=words):
        verify(journal, core)


async def test_a_record_of_newer_rules_is_refused(core, journal):
    await a_day(core, journal)
    rewrite(journal, lambda entries: entries, rules_version=999)
    with pytest.raises(IncompatibleDirectory, match="written by rules version 999"):
        await trace_dispatcher(core, journal).start()


async def test_a_flipped_bit_stops_the_start(core, tmp_path):
    journal = SqliteJournal.open(tmp_path, partitions=PARTITIONS)
    await a_day(core, journal)
    connection = sqlite3.connect(tmp_path / "fenliu.db", isolation_level=None)
    (record,) = connection.execute(
        "SELECT record FROM records WHERE partition = ? AND seq = 3", (OURS,)
    ).fetchone()
    flipped = bytes([*record[:-1], record[-1] ^ 1])
    connection.execute(
        "UPDATE records SET record = ? WHERE partition = ? AND seq = 3", (flipped, OURS)
    )
    connection.close()
    with pytest.raises(CorruptRecord, match=f"partition {OURS}, record 3: checksum"):
        await trace_dispatcher(core, journal).start()
    journal.close()
