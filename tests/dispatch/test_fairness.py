"""When there is too much for all: whose calls go on, whose wait, and for how long."""

import asyncio

import pytest

from dispatch.world import NOW, SHOP, route, staffed, trace_dispatcher
from fenliu.dispatch import DeadlineGone, Overloaded
from fenliu.dispatch import fairness as module
from fenliu.dispatch.fairness import FairLine
from fenliu.dispatch.load import LoopLoad
from fenliu.dispatch.pace import BUDGET_S, MOST, Pace
from fenliu.engine import CommandKind

LOUD = b"loud"
PATIENT = 10_000
"""So many calls wait at most, the oldest give up."""
QUIET = [b"quiet-%d" % number for number in range(9)]


class World:
    """A line, and a loop that is as busy as what passes makes it."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity  # calls a tick
        self.passed = 0
        self.line = FairLine(lambda: min(1.0, self.passed / self.capacity))
        self.waiting: list[tuple[bytes, asyncio.Future]] = []

    def play(self, calls: dict[bytes, int], ticks: int) -> dict[bytes, int]:
        """So many calls of each shop in each tick; how many went on of each."""
        went: dict[bytes, int] = dict.fromkeys(calls, 0)
        for _ in range(ticks):
            self.passed = 0
            for shop, count in calls.items():
                for _ in range(count):
                    future = self.line.enter(shop)
                    if future is None:
                        went[shop] += 1
                        self.passed += 1
                    else:
                        self.waiting.append((shop, future))
            for shop, future in self.waiting:
                if future.done() and not future.cancelled():
                    went[shop] += 1
                    self.passed += 1
            self.waiting = [one for one in self.waiting if not one[1].done()]
            for _, future in self.waiting[:-PATIENT]:
                future.cancel()
            self.line.tick()
        return went


def calls(loud: int, quiet: int) -> dict[bytes, int]:
    return {LOUD: loud} | dict.fromkeys(QUIET, quiet)


async def test_nobody_waits_while_there_is_enough_for_all():
    world = World(capacity=200)
    assert world.play(calls(80, 10), 100) == {LOUD: 8_000} | dict.fromkeys(QUIET, 1_000)
    assert world.line.held == 0


async def test_a_flood_waits_and_the_others_pass():
    world = World(capacity=200)
    world.play(calls(10, 10), 100)
    went = world.play(calls(500, 10), 400)
    assert all(went[shop] == 4_000 for shop in QUIET)
    # And what the others leave is its own, nearly all of it.
    assert 0.7 * 110 * 400 < went[LOUD] < 1.1 * 110 * 400
    assert world.line.held > 0


async def test_after_the_flood_what_waits_goes_on_and_nothing_is_held_any_more():
    world = World(capacity=200)
    world.play(calls(500, 10), 20)
    assert world.line.held > 100
    world.play(calls(10, 10), 400)
    assert world.line.held == 0
    assert world.play(calls(80, 10), 20)[LOUD] == 1_600


async def test_shops_that_ask_for_about_the_same_never_wait_however_much_it_is():
    world = World(capacity=50)
    assert world.play(calls(30, 10), 200) == {LOUD: 6_000} | dict.fromkeys(QUIET, 2_000)


async def test_a_shop_alone_never_waits():
    world = World(capacity=50)
    assert world.play({LOUD: 100}, 100) == {LOUD: 10_000}


async def test_callers_that_have_gone_count_no_more(monkeypatch):
    world = World(capacity=100)
    world.play(calls(300, 5), 20)
    for _, future in world.waiting:
        future.cancel()
    world.play(calls(5, 5), 5)
    assert world.line.held == 0
    monkeypatch.setattr(module, "MOST_HELD", 10)
    with pytest.raises(Overloaded) as caught:
        world.play(calls(300, 5), 40)
    assert caught.value.retry_after_ms > 0
    assert world.line.held == 10


async def test_the_end_of_the_line_lets_all_go():
    world = World(capacity=100)
    running = asyncio.create_task(world.line.run())
    await asyncio.sleep(0)
    world.play(calls(300, 5), 20)
    assert world.waiting
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert all(future.done() for _, future in world.waiting)


async def test_a_held_command_is_decided_when_it_may_and_not_when_its_deadline_is_gone(
    core, journal
):
    dispatcher = trace_dispatcher(core, journal, fair=True)
    await dispatcher.start()
    await staffed(dispatcher)
    gates = [asyncio.get_running_loop().create_future() for _ in range(2)]
    dispatcher._line.enter = lambda shop, left=[*gates]: left.pop(0) if left else None
    loop = asyncio.get_running_loop()
    held = asyncio.create_task(dispatcher.command(CommandKind.ROUTE, route("b1"), now_ms=NOW))
    late = asyncio.create_task(
        dispatcher.command(CommandKind.ROUTE, route("b2"), now_ms=NOW, deadline=loop.time() + 0.05)
    )
    await asyncio.sleep(0.1)
    assert not held.done()
    assert not late.done()
    for gate in gates:
        gate.set_result(None)
    assert (await held).code == 0
    with pytest.raises(DeadlineGone):
        await late
    before = await dispatcher.state_hash()
    for call in (
        dispatcher.command(CommandKind.ROUTE, route("b3"), now_ms=NOW, deadline=loop.time()),
        dispatcher.batch(CommandKind.ROUTE, b"", now_ms=NOW, deadline=loop.time() - 1),
    ):
        with pytest.raises(DeadlineGone):
            await call
    assert await dispatcher.state_hash() == before
    await dispatcher.close()


async def test_calls_are_counted_by_the_shop_they_name(core, journal, monkeypatch):
    seen = []
    dispatcher = trace_dispatcher(core, journal, fair=True)
    await dispatcher.start()
    await staffed(dispatcher)
    monkeypatch.setattr(dispatcher._line, "enter", seen.append)
    for request in (route("b1"), route("b2", "x" * 128), b"", b"\x0a", b"\xff\xff"):
        await dispatcher.command(CommandKind.ROUTE, request, now_ms=NOW)
    assert seen == [SHOP.encode(), b"", b"", b"", b""]
    await dispatcher.close()


def test_a_loop_that_works_is_busy_and_one_that_sleeps_is_not():
    load = LoopLoad()
    load.busy()
    sum(range(3_000_000))
    worked = load.busy()
    load._last = (load._last[0] - 10**9, load._last[1])  # a second ago
    rested = load.busy()
    load.close()
    load.close()
    assert worked > 0.9
    assert rested < 0.1


def test_a_slice_is_what_the_budget_allows(monkeypatch):
    pace, clock = Pace(), [0.0]
    monkeypatch.setattr("fenliu.dispatch.pace.time.thread_time", lambda: clock[0])

    def decide(each_s: float) -> None:
        with pace:
            clock[0] += pace.count * each_s
        pace.did(pace.count)

    for _ in range(10):
        decide(100e-6)
    assert pace.count == pytest.approx(BUDGET_S / 100e-6, abs=1)
    decide(1e-3)
    assert pace.count == pytest.approx(BUDGET_S / 1e-3, abs=1)
    for _ in range(10):
        decide(0.1e-6)
    assert pace.count == MOST
    decide(1.0)
    assert pace.count == 1
    fixed = Pace(7)
    with fixed:
        clock[0] += 1.0
    fixed.did(7)
    assert fixed.count == 7
