"""Whole days: every figure of the reports is that of an independent computation, exactly."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from end_to_end.days import log_of, recorded_trace
from fenliu.app import App
from fenliu.client import FenliuClient
from fenliu.config import ServerConfig
from fenliu.traffic.day import DAY_MS, HOUR_MS, example_shops, sale_day
from fenliu.traffic.events import Traffic
from fenliu.traffic.player import PlayReport, play
from fenliu.traffic.trace import as_traffic, read_trace
from fenliu.v1 import operator_pb2, types_pb2
from support.report_judge import ZONE, Judge
from support.reporting import request, told

START_MS = 1_762_790_400_000  # 2025-11-11 00:00 in Shanghai
GRAINS = {"WINDOW": 0, "DAY": DAY_MS, "HOUR": HOUR_MS}

pytestmark = pytest.mark.slow


@asynccontextmanager
async def served(core: ModuleType, data: Path) -> AsyncIterator[FenliuClient]:
    app = App(
        ServerConfig(
            listen="127.0.0.1:0",
            data=data,
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


async def compared(
    client: FenliuClient, judge: Judge, shop: str, start: int, end: int, grain: str, now_ms: int
) -> int:
    """Holds a shop's reports against the judge; returns how many figures were known."""
    known = 0
    for by in ("AGENT", "GROUP", "SHOP"):
        asked = request(shop, start, end, by, grain)
        response = await client.get_reception_report(asked, now_ms=now_ms)
        as_of = max(now_ms, judge.last[shop])
        assert response.as_of_ms == as_of
        rows = told(response)
        windows = parts(start, end, GRAINS[grain])
        expected = [(one, window) for window in windows for one in judge.subjects(shop, by)]
        assert list(rows) == [
            (one, begins) for one, (begins, ends) in expected if ends > judge.since(shop)
        ]
        ends_of = dict(windows)
        for (subject, begins), figures in rows.items():
            expected_figures = judge.figures(shop, by, subject, begins, ends_of[begins], as_of)
            assert figures == expected_figures, (shop, by, subject, begins)
            known += sum(not isinstance(one, str) and one > 0 for one in figures.values())
    return known


def parts(start: int, end: int, length: int) -> list[tuple[int, int]]:
    if not length:
        return [(start, end)]
    found = []
    at = start
    while at < end:
        then = min(((at + ZONE) // length + 1) * length - ZONE, end)
        found.append((at, then))
        at = then
    return found


async def test_a_sale_days_figures_are_those_of_plain_sql_over_its_log(
    core: ModuleType, tmp_path: Path
):
    shops = example_shops(2, agents=6, features=True)
    for number, shop in enumerate(shops):
        shop.settings.busy_threshold = 2
        if number < 2:
            shop.settings.reply_timeout_ms = 150_000
    shops[0].settings.queue_limit = 5
    traffic = sale_day(
        shops, seed=5, start_ms=START_MS, end_ms=START_MS + 2 * DAY_MS, buyers=150, features=True
    )
    async with served(core, tmp_path / "data") as client:
        report = await play(client, traffic, operator_pb2.CLOCK_TRACE)
        assert report.orders and report.transfers
        for shop in shops:  # What is due by then is in the log.
            await client.list_presence(shop.shop_id, now_ms=traffic.events[-1].at_ms)
        judge = Judge(entry for _, entry in log_of(tmp_path / "data"))
        end = START_MS + 2 * DAY_MS
        known = 0
        for shop in shops:
            one = shop.shop_id
            known += await compared(client, judge, one, START_MS, end, "WINDOW", 0)
            known += await compared(client, judge, one, START_MS, end, "DAY", 0)
            known += await compared(client, judge, one, START_MS + DAY_MS, end, "HOUR", 0)
            # A window of no whole hours.
            odd = START_MS + 19 * HOUR_MS + 1_234_567
            known += await compared(client, judge, one, odd, odd + 3 * HOUR_MS, "HOUR", 0)
        assert known > 3_000


async def test_conversions_of_a_sale_day_are_those_of_plain_sql(core: ModuleType, tmp_path: Path):
    shops = example_shops(2, agents=6, features=True)
    traffic = sale_day(
        shops, seed=9, start_ms=START_MS, end_ms=START_MS + DAY_MS, buyers=250, features=True
    )
    async with served(core, tmp_path / "data") as client:
        await play(client, traffic, operator_pb2.CLOCK_TRACE)
        for days in (2, 5):
            now = START_MS + days * DAY_MS
            for shop in shops:  # What is due by then is in the log.
                await client.list_presence(shop.shop_id, now_ms=now)
            judge = Judge(entry for _, entry in log_of(tmp_path / "data"))
            for shop in shops:
                end = START_MS + DAY_MS
                await compared(client, judge, shop.shop_id, START_MS, end, "WINDOW", now)
                figures = judge.figures(shop.shop_id, "SHOP", shop.shop_id, START_MS, end, now)
                assert figures["presale_inquirers"] > 100
                assert figures["next_day_conversion"] > 0


async def test_the_recorded_days_figures_are_those_of_plain_sql(core: ModuleType, tmp_path: Path):
    path = recorded_trace()
    traffic = as_traffic(read_trace(path), create_shops=True)
    async with served(core, tmp_path / "data") as client:
        played = await play(client, traffic, operator_pb2.CLOCK_TRACE)
        judge = Judge(entry for _, entry in log_of(tmp_path / "data"))
        start = min(event.at_ms for event in traffic.events)
        start -= (start + ZONE) % DAY_MS
        end = start + 3 * DAY_MS
        known = 0
        for number, shop in enumerate(sorted(judge.last)):
            for grain in ("WINDOW", "DAY"):
                known += await compared(client, judge, shop, start, end, grain, end)
            if number % 12 == 0:
                known += await compared(client, judge, shop, start + DAY_MS, end, "HOUR", end)
        assert known > 5_000
        await _as_in_the_file(client, path, traffic, played, start, end)


async def _as_in_the_file(
    client: FenliuClient, path: Path, traffic: Traffic, played: PlayReport, start: int, end: int
) -> None:
    """Where every inquiry got an agent, buyers and messages are those of the CSV, counted there."""
    buyers: dict[str, set[str]] = defaultdict(set)
    messages: Counter[tuple[str, str]] = Counter()
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            messages[line["shop_id"], line["sender"]] += 1
            if line["sender"] == "buyer":
                buyers[line["shop_id"]].add(line["buyer_id"])
    answered = defaultdict(set)
    for decision in played.decisions:
        answered[decision.shop_id].add(decision.response.outcome)
    unheard = {failure.shop_id for failure in played.failures}
    asked = {(row.shop_id, row.buyer_id) for row in read_trace(path) if row.from_buyer}
    unheard |= {row.shop_id for row in read_trace(path) if (row.shop_id, row.buyer_id) not in asked}
    counted = 0
    for shop, outcomes in answered.items():
        if outcomes != {types_pb2.OUTCOME_AGENT} or shop in unheard:
            continue
        response = await client.get_reception_report(request(shop, start, end, "SHOP"), now_ms=end)
        (figures,) = told(response).values()
        counted += 1
        assert figures["received"] == len(buyers[shop])
        (row,) = response.rows
        kpi = next(one for one in row.kpis if one.name == "answer_ratio")
        assert kpi.denominator == messages[shop, "buyer"]
        assert kpi.numerator <= messages[shop, "agent"]
    assert counted > 5
