"""InsightService: reads requests, asks insight, answers. Decides nothing and reads no log itself."""

from __future__ import annotations

from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.engine import QueryKind
from fenliu.insight.explain import Explainer
from fenliu.rpc.checks import check_id, check_known, decoded
from fenliu.rpc.context import Context, now_ms
from fenliu.rpc.errors import engine_refusal
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2


class InsightMethods:
    """The behaviours; built for one server."""

    def __init__(self, dispatcher: Dispatching, explainer: Explainer) -> None:
        self._dispatcher = dispatcher
        self._explainer = explainer

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.InsightService/ExplainDecision": self.explain_decision}

    async def explain_decision(self, request: bytes, context: Context) -> bytes:
        """ExplainDecision."""
        wanted = decoded(insight_pb2.ExplainDecisionRequest, request)
        check_id("shop_id", wanted.shop_id)
        check_id("decision_id", wanted.decision_id)
        if wanted.why_not_agent_id:
            check_id("why_not_agent_id", wanted.why_not_agent_id)
        check_known("language", wanted.language, types_pb2.Language)
        await find_shop(self._dispatcher, wanted.shop_id, context)
        response = await self._explainer.explain(
            wanted.shop_id, wanted.decision_id, wanted.why_not_agent_id, wanted.language
        )
        return response.SerializeToString()


async def find_shop(dispatcher: Dispatching, shop_id: str, context: Context) -> int:
    """The time it is, as reports count it; 0: that of the shop's last log entry.

    What is due by now is applied, so that it is in the log. Refuses, as the engine does, a shop that is none.
    """
    given = now_ms(context)
    answer = await dispatcher.query(
        QueryKind.GET_SHOP,
        shop_pb2.GetShopRequest(shop_id=shop_id).SerializeToString(),
        now_ms=given,
    )
    if answer.code:
        raise engine_refusal(answer.body)
    clock = dispatcher.clock
    return clock.now_ms(given) if clock.runs or given is not None else 0
