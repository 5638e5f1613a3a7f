"""The whole engine once more, deliberately naive: the judge of both cores.

Written from docs/engine.md alone. A shop is a few plain lists (shop.py); whatever can be computed from
them is computed anew each time (steps.py); numbers are unbounded integers and fractions. It may not
import the engine: only the generated public messages, as plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2
from model.checks import (
    ABORTED,
    INVALID,
    NOT_ALLOWED,
    NOT_FOUND,
    PRECONDITION,
    VALIDATE,
    Refused,
    by_bytes,
    invalid,
    number_of,
    resolve,
)
from model.shop import (
    AGENT,
    AGENT_WROTE,
    AUTO_REPLY,
    BUYER,
    LEFT_MESSAGE,
    NO_INQUIRY,
    OFFLINE,
    ROBOT,
    NaiveShop,
    R,
)
from model.steps import (
    HANDLER_EXCLUDED,
    HANDLER_OFFLINE,
    REQUEST,
    SHOP_DELETED,
    TO_HUMAN,
    TRANSFERRED,
    Handler,
    decided,
    due,
    find_handler,
    picked,
    route_response,
    settle,
)

BY_SESSION, BY_MANAGER, LEASE_EXPIRED = 1, 2, 3


@dataclass
class Logged:
    """What the log must say: the command's own name, or "tick"."""

    now_ms: int
    actor: str
    facts: list[tuple[str, dict[str, Any]]]
    command: str


@dataclass
class Answer:
    """Either a refusal (code, reason, field, rule) or a reply (None: empty bytes)."""

    refusal: tuple[int, str, str, str] | None = None
    reply: Any = None
    logged: Logged | None = None

    @property
    def code(self) -> int:
        return self.refusal[0] if self.refusal else 0


class NaiveModel:
    """Every shop, deleted ones too. `command` is the name of the command's field in a log entry."""

    def __init__(self) -> None:
        self.shops: dict[str, NaiveShop] = {}

    def decide(self, command: str, q: Any, now_ms: int, actor: str = "") -> Answer:
        try:
            VALIDATE[command](q)
            shop_id = _shop_id(command, q)
            if command != "apply_shop" and shop_id not in self.existing():
                raise Refused(NOT_FOUND, "SHOP_NOT_FOUND", "shop_id", "unknown shop")
        except Refused as refused:
            return Answer(refusal=refused.plain())
        is_new = shop_id not in self.shops
        shop = NaiveShop() if is_new else self.shops[shop_id]
        now = now_ms if is_new else max(now_ms, shop.last_now)
        due_facts = self._apply_due(shop, now) if shop.exists else []
        shop.facts, shop.remember = [], []
        reply, refusal = None, None
        try:
            if command in CONFIGURES:
                reply = CONFIGURES[command](shop, q, now, actor)
            else:
                reply = HANDLERS[command](shop, q, now)
        except Refused as refused:
            refusal = refused.plain()
            assert shop.facts == []
            shop.remember = []
        else:
            if shop.exists:
                settle(shop, now, stamped=False)
            reply = reply() if callable(reply) else reply
        logged = None
        if shop.facts or shop.remember:
            said = actor if command in ACTORS_LOGGED else ""
            logged = Logged(now, said, due_facts + shop.facts, command)
            for kind, what in shop.remember:
                kind.append(what)
        elif due_facts:
            logged = Logged(now, "", due_facts, "tick")
        if logged:
            shop.last_now = now
            self.shops[shop_id] = shop
        return Answer(refusal, reply, logged)

    @staticmethod
    def _apply_due(shop: NaiveShop, now: int) -> list[tuple[str, dict[str, Any]]]:
        shop.facts = []
        while (first := due(shop)[:1]) and first[0][0] <= now:
            [(at, _, _, effect)] = first
            at = max(at, shop.last_now)
            effect(at)
            settle(shop, at, stamped=True)
        return shop.facts

    def existing(self) -> dict[str, NaiveShop]:
        """The shops that are not deleted."""
        return {i: shop for i, shop in self.shops.items() if shop.exists}

    def next_due(self, shop_id: str | None = None) -> int | None:
        """Of one shop or of all."""
        shops = self.existing() if shop_id is None else {shop_id: self.shops[shop_id]}
        return min((due(s)[0][0] for s in shops.values() if due(s)), default=None)

    def sessions(self) -> list[tuple[str, str]]:
        found = {
            (a["session_id"], shop_id)
            for shop_id, shop in self.shops.items()
            for a in shop.agents.values()
        }
        return sorted(
            ((s, i) for s, i in found if s), key=lambda p: (by_bytes(p[0]), by_bytes(p[1]))
        )

    # Queries

    def list_presence(self, shop_id: str) -> Any:
        shop = self.shops[shop_id]
        agents = sorted(shop.agents, key=by_bytes)
        return presence_pb2.ListPresenceResponse(
            agents=[shop.agent_presence(a, shop.last_now) for a in agents]
        )

    def list_shops(self, page_size: int, page_token: str) -> Any:
        ids = sorted(self.existing(), key=by_bytes)
        ids = [i for i in ids if by_bytes(i) > by_bytes(page_token)]
        page = ids[: page_size or 100]
        answer = shop_pb2.ListShopsResponse(
            next_page_token=page[-1] if len(ids) > len(page) else ""
        )
        for shop_id in page:
            doc = self.shops[shop_id].document
            answer.shops.add(
                shop_id=shop_id,
                display_name=doc.display_name,
                agents=len(doc.agents),
                groups=len(doc.groups),
                etag=doc.etag,
            )
        return answer


def _shop_id(command: str, q: Any) -> str:
    if command == "apply_shop":
        return str(q.shop.shop_id)
    return str(q.update.shop_id if command == "update_presence" else q.shop_id)


def _unknown_agent(name: str) -> Refused:
    return Refused(NOT_FOUND, "AGENT_NOT_FOUND", name, "unknown agent")


def _inquiry_of(q: Any) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(old, list) else value
        for name, old in NO_INQUIRY.items()
        for value in [getattr(q, name)]
    }


# --- repeats -----------------------------------------------------------------------------------------


def _repeated(shop: NaiveShop, command: str, q: Any, now: int) -> Any:
    """The reply that was given, or None."""
    for first in shop.remembered("requests", now):
        if q.request_id and first["id"] == q.request_id:
            if (first["command"], first["body"]) != (command, q):
                rule = "used within 24 h with another body"
                raise Refused(INVALID, "REQUEST_ID_REUSED", "request_id", rule)
            return first["reply"]
    return None


def _remember(shop: NaiveShop, command: str, q: Any, now: int, reply: Any) -> Any:
    if q.request_id:
        said = {"id": q.request_id, "at": now, "command": command, "body": q, "reply": reply}
        shop.remember.append((shop.requests, said))
    return reply


def _seen(shop: NaiveShop, kind: str, q: Any, now: int) -> bool:
    """Whether the event is a repeat; it is remembered if the command is accepted."""
    if not q.event_id:
        return False
    if any(e["id"] == q.event_id for e in shop.remembered(kind, now)):
        return True
    shop.remember.append((getattr(shop, kind), {"id": q.event_id, "at": now}))
    return False


# --- inquiries ---------------------------------------------------------------------------------------


def route(shop: NaiveShop, q: Any, now: int) -> Any:
    first = _repeated(shop, "route", q, now)
    if first is not None:
        return first
    if q.dedicated_agent_id and shop.agent(q.dedicated_agent_id) is None:
        raise _unknown_agent("dedicated_agent_id")
    inquiry, previous = _inquiry_of(q), 0
    handler, owner = None, None
    c = shop.open_of(q.buyer_id)
    if c is not None and c["robot"]:
        if not shop.settings.robot_id:
            previous = c["conversation"]
            shop.close(previous, HANDLER_OFFLINE, now)
        elif not q.handoff:
            opened, robot = R.REASON_OPEN_CONVERSATION, shop.settings.robot_id
            handler = Handler(ROBOT, opened, robot, conversation=c["conversation"])
    elif c is not None:
        agent, number = c["agent_id"], c["conversation"]
        there = shop.status(agent) != OFFLINE
        if there and agent not in q.exclude_agent_ids:
            opened = R.REASON_OPEN_CONVERSATION
            handler = Handler(AGENT, opened, agent, c["group_id"], conversation=number)
        else:
            previous = number
            shop.close(number, HANDLER_EXCLUDED if there else HANDLER_OFFLINE, now)
    if handler is None:
        handler, owner = find_handler(shop, q.buyer_id, inquiry, now, q.handoff)
    fact = decided(shop, q.buyer_id, handler, now, inquiry, previous=previous, mixed_owner=owner)
    return _remember(shop, "route", q, now, route_response(fact))


def _issued(shop: NaiveShop, conversation_id: str) -> int:
    number = number_of(conversation_id, shop.conversations_issued)
    if not number:
        raise Refused(NOT_FOUND, "CONVERSATION_NOT_FOUND", "conversation_id", "never issued")
    return number


def close_conversation(shop: NaiveShop, q: Any, now: int) -> Any:
    first = _repeated(shop, "close_conversation", q, now)
    if first is not None:
        return first
    number = _issued(shop, q.conversation_id)
    is_open = shop.conversation(number) is not None
    if is_open:
        shop.close(number, REQUEST, now)
    reply = dispatch_pb2.CloseConversationResponse(
        conversation_id=q.conversation_id, already_closed=not is_open
    )
    return _remember(shop, "close_conversation", q, now, reply)


def transfer(shop: NaiveShop, q: Any, now: int) -> Any:
    first = _repeated(shop, "transfer", q, now)
    if first is not None:
        return first
    number = _issued(shop, q.conversation_id)
    c = shop.conversation(number)
    if c is None:
        rule = "already closed"
        raise Refused(PRECONDITION, "CONVERSATION_CLOSED", "conversation_id", rule)
    if q.agent_id and shop.agent(q.agent_id) is None:
        raise _unknown_agent("agent_id")
    if q.group_id and q.group_id not in shop.everyone():
        raise Refused(NOT_FOUND, "GROUP_NOT_FOUND", "group_id", "unknown group")
    if q.agent_id and q.agent_id == c["agent_id"]:
        raise invalid("agent_id", "already has this conversation")
    if c["reply_hops"] + c["transfer_hops"] >= 10:
        raise Refused(PRECONDITION, "HOP_LIMIT", "conversation_id", "at most 10 hops")
    handler = _receiver(shop, q, c["agent_id"])
    shop.close(number, TRANSFERRED, now)
    fact = decided(
        shop, c["buyer_id"], handler, now, c["inquiry"], named=True, previous=number,
        reply_hops=c["reply_hops"], transfer_hops=c["transfer_hops"] + 1,
    )  # fmt: skip
    reply = dispatch_pb2.TransferResponse(
        conversation_id=f"c{fact['conversation']}" if fact["conversation"] else "",
        decision_id=f"d{fact['decision']}",
        outcome=fact["outcome"],
        agent_id=fact["agent_id"],
        group_id=fact["group_id"],
        reason=fact["reason"],
    )
    return _remember(shop, "transfer", q, now, reply)


def _receiver(shop: NaiveShop, q: Any, own_agent: str) -> Handler:
    if q.agent_id:
        agent = q.agent_id
        if shop.status(agent) != OFFLINE:
            groups = shop.groups_of(agent)
            return Handler(AGENT, R.REASON_TRANSFER, agent, groups[0] if groups else "")
        if q.allow_offline:
            return Handler(LEFT_MESSAGE, R.REASON_TRANSFER, agent, target_agent_id=agent)
        field, rule = "agent_id", "the agent is OFFLINE"
    else:
        anybody = {**NO_INQUIRY, "exclude_agent_ids": [own_agent]}
        found = picked(shop, R.REASON_TRANSFER, (q.group_id,), anybody, None)
        if found is not None:
            return found
        if q.allow_offline:
            group = q.group_id
            return Handler(LEFT_MESSAGE, R.REASON_TRANSFER, "", group, target_group_id=group)
        field, rule = "group_id", "nobody in the group may take a buyer"
    raise Refused(PRECONDITION, "RECEIVER_UNAVAILABLE", field, rule)


def cancel_inquiry(shop: NaiveShop, q: Any, now: int) -> Any:
    first = _repeated(shop, "cancel_inquiry", q, now)
    if first is not None:
        return first
    was_waiting = shop.entry_of(q.buyer_id) is not None
    if was_waiting:
        shop.facts.append(("waiting_cancelled", {"buyer_id": ""}))
        shop.stop_waiting(q.buyer_id)
    reply = dispatch_pb2.CancelInquiryResponse(was_waiting=was_waiting)
    return _remember(shop, "cancel_inquiry", q, now, reply)


# --- messages and orders -----------------------------------------------------------------------------


def message(shop: NaiveShop, q: Any, now: int) -> Any:
    if _seen(shop, "events", q, now):
        return dispatch_pb2.MessageResult(duplicate=True)
    number = _issued(shop, q.conversation_id) if q.conversation_id else 0
    c = shop.conversation(number) if number else shop.open_of(q.buyer_id)
    if number and c and q.buyer_id and q.buyer_id != c["buyer_id"]:
        raise invalid("buyer_id", "not the conversation's buyer")
    in_a_name = q.sender in (AGENT_WROTE, AUTO_REPLY)
    if q.agent_id and in_a_name and shop.agent(q.agent_id) is None:
        raise _unknown_agent("agent_id")
    number = c["conversation"] if c else number
    opened = q.sender == AGENT_WROTE and (c["robot"] if c is not None else q.conversation_id == "")
    author = (q.agent_id or (c["agent_id"] if c else "")) if in_a_name else ""
    if opened and not author:
        raise invalid("agent_id", "required")
    skew = shop.settings.timestamp_skew_ms
    wanted = q.sent_at_ms or now
    at = min(max(wanted, now - skew), now + skew)
    buyer = c["buyer_id"] if c else q.buyer_id

    reassigned = None
    if q.sender == BUYER and c and not c["robot"] and shop.status(c["agent_id"]) == OFFLINE:
        shop.close(number, HANDLER_OFFLINE, now)
        handler, owner = find_handler(shop, buyer, c["inquiry"], now, False)
        fact = decided(
            shop, buyer, handler, now, c["inquiry"],
            named=True, previous=number, mixed_owner=owner,
        )  # fmt: skip
        reassigned = route_response(fact)
        number = fact["conversation"]
        c = shop.conversation(number)
    elif opened:
        if c:
            shop.close(number, TO_HUMAN, now)
        groups = shop.groups_of(author)
        group = groups[0] if groups else ""
        number = shop.open(buyer, author, group, now, last_activity_ms=at, answered=True)
        shop.stop_waiting(buyer)
        c = shop.conversation(number)
    shop.facts.append(
        (
            "message_noted",
            {
                "conversation": number,
                "at_ms": at,
                "clamped": at != wanted,
                "agent_id": author,
                "opened": opened,
                "buyer_id": buyer if opened and not q.buyer_id else "",
            },
        )
    )
    _apply_message(shop, q.sender, author, c, number, min(at, now), at, now)
    shop.clamped += at != wanted
    return dispatch_pb2.MessageResult(clamped=at != wanted, reassigned=reassigned)


def _apply_message(
    shop: NaiveShop,
    sender: int,
    author: str,
    c: dict[str, Any] | None,
    number: int,
    met_at: int,
    at: int,
    now: int,
) -> None:
    for agent in (author, c["agent_id"] if c else ""):
        if agent in shop.agents:
            shop.agents[agent]["absolute_awaiting"] = None
    if c is None:
        for contact in shop.contacts:
            told = contact["conversation"] == number and contact["agent_id"] == author
            if sender == AGENT_WROTE and told and shop.contact_exists(contact, now):
                contact["at"] = max(contact["at"], met_at)
        return
    c["last_activity_ms"] = max(c["last_activity_ms"], at)
    if sender == BUYER and not c["robot"]:
        c["awaiting"] = True
    if sender == AGENT_WROTE and author == c["agent_id"]:
        c["awaiting"], c["answered"] = False, True
    met = {BUYER: c["agent_id"], AGENT_WROTE: author}.get(sender, "")
    if met:
        old = shop.contact_of(c["buyer_id"], now)
        if old is None or met_at >= old["at"]:
            shop.meet(c["buyer_id"], met, met_at, number)


def order(shop: NaiveShop, q: Any, now: int) -> Any:
    if _seen(shop, "order_events", q, now):
        return dispatch_pb2.OrderResult(duplicate=True)
    at = min(q.occurred_at_ms or now, now + shop.settings.timestamp_skew_ms)
    shop.facts.append(("order_noted", {"at_ms": at}))
    return dispatch_pb2.OrderResult()


# --- presence ----------------------------------------------------------------------------------------


def update_presence(shop: NaiveShop, q: Any, now: int) -> Any:
    _set_status(shop, q.update, now, BY_SESSION, q.session_id)
    return presence_pb2.PresenceAck(update_id=q.update.update_id)


def set_presence(shop: NaiveShop, q: Any, now: int) -> Any:
    _set_status(shop, q, now, BY_MANAGER, "")
    # As it is once those who waited for the agent have come.
    return lambda: presence_pb2.SetPresenceResponse(presence=shop.agent_presence(q.agent_id, now))


def _set_status(shop: NaiveShop, q: Any, now: int, cause: int, session_id: str) -> None:
    if shop.agent(q.agent_id) is None:
        raise _unknown_agent("agent_id")
    old = shop.agents[q.agent_id]
    awaiting = q.awaiting if q.HasField("awaiting") else None
    same = (old["status"], old["cause"], old["session_id"]) == (q.status, cause, session_id)
    if same and awaiting in (None, old["absolute_awaiting"]):
        return
    shop.set_status(q.agent_id, now, q.status, cause, session_id, awaiting)


def expire_session(shop: NaiveShop, q: Any, now: int) -> None:
    for agent_id in sorted(shop.agents, key=by_bytes):
        a = shop.agents[agent_id]
        if a["session_id"] == q.session_id:
            cause = a["cause"] if a["status"] == OFFLINE else LEASE_EXPIRED
            shop.set_status(agent_id, now, OFFLINE, cause, "", None)


def tick(_shop: NaiveShop, _q: Any, _now: int) -> None:
    """What is due has been applied already."""


# --- configuration (section 4) -----------------------------------------------------------------------


def _check_actor(shop: NaiveShop, actor: str) -> None:
    if actor in ("", shop.document.owner_agent_id):
        return
    agent = shop.agent(actor)
    if agent is None or "dispatch.manage" not in agent.permissions:
        rule = "needs dispatch.manage"
        raise Refused(NOT_ALLOWED, "NOT_ALLOWED", "fenliu-actor", rule)


def _check_etag(shop: NaiveShop, etag: str, name: str) -> None:
    if etag and etag != shop.document.etag:
        rule = f"stale: the shop is at {shop.document.etag}"
        raise Refused(ABORTED, "STALE_ETAG", name, rule)


def apply_shop(shop: NaiveShop, q: Any, now: int, actor: str) -> Any:
    stored = shop.document
    revision = str(int(stored.etag) + 1 if stored is not None else 1)
    if not shop.exists:
        if q.shop.etag:
            raise Refused(ABORTED, "STALE_ETAG", "shop.etag", "stale: there is no such shop")
        resolved = resolve(q.shop, revision)
        shop.apply_document(resolved, now)
        return shop_pb2.ApplyShopResponse(shop=resolved, changed=True)
    _check_actor(shop, actor)
    _check_etag(shop, q.shop.etag, "shop.etag")
    if actor not in ("", stored.owner_agent_id) and _granted(q.shop) != _granted(stored):
        rule = "only the owner grants permissions"
        raise Refused(NOT_ALLOWED, "NOT_ALLOWED", "fenliu-actor", rule)
    if resolve(q.shop, stored.etag) == stored:
        return shop_pb2.ApplyShopResponse(shop=stored, changed=False)
    resolved = resolve(q.shop, revision)
    shop.apply_document(resolved, now)
    return shop_pb2.ApplyShopResponse(shop=resolved, changed=True)


def _granted(shop: Any) -> tuple[str, dict[str, list[str]]]:
    """What only the owner may change: the owner, and who has which permissions."""
    permissions = {a.agent_id: sorted(a.permissions) for a in shop.agents if a.permissions}
    return shop.owner_agent_id, permissions


def set_weights(shop: NaiveShop, q: Any, _now: int, actor: str) -> Any:
    stored = shop.document
    _check_actor(shop, actor)
    _check_etag(shop, q.etag, "etag")
    for i, w in enumerate(q.weights):
        if shop.agent(w.agent_id) is None:
            raise _unknown_agent(f"weights[{i}].agent_id")
    changed = [
        (w.agent_id, w.weight) for w in q.weights if shop.agent(w.agent_id).weight != w.weight
    ]
    if changed:
        changed.sort(key=lambda w: by_bytes(w[0]))
        shop.set_weights(changed, str(int(stored.etag) + 1))
    return shop_pb2.SetWeightsResponse(etag=shop.document.etag)


def delete_shop(shop: NaiveShop, q: Any, now: int, actor: str) -> Any:
    if actor not in ("", shop.document.owner_agent_id):
        rule = "only the owner deletes the shop"
        raise Refused(NOT_ALLOWED, "NOT_ALLOWED", "fenliu-actor", rule)
    _check_etag(shop, q.etag, "etag")
    if (shop.conversations or shop.waiting) and not q.force:
        rule = "conversations are open or buyers wait"
        raise Refused(PRECONDITION, "SHOP_IN_USE", "force", rule)
    for number in sorted(c["conversation"] for c in shop.conversations):
        shop.close(number, SHOP_DELETED, now)
    for w in sorted(shop.waiting, key=lambda w: (w["since_ms"], w["decision"])):
        shop.facts.append(("waiting_cancelled", {"buyer_id": w["buyer_id"]}))
    etag = str(int(shop.document.etag) + 1)
    shop.delete(etag)
    return shop_pb2.DeleteShopResponse(etag=etag)


CONFIGURES: dict[str, Callable[[NaiveShop, Any, int, str], Any]] = {
    "apply_shop": apply_shop,
    "set_weights": set_weights,
    "delete_shop": delete_shop,
}
ACTORS_LOGGED = ("set_presence", *CONFIGURES)
HANDLERS: dict[str, Callable[[NaiveShop, Any, int], Any]] = {
    "route": route,
    "close_conversation": close_conversation,
    "transfer": transfer,
    "cancel_inquiry": cancel_inquiry,
    "message": message,
    "order": order,
    "update_presence": update_presence,
    "set_presence": set_presence,
    "expire_session": expire_session,
    "tick": tick,
}
