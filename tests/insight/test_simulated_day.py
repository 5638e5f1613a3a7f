"""Simulate over a whole day with all features: played as it was it is the recorded day, decision by decision."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from fenliu.app import App
from fenliu.client import FenliuClient
from fenliu.config import ServerConfig
from fenliu.traffic.day import DAY_MS, HOUR_MS, example_shops, sale_day
from fenliu.traffic.player import play
from fenliu.v1 import insight_pb2, operator_pb2, shop_pb2
from support.reporting import request
from support.scene import MIDNIGHT

AFTERNOON = (MIDNIGHT + 13 * HOUR_MS, MIDNIGHT + 17 * HOUR_MS)
WHOLE = (MIDNIGHT, MIDNIGHT + DAY_MS)


@pytest.fixture
async def client(core: ModuleType, tmp_path: Path) -> AsyncIterator[FenliuClient]:
    """A day of two shops with caps, a queue, a robot, transfers, timeouts, orders; changed in the evening."""
    app = App(
        ServerConfig(
            listen="127.0.0.1:0",
            data=tmp_path / "data",
            core=core.CORE,
            clock="trace",
            partitions=1,
            grace_ms=200,
        )
    )
    shops = example_shops(2, agents=6, features=True)
    for shop in shops:
        shop.settings.reply_timeout_ms = 20 * 60_000
    traffic = sale_day(shops, seed=3, start_ms=WHOLE[0], end_ms=WHOLE[1], buyers=90, features=True)
    try:
        async with FenliuClient(await app.start()) as client:
            report = await play(client, traffic, operator_pb2.CLOCK_TRACE)
            assert not report.failures
            yield client
    finally:
        await app.stop()


async def both(
    client: FenliuClient,
    shop_id: str,
    span: tuple[int, int],
    by: str,
    grain: str,
    shop: shop_pb2.Shop | None = None,
) -> tuple[insight_pb2.SimulateResponse, list[insight_pb2.ReportRow]]:
    """The simulation and the report, of everything that is known at the end of the log."""
    simulated = await client.simulate(
        insight_pb2.SimulateRequest(
            shop_id=shop_id,
            window=insight_pb2.Window(start_ms=span[0], end_ms=span[1]),
            changed_shop=shop,
            subject=f"REPORT_SUBJECT_{by}",
            grain=f"REPORT_GRAIN_{grain}",
        )
    )
    report = await client.get_reception_report(request(shop_id, *span, by, grain))
    return simulated, list(report.rows)


@pytest.mark.slow
async def test_a_day_played_as_it_was_is_the_recorded_one(client: FenliuClient):
    for shop_id in ("shop-0001", "shop-0002"):
        for span, by, grain in (
            (WHOLE, "AGENT", "HOUR"),
            (WHOLE, "GROUP", "DAY"),
            (AFTERNOON, "AGENT", "HOUR"),
            (AFTERNOON, "SHOP", "WINDOW"),
        ):
            response, report = await both(client, shop_id, span, by, grain)
            assert list(response.recorded) == report
            assert response.simulated == response.recorded
            assert 20 < response.decisions.inquiries == response.decisions.same
            assert response.left_out == 0
        # So it is under the same document; under another it is not.
        document = await client.get_shop(shop_id)
        response, report = await both(client, shop_id, WHOLE, "AGENT", "HOUR", document)
        assert list(response.simulated) == list(response.recorded) == report
        assert response.decisions.same == response.decisions.inquiries
        document.agents[0].weight = 1
        other, _ = await both(client, shop_id, WHOLE, "AGENT", "HOUR", document)
        assert other.simulated != other.recorded == response.recorded
        assert 0 < other.decisions.other_receiver < other.decisions.inquiries
