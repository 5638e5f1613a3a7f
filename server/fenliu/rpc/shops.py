"""ShopService beyond whole documents: their parts, masks, history, undo and lint.

Each change reads the stored document, edits it and applies it on condition that nobody else did
meanwhile. What is valid and who may do it is the engine's word; its refusals are given the names that
fields have in the caller's own request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from fenliu.dispatch import Dispatcher
from fenliu.engine import CommandKind, QueryKind
from fenliu.insight.audit import AuditLog
from fenliu.resources.documents import AGENT, GROUP, Kind, index_of, page, remove, without_etag
from fenliu.resources.lint import lint
from fenliu.resources.masks import MaskError, update
from fenliu.rpc.context import Context, actor, now_ms
from fenliu.rpc.errors import Refusal, engine_refusal, invalid, malformed, refusal
from fenliu.v1 import shop_pb2

ATTEMPTS = 8
"""How often an edit without an etag is tried while others change the same shop."""
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000

_M = TypeVar("_M", bound=Message)
_Edit = Callable[[shop_pb2.Shop], str]
"""Changes the document in place; gives the place of the part that the request brought ("": none)."""


class ShopMethods:
    """The behaviours; built for one server."""

    def __init__(self, dispatcher: Dispatcher, audit: AuditLog) -> None:
        self._dispatcher = dispatcher
        self._audit = audit

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        methods = {
            "UpdateShop": self.update_shop,
            "ListAuditEntries": self.list_audit_entries,
            "UndoChange": self.undo_change,
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
        wanted = _decoded(shop_pb2.UpdateShopRequest, request)
        if not wanted.HasField("shop"):
            raise invalid("shop", "required")

        def edit(shop: shop_pb2.Shop) -> str:
            _masked(shop, wanted.shop, wanted.update_mask, {"shop_id", "etag"})
            return ""

        shop = await self._change(
            wanted.shop.shop_id, wanted.shop.etag, edit, context, names={"shop_id": "shop.shop_id"}
        )
        return shop_pb2.UpdateShopResponse(shop=shop).SerializeToString()

    async def lint_shop(self, request: bytes, context: Context) -> bytes:
        """LintShop."""
        wanted = _decoded(shop_pb2.LintShopRequest, request)
        match wanted.WhichOneof("target"):
            case "shop":
                shop = wanted.shop
            case "shop_id":
                shop = await self._read(wanted.shop_id, context)
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

            shop = await self._change(
                wanted.shop_id, wanted.etag, edit, context, names=_names(kind)
            )
            return _part_response("Create", kind, shop, kind.id_of(part))

        return create

    def _get(self, kind: Kind) -> Any:
        async def get(request: bytes, context: Context) -> bytes:
            wanted = _request(f"Get{kind.name.capitalize()}", request)
            shop = await self._read(wanted.shop_id, context)
            part_id = kind.id_of(wanted)
            _found(shop, kind, part_id, kind.id_field)
            return _part_response("Get", kind, shop, part_id)

        return get

    def _list(self, kind: Kind) -> Any:
        async def list_parts(request: bytes, context: Context) -> bytes:
            name = f"List{kind.name.capitalize()}s"
            wanted = _request(name, request)
            size = _page_size(wanted)
            shop = await self._read(wanted.shop_id, context)
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

            shop = await self._change(
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

            shop = await self._change(
                wanted.shop_id, wanted.etag, edit, context, names=_names(kind)
            )
            return _encoded(_message(f"{name}Response")(etag=shop.etag))

        return delete

    # History

    async def list_audit_entries(self, request: bytes, context: Context) -> bytes:
        """ListAuditEntries."""
        wanted = _decoded(shop_pb2.ListAuditEntriesRequest, request)
        size = _page_size(wanted)
        try:
            await self._read(wanted.shop_id, context)
        except Refusal as refused:
            if not await self._deletion(wanted.shop_id, refused):
                raise
        try:
            entries, token = await self._audit.page(wanted.shop_id, wanted.page_token, size)
        except KeyError:
            raise invalid("page_token", "not one that this shop's list gave") from None
        return shop_pb2.ListAuditEntriesResponse(
            entries=entries, next_page_token=token
        ).SerializeToString()

    async def undo_change(self, request: bytes, context: Context) -> bytes:
        """UndoChange."""
        wanted = _decoded(shop_pb2.UndoChangeRequest, request)
        if not wanted.change_id:
            raise invalid("change_id", "required")
        try:
            shop = await self._read(wanted.shop_id, context)
        except Refusal as refused:
            deletion = await self._deletion(wanted.shop_id, refused)
            if not deletion:
                raise
            shop = shop_pb2.Shop(etag=deletion)
        _check_etag(wanted.etag, shop)
        found = await self._audit.change(wanted.shop_id, wanted.change_id)
        if found is None:
            raise refusal(
                grpc.StatusCode.NOT_FOUND,
                "CHANGE_NOT_FOUND",
                "change_id: unknown change",
                field="change_id",
                rule="unknown change",
            )
        change, following = found
        if following is not None:
            undone = following.undoes_change_id == change.change_id
            what = "already undone" if undone else "changed since"
            raise _not_undoable(f"{what} by change {following.change_id}")
        if not change.HasField("before"):
            raise _not_undoable("it created the shop: there is nothing before it")
        document = without_etag(change.before)
        # Whoever changes the shop between here and there wins: the undo would not be what was asked.
        # A deleted shop has no etag to hold on to.
        if change.HasField("after"):
            document.etag = change.change_id
        answer = await self._apply(document, context)
        if _reason(answer) == "STALE_ETAG":
            raise _not_undoable("changed since, just now")
        applied = _shop_of(answer, "", {})
        return shop_pb2.UndoChangeResponse(shop=applied).SerializeToString()

    async def _deletion(self, shop_id: str, refused: Refusal) -> str:
        """The change that deleted the shop which could not be read; "": there never was one."""
        if _reason(refused) != "SHOP_NOT_FOUND":
            return ""
        entries, _ = await self._audit.page(shop_id, "", 1)
        return entries[0].change_id if entries else ""

    # Reading and applying

    async def _read(
        self, shop_id: str, context: Context, names: dict[str, str] | None = None
    ) -> shop_pb2.Shop:
        answer = await self._dispatcher.query(
            QueryKind.GET_SHOP,
            shop_pb2.GetShopRequest(shop_id=shop_id).SerializeToString(),
            now_ms=now_ms(context),
        )
        if answer.code:
            raise _renamed(engine_refusal(answer.body), "", names or {})
        return shop_pb2.GetShopResponse.FromString(answer.body).shop

    async def _change(
        self, shop_id: str, etag: str, edit: _Edit, context: Context, *, names: dict[str, str]
    ) -> shop_pb2.Shop:
        """The shop after an edit; `names`: what fields of the engine's refusals are in the request."""
        attempt = 1
        while True:
            document = await self._read(shop_id, context, names)
            _check_etag(etag, document, names.get("shop.etag", "shop.etag"))
            place = edit(document)
            # The document has the etag it was read with: applied only if it is still the shop's.
            answer = await self._apply(document, context)
            if _reason(answer) != "STALE_ETAG" or etag or attempt == ATTEMPTS:
                return _shop_of(answer, place, names)
            attempt += 1

    async def _apply(self, document: shop_pb2.Shop, context: Context) -> bytes | Refusal:
        """The response to ApplyShop, encoded, or what refused it."""
        answer = await self._dispatcher.command(
            CommandKind.APPLY_SHOP,
            shop_pb2.ApplyShopRequest(shop=document).SerializeToString(),
            actor=actor(context),
            now_ms=now_ms(context),
        )
        return engine_refusal(answer.body) if answer.code else answer.body


# Requests and responses, by name: those of agents and groups differ in their names only.


def _message(name: str) -> Any:
    return getattr(shop_pb2, name)


def _decoded(message: type[_M], request: bytes) -> _M:
    try:
        return message.FromString(request)
    except DecodeError:
        raise malformed(str(message.DESCRIPTOR.full_name)) from None


def _request(method: str, request: bytes) -> Any:
    return _decoded(_message(f"{method}Request"), request)


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


def _page_size(wanted: Any) -> int:
    if not 0 <= wanted.page_size <= MAX_PAGE_SIZE:
        raise invalid("page_size", f"must be within 0..{MAX_PAGE_SIZE}")
    return int(wanted.page_size) or DEFAULT_PAGE_SIZE


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


# Refusals


def _check_etag(etag: str, shop: shop_pb2.Shop, field: str = "etag") -> None:
    """As the engine says it. It is asked first, so that a stale request is told so and no more."""
    if etag and etag != shop.etag:
        rule = f"stale: the shop is at {shop.etag}"
        raise refusal(
            grpc.StatusCode.ABORTED, "STALE_ETAG", f"{field}: {rule}", field=field, rule=rule
        )


def _not_undoable(rule: str) -> Refusal:
    return refusal(
        grpc.StatusCode.FAILED_PRECONDITION,
        "NOT_UNDOABLE",
        f"change_id: {rule}",
        field="change_id",
        rule=rule,
    )


def _names(kind: Kind) -> dict[str, str]:
    """Fields of refusals as requests on parts have them."""
    return {"shop.etag": "etag", "": kind.name}


def _place(kind: Kind, index: int) -> str:
    """A part's place as the engine names it."""
    return f"shop.{kind.list_field}[{index}]"


def _shop_of(answer: bytes | Refusal, place: str, names: dict[str, str]) -> shop_pb2.Shop:
    if isinstance(answer, Refusal):
        raise _renamed(answer, place, names)
    return shop_pb2.ApplyShopResponse.FromString(answer).shop


def _info(refused: Refusal) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for detail in refused.status.details:
        if detail.Unpack(info):
            break
    return info


def _reason(answer: bytes | Refusal) -> str:
    return _info(answer).reason if isinstance(answer, Refusal) else ""


def _renamed(refused: Refusal, place: str, names: dict[str, str]) -> Refusal:
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
