"""A shop at which the engine fails is read back by itself; nobody else notices."""

import asyncio
import threading

import pytest

from dispatch.world import (
    NOW,
    OTHER_SHOP,
    PARTITIONS,
    SHOP,
    get_shop,
    logged_hash,
    results,
    route,
    routed,
    staffed,
    trace_dispatcher,
    until,
)
from fenliu.dispatch import FAILED, SHOP_UNAVAILABLE, Dispatcher, JournalUnavailable, WallClock
from fenliu.dispatch import dispatcher as module
from fenliu.dispatch import shops as shops_module
from fenliu.engine import CommandKind, QueryKind, partition_of
from fenliu.journal import StorageError
from fenliu.recovery import SnapshotWriter
from fenliu.v1 import dispatch_pb2
from support.harm import HarmedCore

ROUTE = CommandKind.ROUTE
BESIDE = "shop-7"
"""Of the same partition as SHOP."""


@pytest.fixture
async def harmed(core, journal):
    """A dispatcher whose core can be harmed at SHOP, with three shops."""
    harmed_core = HarmedCore(core, SHOP)
    dispatcher = trace_dispatcher(harmed_core, journal)
    dispatcher.harmed_core = harmed_core
    await dispatcher.start()
    await staffed(dispatcher, SHOP, BESIDE, OTHER_SHOP)
    yield dispatcher
    journal.release()
    await dispatcher.close()


async def asked(dispatcher, buyer, shop_id=SHOP, **fields):
    return await dispatcher.command(ROUTE, route(buyer, shop_id, **fields), now_ms=NOW)


async def served(dispatcher, shop_id=SHOP):
    """Once the shop is served again."""
    async with asyncio.timeout(10):
        while True:
            answer = await dispatcher.query(QueryKind.GET_SHOP, get_shop(shop_id))
            if answer.code != SHOP_UNAVAILABLE:
                return
            await asyncio.sleep(0.005)


def test_the_shop_beside_lies_in_the_same_partition():
    assert partition_of(SHOP, PARTITIONS) == partition_of(BESIDE, PARTITIONS)


async def test_a_failure_at_a_shop_fails_that_call_and_nobody_else_notices(harmed, journal, core):
    dispatcher = harmed
    told = []
    dispatcher.on_health_change = told.append
    journal.hold()
    under_way = asyncio.create_task(asked(dispatcher, "b1", request_id="r1"))
    await asyncio.sleep(0.01)
    failing = asyncio.create_task(asked(dispatcher, "poison"))
    later = asyncio.create_task(asked(dispatcher, "b2"))
    beside = asyncio.create_task(asked(dispatcher, "b", BESIDE))
    elsewhere = asyncio.create_task(asked(dispatcher, "b", OTHER_SHOP))
    await asyncio.sleep(0.05)
    assert dispatcher.healthy
    journal.release()
    assert (await failing).code == FAILED
    assert (await later).code == SHOP_UNAVAILABLE
    for answer in (await under_way, await beside, await elsewhere):
        assert routed(answer.body).conversation_id == "c1"
    await served(dispatcher)
    # What was acknowledged is there, and its repeat gets the same.
    assert (await asked(dispatcher, "b1", request_id="r1")) == under_way.result()
    assert routed((await asked(dispatcher, "b2")).body).conversation_id == "c2"
    assert told == []
    assert dispatcher.engine.state_hash() == logged_hash(journal, core)


async def test_an_element_of_a_batch_that_fails_fails_alone(harmed, journal, core):
    request = dispatch_pb2.RouteStreamRequest(batch_id=7)
    for buyer, shop_id in (("b1", BESIDE), ("poison", SHOP), ("b2", OTHER_SHOP), ("b3", SHOP)):
        request.requests.add(shop_id=shop_id, buyer_id=buyer)
    answer = await harmed.batch(ROUTE, request.SerializeToString(), now_ms=NOW)
    got = results(answer.results)
    assert [one.status.code for one in got] == [0, FAILED, 0, SHOP_UNAVAILABLE]
    await served(harmed)
    assert routed((await asked(harmed, "b3")).body).conversation_id == "c1"
    assert harmed.engine.state_hash() == logged_hash(journal, core)


async def test_a_query_at_which_the_shop_fails_is_answered_and_the_shop_is_back(harmed):
    poisoned = asked(harmed, "poison")
    assert (await poisoned).code == FAILED
    answer = await harmed.query(QueryKind.GET_SHOP, get_shop())
    assert answer.code in (0, SHOP_UNAVAILABLE)
    listed = await harmed.query(QueryKind.LIST_SHOPS, b"")
    assert listed.code == 0
    await served(harmed)


async def test_a_shop_that_fails_at_every_tick_holds_up_nobody_and_costs_little(
    core, journal, monkeypatch
):
    monkeypatch.setattr(module, "TICK_S", 0.005)
    read_back = []
    recover_shop = shops_module.recover_shop
    monkeypatch.setattr(
        shops_module,
        "recover_shop",
        lambda *some, **more: read_back.append(1) or recover_shop(*some, **more),
    )
    harmed_core = HarmedCore(core, SHOP)
    dispatcher = Dispatcher(harmed_core, journal, WallClock())
    await dispatcher.start()
    await staffed(dispatcher, SHOP, OTHER_SHOP, now_ms=None, idle_close_ms=1)
    harmed_core.ticking = True
    await until(lambda: len(read_back) >= 3)
    for buyer in range(5):
        answer = await dispatcher.command(ROUTE, route(f"b{buyer}", OTHER_SHOP))
        assert answer.code == 0
    # Its conversations have fallen idle: ticks go on for it.
    theirs = partition_of(OTHER_SHOP, PARTITIONS)
    await until(lambda: dispatcher.engine.next_due() is None or journal.heads()[theirs].seq >= 9)
    before = len(read_back)
    await asyncio.sleep(0.3)
    # Without a pause it would be some dozens.
    assert len(read_back) - before <= 4
    harmed_core.ticking = False
    await served(dispatcher)
    await dispatcher.close()


async def test_while_nothing_can_be_written_the_shop_comes_back_with_its_partition(
    harmed, journal, core
):
    await asked(harmed, "b1")
    journal.hold()
    lost = asyncio.create_task(asked(harmed, "b2"))
    await asyncio.sleep(0.01)
    journal.fail_before = True
    assert_failed = asyncio.create_task(asked(harmed, "poison"))
    await asyncio.sleep(0.01)
    journal.release()
    with pytest.raises(JournalUnavailable):
        await lost
    with pytest.raises(JournalUnavailable):
        await assert_failed
    journal.fail_before = False
    await until(lambda: harmed.healthy)
    await served(harmed)
    assert routed((await asked(harmed, "b2")).body).conversation_id == "c2"
    assert harmed.engine.state_hash() == logged_hash(journal, core)


async def test_a_shop_is_not_put_in_place_while_its_partition_is_being_stored(
    harmed, journal, core, monkeypatch
):
    """What is installed afterwards must not stand for what the shop has learned since."""
    ours = partition_of(SHOP, PARTITIONS)
    writing, may_write = threading.Event(), threading.Event()
    write = SnapshotWriter.write

    def held(writer, partition, seq):
        writing.set()
        assert may_write.wait(10)
        return write(writer, partition, seq)

    await asked(harmed, "early", request_id="early")
    with monkeypatch.context() as patched:
        patched.setattr(SnapshotWriter, "write", held)
        storing = asyncio.create_task(harmed.snapshot(ours))
        await until(writing.is_set)
        since = await asked(harmed, "since", request_id="since")
        assert (await asked(harmed, "poison")).code == FAILED
        await asyncio.sleep(0.1)
        may_write.set()
        await storing
    await served(harmed)
    assert await asked(harmed, "since", request_id="since") == since
    await harmed.snapshot(ours)
    assert await asked(harmed, "since", request_id="since") == since
    again = trace_dispatcher(core, journal)
    await again.start()
    assert await asked(again, "since", request_id="since") == since
    await again.close()


async def test_a_shop_that_cannot_be_read_back_stays_away_until_it_can(harmed, monkeypatch):
    recover_shop = shops_module.recover_shop

    def failing(*_some, **_more):
        raise StorageError("disk I/O error")

    monkeypatch.setattr(shops_module, "recover_shop", failing)
    assert (await asked(harmed, "poison")).code == FAILED
    for _ in range(3):
        assert (await asked(harmed, "b1")).code == SHOP_UNAVAILABLE
        assert (await asked(harmed, "b1", BESIDE)).code == 0
        await asyncio.sleep(0.02)
    monkeypatch.setattr(shops_module, "recover_shop", recover_shop)
    await served(harmed)
    assert (await asked(harmed, "b1")).code == 0
