"""State on disk: nobody can tell from any answer what is in memory and what is not."""

import asyncio
import sqlite3
import threading
from concurrent.futures import Future
from random import Random

import pytest

from dispatch.world import (
    NOW,
    OTHER_SHOP,
    PARTITIONS,
    SHOP,
    HandledJournal,
    apply_shop,
    logged_hash,
    open_conversations,
    route,
    routed,
    routes,
    staffed,
    trace_dispatcher,
    until,
    update_presence,
)
from fenliu.dispatch import JournalUnavailable, Keeping, TraceClock, WallClock, stored, surge
from fenliu.dispatch import dispatcher as module
from fenliu.engine import CommandKind, QueryKind, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.watch import entries
from fenliu.journal import CorruptSnapshot, StorageError
from fenliu.recovery import chunk_ids, manifest_before, recover, replay, state_hash, verify
from fenliu.recovery.snapshots import chunks_of
from fenliu.v1 import presence_pb2, shop_pb2
from model import commands

ROUTE = CommandKind.ROUTE
OURS = partition_of(SHOP, PARTITIONS)
DAY_MS = 86_400_000


async def store_all(dispatcher, journal) -> None:
    """Everything durable goes into snapshots, and out of memory."""
    for partition in journal.heads():
        await dispatcher.snapshot(partition)
    dispatcher.engine.shrink(0)


def log_of(journal) -> dict[int, bytes]:
    """What was decided, however it was grouped."""
    return {p: b"".join(r.entries for r in journal.read(p)) for p in journal.heads()}


def queries(rng: Random) -> tuple[QueryKind, bytes]:
    shop_id = rng.choice(commands.SHOPS)
    return rng.choice(
        (
            (QueryKind.GET_SHOP, shop_pb2.GetShopRequest(shop_id=shop_id)),
            (QueryKind.LIST_SHOPS, shop_pb2.ListShopsRequest(page_size=2)),
            (QueryKind.LIST_PRESENCE, presence_pb2.ListPresenceRequest(shop_id=shop_id)),
        )
    )


@pytest.mark.parametrize("seed", range(4))
async def test_one_that_stores_and_forgets_answers_as_one_that_keeps_all(core, tmp_path, seed):
    rng = Random(seed)
    plain, storing = HandledJournal(tmp_path / "plain"), HandledJournal(tmp_path / "storing")
    keeps, stores = trace_dispatcher(core, plain), trace_dispatcher(core, storing)
    await keeps.start()
    await stores.start()
    issued, etags, now = 0, [""], NOW
    for step in range(400):
        now = max(NOW, now + rng.choice(commands.JUMPS))
        happening = rng.randrange(25)
        if happening == 0 and storing.heads():
            await stores.snapshot(rng.choice(list(storing.heads())))
        elif happening == 1:
            stores.engine.shrink(0)
        elif happening == 2 and step % 3 == 0:
            await stores.close()
            stores = trace_dispatcher(core, storing)
            await stores.start()
        elif happening == 3:
            kind, request = queries(rng)
            body = request.SerializeToString()
            answers = [await one.query(kind, body, now_ms=now) for one in (keeps, stores)]
            assert answers[0] == answers[1], (seed, step, kind)
        else:
            name, message, actor = commands.any_command(rng, issued, etags, now)
            kind = CommandKind[name.upper()]
            body = message.SerializeToString()
            answers = [
                await one.command(kind, body, actor=actor, now_ms=now) for one in (keeps, stores)
            ]
            assert answers[0] == answers[1], (seed, step, message)
            if kind == ROUTE and answers[0].code == 0:
                conversation = routed(answers[0].body).conversation_id
                issued = max(issued, int(conversation[1:] or 0))
    assert log_of(plain) == log_of(storing)
    assert await keeps.state_hash() == await stores.state_hash()
    assert replay(storing, core)[0].state_hash() == logged_hash(storing, core)
    assert verify(storing, core).differences == []
    await keeps.close()
    await stores.close()
    plain.close()
    storing.close()


async def test_batches_go_on_where_something_has_to_be_fetched(core, journal, tmp_path):
    plain = HandledJournal(tmp_path / "plain")
    keeps, stores = trace_dispatcher(core, plain), trace_dispatcher(core, journal)
    for one in (keeps, stores):
        await one.start()
        await staffed(one, SHOP, OTHER_SHOP, idle_close_ms=1000)
    buyers = [f"buyer-{number:05}" for number in range(3000)]
    for at, first in enumerate(range(0, 3000, 1000)):
        now = NOW + at * 10_000
        some = routes(buyers[first : first + 1000])
        assert await keeps.batch(ROUTE, some, now_ms=now) == await stores.batch(
            ROUTE, some, now_ms=now
        )
        await store_all(stores, journal)
    mixed = routes(Random(1).sample([*buyers, *(f"new-{n}" for n in range(500))], 2000))
    now = NOW + 60_000
    answers = [await one.batch(ROUTE, mixed, now_ms=now) for one in (keeps, stores)]
    assert answers[0] == answers[1]
    assert len(journal.manifest(OURS).content) > 0
    assert logged_hash(plain, core) == logged_hash(journal, core)
    await keeps.close()
    await stores.close()
    plain.close()


async def test_what_a_snapshot_has_just_written_need_not_be_read(core, journal, monkeypatch):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher, idle_close_ms=1000)
    read = []
    monkeypatch.setattr(journal, "chunks", lambda *of: read.append(of) or {})
    for turn in range(3):
        buyers = [f"buyer-{number}" for number in range(0, 3000, turn + 1)]
        for first in range(0, len(buyers), 1000):
            some = routes(buyers[first : first + 1000])
            await dispatcher.batch(ROUTE, some, now_ms=NOW + 10_000 * turn)
        monkeypatch.undo()  # making it reads the one before
        await dispatcher.snapshot(OURS)
        monkeypatch.setattr(journal, "chunks", lambda *of: read.append(of) or {})
    assert not read
    await dispatcher.close()


async def test_a_restart_reads_only_what_came_after_the_snapshot(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    await dispatcher.batch(ROUTE, routes([f"b{n}" for n in range(50)]), now_ms=NOW)
    await dispatcher.snapshot(OURS)
    await dispatcher.command(ROUTE, route("late"), now_ms=NOW)
    digest = await dispatcher.state_hash()
    await dispatcher.close()
    again = trace_dispatcher(core, journal)
    recovered = await again.start()
    assert (recovered.records, recovered.entries) == (1, 1)
    assert await again.state_hash() == digest
    assert digest[0] == replay(journal, core)[0].state_hash()
    await again.close()


async def test_a_snapshot_holds_exactly_what_was_durable_while_others_decide(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher, SHOP, OTHER_SHOP)

    async def ask(worker: int) -> None:
        for number in range(30):
            await dispatcher.command(ROUTE, route(f"b{worker}-{number}"), now_ms=NOW + number)

    async def keep_storing() -> None:
        for _ in range(10):
            await dispatcher.snapshot(OURS)
            dispatcher.engine.shrink(0)
            await asyncio.sleep(0)

    await asyncio.gather(keep_storing(), *(ask(worker) for worker in range(8)))
    digest, _ = await dispatcher.state_hash()
    assert digest == replay(journal, core)[0].state_hash()
    _engine, _ = recover(journal, core)
    newest = journal.manifest(OURS)
    assert 0 < newest.seq <= journal.heads()[OURS].seq
    await dispatcher.close()


async def test_what_falls_due_in_a_shop_on_disk_happens_in_time(core, journal, monkeypatch):
    monkeypatch.setattr(module, "TICK_S", 0.01)
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher, idle_close_ms=1000)
    await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)
    await store_all(dispatcher, journal)
    assert dispatcher.engine.next_due() == NOW + 1000
    assert await open_conversations(dispatcher, NOW + 500) == 1
    dispatcher.engine.shrink(0)
    # The clock runs from now on, and it is long past: the tick comes to it by itself.
    dispatcher.use_clock(WallClock())
    await until(lambda: dispatcher.engine.next_due() is None)
    await dispatcher.drain()
    closed = [
        fact.conversation_closed.at_ms
        for record in journal.read(OURS)
        for fact in facts(record)
        if fact.HasField("conversation_closed")
    ]
    assert closed == [NOW + 1000]
    await dispatcher.close()


def facts(record) -> list[engine_pb2.Fact]:
    return [fact for entry in entries(record) for fact in entry.facts]


async def test_sessions_of_shops_on_disk_are_known(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    update = update_presence("session", "a")
    await dispatcher.command(CommandKind.UPDATE_PRESENCE, update, now_ms=NOW)
    await store_all(dispatcher, journal)
    assert dispatcher.sessions() == [("session", SHOP)]
    await dispatcher.close()
    again = trace_dispatcher(core, journal)
    await again.start()
    assert again.sessions() == [("session", SHOP)]
    await again.close()


async def test_memory_is_kept_below_the_limit_by_storing_what_can_be(core, journal, monkeypatch):
    monkeypatch.setattr(stored, "CHECK_S", 0.01)
    limit = 400_000
    dispatcher = trace_dispatcher(core, journal, keeping=Keeping(state_bytes=limit))
    await dispatcher.start()
    shops = [f"shop-{number}" for number in range(200)]
    for shop in shops:
        await staffed(dispatcher, shop, idle_close_ms=1000)
        for buyer in range(10):
            await dispatcher.command(ROUTE, route(f"b{buyer}", shop), now_ms=NOW)
    await until(lambda: dispatcher.engine.memory() <= limit)
    for shop in shops:
        answer = await dispatcher.command(ROUTE, route("b3", shop), now_ms=NOW + 500)
        assert routed(answer.body).conversation_id == "c4"
    digest, count = await dispatcher.state_hash()
    assert count == 200
    await dispatcher.close()
    assert digest == replay(journal, core)[0].state_hash()


async def test_a_start_behind_a_long_tail_stays_below_the_limit_too(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    for number in range(200):
        await staffed(dispatcher, f"shop-{number}", idle_close_ms=1000)
        await dispatcher.command(ROUTE, route("buyer", f"shop-{number}"), now_ms=NOW)
    digest = await dispatcher.state_hash()
    took = dispatcher.engine.memory()
    await dispatcher.drain()
    again = trace_dispatcher(core, journal, keeping=Keeping(state_bytes=took // 3))
    recovered = await again.start()
    assert recovered.entries == 800
    assert again.engine.memory() < took // 2
    assert await again.state_hash() == digest
    answer = await again.command(ROUTE, route("buyer", "shop-7"), now_ms=NOW + 500)
    assert routed(answer.body).conversation_id == "c1"
    await again.close()
    await dispatcher.close()


# Damage


def flip(journal, table: str, column: str, where: str = "1") -> None:
    """Flips a bit in the middle of each value."""
    connection = sqlite3.connect(journal.stored.directory / "fenliu.db", isolation_level=None)
    rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {where}").fetchall()
    for rowid, value in rows:
        damaged = bytearray(value)
        damaged[len(damaged) // 2] ^= 1
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE rowid = ?",
            (bytes(damaged), rowid),
        )
    connection.close()
    assert rows


@pytest.mark.parametrize(("table", "column"), [("chunks", "chunk"), ("manifests", "manifest")])
async def test_a_damaged_snapshot_is_passed_over_at_the_start(core, journal, table, column):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)
    await dispatcher.snapshot(OURS)
    await dispatcher.command(ROUTE, route("later"), now_ms=NOW)
    digest = await dispatcher.state_hash()
    await dispatcher.close()
    flip(journal, table, column)
    again = trace_dispatcher(core, journal)
    recovered = await again.start()
    assert recovered.unusable == [(OURS, 4)]
    answer = await again.command(ROUTE, route("buyer"), now_ms=NOW + 1)
    assert routed(answer.body).conversation_id == "c1"
    await again.snapshot(OURS)  # a new one takes its place
    await again.close()
    _engine, recovered = recover(journal, core)
    assert (recovered.unusable, recovered.records) == ([], 0)
    assert digest[1] == 1


async def test_a_chunk_that_is_found_damaged_while_serving_is_never_used(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)
    await store_all(dispatcher, journal)
    flip(journal, "chunks", "chunk")
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)
    await until(lambda: dispatcher.healthy)
    answer = await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)
    assert routed(answer.body).conversation_id == "c1"
    await dispatcher.close()
    assert verify(journal, core).differences == []


async def test_a_full_disk_costs_a_snapshot_and_nothing_else(core, journal, monkeypatch):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)

    def full(*_):
        future = Future()
        future.set_exception(StorageError("database or disk is full"))
        return future

    monkeypatch.setattr(journal.stored, "put_chunks", full)
    await dispatcher.snapshot(OURS)
    assert journal.manifests(OURS) == []
    assert dispatcher.healthy
    monkeypatch.undo()
    await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)
    await store_all(dispatcher, journal)
    assert [head.seq for head in journal.manifests(OURS)] == [4]
    assert (await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)).code == 0
    await dispatcher.close()


async def test_a_snapshot_of_what_somebody_else_overwrote_is_not_gone_by(core, journal, tmp_path):
    """The rotation that went with lost decisions is not taken for the recovered state's."""
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    await dispatcher.snapshot(OURS)
    journal.fail_before = True
    losing = asyncio.create_task(dispatcher.command(ROUTE, route("lost"), now_ms=NOW))
    await asyncio.sleep(0)
    with pytest.raises(JournalUnavailable):
        await dispatcher.snapshot(OURS)
    with pytest.raises(JournalUnavailable):
        await losing
    journal.fail_before = False
    await until(lambda: dispatcher.healthy)
    answer = await dispatcher.command(ROUTE, route("buyer"), now_ms=NOW)
    assert routed(answer.body).decision_id == "d1"
    await store_all(dispatcher, journal)
    assert (await dispatcher.state_hash())[0] == replay(journal, core)[0].state_hash()
    await dispatcher.close()


# Retention


class DaysClock(TraceClock):
    """The trace's, and the day given for what nobody gives a time."""

    now = NOW

    def now_ms(self, given=None):
        return self.now if given is None else given


async def test_what_is_old_goes_and_the_rest_is_as_before(core, journal):
    """A little happens each day; what is kept begins with a snapshot from before the time asked for."""
    clock = DaysClock()
    dispatcher = trace_dispatcher(core, journal)
    dispatcher.use_clock(clock)
    await dispatcher.start()
    await staffed(dispatcher)
    for day in range(8):
        clock.now = NOW + day * DAY_MS
        for number in range(5):
            await dispatcher.command(ROUTE, route(f"b{day}-{number}"), now_ms=clock.now + number)
        await dispatcher.retain(clock.now - 3 * DAY_MS)
    digest = await dispatcher.state_hash()
    times = [(head.now_ms - NOW) // DAY_MS for head in journal.manifests(OURS)]
    assert times == [2, 4, 6]
    oldest = journal.manifests(OURS)[0].seq
    assert journal.starts()[OURS] == oldest + 1
    answer = await dispatcher.command(ROUTE, route("b7-4"), now_ms=NOW + 7 * DAY_MS + 10)
    assert routed(answer.body).conversation_id == "c40"
    assert (await dispatcher.state_hash())[0] != digest[0]
    await dispatcher.close()
    again = trace_dispatcher(core, journal)
    await again.start()
    assert (await again.state_hash())[0] == replay(journal, core)[0].state_hash()
    assert verify(journal, core).differences == []
    await again.close()
    needed = {
        chunk
        for head in journal.manifests(OURS)
        for chunk in chunks_of(
            engine_pb2.Manifest.FromString(journal.manifest(OURS, head.seq).content)
        )
    }
    assert journal.chunk_ids(OURS) == needed


async def test_the_state_before_a_record_is_found_from_the_nearest_snapshot(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    for number in range(6):
        await dispatcher.command(ROUTE, route(f"b{number}"), now_ms=NOW + number)
        if number == 2:
            await dispatcher.snapshot(OURS)
    for seq in range(2, journal.heads()[OURS].seq + 1):
        whole = core.engine(PARTITIONS)
        for record in journal.read(OURS):
            if record.seq < seq:
                whole.apply(record.entries)
        manifest, chunks = manifest_before(journal, core, SHOP, seq)
        found = core.engine(PARTITIONS)
        found.load_manifest(manifest)
        while missing := found.missing_of(SHOP):
            for one in chunk_ids(missing):
                found.put_chunk(one, chunks.get(one) or journal.chunks(OURS, [one])[one])
        assert found.snapshot(SHOP) == whole.snapshot(SHOP)
    await dispatcher.close()


async def test_without_its_beginning_and_without_a_snapshot_a_log_is_refused(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    await dispatcher.close()
    connection = sqlite3.connect(journal.stored.directory / "fenliu.db", isolation_level=None)
    connection.execute("DELETE FROM records WHERE seq = 1")
    connection.close()
    with pytest.raises(CorruptSnapshot, match="begins at record 2"):
        recover(journal, core)
    with pytest.raises(CorruptSnapshot, match="begins at record 2"):
        state_hash(journal, core)


async def test_deleted_and_made_again_between_snapshots(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher, idle_close_ms=1000)
    await dispatcher.command(ROUTE, route("buyer", request_id="r"), now_ms=NOW)
    await store_all(dispatcher, journal)
    delete = shop_pb2.DeleteShopRequest(shop_id=SHOP, force=True).SerializeToString()
    assert (await dispatcher.command(CommandKind.DELETE_SHOP, delete, now_ms=NOW + 1)).code == 0
    assert (
        await dispatcher.command(CommandKind.APPLY_SHOP, apply_shop(), now_ms=NOW + 2)
    ).code == 0
    await store_all(dispatcher, journal)
    await staffed(dispatcher, now_ms=NOW + 3)
    answer = await dispatcher.command(ROUTE, route("buyer", request_id="r"), now_ms=NOW + 5000)
    assert (routed(answer.body).decision_id, routed(answer.body).conversation_id) == ("d2", "c2")
    assert (await dispatcher.state_hash())[0] == replay(journal, core)[0].state_hash()
    await dispatcher.close()


async def test_an_end_in_the_middle_of_a_snapshot_harms_neither(core, journal, monkeypatch):
    """The one under way is not overtaken by those made at the end."""
    monkeypatch.setattr(stored, "CLOSING_TAIL_BYTES", 0)
    dispatcher = trace_dispatcher(core, journal, keeping=Keeping(snapshot_after=1))
    monkeypatch.setattr(stored, "CHECK_S", 0.001)
    await dispatcher.start()
    for number in range(20):
        await staffed(dispatcher, f"shop-{number}")
        await dispatcher.batch(
            ROUTE, routes([f"b{n}" for n in range(100)], f"shop-{number}"), now_ms=NOW
        )
    await dispatcher.close()
    for partition, head in journal.heads().items():
        assert journal.manifests(partition)[-1].seq == head.seq
    _, recovered = recover(journal, core)
    assert (recovered.records, recovered.unusable) == (0, [])
    assert state_hash(journal, core)[0] == replay(journal, core)[0].state_hash()


async def test_while_a_surge_lasts_nothing_is_stored_until_there_is_much(
    core, journal, monkeypatch
):
    monkeypatch.setattr(stored, "CHECK_S", 0.001)
    monkeypatch.setattr(surge, "CALM_S", 0.5)
    monkeypatch.setattr(stored, "REST", 0.5)
    after = 4_000
    dispatcher = trace_dispatcher(core, journal, keeping=Keeping(snapshot_after=after))
    busy = 1.0
    dispatcher._state.surge.busy = lambda: busy
    dispatcher._state._reads = 1.0
    await dispatcher.start()
    await until(lambda: dispatcher._state.surge.lasts)
    await staffed(dispatcher, idle_close_ms=1000)

    async def grown(size: int) -> None:
        """Until the log behind the last snapshot has so many bytes."""
        number = 0
        while dispatcher._state.tail(OURS) < size:
            number += 1
            await dispatcher.command(ROUTE, route(f"b{number}"), now_ms=NOW)

    await grown(stored.MUCH[0] * after * 3 // 4)
    await asyncio.sleep(0.1)
    assert not journal.manifests(OURS)
    await grown(stored.MUCH[0] * after)
    await until(lambda: journal.manifests(OURS))  # made although the surge lasts
    await grown(2 * after)
    await asyncio.sleep(0.1)
    assert len(journal.manifests(OURS)) == 1
    busy = 0.0
    await until(lambda: len(journal.manifests(OURS)) == 2)
    await dispatcher.close()
    assert state_hash(journal, core)[0] == replay(journal, core)[0].state_hash()


async def test_while_a_surge_lasts_a_snapshot_rests_most_of_the_time(core, journal, monkeypatch):
    rests: list[float] = []
    monkeypatch.setattr(stored, "WORK_S", 0.0)
    monkeypatch.setattr(stored.time, "sleep", rests.append)
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    for number in range(20):
        await dispatcher.command(ROUTE, route(f"b{number}"), now_ms=NOW)
    await dispatcher.snapshot(OURS)
    assert not rests
    dispatcher._state.surge.lasts = True
    for number in range(20):
        await dispatcher.command(ROUTE, route(f"c{number}"), now_ms=NOW)
    await dispatcher.snapshot(OURS)
    assert len(rests) >= 20
    assert all(0 < rest <= stored.LONGEST_REST_S for rest in rests)
    await dispatcher.close()


@pytest.mark.parametrize("waits_for", ["the state hash", "no snapshot being made"])
async def test_a_snapshot_that_is_waited_for_rests_no_more(core, journal, monkeypatch, waits_for):
    rests: list[float] = []
    resting, rested = threading.Event(), threading.Event()

    def rest(seconds: float) -> None:
        rests.append(seconds)
        resting.set()
        assert rested.wait(10)

    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    for number in range(20):
        await dispatcher.command(ROUTE, route(f"b{number}"), now_ms=NOW)
    monkeypatch.setattr(stored, "WORK_S", 0.0)
    monkeypatch.setattr(stored.time, "sleep", rest)
    dispatcher._state.surge.lasts = True

    async def waiter() -> None:
        if waits_for == "the state hash":
            await dispatcher.state_hash()
        else:
            async with dispatcher.still(OURS):
                assert journal.manifests(OURS)

    made = asyncio.create_task(dispatcher.snapshot(OURS))
    await until(resting.is_set)
    waiting = asyncio.create_task(waiter())
    await until(lambda: dispatcher._state._waiting)
    rested.set()
    await asyncio.gather(made, waiting)
    assert len(rests) == 1
    await dispatcher.close()


def test_a_surge_lasts_until_it_has_been_calm_for_a_while(monkeypatch):
    now, busy = 100.0, 1.0
    a_surge = surge.Surge(lambda: now)
    a_surge.look()
    assert not a_surge.lasts  # nobody tells
    a_surge.busy = lambda: busy
    a_surge.look()
    assert a_surge.lasts
    busy = surge.BUSY / 2
    now += surge.CALM_S / 2
    a_surge.look()
    assert a_surge.lasts
    busy = surge.BUSY
    a_surge.look()
    busy = 0.0
    now += surge.CALM_S * 0.9
    a_surge.look()
    assert a_surge.lasts
    now += surge.CALM_S * 0.2
    a_surge.look()
    assert not a_surge.lasts


async def test_how_much_may_wait_is_what_a_start_reads_in_its_time(core, journal):
    state = trace_dispatcher(core, journal, keeping=Keeping(snapshot_after=1000))._state
    least, most = (1000 * times for times in stored.MUCH)
    for wait, reads in ((least, 1), (20_000, 20_000 / stored.READ_BACK_S), (most, 1e9)):
        state._reads = reads
        state._tails.start({OURS: wait - 1})
        assert not state._is_urgent(), reads
        state._tails.start({OURS: wait})
        assert state._is_urgent(), reads
    await state.close({})
