"""InsightService: reads requests, asks insight, answers. Decides nothing and reads no log itself."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from fenliu.dispatch import Dispatcher
from fenliu.engine import QueryKind
from fenliu.engine.ids import broken_id_rule
from fenliu.insight.explain import Explainer
from fenliu.rpc.context import Context, now_ms
from fenliu.rpc.errors import engine_refusal, invalid, malformed
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2


class InsightMethods:
    """The behaviours; built for one server."""

    def __init__(self, dispatcher: Dispatcher, explainer: Explainer) -> None:
        self._dispatcher = dispatcher
        self._explainer = explainer

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.InsightService/ExplainDecision": self.explain_decision}

    async def explain_decision(self, request: bytes, context: Context) -> bytes:
        """ExplainDecision."""
        wanted = insight_pb2.ExplainDecisionRequest()
        try:
            wanted.MergeFromString(request)
        except DecodeError:
            raise malformed(wanted.DESCRIPTOR.full_name) from None
        _check_id("shop_id", wanted.shop_id)
        _check_id("decision_id", wanted.decision_id)
        if wanted.why_not_agent_id:
            _check_id("why_not_agent_id", wanted.why_not_agent_id)
        if wanted.language not in types_pb2.Language.values():
            raise invalid("language", "unknown value")
        await self._find(wanted.shop_id, context)
        response = await self._explainer.explain(
            wanted.shop_id, wanted.decision_id, wanted.why_not_agent_id, wanted.language
        )
        return response.SerializeToString()

    async def _find(self, shop_id: str, context: Context) -> None:
        """Refuses, as the engine does, a shop that is none."""
        answer = await self._dispatcher.query(
            QueryKind.GET_SHOP,
            shop_pb2.GetShopRequest(shop_id=shop_id).SerializeToString(),
            now_ms=now_ms(context),
        )
        if answer.code:
            raise engine_refusal(answer.body)


def _check_id(field: str, value: str) -> None:
    if (rule := broken_id_rule(value)) is not None:
        raise invalid(field, rule)
