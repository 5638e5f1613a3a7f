"""A day of several shops: what watchers saw is what callers were answered, and what the log holds."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from fenliu.app import App
from fenliu.client import FenliuClient
from fenliu.config import ServerConfig
from fenliu.traffic.day import HOUR_MS, example_shops, sale_day
from fenliu.traffic.player import PlayReport, play
from fenliu.v1 import operator_pb2, types_pb2
from support.watching import Event, by_shop, logged, take

TEN_IN_THE_MORNING = 1_762_048_800_000
UNASKED = (
    types_pb2.REASON_LEFT_POOL,
    types_pb2.REASON_LEFT_QUEUE,
    types_pb2.REASON_REPLY_TIMEOUT,
)
UNCHANGED = (types_pb2.REASON_OPEN_CONVERSATION, types_pb2.REASON_STILL_WAITING)


@pytest.fixture
async def client(core: ModuleType, tmp_path: Path) -> AsyncIterator[FenliuClient]:
    app = App(
        ServerConfig(
            listen="127.0.0.1:0",
            data=tmp_path / "data",
            core=core.CORE,
            clock="trace",
            partitions=8,
            grace_ms=200,
        )
    )
    try:
        async with FenliuClient(await app.start()) as client:
            yield client
    finally:
        await app.stop()


async def played(client: FenliuClient) -> PlayReport:
    """Ten shops from the afternoon to the night, when agents come and go."""
    shops = example_shops(10, agents=4)
    for shop in shops:
        shop.settings.busy_threshold = 2
        shop.settings.reply_timeout_ms = 30 * 60_000
    start = TEN_IN_THE_MORNING + 11 * HOUR_MS
    traffic = sale_day(shops, seed=7, start_ms=start, end_ms=start + 6 * HOUR_MS, buyers=30)
    report = await play(client, traffic, operator_pb2.CLOCK_TRACE)
    assert report.failures == []
    return report


async def test_the_events_of_a_day_are_the_assignments_that_were_answered(
    client: FenliuClient, tmp_path: Path
):
    live = client.watch_assignments()
    start = (await anext(live)).resume_token
    report = await played(client)
    log = logged(tmp_path / "data")
    count = sum(map(len, log.values()))
    events = await take(live, count)
    assert by_shop(events) == log

    for shop_id, shop_events in by_shop(events).items():
        answers = {
            one.response.decision_id: (one.buyer_id, one.response)
            for one in report.decisions
            if one.shop_id == shop_id
        }
        asked = [one for one in shop_events if one.assignment.reason not in UNASKED]
        changed = {
            decision: (buyer, answer)
            for decision, (buyer, answer) in answers.items()
            if answer.reason not in UNCHANGED
        }
        seen = {one.assignment.decision_id: (one.buyer_id, one.assignment) for one in asked}
        assert len(seen) == len(asked)
        assert seen == changed
        # And nobody else was assigned than those of whom somebody asked.
        assert {one.buyer_id for one in shop_events} <= {buyer for buyer, _ in answers.values()}
    reasons = {one.assignment.reason for one in events}
    assert {types_pb2.REASON_WEIGHTED, types_pb2.REASON_RECENT_CONTACT} < reasons

    # Afterwards, from the token of before: the same, also for a single shop's watcher.
    again = await take(client.watch_assignments(resume_token=start), count)
    assert by_shop(again) == log


async def test_any_event_of_a_day_can_be_gone_on_from(client: FenliuClient, tmp_path: Path):
    live = client.watch_assignments()
    await anext(live)
    await played(client)
    log = logged(tmp_path / "data")
    events = await take(live, sum(map(len, log.values())))
    for at in random.Random(1).sample(range(len(events)), 25):
        rest: list[Event] = events[at + 1 :]
        resumed = client.watch_assignments(resume_token=events[at].resume_token)
        assert by_shop(await take(resumed, len(rest))) == by_shop(rest)
        await resumed.aclose()  # type: ignore[attr-defined]
