"""Answers that change nothing (docs/engine.md section 11)."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import Message

from fenliu.engine.kinds import QueryKind
from fenliu.engine.pure import validation
from fenliu.engine.pure.needed import NEEDS_CHUNKS
from fenliu.engine.pure.refusals import INTERNAL, Refusal, decode
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.stored import Shops
from fenliu.engine.pure.wire import encode
from fenliu.v1 import presence_pb2, shop_pb2

DEFAULT_PAGE_SIZE = 100

Answer = tuple[int, bytes, int]
"""(code, reply, partition), as `Engine.query` gives it."""


Fail = Callable[[str, Exception], None]
"""Told of a failure of the engine's own: at this shop, or at none ("")."""


def answer(shops: Shops, kind: QueryKind, request: bytes, fail: Fail) -> Answer:
    asked = _OF_ONE_SHOP.get(kind)
    if asked is None:
        return _list_shops(shops, request, fail)
    return _of_one_shop(shops, asked, request, fail)


# --- About one shop ----------------------------------------------------------------------------


def _get_shop(shop: Shop) -> shop_pb2.GetShopResponse:
    return shop_pb2.GetShopResponse(shop=shop.document)


def _list_presence(shop: Shop) -> presence_pb2.ListPresenceResponse:
    return presence_pb2.ListPresenceResponse(
        agents=[agent.presence(shop.last_now_ms) for _, agent in sorted(shop.agents.items())]
    )


class _OfOneShop(NamedTuple):
    message: type[Message]
    validate: Callable[[Any], None]
    answer: Callable[[Shop], Message]


_OF_ONE_SHOP = {
    QueryKind.GET_SHOP: _OfOneShop(shop_pb2.GetShopRequest, validation.get_shop, _get_shop),
    QueryKind.LIST_PRESENCE: _OfOneShop(
        presence_pb2.ListPresenceRequest, validation.list_presence, _list_presence
    ),
}


def _of_one_shop(shops: Shops, asked: _OfOneShop, request: bytes, fail: Fail) -> Answer:
    partition, shop_id = -1, ""
    try:
        message: Any = decode(asked.message, request)
        if message.shop_id:
            partition = shops.partition_of(message.shop_id)
        asked.validate(message)
        shop_id = message.shop_id
        if shops.has_failed(shop_id):
            raise Refusal("SHOP_UNAVAILABLE", "shop_id")
        missing = shops.missing_head(shop_id)
        if missing:
            return NEEDS_CHUNKS, b"".join(missing), partition
        shop = shops.find(shop_id)
        if shop is None or not shop.exists:
            raise Refusal("SHOP_NOT_FOUND", "shop_id")
        return 0, encode(asked.answer(shop)), partition
    except Refusal as refusal:
        return refusal.code, refusal.status(), partition
    except Exception as error:
        fail(shop_id, error)
        return INTERNAL, Refusal("INTERNAL", "").status(), partition


# --- About all ---------------------------------------------------------------------------------


def _list_shops(shops: Shops, request: bytes, fail: Fail) -> Answer:
    try:
        message = decode(shop_pb2.ListShopsRequest, request)
        validation.list_shops(message)
    except Refusal as refusal:
        return refusal.code, refusal.status(), -1
    shop_ids = shops.ids(deleted=False)
    size = message.page_size or DEFAULT_PAGE_SIZE
    first = bisect_right(shop_ids, message.page_token)
    page = shop_ids[first : first + size]
    missing = [chunk_id for shop_id in page for chunk_id in shops.missing_head(shop_id)]
    if missing:
        return NEEDS_CHUNKS, b"".join(dict.fromkeys(missing)), -1
    response = shop_pb2.ListShopsResponse()
    for shop_id in page:
        try:
            shop = shops.find(shop_id)
            if shop is not None:
                response.shops.append(_summary(shop))
        except Exception as error:
            fail(shop_id, error)
        if shops.has_failed(shop_id):
            # There is such a shop; what it is like is not known now.
            response.shops.add(shop_id=shop_id)
    if len(shop_ids) > first + size:
        response.next_page_token = page[-1]
    return 0, encode(response), -1


def _summary(shop: Shop) -> shop_pb2.ShopSummary:
    document = shop.document
    return shop_pb2.ShopSummary(
        shop_id=shop.shop_id,
        display_name=document.display_name,
        agents=len(document.agents),
        groups=len(document.groups),
        etag=document.etag,
    )
