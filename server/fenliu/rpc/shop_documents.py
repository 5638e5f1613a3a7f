"""Shop documents as the methods of ShopService read and change them, and their refusals.

What is valid and who may do it is the engine's word; its refusals are given the names that fields have in
the caller's own request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from fenliu.dispatch import Dispatching
from fenliu.engine import CommandKind, QueryKind
from fenliu.rpc.context import Context, actor, now_ms
from fenliu.rpc.errors import Refusal, engine_refusal, invalid, refusal
from fenliu.v1 import shop_pb2

ATTEMPTS = 8
"""How often an edit without an etag is tried while others change the same shop."""
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000

Edit = Callable[[shop_pb2.Shop], str]
"""Changes the document in place; gives the place of the part that the request brought ("": none)."""


class Documents:
    """The stored documents of one server."""

    def __init__(self, dispatcher: Dispatching) -> None:
        self._dispatcher = dispatcher

    async def read(
        self, shop_id: str, context: Context, names: dict[str, str] | None = None
    ) -> shop_pb2.Shop:
        """A document; `names` as in `change`. Raises Refusal."""
        answer = await self._dispatcher.query(
            QueryKind.GET_SHOP,
            shop_pb2.GetShopRequest(shop_id=shop_id).SerializeToString(),
            now_ms=now_ms(context),
        )
        if answer.code:
            raise renamed(engine_refusal(answer.body), "", names or {})
        await _others()
        return shop_pb2.GetShopResponse.FromString(answer.body).shop

    async def change(
        self, shop_id: str, etag: str, edit: Edit, context: Context, *, names: dict[str, str]
    ) -> shop_pb2.Shop:
        """The shop after an edit; `names`: what fields of the engine's refusals are in the request.

        On condition that nobody else changed the shop meanwhile. Raises Refusal.
        """
        attempt = 1
        while True:
            document = await self.read(shop_id, context, names)
            check_etag(etag, document, names.get("shop.etag", "shop.etag"))
            place = edit(document)
            await _others()
            # The document has the etag it was read with: applied only if it is still the shop's.
            answer = await self.apply(document, context)
            if reason_of(answer) != "STALE_ETAG" or etag or attempt == ATTEMPTS:
                return shop_of(answer, place, names)
            attempt += 1

    async def apply(self, document: shop_pb2.Shop, context: Context) -> bytes | Refusal:
        """The response to ApplyShop, encoded, or what refused it."""
        request = shop_pb2.ApplyShopRequest(shop=document).SerializeToString()
        await _others()
        answer = await self._dispatcher.command(
            CommandKind.APPLY_SHOP,
            request,
            actor=actor(context),
            now_ms=now_ms(context),
        )
        return engine_refusal(answer.body) if answer.code else answer.body


async def _others() -> None:
    """Gives the loop its turn: of a large shop's document each step takes milliseconds."""
    await asyncio.sleep(0)


def page_size(wanted: Any) -> int:
    """How many a page may have; refuses what is out of range."""
    if not 0 <= wanted.page_size <= MAX_PAGE_SIZE:
        raise invalid("page_size", f"must be within 0..{MAX_PAGE_SIZE}")
    return int(wanted.page_size) or DEFAULT_PAGE_SIZE


def check_etag(etag: str, shop: shop_pb2.Shop, field: str = "etag") -> None:
    """As the engine says it. It is asked first, so that a stale request is told so and no more."""
    if etag and etag != shop.etag:
        rule = f"stale: the shop is at {shop.etag}"
        raise refusal(
            grpc.StatusCode.ABORTED, "STALE_ETAG", f"{field}: {rule}", field=field, rule=rule
        )


def shop_of(answer: bytes | Refusal, place: str, names: dict[str, str]) -> shop_pb2.Shop:
    """The shop of an answer to `apply`. Raises what refused it, with the names of the request."""
    if isinstance(answer, Refusal):
        raise renamed(answer, place, names)
    return shop_pb2.ApplyShopResponse.FromString(answer).shop


def _info(refused: Refusal) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for detail in refused.status.details:
        if detail.Unpack(info):
            break
    return info


def reason_of(answer: bytes | Refusal) -> str:
    """The reason code of a refusal; "" for an answer."""
    return _info(answer).reason if isinstance(answer, Refusal) else ""


def renamed(refused: Refusal, place: str, names: dict[str, str]) -> Refusal:
    """The refusal with the field named as in the request; others stay as they are in the shop.

    `place`: of the part that the request brought, which is `names[""]` there.
    """
    info = _info(refused)
    field = info.metadata.get("field", "")
    name = names.get(field, field)
    if place and field.startswith(f"{place}."):
        name = names[""] + field.removeprefix(place)
    if not field or name == field:
        return refused
    info.metadata["field"] = name
    status = status_pb2.Status(code=refused.status.code, message=f"{name}: {info.metadata['rule']}")
    status.details.add().Pack(info)
    return Refusal(status, refused.retry_after_ms)
