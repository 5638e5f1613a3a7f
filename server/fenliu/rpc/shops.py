"""ShopService beyond whole documents: their parts, masks and lint.

Each change reads the stored document, edits it and applies it on condition that nobody else did
meanwhile. What is valid and who may do it is the engine's word; its refusals are given the names that
fields have in the caller's own request.
"""

from __future__ import annotations

from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from fenliu.resources.documents import AGENT, GROUP, Kind, index_of, page, remove
from fenliu.resources.lint import lint
from fenliu.resources.masks import MaskError, update
from fenliu.rpc.checks import decoded
from fenliu.rpc.context import Context
from fenliu.rpc.errors import invalid, refusal
from fenliu.rpc.shop_documents import Documents, page_size
from fenliu.v1 import shop_pb2

_M = TypeVar("_M", bound=Message)


class ShopMethods:
    """The behaviours; built for one server."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        methods = {
            "UpdateShop": self.update_shop,
            "LintShop": self.lint_shop,
        }
        for kind in (AGENT, GROUP):
            name = kind.name.capitalize()
            methods |= {
                f"Create{name}": self._create(kind),
                f"Get{name}": self._get(kind),
                f"List{name}s": self._list(kind),
                f"Update{name}": self._update(kind),
                f"Delete{name}": self._delete(kind),
            }
        return {f"/fenliu.v1.ShopService/{name}": method for name, method in methods.items()}

    # The shop

    async def update_shop(self, request: bytes, context: Context) -> bytes:
        """UpdateShop."""
        wanted = decoded(shop_pb2.UpdateShopRequest, request)
        if not wanted.HasField("shop"):
            raise invalid("shop", "required")

        def edit(shop: shop_pb2.Shop) -> str:
            _masked(shop, wanted.shop, wanted.update_mask, {"shop_id", "etag"})
            return ""

        shop = await self._documents.change(
            wanted.shop.shop_id, wanted.shop.etag, edit, context, names={"shop_id": "shop.shop_id"}
        )
        return shop_pb2.UpdateShopResponse(shop=shop).SerializeToString()

    async def lint_shop(self, request: bytes, context: Context) -> bytes:
        """LintShop."""
        wanted = decoded(shop_pb2.LintShopRequest, request)
        match wanted.WhichOneof("target"):
            case "shop":
                shop = wanted.shop
            case "shop_id":
                shop = await self._documents.read(wanted.shop_id, context)
            case _:
                raise invalid("shop_id", "required")
        findings = [
            shop_pb2.LintFinding(rule=one.rule, field=one.field, message=one.message)
            for one in lint(shop)
        ]
        return shop_pb2.LintShopResponse(findings=findings).SerializeToString()

    # Agents and groups

    def _create(self, kind: Kind) -> Any:
        async def create(request: bytes, context: Context) -> bytes:
            wanted = _request(f"Create{kind.name.capitalize()}", request)
            part = _part(kind, wanted)

            def edit(shop: shop_pb2.Shop) -> str:
                if index_of(shop, kind, kind.id_of(part)) is not None:
                    raise refusal(
                        grpc.StatusCode.ALREADY_EXISTS,
                        "ALREADY_EXISTS",
                        f"{kind.name}.{kind.id_field}: already exists",
                        field=f"{kind.name}.{kind.id_field}",
                        rule="already exists",
                    )
                parts = kind.parts(shop)
                parts.append(part)
                return _place(kind, len(parts) - 1)

            shop = await self._documents.change(
                wanted.shop_id, wanted.etag, edit, context, names=_names(kind)
            )
            return _part_response("Create", kind, shop, kind.id_of(part))

        return create

    def _get(self, kind: Kind) -> Any:
        async def get(request: bytes, context: Context) -> bytes:
            wanted = _request(f"Get{kind.name.capitalize()}", request)
            shop = await self._documents.read(wanted.shop_id, context)
            part_id = kind.id_of(wanted)
            _found(shop, kind, part_id, kind.id_field)
            return _part_response("Get", kind, shop, part_id)

        return get

    def _list(self, kind: Kind) -> Any:
        async def list_parts(request: bytes, context: Context) -> bytes:
            name = f"List{kind.name.capitalize()}s"
            wanted = _request(name, request)
            size = page_size(wanted)
            shop = await self._documents.read(wanted.shop_id, context)
            parts, token = page(shop, kind, wanted.page_token, size)
            response = _message(f"{name}Response")(next_page_token=token, etag=shop.etag)
            getattr(response, kind.list_field).extend(parts)
            return _encoded(response)

        return list_parts

    def _update(self, kind: Kind) -> Any:
        async def update_part(request: bytes, context: Context) -> bytes:
            wanted = _request(f"Update{kind.name.capitalize()}", request)
            part = _part(kind, wanted)

            def edit(shop: shop_pb2.Shop) -> str:
                field = f"{kind.name}.{kind.id_field}"
                index = _found(shop, kind, kind.id_of(part), field)
                _masked(kind.parts(shop)[index], part, wanted.update_mask, {kind.id_field})
                return _place(kind, index)

            shop = await self._documents.change(
                wanted.shop_id, wanted.etag, edit, context, names=_names(kind)
            )
            return _part_response("Update", kind, shop, kind.id_of(part))

        return update_part

    def _delete(self, kind: Kind) -> Any:
        async def delete(request: bytes, context: Context) -> bytes:
            name = f"Delete{kind.name.capitalize()}"
            wanted = _request(name, request)

            def edit(shop: shop_pb2.Shop) -> str:
                remove(shop, kind, _found(shop, kind, kind.id_of(wanted), kind.id_field))
                return ""

            shop = await self._documents.change(
                wanted.shop_id, wanted.etag, edit, context, names=_names(kind)
            )
            return _encoded(_message(f"{name}Response")(etag=shop.etag))

        return delete


# Requests and responses, by name: those of agents and groups differ in their names only.


def _message(name: str) -> Any:
    return getattr(shop_pb2, name)


def _request(method: str, request: bytes) -> Any:
    return decoded(_message(f"{method}Request"), request)


def _encoded(response: Any) -> bytes:
    return bytes(response.SerializeToString())


def _part(kind: Kind, wanted: Any) -> Any:
    if not wanted.HasField(kind.name):
        raise invalid(kind.name, "required")
    part = getattr(wanted, kind.name)
    if not kind.id_of(part):
        raise invalid(f"{kind.name}.{kind.id_field}", "required")
    return part


def _part_response(verb: str, kind: Kind, shop: shop_pb2.Shop, part_id: str) -> bytes:
    response = _message(f"{verb}{kind.name.capitalize()}Response")(etag=shop.etag)
    index = index_of(shop, kind, part_id)
    getattr(response, kind.name).CopyFrom(kind.parts(shop)[index])
    return _encoded(response)


def _found(shop: shop_pb2.Shop, kind: Kind, part_id: str, field: str) -> int:
    """Where the part is; refuses an id that is none, naming `field`."""
    if not part_id:
        raise invalid(field, "required")
    index = index_of(shop, kind, part_id)
    if index is None:
        reason = "AGENT_NOT_FOUND" if kind is AGENT else "GROUP_NOT_FOUND"
        rule = f"unknown {kind.name}"
        raise refusal(grpc.StatusCode.NOT_FOUND, reason, f"{field}: {rule}", field=field, rule=rule)
    return index


def _masked(stored: _M, given: _M, mask: Any, fixed: set[str]) -> None:
    try:
        update(stored, given, mask, fixed=fixed)
    except MaskError as error:
        raise invalid("update_mask", str(error)) from None


# Names in refusals


def _names(kind: Kind) -> dict[str, str]:
    """Fields of refusals as requests on parts have them."""
    return {"shop.etag": "etag", "": kind.name}


def _place(kind: Kind, index: int) -> str:
    """A part's place as the engine names it."""
    return f"shop.{kind.list_field}[{index}]"
