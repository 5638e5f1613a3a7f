"""DiagnoseImbalance and its stream: read the request, have insight play the window, answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.insight.diagnosis.diagnose import asked
from fenliu.insight.errors import JobFailed
from fenliu.insight.jobs.jobs import Jobs
from fenliu.insight.reports.reports import Reports
from fenliu.rpc.checks import (
    MOST_PLAYED_DAYS,
    check_id,
    check_known,
    check_shop_and_window,
    decoded,
)
from fenliu.rpc.context import Context
from fenliu.rpc.errors import invalid
from fenliu.rpc.insight import find_shop
from fenliu.rpc.slow_readers import cut_off_when_slow
from fenliu.v1 import insight_pb2, types_pb2

_GO_ON = "ask again"

Step = insight_pb2.DiagnoseImbalanceStreamResponse


class DiagnosisMethods:
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
            "/fenliu.v1.InsightService/DiagnoseImbalance": self.diagnose,
            "/fenliu.v1.InsightService/DiagnoseImbalanceStream": self.diagnose_stream,
        }

    async def diagnose(self, request: bytes, context: Context) -> bytes:
        """DiagnoseImbalance."""
        wanted = decoded(insight_pb2.DiagnoseImbalanceRequest, request)
        async with aclosing(self._steps(wanted, context)) as steps:
            async for step in steps:
                read = Step.FromString(step)
                if read.HasField("result"):
                    return read.result.SerializeToString()
        raise JobFailed("diagnose gave no result")

    async def diagnose_stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """DiagnoseImbalanceStream."""
        wanted = decoded(insight_pb2.DiagnoseImbalanceStreamRequest, request)
        if not wanted.HasField("diagnose"):
            raise invalid("diagnose", "required")
        with cut_off_when_slow(context, self._slow_reader_ms, _GO_ON) as offer:
            async with aclosing(self._steps(wanted.diagnose, context)) as steps:
                async for step in steps:
                    offer.begin()
                    yield step
                    offer.end()

    async def _steps(
        self, wanted: insight_pb2.DiagnoseImbalanceRequest, context: Context
    ) -> AsyncGenerator[bytes, None]:
        """How far it is, and last the result."""
        _check(wanted)
        at_ms = await find_shop(self._dispatcher, wanted.shop_id, context)
        window = wanted.window
        as_of_ms = await self._reports.known_until(
            wanted.shop_id, window.start_ms, window.end_ms, at_ms
        )
        async with aclosing(self._jobs.stream("diagnose", asked(wanted, as_of_ms))) as messages:
            async for message in messages:
                yield message


def _check(wanted: insight_pb2.DiagnoseImbalanceRequest) -> None:
    """What can be judged by looking at the request. Raises Refusal."""
    check_shop_and_window(wanted, MOST_PLAYED_DAYS)
    check_id("agent_id", wanted.agent_id)
    if wanted.other_agent_id:
        check_id("other_agent_id", wanted.other_agent_id)
        if wanted.other_agent_id == wanted.agent_id:
            raise invalid("other_agent_id", "the same agent twice")
    check_known("language", wanted.language, types_pb2.Language)
