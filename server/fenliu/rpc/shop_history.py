"""ShopService's history: who changed a shop, and taking the last change back, a deletion too."""

from __future__ import annotations

from typing import Any

import grpc

from fenliu.insight.audit import AuditLog
from fenliu.resources.documents import without_etag
from fenliu.rpc.checks import decoded
from fenliu.rpc.context import Context
from fenliu.rpc.errors import Refusal, invalid, refusal
from fenliu.rpc.shop_documents import (
    Documents,
    check_etag,
    page_size,
    reason_of,
    shop_of,
)
from fenliu.v1 import shop_pb2


class ShopHistoryMethods:
    """The behaviours; built for one server."""

    def __init__(self, documents: Documents, audit: AuditLog) -> None:
        self._documents = documents
        self._audit = audit

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {
            "/fenliu.v1.ShopService/ListAuditEntries": self.list_audit_entries,
            "/fenliu.v1.ShopService/UndoChange": self.undo_change,
        }

    async def list_audit_entries(self, request: bytes, context: Context) -> bytes:
        """ListAuditEntries."""
        wanted = decoded(shop_pb2.ListAuditEntriesRequest, request)
        size = page_size(wanted)
        try:
            await self._documents.read(wanted.shop_id, context)
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
        wanted = decoded(shop_pb2.UndoChangeRequest, request)
        if not wanted.change_id:
            raise invalid("change_id", "required")
        try:
            shop = await self._documents.read(wanted.shop_id, context)
        except Refusal as refused:
            deletion = await self._deletion(wanted.shop_id, refused)
            if not deletion:
                raise
            shop = shop_pb2.Shop(etag=deletion)
        check_etag(wanted.etag, shop)
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
        answer = await self._documents.apply(document, context)
        if reason_of(answer) == "STALE_ETAG":
            raise _not_undoable("changed since, just now")
        applied = shop_of(answer, "", {})
        return shop_pb2.UndoChangeResponse(shop=applied).SerializeToString()

    async def _deletion(self, shop_id: str, refused: Refusal) -> str:
        """The change that deleted the shop which could not be read; "": there never was one."""
        if reason_of(refused) != "SHOP_NOT_FOUND":
            return ""
        entries, _ = await self._audit.page(shop_id, "", 1)
        return entries[0].change_id if entries else ""


def _not_undoable(rule: str) -> Refusal:
    return refusal(
        grpc.StatusCode.FAILED_PRECONDITION,
        "NOT_UNDOABLE",
        f"change_id: {rule}",
        field="change_id",
        rule=rule,
    )
