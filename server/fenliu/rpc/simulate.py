"""Simulate and SimulateStream: read the request, have insight play the window again, answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.engine.ids import broken_id_rule
from fenliu.insight.errors import EngineRefused, JobFailed
from fenliu.insight.jobs.jobs import Jobs
from fenliu.insight.reports.reports import Reports
from fenliu.insight.simulation.asking import asked
from fenliu.rpc.checks import (
    MOST_PLAYED_DAYS,
    check_id,
    check_known,
    check_shop_and_window,
    check_window,
    check_within,
    decoded,
)
from fenliu.rpc.context import Context
from fenliu.rpc.errors import invalid
from fenliu.rpc.insight import find_shop
from fenliu.rpc.slow_readers import cut_off_when_slow
from fenliu.rpc.supposed_shops import check_supposed, findings, refused_shop
from fenliu.v1 import insight_pb2, types_pb2

MAX_REPETITIONS = 200
MAX_SHIFTS = 1_000
MAX_WINDOWS = 1_000
_FIELD = "changed_shop"
_GO_ON = "ask again"
_DRAWN = insight_pb2.REPLY_MODEL_DRAWN

Step = insight_pb2.SimulateStreamResponse


class SimulateMethods:
    """The behaviours; built for one server."""

    def __init__(
        self, dispatcher: Dispatching, reports: Reports, jobs: Jobs, *, slow_reader_ms: int
    ) -> None:
        self._dispatcher = dispatcher
        self._reports = reports
        self._jobs = jobs
        self._slow_reader_ms = slow_reader_ms

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {
            "/fenliu.v1.InsightService/Simulate": self.simulate,
            "/fenliu.v1.InsightService/SimulateStream": self.simulate_stream,
        }

    async def simulate(self, request: bytes, context: Context) -> bytes:
        """Simulate."""
        wanted = decoded(insight_pb2.SimulateRequest, request)
        async with aclosing(self._steps(wanted, context)) as steps:
            async for step in steps:
                if step.HasField("result"):
                    return step.result.SerializeToString()
        raise JobFailed("simulate gave no result")

    async def simulate_stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """SimulateStream."""
        wanted = decoded(insight_pb2.SimulateStreamRequest, request)
        if not wanted.HasField("simulate"):
            raise invalid("simulate", "required")
        with cut_off_when_slow(context, self._slow_reader_ms, _GO_ON) as offer:
            async with aclosing(self._steps(wanted.simulate, context)) as steps:
                async for step in steps:
                    offer.begin()
                    yield step.SerializeToString()
                    offer.end()

    async def _steps(
        self, wanted: insight_pb2.SimulateRequest, context: Context
    ) -> AsyncGenerator[Step, None]:
        """How far it is, and last the result."""
        _check(wanted)
        at_ms = await find_shop(self._dispatcher, wanted.shop_id, context)
        window = wanted.window
        as_of_ms = await self._reports.known_until(
            wanted.shop_id, window.start_ms, window.end_ms, at_ms
        )
        try:
            async with aclosing(self._jobs.stream("simulate", asked(wanted, as_of_ms))) as messages:
                async for message in messages:
                    step = Step.FromString(message)
                    if step.HasField("result") and wanted.HasField(_FIELD):
                        step.result.findings.extend(findings(wanted.changed_shop, wanted.language))
                    yield step
        except EngineRefused as error:
            raise refused_shop(error.status, wanted.changed_shop, _FIELD, wanted.language) from None


def _check(wanted: insight_pb2.SimulateRequest) -> None:
    """What can be judged by looking at the request. Raises Refusal."""
    check_shop_and_window(wanted, MOST_PLAYED_DAYS)
    if wanted.HasField(_FIELD):
        check_supposed(wanted.changed_shop, wanted.shop_id, _FIELD)
    check_within("repetitions", wanted.repetitions, 0, MAX_REPETITIONS)
    for name, known in (
        ("replies", insight_pb2.ReplyModel),
        ("grain", insight_pb2.ReportGrain),
        ("subject", insight_pb2.ReportSubject),
        ("language", types_pb2.Language),
    ):
        check_known(name, getattr(wanted, name), known)
    if wanted.replies != _DRAWN:
        if wanted.repetitions > 1:
            raise invalid("repetitions", "more than 1 only with replies DRAWN")
        if wanted.seed:
            raise invalid("seed", "only with replies DRAWN")
    _check_shifts(wanted, "shifts")


def _check_shifts(wanted: insight_pb2.SimulateRequest, field: str) -> None:
    if len(wanted.shifts) > MAX_SHIFTS:
        raise invalid(field, f"at most {MAX_SHIFTS} elements")
    agents = {agent.agent_id for agent in wanted.changed_shop.agents}
    named: set[str] = set()
    for number, shifts in enumerate(wanted.shifts):
        place = f"{field}[{number}]"
        check_id(f"{place}.agent_id", shifts.agent_id)
        if shifts.agent_id in named:
            raise invalid(f"{place}.agent_id", "named twice")
        named.add(shifts.agent_id)
        if wanted.HasField(_FIELD) and shifts.agent_id not in agents:
            raise invalid(f"{place}.agent_id", "names no agent of the changed shop")
        if shifts.as_agent_id:
            if (rule := broken_id_rule(shifts.as_agent_id)) is not None:
                raise invalid(f"{place}.as_agent_id", rule)
            if shifts.online or shifts.suspended:
                raise invalid(f"{place}.as_agent_id", "not with online or suspended")
        for name in ("online", "suspended"):
            windows = getattr(shifts, name)
            if len(windows) > MAX_WINDOWS:
                raise invalid(f"{place}.{name}", f"at most {MAX_WINDOWS} elements")
            for index, window in enumerate(windows):
                check_window(window, f"{place}.{name}[{index}]")
