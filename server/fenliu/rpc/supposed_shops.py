"""Shop documents that are only supposed: what can be judged of one, what lint finds in it, why it is refused."""

from __future__ import annotations

from google.rpc import status_pb2

from fenliu.resources.lint import lint
from fenliu.rpc.checks import check_id
from fenliu.rpc.errors import Refusal, engine_refusal, invalid
from fenliu.rpc.shop_documents import renamed
from fenliu.v1 import shop_pb2, types_pb2


def check_supposed(shop: shop_pb2.Shop, shop_id: str, field: str) -> None:
    """Refuses a document of another shop; `field`: what it is called in the request."""
    check_id(f"{field}.shop_id", shop.shop_id)
    if shop.shop_id != shop_id:
        raise invalid(f"{field}.shop_id", f"must be the shop that is asked about, {shop_id!r}")


def findings(shop: shop_pb2.Shop, language: types_pb2.Language) -> list[shop_pb2.LintFinding]:
    """What lint finds, in this language."""
    english = language == types_pb2.LANGUAGE_ENGLISH
    return [
        shop_pb2.LintFinding(
            rule=one.rule, field=one.field, message=one.message if english else one.message_zh
        )
        for one in lint(shop)
    ]


def refused_shop(
    status: bytes, shop: shop_pb2.Shop, field: str, language: types_pb2.Language
) -> Refusal:
    """The engine's refusal of the document, its field named as in the request, with what lint finds beside."""
    refused = renamed(engine_refusal(status), "shop", {"": field})
    told = status_pb2.Status()
    told.CopyFrom(refused.status)
    if found := findings(shop, language):
        told.details.add().Pack(shop_pb2.LintShopResponse(findings=found))
    return Refusal(told)
