"""Unary methods that are one command, one batch or one query of the engine: a table and three shapes."""

from __future__ import annotations

from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.engine import CommandKind, QueryKind
from fenliu.rpc.context import Context, actor, deadline, now_ms
from fenliu.rpc.errors import engine_refusal

COMMANDS = {
    "/fenliu.v1.DispatchService/Route": CommandKind.ROUTE,
    "/fenliu.v1.DispatchService/Transfer": CommandKind.TRANSFER,
    "/fenliu.v1.DispatchService/CloseConversation": CommandKind.CLOSE_CONVERSATION,
    "/fenliu.v1.DispatchService/CancelInquiry": CommandKind.CANCEL_INQUIRY,
    "/fenliu.v1.PresenceService/SetPresence": CommandKind.SET_PRESENCE,
    "/fenliu.v1.ShopService/ApplyShop": CommandKind.APPLY_SHOP,
    "/fenliu.v1.ShopService/SetWeights": CommandKind.SET_WEIGHTS,
    "/fenliu.v1.ShopService/DeleteShop": CommandKind.DELETE_SHOP,
}
ACTED = frozenset(
    {
        CommandKind.SET_PRESENCE,
        CommandKind.APPLY_SHOP,
        CommandKind.SET_WEIGHTS,
        CommandKind.DELETE_SHOP,
    }
)
"""Commands that say who gave them; on an inquiry's way nobody asks."""
BATCHES = {
    "/fenliu.v1.DispatchService/RouteBatch": CommandKind.ROUTE,
    "/fenliu.v1.DispatchService/ReportMessagesBatch": CommandKind.MESSAGE,
    "/fenliu.v1.DispatchService/ReportOrders": CommandKind.ORDER,
}
QUERIES = {
    "/fenliu.v1.ShopService/GetShop": QueryKind.GET_SHOP,
    "/fenliu.v1.ShopService/ListShops": QueryKind.LIST_SHOPS,
    "/fenliu.v1.PresenceService/ListPresence": QueryKind.LIST_PRESENCE,
}


def handlers(dispatcher: Dispatching) -> dict[str, Any]:
    """The behaviours, by method path."""
    return (
        {path: _command(dispatcher, kind) for path, kind in COMMANDS.items()}
        | {path: _batch(dispatcher, kind) for path, kind in BATCHES.items()}
        | {path: _query(dispatcher, kind) for path, kind in QUERIES.items()}
    )


def _command(dispatcher: Dispatching, kind: CommandKind) -> Any:
    acted = kind in ACTED

    async def command(request: bytes, context: Context) -> bytes:
        who = actor(context) if acted else ""
        answer = await dispatcher.command(
            kind, request, actor=who, now_ms=now_ms(context), deadline=deadline(context)
        )
        if answer.code:
            raise engine_refusal(answer.body)
        return answer.body

    return command


def _batch(dispatcher: Dispatching, kind: CommandKind) -> Any:
    async def batch(request: bytes, context: Context) -> bytes:
        answer = await dispatcher.batch(
            kind, request, now_ms=now_ms(context), deadline=deadline(context)
        )
        if answer.code:
            raise engine_refusal(answer.results)
        return answer.results

    return batch


def _query(dispatcher: Dispatching, kind: QueryKind) -> Any:
    async def query(request: bytes, context: Context) -> bytes:
        answer = await dispatcher.query(kind, request, now_ms=now_ms(context))
        if answer.code:
            raise engine_refusal(answer.body)
        return answer.body

    return query
