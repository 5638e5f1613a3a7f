"""Answers that change nothing (docs/engine.md section 11)."""

from collections.abc import Mapping

from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.v1 import presence_pb2, shop_pb2

DEFAULT_PAGE_SIZE = 100


def get_shop(
    shops: Mapping[str, Shop], request: shop_pb2.GetShopRequest
) -> shop_pb2.GetShopResponse:
    return shop_pb2.GetShopResponse(shop=_find(shops, request.shop_id).document)


def list_shops(
    shops: Mapping[str, Shop], request: shop_pb2.ListShopsRequest
) -> shop_pb2.ListShopsResponse:
    size = request.page_size or DEFAULT_PAGE_SIZE
    after = sorted(shop_id for shop_id in shops if shop_id > request.page_token)
    response = shop_pb2.ListShopsResponse()
    for shop_id in after[:size]:
        document = shops[shop_id].document
        response.shops.add(
            shop_id=shop_id,
            display_name=document.display_name,
            agents=len(document.agents),
            groups=len(document.groups),
            etag=document.etag,
        )
    if len(after) > size:
        response.next_page_token = after[size - 1]
    return response


def list_presence(
    shops: Mapping[str, Shop], request: presence_pb2.ListPresenceRequest
) -> presence_pb2.ListPresenceResponse:
    shop = _find(shops, request.shop_id)
    return presence_pb2.ListPresenceResponse(
        agents=[agent.presence(shop.last_now_ms) for _, agent in sorted(shop.agents.items())]
    )


def _find(shops: Mapping[str, Shop], shop_id: str) -> Shop:
    shop = shops.get(shop_id)
    if shop is None:
        raise Refusal("SHOP_NOT_FOUND", "shop_id")
    return shop
