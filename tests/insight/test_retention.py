"""Looking back over a log whose beginning has been dropped: what is kept is whole, what is gone is said."""

import pytest

from dispatch.world import (
    NOW,
    PARTITIONS,
    SHOP,
    HandledJournal,
    apply_shop,
    route,
    trace_dispatcher,
)
from fenliu.dispatch import TraceClock
from fenliu.engine import CommandKind, load_core, partition_of
from fenliu.insight.audit import AuditLog
from fenliu.insight.errors import TokenTooOld
from fenliu.insight.watch import AssignmentWatch
from fenliu.v1 import shop_pb2

OURS = partition_of(SHOP, PARTITIONS)
DAY_MS = 86_400_000


class DaysClock(TraceClock):
    """The trace's, and the day given for what nobody gives a time."""

    now = NOW

    def now_ms(self, given=None):
        return self.now if given is None else given


def weights(a: int) -> bytes:
    request = shop_pb2.SetWeightsRequest(shop_id=SHOP)
    request.weights.add(agent_id="a", weight=a)
    return request.SerializeToString()


@pytest.fixture
async def world(core, tmp_path):
    """A shop with a weight for each of eight days, of which a few are kept."""
    journal = HandledJournal(tmp_path)
    dispatcher = trace_dispatcher(load_core(core.CORE), journal)
    clock = DaysClock()
    dispatcher.use_clock(clock)
    await dispatcher.start()
    await dispatcher.command(CommandKind.APPLY_SHOP, apply_shop(), now_ms=NOW)
    watch = AssignmentWatch(journal.stored, data_id=b"d" * 16, token_key=b"k" * 32)
    audit = AuditLog(journal.stored, load_core(core.CORE))
    yield dispatcher, clock, journal, audit, watch
    watch.stop()
    watch.close()
    audit.close()
    await dispatcher.close()
    journal.close()


async def live(dispatcher, clock, days: range) -> None:
    for day in days:
        clock.now = NOW + day * DAY_MS
        await dispatcher.command(CommandKind.SET_WEIGHTS, weights(10 + day), now_ms=clock.now)
        await dispatcher.command(CommandKind.ROUTE, route(f"b{day}"), now_ms=clock.now)
        await dispatcher.retain(clock.now - 3 * DAY_MS)


def told(entries) -> list[tuple[int | None, int]]:
    return [
        (
            entry.before.agents[0].weight if entry.HasField("before") else None,
            entry.after.agents[0].weight,
        )
        for entry in entries
    ]


@pytest.mark.parametrize("looked_before", [False, True])
async def test_the_history_goes_back_as_far_as_the_log_and_knows_what_was_before(
    world, looked_before
):
    dispatcher, clock, journal, audit, _ = world
    await live(dispatcher, clock, range(2))
    if looked_before:
        entries, more = await audit.page(SHOP, "", 10)
        assert told(entries) == [(10, 11), (5, 10), (None, 5)]
    await live(dispatcher, clock, range(2, 9))
    assert journal.starts()[OURS] > 1
    entries, more = await audit.page(SHOP, "", 100)
    days = [18, 17, 16, 15, 14, 13, 12, 11, 10, 5]
    expected = list(zip(days[1:], days, strict=False))[: len(entries)]
    assert told(entries) == expected
    assert 3 <= len(entries) < 8
    assert more == ""
    oldest = entries[-1]
    assert (await audit.change(SHOP, oldest.change_id))[0] == oldest
    assert await audit.change(SHOP, "1") is None


async def first(watching):
    return await anext(watching)


async def test_a_token_from_before_the_log_begins_is_too_old(world):
    dispatcher, clock, journal, _, watch = world
    ends = {OURS: journal.heads()[OURS].seq}
    watch.grown(ends)
    old = (await first(watch.watch(SHOP, ""))).resume_token
    await live(dispatcher, clock, range(9))
    start, end = journal.starts()[OURS], journal.heads()[OURS].seq
    watch.grown({OURS: end})
    with pytest.raises(TokenTooOld, match="start over"):
        await first(watch.watch(SHOP, old))
    # One that has passed all that was dropped goes on.
    watch.grown({OURS: start - 1})
    just = (await first(watch.watch(SHOP, ""))).resume_token
    watch.grown({OURS: end})
    watching = watch.watch(SHOP, just)
    await first(watching)
    event = await first(watching)
    assert event.resume_token
