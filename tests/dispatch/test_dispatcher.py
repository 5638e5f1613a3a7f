"""What callers can rely on: durable before answered, together when many, whole when it fails."""

import asyncio

import pytest

from dispatch.world import (
    NOW,
    OTHER_SHOP,
    PARTITIONS,
    SHOP,
    HandledJournal,
    apply_shop,
    get_shop,
    logged_hash,
    open_conversations,
    results,
    route,
    routed,
    routes,
    staffed,
    trace_dispatcher,
    until,
    update_presence,
)
from fenliu.dispatch import (
    ClockRefused,
    Dispatcher,
    EngineFailure,
    JournalUnavailable,
    Overloaded,
    TraceClock,
    WallClock,
)
from fenliu.dispatch import (
    dispatcher as module,
)
from fenliu.dispatch import pacing as pacing_module
from fenliu.dispatch.load import LoopLoad
from fenliu.engine import CommandKind, QueryKind, partition_of

ROUTE = CommandKind.ROUTE


def start(work):
    return asyncio.create_task(work)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_the_two_shops_lie_apart():
    assert partition_of(SHOP, PARTITIONS) != partition_of(OTHER_SHOP, PARTITIONS)


# Durable before answered


async def test_nothing_is_answered_before_it_is_durable(dispatcher, journal):
    await staffed(dispatcher)
    journal.hold()
    call = start(dispatcher.command(ROUTE, route("buyer"), now_ms=NOW))
    await asyncio.sleep(0.05)
    assert not call.done()
    journal.release()
    assert routed((await call).body).agent_id == "a"
    assert journal.heads()[partition_of(SHOP, PARTITIONS)].seq == 4


async def test_a_repeat_waits_for_the_first_to_be_durable(dispatcher, journal):
    await staffed(dispatcher)
    journal.hold()
    request = route("buyer", request_id="r")
    first = start(dispatcher.command(ROUTE, request, now_ms=NOW))
    await until(lambda: len(journal.groups) == 4)
    repeat = start(dispatcher.command(ROUTE, request, now_ms=NOW))
    await asyncio.sleep(0.05)
    assert not repeat.done()
    journal.release()
    assert await repeat == await first
    assert len(journal.groups) == 4


async def test_refusals_and_reads_wait_for_what_they_rest_on(dispatcher, journal):
    await staffed(dispatcher, OTHER_SHOP)
    journal.hold()
    applied = start(dispatcher.command(CommandKind.APPLY_SHOP, apply_shop(), now_ms=NOW))
    await until(lambda: len(journal.groups) == 4)
    waiting = [
        start(dispatcher.command(ROUTE, route("x", dedicated_agent_id="nobody"), now_ms=NOW)),
        start(dispatcher.query(QueryKind.GET_SHOP, get_shop())),
        start(dispatcher.query(QueryKind.LIST_SHOPS, b"")),
        start(dispatcher.state_hash()),
    ]
    await asyncio.sleep(0.05)
    assert not any(call.done() for call in (applied, *waiting))
    # What rests on nothing that waits is answered at once.
    assert (await dispatcher.command(ROUTE, b"\xff", now_ms=NOW)).code == 3
    assert (await dispatcher.query(QueryKind.GET_SHOP, b"\xff")).code == 3
    assert (await dispatcher.query(QueryKind.GET_SHOP, get_shop(OTHER_SHOP))).code == 0
    journal.release()
    refused, shop, shops, (_, count) = await asyncio.gather(*waiting)
    assert (refused.code, shop.code, shops.code, count) == (5, 0, 0, 2)
    assert (await applied).code == 0


async def test_what_arrives_during_a_commit_goes_in_together(dispatcher, journal):
    await staffed(dispatcher, SHOP, OTHER_SHOP)
    del journal.groups[:]
    journal.hold()
    first = start(dispatcher.command(ROUTE, route("first"), now_ms=NOW))
    await until(lambda: len(journal.groups) == 1)
    calls = [
        start(dispatcher.command(ROUTE, route(f"b{n}", shop), now_ms=NOW))
        for n in range(50)
        for shop in (SHOP, OTHER_SHOP)
    ]
    await turns()
    journal.release()
    answers = await asyncio.gather(first, *calls)
    assert [answer.code for answer in answers] == [0] * 101
    assert [len(group) for group in journal.groups] == [1, 2]
    counts = [
        record.count for append in journal.groups[1] for record in journal.read(append.partition, 4)
    ]
    assert sorted(counts) == [1, 50, 50]


@pytest.mark.parametrize(("busy", "before", "commits"), [(1.0, 8, 1), (1.0, 64, 2), (0.5, 8, 2)])
async def test_while_many_come_and_there_is_no_time_to_spare_they_wait_a_little_for_each_other(
    core, journal, monkeypatch, busy, before, commits
):
    monkeypatch.setattr(LoopLoad, "busy", lambda _load: busy)
    dispatcher = trace_dispatcher(core, journal, watch_load=True)
    await dispatcher.start()
    await staffed(dispatcher)
    await asyncio.sleep(pacing_module.LOOK_S)  # whatever was judged before is forgotten
    monkeypatch.setattr(pacing_module, "PACE_S", 1.5)
    monkeypatch.setattr(pacing_module, "KEEPS", 0.0)
    monkeypatch.setattr(pacing_module, "PAYS", 0)
    await asyncio.gather(
        *(dispatcher.command(ROUTE, route(f"b{n}"), now_ms=NOW) for n in range(before))
    )
    del journal.groups[:]
    calls = [start(dispatcher.command(ROUTE, route("one"), now_ms=NOW))]
    await asyncio.sleep(0.1)
    calls.append(start(dispatcher.command(ROUTE, route("other"), now_ms=NOW)))
    assert [answer.code for answer in await asyncio.gather(*calls)] == [0, 0]
    assert len(journal.groups) == commits
    await dispatcher.close()


async def test_a_caller_that_leaves_disturbs_nobody(dispatcher, journal):
    await staffed(dispatcher)
    journal.hold()
    leaves = start(dispatcher.command(ROUTE, route("b1"), now_ms=NOW))
    stays = start(dispatcher.command(ROUTE, route("b2"), now_ms=NOW))
    await turns()
    leaves.cancel()
    await turns()
    journal.release()
    assert (await stays).code == 0
    assert await open_conversations(dispatcher) == 2


# Batches


async def test_a_batch_is_answered_the_same_in_slices_and_whole(core, tmp_path):
    answers = []
    for slice_size in (1, 7, 4096):
        journal = HandledJournal(tmp_path / str(slice_size))
        dispatcher = trace_dispatcher(core, journal, slice_size=slice_size)
        await dispatcher.start()
        await staffed(dispatcher)
        batch = routes([f"b{n % 20}" for n in range(30)])
        answer = await dispatcher.batch(ROUTE, batch, now_ms=NOW)
        answers.append((answer, await dispatcher.state_hash()))
        await dispatcher.close()
        journal.close()
    assert answers[0] == answers[1] == answers[2]
    answer = answers[0][0]
    assert (answer.code, answer.total, answer.batch_id) == (0, 30, 7)
    assert [r.response.agent_id for r in results(answer.results)].count("a") > 10


async def test_an_empty_batch_and_a_malformed_one_are_answered(dispatcher):
    empty = await dispatcher.batch(ROUTE, b"", now_ms=NOW)
    assert (empty.code, empty.results, empty.total) == (0, b"", 0)
    assert (await dispatcher.batch(ROUTE, b"\xff", now_ms=NOW)).code == 3


async def test_the_loop_gets_its_turn_between_slices(core, journal):
    dispatcher = trace_dispatcher(core, journal, slice_size=1)
    await dispatcher.start()
    await staffed(dispatcher)
    batch = start(dispatcher.begin_batch(ROUTE, routes([f"b{n}" for n in range(40)]), now_ms=NOW))
    passed = 0
    while not batch.done():
        await asyncio.sleep(0)
        passed += 1
    assert passed >= 39
    await (await batch).answer()
    await dispatcher.close()


async def test_the_next_batch_is_decided_while_the_first_becomes_durable(dispatcher, journal):
    await staffed(dispatcher)
    journal.hold()
    first = await dispatcher.begin_batch(ROUTE, routes(["b1"]), now_ms=NOW)
    second = await dispatcher.begin_batch(ROUTE, routes(["b1", "b2"]), now_ms=NOW)
    answers = [start(first.answer()), start(second.answer())]
    await asyncio.sleep(0.05)
    assert not any(answer.done() for answer in answers)
    journal.release()
    got = [results(answer.results) for answer in await asyncio.gather(*answers)]
    assert got[0][0].response.conversation_id == got[1][0].response.conversation_id == "c1"


async def test_a_batch_is_lost_when_its_first_slice_is(core, journal):
    dispatcher = trace_dispatcher(core, journal, slice_size=1)
    await dispatcher.start()
    await staffed(dispatcher)
    before = logged_hash(journal, core)
    journal.hold()
    journal.fail_before = True
    buyers = [f"b{n}" for n in range(4096)]
    batch = start(dispatcher.batch(ROUTE, routes(buyers), now_ms=NOW))
    await until(lambda: len(journal.groups) == 4)
    assert not batch.done()
    journal.release()
    with pytest.raises(JournalUnavailable):
        await batch
    journal.fail_before = False
    await until(lambda: dispatcher.healthy)
    assert (await dispatcher.state_hash())[0] == before
    await dispatcher.close()


async def test_commands_are_answered_in_order_when_all_are_durable(dispatcher, journal):
    await staffed(dispatcher)
    journal.hold()
    requests = [
        update_presence("s", "a"),
        update_presence("s", "nobody"),
        *[update_presence("s", "b")] * 100,
    ]
    call = start(dispatcher.commands(CommandKind.UPDATE_PRESENCE, requests, now_ms=NOW))
    await asyncio.sleep(0.05)
    assert not call.done()
    journal.release()
    assert [answer.code for answer in await call] == [0, 5, *[0] * 100]
    assert dispatcher.sessions() == [("s", SHOP)]


# Load


async def test_too_many_waiting_answers_are_refused_untouched(core, journal):
    dispatcher = trace_dispatcher(core, journal, max_waiting=2)
    await dispatcher.start()
    await staffed(dispatcher)
    journal.hold()
    calls = [start(dispatcher.command(ROUTE, route(f"b{n}"), now_ms=NOW)) for n in range(2)]
    await turns()
    for refused in (
        dispatcher.command(ROUTE, route("b3"), now_ms=NOW),
        dispatcher.batch(ROUTE, routes(["b3"]), now_ms=NOW),
        dispatcher.query(QueryKind.GET_SHOP, get_shop()),
    ):
        with pytest.raises(Overloaded) as error:
            await refused
        assert error.value.retry_after_ms > 0
    journal.release()
    await asyncio.gather(*calls)
    assert await open_conversations(dispatcher) == 2
    assert (await dispatcher.command(ROUTE, route("b3"), now_ms=NOW)).code == 0
    await dispatcher.close()


# When the journal fails


async def test_a_failed_commit_undoes_all_that_was_built_on_it(dispatcher, journal, core):
    await staffed(dispatcher, SHOP, OTHER_SHOP)
    before = await dispatcher.state_hash()
    health = []
    dispatcher.on_health_change = health.append
    journal.hold()
    journal.fail_before = True
    lost = [start(dispatcher.command(ROUTE, route("b1"), now_ms=NOW))]
    await until(lambda: len(journal.groups) == 7)
    lost += [
        start(dispatcher.command(ROUTE, route("b1"), now_ms=NOW)),
        start(dispatcher.command(ROUTE, route("b2", OTHER_SHOP), now_ms=NOW)),
        start(dispatcher.query(QueryKind.GET_SHOP, get_shop())),
        start(dispatcher.state_hash()),
    ]
    await turns()
    journal.release()
    outcomes = await asyncio.gather(*lost, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [JournalUnavailable] * 5
    journal.fail_before = False
    await until(lambda: dispatcher.healthy)
    assert health == [False, True]
    assert await dispatcher.state_hash() == before == (logged_hash(journal, core), 2)
    answer = routed((await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)).body)
    assert answer.conversation_id == "c1"


async def test_nothing_is_decided_until_the_journal_can_be_written_again_and_reads_work(
    dispatcher, journal, core
):
    await staffed(dispatcher)
    journal.fail_before = journal.fail_probes = True
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    await until(lambda: journal.failed_probes >= 3)
    assert not dispatcher.healthy
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    assert (await dispatcher.query(QueryKind.GET_SHOP, get_shop())).code == 0
    assert await open_conversations(dispatcher, NOW + 1) == 0
    assert await dispatcher.state_hash() == (logged_hash(journal, core), 1)
    assert len(journal.groups) == 4
    journal.fail_before = journal.fail_probes = False
    await until(lambda: dispatcher.healthy)
    assert (await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)).code == 0


async def test_nothing_is_shown_before_the_state_is_again_what_the_log_says(dispatcher, journal):
    await staffed(dispatcher)
    journal.fail_before = journal.fail_reads = True
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    with pytest.raises(JournalUnavailable):
        await dispatcher.query(QueryKind.GET_SHOP, get_shop())
    journal.fail_before = journal.fail_reads = False
    await until(lambda: dispatcher.healthy)
    assert (await dispatcher.query(QueryKind.GET_SHOP, get_shop())).code == 0


async def test_a_really_full_disk_is_survived(core, tmp_path):
    class Small(HandledJournal):
        """Limits the database to so many pages, as a full disk would."""

        def limit(self, pages: int) -> None:
            connect = type(self.stored)._connect

            def limited():
                connection = connect(self.stored)
                connection.execute(f"PRAGMA max_page_count = {pages}")
                return connection

            self.stored._connect = limited
            self.stored._writer.submit(self.stored._disconnect).result()

    journal = Small(tmp_path)
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    journal.limit(1)
    acknowledged = lost = 0
    for n in range(1000):
        try:
            await dispatcher.command(ROUTE, route(f"b{n}" + "x" * 100), now_ms=NOW)
        except JournalUnavailable:
            lost += 1
            break
        acknowledged += 1
    assert lost == 1
    journal.limit(1_000_000)
    await until(lambda: dispatcher.healthy)
    assert await open_conversations(dispatcher) == acknowledged
    assert (await dispatcher.state_hash())[0] == logged_hash(journal, core)
    await dispatcher.command(ROUTE, route("last"), now_ms=NOW)
    await dispatcher.close()
    journal.close()


async def test_an_error_after_the_records_went_in_changes_no_answer(dispatcher, journal, core):
    await staffed(dispatcher)
    journal.fail_after = True
    answer = await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    assert routed(answer.body).conversation_id == "c1"
    assert dispatcher.healthy
    journal.fail_after = False
    await dispatcher.command(ROUTE, route("b2"), now_ms=NOW)
    assert (await dispatcher.state_hash())[0] == logged_hash(journal, core)


async def test_what_went_in_unnoticed_is_found_by_its_request_id(dispatcher, journal, core):
    await staffed(dispatcher)
    journal.fail_after = journal.fail_reads = True
    request = route("b1", request_id="r")
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, request, now_ms=NOW)
    journal.fail_after = journal.fail_reads = False
    await until(lambda: dispatcher.healthy)
    heads = journal.heads()
    answer = await dispatcher.command(ROUTE, request, now_ms=NOW)
    assert routed(answer.body).conversation_id == "c1"
    assert journal.heads() == heads
    assert (await dispatcher.state_hash())[0] == logged_hash(journal, core)


async def test_two_writers_stay_right_and_read_what_they_missed(core, journal):
    ours, theirs = (trace_dispatcher(core, journal.stored) for _ in range(2))
    await ours.start()
    await staffed(ours, SHOP, OTHER_SHOP)
    await theirs.start()
    await ours.command(ROUTE, route("b1"), now_ms=NOW)
    # One partition is behind, the other is not: what went in is answered.
    calls = [
        start(theirs.command(ROUTE, route("b2"), now_ms=NOW)),
        start(theirs.command(ROUTE, route("b3", OTHER_SHOP), now_ms=NOW)),
    ]
    missed, fine = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(missed, JournalUnavailable)
    assert routed(fine.body).conversation_id == "c1"
    await until(lambda: theirs.healthy)
    again = await theirs.command(ROUTE, route("b2"), now_ms=NOW)
    assert routed(again.body).conversation_id == "c2"
    assert (await theirs.state_hash())[0] == logged_hash(journal, core)
    await ours.close()
    await theirs.close()


# When the engine fails


class Panic(BaseException):
    """As a panic of the Rust core arrives: no Exception."""


class FailingCore:
    """A core whose engines are the real ones, until a buyer called `poison` asks."""

    def __init__(self, core) -> None:
        self._core = core
        self.failing_replays = 0

    def __getattr__(self, name):
        return getattr(self._core, name)

    def engine(self, partitions):
        return FailingEngine(self._core.engine(partitions), self)


class FailingEngine:
    def __init__(self, engine, core) -> None:
        self._engine = engine
        self._core = core

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def decide(self, kind, request, now_ms, actor="", most_due=0):
        decided = self._engine.decide(kind, request, now_ms, actor, most_due)
        if b"poison" in request:
            raise Panic("after the state has changed")
        return decided

    def apply(self, entries, start=0, shop_id=""):
        if self._core.failing_replays:
            self._core.failing_replays -= 1
            raise Panic("while the log is read back")
        return self._engine.apply(entries, start, shop_id)


async def test_an_engine_failure_fails_that_call_and_leaves_no_trace(core, journal):
    failing = FailingCore(core)
    dispatcher = trace_dispatcher(failing, journal)
    await dispatcher.start()
    await staffed(dispatcher, SHOP, OTHER_SHOP)
    journal.hold()
    under_way = start(dispatcher.command(ROUTE, route("b1"), now_ms=NOW))
    await turns()
    with pytest.raises(EngineFailure):
        await dispatcher.command(ROUTE, route("poison"), now_ms=NOW)
    assert not dispatcher.healthy
    failing.failing_replays = 2
    journal.release()
    assert routed((await under_way).body).conversation_id == "c1"
    await until(lambda: dispatcher.healthy)
    assert failing.failing_replays == 0
    assert await open_conversations(dispatcher) == 1
    assert await dispatcher.state_hash() == (logged_hash(journal, core), 2)
    await dispatcher.close()


# Time


async def test_what_falls_due_is_applied_by_itself(core, journal, monkeypatch):
    monkeypatch.setattr(module, "TICK_S", 0.01)
    dispatcher = Dispatcher(core, journal, WallClock())
    await dispatcher.start()
    await staffed(dispatcher, now_ms=None, idle_close_ms=1)
    await dispatcher.command(ROUTE, route("b1"))
    ours = partition_of(SHOP, PARTITIONS)

    def entries() -> int:
        return sum(record.count for record in journal.read(ours))

    await until(lambda: entries() == 5)
    assert await open_conversations(dispatcher) == 0
    assert entries() == 5
    await dispatcher.close()


async def test_much_that_is_due_is_applied_between_turns_of_the_loop(
    dispatcher, journal, monkeypatch
):
    monkeypatch.setattr(module, "MOST_DUE", 8)
    await staffed(dispatcher, SHOP, OTHER_SHOP, idle_close_ms=1000)
    for n in range(60):
        await dispatcher.command(ROUTE, route(f"b{n}"), now_ms=NOW + n)
    later, turns = NOW + 10_000, 0
    single = start(dispatcher.command(ROUTE, route("n"), now_ms=later))
    batch = start(dispatcher.batch(ROUTE, routes(["o", "p"]), now_ms=later))
    other = start(dispatcher.command(ROUTE, route("n", OTHER_SHOP), now_ms=later))
    while not single.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 60 // 9
    assert routed((await single).body).decision_id == "d61"
    assert [one.response.decision_id for one in results((await batch).results)] == ["d62", "d63"]
    assert (await other).code == 0
    assert await open_conversations(dispatcher, now_ms=later) == 3
    digest = await dispatcher.state_hash()
    await dispatcher.close()
    again = trace_dispatcher(dispatcher._core, journal)
    await again.start()
    assert await again.state_hash() == digest
    await again.close()


async def test_in_recorded_time_things_fall_due_when_somebody_says_the_time(
    dispatcher, journal, monkeypatch
):
    monkeypatch.setattr(module, "TICK_S", 0.001)
    await staffed(dispatcher, idle_close_ms=1000)
    await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    await asyncio.sleep(0.02)
    assert await open_conversations(dispatcher) == 1
    assert await open_conversations(dispatcher, now_ms=NOW + 999) == 1
    assert await open_conversations(dispatcher, now_ms=NOW + 1000) == 0
    assert journal.heads()[partition_of(SHOP, PARTITIONS)].seq == 5


async def test_a_demo_plays_a_recorded_day_and_then_goes_by_the_wall_clock(dispatcher):
    await staffed(dispatcher, idle_close_ms=1000)
    await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    dispatcher.use_clock(WallClock())
    assert await open_conversations(dispatcher) == 0
    with pytest.raises(ClockRefused):
        await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)


def test_the_wall_clock_takes_no_time_from_callers_and_never_goes_back():
    clock = WallClock()
    with pytest.raises(ClockRefused):
        clock.now_ms(NOW)
    times = [clock.now_ms() for _ in range(1000)]
    assert times == sorted(times)
    assert times[0] > NOW


def test_the_trace_clock_says_what_it_is_told():
    clock = TraceClock()
    assert [clock.now_ms(NOW), clock.now_ms(0)] == [NOW, 0]
    assert clock.now_ms() > NOW


# Beginning and end


async def test_nothing_is_served_before_the_start_and_after_the_end(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    health = []
    dispatcher.on_health_change = health.append
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    await dispatcher.start()
    await staffed(dispatcher)
    journal.hold()
    call = start(dispatcher.command(ROUTE, route("b1"), now_ms=NOW))
    await turns()
    closing = start(dispatcher.close())
    await turns()
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, route("b2"), now_ms=NOW)
    assert not closing.done()
    journal.release()
    await closing
    assert (await call).code == 0
    assert health == [True, False]


async def test_an_end_does_not_wait_for_a_journal_that_stays_broken(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    await staffed(dispatcher)
    journal.fail_before = journal.fail_probes = True
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(ROUTE, route("b1"), now_ms=NOW)
    async with asyncio.timeout(5):
        await dispatcher.close()
    assert not dispatcher.healthy
