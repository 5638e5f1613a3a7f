"""PlanStaffing: reads the request, has insight work it out in a process of its own, answers."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.insight.jobs.jobs import Jobs
from fenliu.insight.reports.reports import Reports
from fenliu.insight.staffing.task import asked
from fenliu.rpc.checks import (
    check_known,
    check_shop_and_window,
    check_window,
    check_within,
    decoded,
)
from fenliu.rpc.context import Context
from fenliu.rpc.errors import invalid
from fenliu.rpc.insight import find_shop
from fenliu.v1 import insight_pb2, types_pb2

_DAY_MS = 86_400_000
_RANGES = (
    ("target_percent", 1, 99),
    ("target_ms", 1, _DAY_MS),
    ("concurrency", 1, 100),
    ("multiplier_percent", 1, 10_000),
    ("patience_ms", 1, _DAY_MS),
    ("most_agents", 1, 2_000),
)
_ONE_AT_A_TIME = (insight_pb2.STAFFING_MODEL_ERLANG_C, insight_pb2.STAFFING_MODEL_ERLANG_A)


class StaffingMethods:
    """The behaviours; built for one server."""

    def __init__(self, dispatcher: Dispatching, reports: Reports, jobs: Jobs) -> None:
        self._dispatcher = dispatcher
        self._reports = reports
        self._jobs = jobs

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.InsightService/PlanStaffing": self.plan_staffing}

    async def plan_staffing(self, request: bytes, context: Context) -> bytes:
        """PlanStaffing. The job is ended when nobody waits for it any more."""
        wanted = decoded(insight_pb2.PlanStaffingRequest, request)
        _check(wanted)
        at_ms = await find_shop(self._dispatcher, wanted.shop_id, context)
        await self._reports.come_up(wanted.shop_id)
        answer = b""
        async with aclosing(self._jobs.stream("plan", asked(wanted, at_ms))) as messages:
            async for message in messages:
                answer = message
        return answer


def _check(wanted: insight_pb2.PlanStaffingRequest) -> None:
    """What can be judged by looking at the request. Raises Refusal."""
    check_shop_and_window(wanted)
    if wanted.HasField("shape_window"):
        check_window(wanted.shape_window, "shape_window")
    for field, least, most in _RANGES:
        value = getattr(wanted, field)
        if value:  # 0: the default
            check_within(field, value, least, most)
    check_known("model", wanted.model, insight_pb2.StaffingModel)
    check_known("language", wanted.language, types_pb2.Language)
    if wanted.model in _ONE_AT_A_TIME and wanted.concurrency > 1:
        raise invalid("model", "ERLANG_C and ERLANG_A are for concurrency 1")
