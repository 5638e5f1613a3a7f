"""A whole day of five shops with every feature on, over gRPC: each window, played unchanged, is as it was."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from end_to_end.test_feature_day import START_MS, feature_shops
from fenliu.app import App
from fenliu.client import FenliuClient
from fenliu.config import ServerConfig
from fenliu.traffic.day import DAY_MS, HOUR_MS, sale_day
from fenliu.traffic.player import play
from fenliu.v1 import operator_pb2
from insight.test_whatif import check_unchanged

pytestmark = pytest.mark.slow


async def test_every_window_of_a_day_is_decided_as_it_was(core: ModuleType, tmp_path: Path):
    config = ServerConfig(
        listen="127.0.0.1:0",
        data=tmp_path / "data",
        core=core.CORE,
        clock="trace",
        partitions=8,
        grace_ms=200,
        snapshot_after=20_000,
    )
    shops = feature_shops()
    traffic = sale_day(
        shops, seed=3, start_ms=START_MS, end_ms=START_MS + DAY_MS, buyers=70, features=True
    )
    app = App(config)
    try:
        async with FenliuClient(await app.start()) as client:
            await play(client, traffic, operator_pb2.CLOCK_TRACE)
    finally:
        await app.stop()
    answers = 0
    for shop in shops:
        for start, end in ((-1, 24), (10, 21), (20, 40)):
            window = START_MS + start * HOUR_MS + 12_345, START_MS + end * HOUR_MS
            recording = check_unchanged(core, tmp_path / "data", shop.shop_id, *window)
            assert len(recording.events) > 100
            answers += sum(event.answer for event in recording.events)
    assert answers > 700
