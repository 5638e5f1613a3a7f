"""Answers that change nothing (docs/engine.md section 11)."""

from bisect import bisect_right
from collections.abc import Sequence

from fenliu.engine.pure.state import Shop
from fenliu.v1 import presence_pb2, shop_pb2

DEFAULT_PAGE_SIZE = 100


def get_shop(shop: Shop) -> shop_pb2.GetShopResponse:
    return shop_pb2.GetShopResponse(shop=shop.document)


def page_of(shop_ids: Sequence[str], request: shop_pb2.ListShopsRequest) -> tuple[list[str], bool]:
    """The shops on the page asked for, and whether there are more after it. `shop_ids`: sorted."""
    size = request.page_size or DEFAULT_PAGE_SIZE
    first = bisect_right(shop_ids, request.page_token)
    return list(shop_ids[first : first + size]), len(shop_ids) > first + size


def list_shops(page: Sequence[Shop], has_more: bool) -> shop_pb2.ListShopsResponse:
    response = shop_pb2.ListShopsResponse()
    for shop in page:
        document = shop.document
        response.shops.add(
            shop_id=shop.shop_id,
            display_name=document.display_name,
            agents=len(document.agents),
            groups=len(document.groups),
            etag=document.etag,
        )
    if has_more:
        response.next_page_token = page[-1].shop_id
    return response


def list_presence(shop: Shop) -> presence_pb2.ListPresenceResponse:
    return presence_pb2.ListPresenceResponse(
        agents=[agent.presence(shop.last_now_ms) for _, agent in sorted(shop.agents.items())]
    )
