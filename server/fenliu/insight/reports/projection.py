"""What log entries do to the tables: who received whom, what was said, ordered and paid, who was there.

Follows docs/kpis.md, "What is counted". Of a log whose beginning is gone, what it says of conversations never
seen to begin is passed over. Knows no journal and no KPI.
"""

from __future__ import annotations

import sqlite3

from fenliu.engine import partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.reports.documents import Documents
from fenliu.insight.reports.rows import Buyer, Conversation, Rows, Shop
from fenliu.v1 import dispatch_pb2, types_pb2

PROMPT_MS = 180_000
"""A round answered within this is answered promptly (3分钟响应率)."""

PAID_WITHIN_MS = 5 * 86_400_000
"""No conversion asks for a payment later than this after the conversation began."""

# With these the buyer's exchange is over: what was not answered is not carried on.
_OVER = frozenset(
    {
        engine_pb2.CLOSE_CAUSE_IDLE,
        engine_pb2.CLOSE_CAUSE_REQUEST,
        engine_pb2.CLOSE_CAUSE_SHOP_DELETED,
    }
)
_WAITS = {
    types_pb2.OUTCOME_QUEUED: "QUEUED",
    types_pb2.OUTCOME_POOLED: "POOLED",
    types_pb2.OUTCOME_LEFT_MESSAGE: "LEFT_MESSAGE",
}
_FIRST = "1"
"""The etag of a shop that has just been made."""


class Projection:
    """Takes entries in the order of their log, within one transaction of `connection`; then `write`."""

    def __init__(self, connection: sqlite3.Connection, partitions: int) -> None:
        self._rows = Rows(connection)
        self._documents = Documents(connection)
        self._connection = connection
        self._partitions = partitions
        self._decisions: list[tuple[str | int, ...]] = []
        self._began: list[tuple[str, int, str, str, int]] = []
        self._ended: list[tuple[int, str, str, int]] = []
        self._ordered: list[tuple[str, str, int]] = []
        self._paid: list[tuple[int, str, str, int, int, int]] = []

    def write(self) -> None:
        """Brings everything taken into the tables."""
        self._rows.write()
        self._connection.executemany(
            "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._decisions,
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO waits (shop_id, decision, buyer_id, kind, since_ms) "
            "VALUES (?, ?, ?, ?, ?)",
            self._began,
        )
        self._connection.executemany(
            "UPDATE waits SET until_ms = ?, ended = ? WHERE shop_id = ? AND decision = ?",
            self._ended,
        )
        # An order reported late may come before conversations that began since.
        self._connection.executemany(
            "UPDATE conversations SET ordered_before = 1 "
            "WHERE shop_id = ? AND buyer_id = ? AND opened_at_ms > ?",
            self._ordered,
        )
        self._connection.executemany(
            "UPDATE conversations SET next_paid_ms = ? "
            "WHERE shop_id = ? AND buyer_id = ? AND opened_at_ms BETWEEN ? AND ? "
            "AND (next_paid_ms IS NULL OR next_paid_ms > ?)",
            self._paid,
        )
        for written in (self._decisions, self._began, self._ended):
            written.clear()
        self._ordered.clear()
        self._paid.clear()

    def take(self, entry: engine_pb2.Entry) -> None:
        """One entry."""
        command = command_of(entry)
        shop = self._rows.shop(command.shop_id)
        if shop is None:
            partition = partition_of(command.shop_id, self._partitions)
            whole = int(_FIRST in [fact.shop_applied.shop.etag for fact in entry.facts])
            shop = Shop(command.shop_id, partition, entry.now_ms, entry.now_ms, whole)
            self._rows.add_shop(shop)
        shop.now_ms = entry.now_ms
        named_buyer: str = getattr(command, "buyer_id", "")
        for fact in entry.facts:
            match fact.WhichOneof("fact"):
                case "conversation_closed":
                    self._closed(shop, fact.conversation_closed)
                case "decided":
                    decided = fact.decided
                    at_ms = decided.at_ms or entry.now_ms
                    inquiry = entry.HasField("route") and not decided.buyer_id
                    buyer_id = decided.buyer_id or named_buyer
                    self._note(shop, decided, buyer_id, at_ms, inquiry=inquiry)
                    self._waits(shop, decided, buyer_id, at_ms)
                    self._decided(shop, decided, buyer_id, at_ms)
                case "message_noted":
                    self._message(shop, entry, fact.message_noted)
                case "waiting_cancelled":
                    buyer_id = fact.waiting_cancelled.buyer_id or named_buyer
                    buyer = self._rows.buyer(shop.shop_id, buyer_id)
                    buyer.unanswered = 0
                    self._waits_no_more(buyer, "CANCELLED", entry.now_ms)
                case "order_noted":
                    # What is said to be later than now is now.
                    at_ms = min(fact.order_noted.at_ms, entry.now_ms)
                    self._order(shop, entry.order, at_ms)
                case "presence_changed":
                    changed = fact.presence_changed
                    self._documents.moved(
                        shop.shop_id, changed.agent_id, changed.status, entry.now_ms
                    )
                case "shop_applied":
                    document = fact.shop_applied.shop
                    shop.longest_wait_ms = document.settings.longest_wait_ms
                    shop.slow_gap_ms = document.settings.slow_gap_ms
                    shop.slow_count = document.settings.slow_count
                    self._documents.applied(document, entry.now_ms)
                case "shop_deleted":
                    self._documents.deleted(shop.shop_id, entry.now_ms)

    def _note(
        self,
        shop: Shop,
        decided: engine_pb2.Decided,
        buyer_id: str,
        at_ms: int,
        *,
        inquiry: bool,
    ) -> None:
        """As a row of `decisions`."""
        outcome = types_pb2.Outcome.Name(decided.outcome).removeprefix("OUTCOME_")
        reason = types_pb2.Reason.Name(decided.reason).removeprefix("REASON_")
        whose = (decided.agent_id, decided.group_id, decided.conversation)
        self._decisions.append(
            (shop.shop_id, decided.decision, at_ms, buyer_id, inquiry, outcome, reason, *whose)
        )

    def _waits(self, shop: Shop, decided: engine_pb2.Decided, buyer_id: str, at_ms: int) -> None:
        """What becomes of the buyer's waiting (docs/engine.md section 8, what `Decided` does)."""
        if decided.reason in (types_pb2.REASON_OPEN_CONVERSATION, types_pb2.REASON_STILL_WAITING):
            return
        kind = _WAITS.get(decided.outcome)
        if decided.outcome == types_pb2.OUTCOME_ROBOT and decided.pool_entry:
            kind = "POOLED"
        if kind is None and decided.outcome != types_pb2.OUTCOME_AGENT:
            return
        buyer = self._rows.buyer(shop.shop_id, buyer_id)
        if buyer.waits_as == kind:
            return
        if decided.outcome == types_pb2.OUTCOME_ROBOT and buyer.waits_as not in (None, "QUEUED"):
            return
        self._waits_no_more(buyer, kind or "AGENT", at_ms)
        if kind is not None:
            self._began.append((shop.shop_id, decided.decision, buyer_id, kind, at_ms))
            buyer.wait, buyer.waits_as = decided.decision, kind

    def _waits_no_more(self, buyer: Buyer, ended: str, at_ms: int) -> None:
        if buyer.wait is not None:
            self._ended.append((at_ms, ended, buyer.shop_id, buyer.wait))
            buyer.wait = buyer.waits_as = None

    def _decided(self, shop: Shop, decided: engine_pb2.Decided, buyer_id: str, at_ms: int) -> None:
        new = decided.conversation > shop.last_conversation
        if not new or decided.reason == types_pb2.REASON_OPEN_CONVERSATION:
            return
        self._open(
            shop,
            decided.conversation,
            buyer_id,
            decided.agent_id,
            decided.group_id,
            types_pb2.Reason.Name(decided.reason).removeprefix("REASON_"),
            at_ms,
            robot=decided.outcome == types_pb2.OUTCOME_ROBOT,
        )

    def _open(
        self,
        shop: Shop,
        number: int,
        buyer_id: str,
        agent_id: str,
        group_id: str,
        reason: str,
        at_ms: int,
        *,
        robot: bool = False,
    ) -> Conversation:
        shop.last_conversation = number
        buyer = self._rows.buyer(shop.shop_id, buyer_id)
        first_order_ms = buyer.first_order_ms
        carried = not robot and buyer.unanswered
        conversation = Conversation(
            shop_id=shop.shop_id,
            conversation=number,
            buyer_id=buyer_id,
            agent_id=agent_id,
            group_id=group_id,
            robot=int(robot),
            reason=reason,
            opened_at_ms=at_ms,
            ordered_before=int(first_order_ms is not None and first_order_ms < at_ms),
            next_paid_ms=at_ms if buyer.last_paid_ms == at_ms else None,
            carried=int(carried),
            closed_at_ms=None,
            close_cause=None,
            buyer_messages=0,
            agent_messages=0,
            answered_rounds=0,
            first_reply_ms=None,
            reply_ms=0,
            prompt_rounds=0,
            slow_gaps=0,
            pending_since_ms=at_ms if carried else None,
            handling_ms=0,
            last_at_ms=at_ms,
        )
        self._rows.add_conversation(conversation)
        if not robot:
            self._documents.met(shop.shop_id, agent_id, group_id, at_ms)
        return conversation

    def _closed(self, shop: Shop, closed: engine_pb2.ConversationClosed) -> None:
        conversation = self._rows.conversation(shop.shop_id, closed.conversation)
        if conversation is None:
            return
        conversation.closed_at_ms = closed.at_ms
        cause = engine_pb2.CloseCause.Name(closed.cause)
        conversation.close_cause = cause.removeprefix("CLOSE_CAUSE_")
        if closed.cause in _OVER:
            self._rows.buyer(shop.shop_id, conversation.buyer_id).unanswered = 0

    def _message(self, shop: Shop, entry: engine_pb2.Entry, noted: engine_pb2.MessageNoted) -> None:
        message = entry.message
        conversation = self._rows.conversation(shop.shop_id, noted.conversation)
        buyer_id = noted.buyer_id or message.buyer_id
        if conversation is not None:
            buyer_id = conversation.buyer_id
        if noted.opened:
            self._waits_no_more(self._rows.buyer(shop.shop_id, buyer_id), "AGENT", entry.now_ms)
        if noted.opened and conversation is None:
            conversation = self._open(
                shop,
                noted.conversation,
                buyer_id,
                noted.agent_id,
                self._documents.first_group(shop.shop_id, noted.agent_id),
                "",
                entry.now_ms,
            )
        if not buyer_id:
            return  # of a conversation whose beginning is not kept
        buyer = self._rows.buyer(shop.shop_id, buyer_id)
        own = conversation is not None and not conversation.robot
        if message.sender == types_pb2.SENDER_BUYER:
            buyer.unanswered = 1
            if conversation is not None and own:
                _asked(shop, conversation, noted.at_ms)
        elif message.sender == types_pb2.SENDER_AGENT:
            buyer.unanswered = 0
            if conversation is not None and own:
                author = noted.agent_id or conversation.agent_id
                if author == conversation.agent_id:
                    _replied(shop, conversation, noted.at_ms)

    def _order(self, shop: Shop, event: dispatch_pb2.OrderEvent, at_ms: int) -> None:
        order = self._rows.order(shop.shop_id, event.order_id, event.buyer_id)
        match event.type:
            case dispatch_pb2.ORDER_EVENT_TYPE_CREATED:
                order.ordered_at_ms = _earlier(order.ordered_at_ms, at_ms)
            case dispatch_pb2.ORDER_EVENT_TYPE_PAID:
                order.ordered_at_ms = _earlier(order.ordered_at_ms, at_ms)
                order.paid_at_ms = _earlier(order.paid_at_ms, at_ms)
                order.paid_cents += event.amount_cents
                order.paid_items += event.items
            case dispatch_pb2.ORDER_EVENT_TYPE_REFUNDED:
                order.refunded_cents += event.amount_cents
        buyer = self._rows.buyer(shop.shop_id, order.buyer_id)
        if buyer.first_order_ms is None or at_ms < buyer.first_order_ms:
            buyer.first_order_ms = at_ms
            self._ordered.append((shop.shop_id, order.buyer_id, at_ms))
        if event.type == dispatch_pb2.ORDER_EVENT_TYPE_PAID:
            buyer.last_paid_ms = max(buyer.last_paid_ms or 0, at_ms)
            self._paid.append(
                (at_ms, shop.shop_id, order.buyer_id, at_ms - PAID_WITHIN_MS, at_ms, at_ms)
            )


def _asked(shop: Shop, conversation: Conversation, at_ms: int) -> None:
    conversation.buyer_messages += 1
    _handled(shop, conversation, at_ms)
    if conversation.pending_since_ms is None:
        conversation.pending_since_ms = at_ms


def _replied(shop: Shop, conversation: Conversation, at_ms: int) -> None:
    conversation.agent_messages += 1
    _handled(shop, conversation, at_ms)
    if conversation.pending_since_ms is None:
        return
    took_ms = max(0, at_ms - conversation.pending_since_ms)
    conversation.pending_since_ms = None
    conversation.answered_rounds += 1
    if conversation.first_reply_ms is None:
        conversation.first_reply_ms = took_ms
    conversation.reply_ms += took_ms
    conversation.prompt_rounds += took_ms <= PROMPT_MS
    conversation.slow_gaps += took_ms > shop.slow_gap_ms


def _handled(shop: Shop, conversation: Conversation, at_ms: int) -> None:
    """Adds the time since the message before, unless that was too long a silence."""
    passed_ms = at_ms - conversation.last_at_ms
    if passed_ms > 0:
        conversation.last_at_ms = at_ms
        if passed_ms <= shop.longest_wait_ms:
            conversation.handling_ms += passed_ms


def _earlier(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)
