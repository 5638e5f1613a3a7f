"""ListDecisions and SummarizeDecisions: reads requests, asks insight, answers. Reads no table."""

from __future__ import annotations

from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.insight.reports.decisions import Decisions
from fenliu.rpc.checks import (
    check_id,
    check_known,
    check_shop_and_window,
    check_within,
    decoded,
)
from fenliu.rpc.context import Context
from fenliu.rpc.errors import invalid
from fenliu.rpc.insight import find_shop
from fenliu.v1 import insight_pb2, types_pb2

MOST_AGENTS = 100
MOST_AT_ONCE = 1_000


class DecisionMethods:
    """The behaviours; built for one server."""

    def __init__(self, dispatcher: Dispatching, decisions: Decisions) -> None:
        self._dispatcher = dispatcher
        self._decisions = decisions

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {
            "/fenliu.v1.InsightService/ListDecisions": self.list_decisions,
            "/fenliu.v1.InsightService/SummarizeDecisions": self.summarize_decisions,
        }

    async def list_decisions(self, request: bytes, context: Context) -> bytes:
        """ListDecisions."""
        wanted = decoded(insight_pb2.ListDecisionsRequest, request)
        _check(wanted)
        check_within("page_size", wanted.page_size, 0, MOST_AT_ONCE)
        at_ms = await find_shop(self._dispatcher, wanted.shop_id, context)
        page = await self._decisions.page(wanted, at_ms, time_s=context.time_remaining())
        return page.SerializeToString()

    async def summarize_decisions(self, request: bytes, context: Context) -> bytes:
        """SummarizeDecisions."""
        wanted = decoded(insight_pb2.SummarizeDecisionsRequest, request)
        _check(wanted)
        check_within("sample_size", wanted.sample_size, 0, MOST_AT_ONCE)
        at_ms = await find_shop(self._dispatcher, wanted.shop_id, context)
        summary = await self._decisions.summary(wanted, at_ms, time_s=context.time_remaining())
        return summary.SerializeToString()


def _check(
    wanted: insight_pb2.ListDecisionsRequest | insight_pb2.SummarizeDecisionsRequest,
) -> None:
    """What can be judged by looking at the request. Raises Refusal."""
    check_shop_and_window(wanted)
    chosen = wanted.filter
    if len(chosen.agent_ids) > MOST_AGENTS:
        raise invalid("filter.agent_ids", f"at most {MOST_AGENTS} elements")
    for place, agent_id in enumerate(chosen.agent_ids):
        check_id(f"filter.agent_ids[{place}]", agent_id)
    for name, values, enum in (
        ("reasons", chosen.reasons, types_pb2.Reason),
        ("outcomes", chosen.outcomes, types_pb2.Outcome),
    ):
        for place, value in enumerate(values):
            if value == 0:
                raise invalid(f"filter.{name}[{place}]", "required")
            check_known(f"filter.{name}[{place}]", value, enum)
        if len(values) > MOST_AGENTS:
            raise invalid(f"filter.{name}", f"at most {MOST_AGENTS} elements")
    if chosen.buyer_id:
        check_id("filter.buyer_id", chosen.buyer_id)
