"""Explaining decisions of a log whose beginning has really been dropped, on what snapshots keep."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

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
from fenliu.engine import CommandKind, load_core, partition_of
from fenliu.insight.errors import DecisionNotKept, DecisionNotMade
from fenliu.insight.explain import Explainer
from fenliu.v1 import insight_pb2, types_pb2
from insight.test_retention import DaysClock

DAY_MS = 86_400_000
DAYS = 9


@pytest.mark.parametrize("asked_before", [False, True])
async def test_what_is_kept_is_explained_as_before_and_what_is_gone_is_said(
    core: ModuleType, tmp_path: Path, asked_before: bool
):
    journal = HandledJournal(tmp_path)
    dispatcher = trace_dispatcher(load_core(core.CORE), journal)
    clock = DaysClock()
    dispatcher.use_clock(clock)
    explainer = Explainer(journal.stored, load_core(core.CORE))
    await dispatcher.start()

    async def explained(number: int) -> insight_pb2.ExplainDecisionResponse:
        return await explainer.explain(SHOP, f"d{number}", "", types_pb2.LANGUAGE_ENGLISH)

    await dispatcher.command(CommandKind.APPLY_SHOP, apply_shop(), now_ms=NOW)
    fresh = []
    for day in range(DAYS):
        clock.now = now_ms = NOW + day * DAY_MS
        await dispatcher.command(CommandKind.ROUTE, route(f"b{day % 4}"), now_ms=now_ms)
        if asked_before:
            fresh.append(await explained(day + 1))
        await dispatcher.retain(now_ms - 3 * DAY_MS)
    assert journal.starts()[partition_of(SHOP, PARTITIONS)] > 1

    kept = []
    for number in range(1, DAYS + 1):
        try:
            answer = await explained(number)
        except DecisionNotKept:
            assert not kept, "what is gone is the oldest"
            continue
        kept.append(number)
        assert answer.decision.buyer_id == f"b{(number - 1) % 4}"
        assert not asked_before or answer == fresh[number - 1]
    assert 3 <= len(kept) < DAYS
    with pytest.raises(DecisionNotMade):
        await explained(DAYS + 1)

    explainer.close()
    await dispatcher.close()
    journal.close()
