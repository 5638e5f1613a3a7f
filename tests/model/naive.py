"""The whole decision once more, deliberately naive: the judge of both engine cores.

Written from docs/engine.md alone. It keeps one list of everything that ever happened to a shop and
recomputes whatever it needs by scanning that list; numbers are unbounded integers and fractions. It
may not import the engine: only the generated public messages, as plain values.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

ONE = 2**64
DAY_MS = 86_400_000

ONLINE, SUSPENDED, OFFLINE = 1, 2, 3
BY_SESSION, BY_MANAGER, LEASE_EXPIRED = 1, 2, 3
BUYER, AGENT_WROTE, _ROBOT_WROTE, AUTO_REPLY = 1, 2, 3, 4
IDLE, REQUEST, HANDLER_OFFLINE, HANDLER_EXCLUDED = 1, 2, 3, 4
R = types_pb2
PRODUCT, INTENT, ORDER_STATUS, PAGE_SOURCE = 1, 2, 3, 4

INVALID, NOT_FOUND, ABORTED, UNIMPLEMENTED = 3, 5, 10, 12


class Refused(Exception):
    """A command was refused; `field` is empty when none can be named."""

    def __init__(self, code: int, reason: str, field_: str, rule: str) -> None:
        super().__init__(f"{field_}: {rule}")
        self.code, self.reason, self.field, self.rule = code, reason, field_, rule

    def plain(self) -> tuple[int, str, str, str]:
        return self.code, self.reason, self.field, self.rule


def _invalid(name: str, rule: str) -> Refused:
    return Refused(INVALID, "INVALID_FIELD", name, rule)


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


@dataclass
class Event:
    """Something that happened to a shop; `more` is what the fact itself does not say."""

    kind: str
    now: int
    fact: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)


def by_bytes(text: str) -> bytes:
    return text.encode()


# --- validation (section 3) ---------------------------------------------------------------------


def check_id(value: str, name: str, optional: bool = False) -> None:
    if value == "":
        if optional:
            return
        raise _invalid(name, "required")
    if len(value.encode()) > 128:
        raise _invalid(name, "at most 128 bytes")
    _check_control(value, name)


def _check_text(value: str, name: str) -> None:
    if len(value.encode()) > 256:
        raise _invalid(name, "at most 256 bytes")
    _check_control(value, name)


def _check_control(value: str, name: str) -> None:
    if any(unicodedata.category(c) == "Cc" for c in value):
        raise _invalid(name, "no control characters")


def _check_range(value: int, low: int, high: int, name: str) -> None:
    if not low <= value <= high:
        raise _invalid(name, f"must be within {low}..{high}")


def _check_enum(value: int, enum: Any, name: str, zero: str | None = None) -> None:
    """`zero`: the rule that 0 breaks; None when 0 is a value."""
    if value == 0 and zero is not None:
        raise _invalid(name, zero)
    if value not in enum.values():
        raise _invalid(name, "unknown value")


def _check_count(values: Any, most: int, name: str) -> None:
    if len(values) > most:
        raise _invalid(name, f"at most {most} elements")


def _not_built(wrong: bool, name: str) -> None:
    if wrong:
        raise Refused(UNIMPLEMENTED, "NOT_BUILT", name, "not supported yet")


def _check_once(values: list[Any], index: int, name: str) -> None:
    if values[index] in values[:index]:
        raise _invalid(name, "named twice")


def validate_route(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.buyer_id, "buyer_id")
    check_id(q.request_id, "request_id", optional=True)
    _check_enum(q.order_status, types_pb2.OrderStatus, "order_status")
    for name in ("product_id", "intent", "page_source", "dedicated_agent_id"):
        check_id(getattr(q, name), name, optional=True)
    _check_range(q.priority, 0, 9, "priority")
    _check_count(q.exclude_agent_ids, 100, "exclude_agent_ids")
    for i, agent_id in enumerate(q.exclude_agent_ids):
        check_id(agent_id, f"exclude_agent_ids[{i}]")


def validate_close(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.conversation_id, "conversation_id")
    check_id(q.request_id, "request_id", optional=True)


def validate_message(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.conversation_id, "conversation_id", optional=True)
    check_id(q.buyer_id, "buyer_id", optional=True)
    if not q.conversation_id and not q.buyer_id:
        raise _invalid("conversation_id", "required")
    _check_enum(q.sender, types_pb2.Sender, "sender", zero="required")
    check_id(q.agent_id, "agent_id", optional=True)
    _check_range(q.sent_at_ms, 0, 9007199254740991, "sent_at_ms")
    check_id(q.event_id, "event_id", optional=True)


def validate_update_presence(q: Any) -> None:
    check_id(q.session_id, "session_id")
    if not q.HasField("update"):
        raise _invalid("update", "required")
    check_id(q.update.update_id, "update_id")
    validate_set_presence(q.update)


def validate_set_presence(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.agent_id, "agent_id")
    _check_enum(q.status, types_pb2.PresenceStatus, "status", zero="required")
    if q.HasField("awaiting"):
        _check_range(q.awaiting, 0, 1_000_000, "awaiting")


def validate_expire(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.session_id, "session_id")


def validate_tick(q: Any) -> None:
    check_id(q.shop_id, "shop_id")


def validate_weights(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    if not 1 <= len(q.weights) <= 20000:
        raise _invalid("weights", "must have 1..20000 elements")
    for i, w in enumerate(q.weights):
        check_id(w.agent_id, f"weights[{i}].agent_id")
        _check_range(w.weight, 0, 100, f"weights[{i}].weight")
        _check_once([x.agent_id for x in q.weights], i, f"weights[{i}].agent_id")


def validate_apply(q: Any) -> None:
    if not q.HasField("shop"):
        raise _invalid("shop", "required")
    shop = q.shop
    check_id(shop.shop_id, "shop.shop_id")
    _check_text(shop.display_name, "shop.display_name")
    check_id(shop.owner_agent_id, "shop.owner_agent_id", optional=True)
    _validate_settings(shop.settings)
    known = [a.agent_id for a in shop.agents]
    _check_count(shop.agents, 20000, "shop.agents")
    for i, agent in enumerate(shop.agents):
        at = f"shop.agents[{i}]."
        check_id(agent.agent_id, at + "agent_id")
        _check_text(agent.display_name, at + "display_name")
        _check_range(agent.weight, 0, 100, at + "weight")
        _check_range(agent.cap, 0, 1_000_000, at + "cap")
        for limit in ("daily_limit", "hourly_limit"):
            _check_range(getattr(agent, limit), 0, 1_000_000, at + limit)
            _not_built(getattr(agent, limit) != 0, at + limit)
        _check_once(known, i, at + "agent_id")
    _check_count(shop.groups, 1000, "shop.groups")
    for i, group in enumerate(shop.groups):
        _validate_group(group, f"shop.groups[{i}].", known)
        _check_once([g.group_id for g in shop.groups], i, f"shop.groups[{i}].group_id")
    for i, pair in enumerate(shop.settings.buyer_agents):
        if pair.agent_id not in known:
            raise _invalid(f"shop.settings.buyer_agents[{i}].agent_id", "names an unknown agent")


def _validate_settings(s: Any) -> None:
    at = "shop.settings."
    ninety_days, day = 7_776_000_000, DAY_MS
    _check_range(s.busy_threshold, 0, 1_000_000, at + "busy_threshold")
    _check_enum(s.selection_mode, shop_pb2.SelectionMode, at + "selection_mode")
    _check_range(s.sticky_window_ms, 0, ninety_days, at + "sticky_window_ms")
    _check_range(s.sticky_suspended_window_ms, 0, ninety_days, at + "sticky_suspended_window_ms")
    _not_built(s.charge_sticky, at + "charge_sticky")
    for i, dimension in enumerate(s.binding_precedence):
        name = f"{at}binding_precedence[{i}]"
        _check_enum(dimension, shop_pb2.BindingDimension, name, zero="unknown value")
        _check_once(list(s.binding_precedence), i, name)
    _check_enum(s.reception_mode, shop_pb2.ReceptionMode, at + "reception_mode")
    _not_built(s.reception_mode > 1, at + "reception_mode")
    _check_enum(s.reception_scope, shop_pb2.ReceptionScope, at + "reception_scope")
    _not_built(s.reception_scope == 2, at + "reception_scope")
    check_id(s.robot_id, at + "robot_id", optional=True)
    _not_built(s.robot_id != "", at + "robot_id")
    _check_range(s.robot_percent, 0, 100, at + "robot_percent")
    _check_enum(s.offline_target, shop_pb2.OfflineTarget, at + "offline_target")
    check_id(s.proxy_agent_id, at + "proxy_agent_id", optional=True)
    _check_range(s.queue_limit, 0, 1_000_000, at + "queue_limit")
    _not_built(s.queue_limit != 0, at + "queue_limit")
    _check_range(s.queue_timeout_ms, 0, ninety_days, at + "queue_timeout_ms")
    _check_range(s.reply_timeout_ms, 0, ninety_days, at + "reply_timeout_ms")
    _not_built(s.reply_timeout_ms != 0, at + "reply_timeout_ms")
    _check_range(s.max_hops, 0, 10, at + "max_hops")
    _check_range(s.idle_close_ms, 0, ninety_days, at + "idle_close_ms")
    _check_range(s.timestamp_skew_ms, 0, day, at + "timestamp_skew_ms")
    _check_range(s.longest_wait_ms, 0, day, at + "longest_wait_ms")
    _check_range(s.slow_gap_ms, 0, day, at + "slow_gap_ms")
    _check_range(s.slow_count, 0, 1000, at + "slow_count")
    _check_count(s.buyer_agents, 100_000, at + "buyer_agents")
    for i, pair in enumerate(s.buyer_agents):
        check_id(pair.buyer_id, f"{at}buyer_agents[{i}].buyer_id")
        check_id(pair.agent_id, f"{at}buyer_agents[{i}].agent_id")
        _check_once([p.buyer_id for p in s.buyer_agents], i, f"{at}buyer_agents[{i}].buyer_id")


def _validate_group(group: Any, at: str, known: list[str]) -> None:
    check_id(group.group_id, at + "group_id")
    _check_text(group.display_name, at + "display_name")
    _check_count(group.agent_ids, 20000, at + "agent_ids")
    for i, agent_id in enumerate(group.agent_ids):
        check_id(agent_id, f"{at}agent_ids[{i}]")
        if agent_id not in known:
            raise _invalid(f"{at}agent_ids[{i}]", "names an unknown agent")
        _check_once(list(group.agent_ids), i, f"{at}agent_ids[{i}]")
    _check_range(group.priority, 0, 1_000_000, at + "priority")
    for name in ("product_ids", "intents", "order_statuses", "page_sources"):
        values = list(getattr(group.bindings, name))
        _check_count(values, 10_000, f"{at}bindings.{name}")
        for i, value in enumerate(values):
            element = f"{at}bindings.{name}[{i}]"
            if name == "order_statuses":
                _check_enum(value, types_pb2.OrderStatus, element, zero="unknown value")
            else:
                check_id(value, element)
            _check_once(values, i, element)
    _check_enum(group.when_unavailable, shop_pb2.UnavailablePolicy, at + "when_unavailable")
    _not_built(group.when_unavailable > 1, at + "when_unavailable")
    _check_enum(group.reception_mode, shop_pb2.ReceptionMode, at + "reception_mode")
    _not_built(group.reception_mode > 1, at + "reception_mode")
    _check_range(group.robot_percent, 0, 100, at + "robot_percent")


VALIDATE: dict[str, Callable[[Any], None]] = {
    "route": validate_route,
    "close_conversation": validate_close,
    "message": validate_message,
    "update_presence": validate_update_presence,
    "set_presence": validate_set_presence,
    "expire_session": validate_expire,
    "apply_shop": validate_apply,
    "set_weights": validate_weights,
    "tick": validate_tick,
}


def resolve(document: Any, etag: str) -> Any:
    """The document as it is stored (section 4)."""
    shop = shop_pb2.Shop()
    shop.CopyFrom(document)
    shop.etag = etag
    s = shop.settings
    s.SetInParent()
    defaults = {
        "busy_threshold": 4,
        "sticky_window_ms": 259200000,
        "sticky_suspended_window_ms": 86400000,
        "queue_timeout_ms": 600000,
        "max_hops": 3,
        "idle_close_ms": 1800000,
        "timestamp_skew_ms": 300000,
        "longest_wait_ms": 600000,
        "slow_gap_ms": 120000,
        "slow_count": 3,
    }
    for name, value in defaults.items():
        if not s.HasField(name):
            setattr(s, name, value)
    for name in ("selection_mode", "reception_mode", "reception_scope", "offline_target"):
        setattr(s, name, getattr(s, name) or 1)
    if not s.binding_precedence:
        s.binding_precedence.extend([PRODUCT, INTENT, ORDER_STATUS, PAGE_SOURCE])
    s.buyer_agents.sort(key=lambda p: by_bytes(p.buyer_id))
    for agent in shop.agents:
        if not agent.HasField("weight"):
            agent.weight = 5
    shop.agents.sort(key=lambda a: by_bytes(a.agent_id))
    shop.groups.sort(key=lambda g: by_bytes(g.group_id))
    for group in shop.groups:
        group.bindings.SetInParent()
        group.when_unavailable = group.when_unavailable or 1
        group.reception_mode = group.reception_mode or 1
        group.agent_ids.sort(key=by_bytes)
        group.bindings.order_statuses.sort()
        for values in (
            group.bindings.product_ids,
            group.bindings.intents,
            group.bindings.page_sources,
        ):
            values.sort(key=by_bytes)
    return shop


def number_of(conversation_id: str, last: int) -> int:
    """The number of an id that was issued, else 0."""
    digits = conversation_id[1:]
    if conversation_id[:1] != "c" or not (digits.isascii() and digits.isdigit()):
        return 0
    number = int(digits)
    return number if str(number) == digits and number <= last else 0


# --- one shop: a list of events and what follows from it -------------------------------------------


class NaiveShop:
    def __init__(self) -> None:
        self.history: list[Event] = []
        self._seen: dict[Any, Any] = {}

    def add(self, kind: str, now: int, fact: dict[str, Any], **more: Any) -> None:
        self.history.append(Event(kind, now, fact, more))
        self._seen.clear()

    def _once(self, key: Any, scan: Callable[[], Any]) -> Any:
        """A scan's result, kept until something happens."""
        if key not in self._seen:
            self._seen[key] = scan()
        return self._seen[key]

    # What the log says

    def last_now(self) -> int:
        return max((e.now for e in self.history if e.kind == "logged"), default=0)

    def document(self) -> Any:
        return self._once("document", self._document)

    def _document(self) -> Any:
        shop = None
        for e in self.history:
            if e.kind == "shop_applied":
                shop = e.fact["shop"]
            elif e.kind == "weights_set":
                shop = _with_weights(shop, e.fact["weights"], e.fact["etag"])
        return shop

    def agent_ids(self) -> list[str]:
        return [a.agent_id for a in self.document().agents]

    def decisions(self) -> int:
        return sum(1 for e in self.history if e.kind == "decided")

    def last_conversation(self) -> int:
        numbers = [e.fact["conversation"] for e in self.history if "conversation" in e.fact]
        return max(numbers, default=0)

    def clamped(self) -> int:
        return sum(1 for e in self.history if e.kind == "message_noted" and e.fact["clamped"])

    def presence(self, agent_id: str) -> dict[str, Any]:
        return self._once(("presence", agent_id), lambda: self._presence(agent_id))

    def _presence(self, agent_id: str) -> dict[str, Any]:
        state: dict[str, Any] | None = None
        for e in self.history:
            if e.kind == "shop_applied":
                if agent_id not in [a.agent_id for a in e.fact["shop"].agents]:
                    state = None
                elif state is None:
                    state = {"status": OFFLINE, "since_ms": e.now, "cause": 0, "session_id": ""}
            elif e.kind == "presence_changed" and e.fact["agent_id"] == agent_id:
                assert state is not None
                if state["status"] != e.fact["status"]:
                    state["since_ms"] = e.now
                for name in ("status", "cause", "session_id"):
                    state[name] = e.fact[name]
        assert state is not None
        return state

    def absolute_awaiting(self, agent_id: str) -> int | None:
        base: int | None = None
        for e in self.history:
            if e.kind == "shop_applied":
                if agent_id not in [a.agent_id for a in e.fact["shop"].agents]:
                    base = None
            elif e.kind == "presence_changed" and e.fact["agent_id"] == agent_id:
                if e.fact["awaiting"] is not None:
                    base = e.fact["awaiting"]
            elif e.kind == "decided" and _opens(e) and e.fact["agent_id"] == agent_id:
                base = None if base is None else base + 1
            elif e.kind == "message_noted" and agent_id in (
                e.fact["agent_id"],
                e.more["open_agent"],
            ):
                base = None
        return base

    def conversations(self) -> dict[int, dict[str, Any]]:
        """The open ones, by number."""
        return self._once("conversations", self._conversations)

    def _conversations(self) -> dict[int, dict[str, Any]]:
        touching: dict[int, list[Event]] = {}
        for e in self.history:
            if e.fact.get("conversation"):
                touching.setdefault(e.fact["conversation"], []).append(e)
        found = {}
        for number, events in sorted(touching.items()):
            if any(e.kind == "conversation_closed" for e in events):
                continue
            first = events[0]
            agent = first.fact["agent_id"]
            awaiting = False
            for e in events:
                if e.kind == "decided":
                    awaiting = awaiting or _opens(e)
                elif e.more["sender"] == BUYER:
                    awaiting = True
                elif e.more["sender"] == AGENT_WROTE and e.fact["agent_id"] == agent:
                    awaiting = False
            found[number] = {
                "buyer_id": first.more["buyer_id"],
                "agent_id": agent,
                "group_id": first.more["group_id"],
                "opened_at_ms": first.now,
                "last_activity_ms": max(
                    e.fact["at_ms"] if e.kind == "message_noted" else e.now for e in events
                ),
                "awaiting": awaiting,
            }
        return found

    def open_of_buyer(self, buyer_id: str) -> int:
        mine = [n for n, c in self.conversations().items() if c["buyer_id"] == buyer_id]
        assert len(mine) <= 1
        return mine[0] if mine else 0

    def open_count(self, agent_id: str) -> int:
        return sum(1 for c in self.conversations().values() if c["agent_id"] == agent_id)

    def awaiting(self, agent_id: str) -> int:
        absolute = self.absolute_awaiting(agent_id)
        if absolute is not None:
            return absolute
        return sum(
            1 for c in self.conversations().values() if c["agent_id"] == agent_id and c["awaiting"]
        )

    def contacts(self, now: int) -> dict[str, dict[str, Any]]:
        """Those that exist at `now`, by buyer."""
        contacts: dict[str, dict[str, Any]] = {}
        window = 0

        def consult(buyer_id: str, agent_id: str, at: int, number: int, now: int) -> None:
            old = contacts.get(buyer_id)
            if old is None or now - old["at"] > window or at >= old["at"]:
                contacts[buyer_id] = {"agent_id": agent_id, "at": at, "conversation": number}

        for e in self.history:
            if e.kind == "shop_applied":
                s = e.fact["shop"].settings
                changed = max(s.sticky_window_ms, s.sticky_suspended_window_ms)
                if e.more["windows_changed"]:
                    contacts = {b: c for b, c in contacts.items() if e.now - c["at"] <= window}
                window = changed
            elif e.kind == "decided" and e.fact["outcome"] == R.OUTCOME_AGENT:
                contacts[e.more["buyer_id"]] = {
                    "agent_id": e.fact["agent_id"],
                    "at": e.now,
                    "conversation": e.fact["conversation"],
                }
            elif e.kind == "message_noted":
                at, number = min(e.fact["at_ms"], e.now), e.fact["conversation"]
                author, sender = e.fact["agent_id"], e.more["sender"]
                if e.more["is_open"] and sender == BUYER:
                    consult(e.more["buyer_id"], e.more["open_agent"], at, number, e.now)
                elif (e.more["is_open"] or e.fact["opened"]) and sender == AGENT_WROTE:
                    consult(e.more["buyer_id"], author, at, number, e.now)
                elif sender == AGENT_WROTE and number:
                    for c in contacts.values():
                        exists = e.now - c["at"] <= window
                        if exists and c["conversation"] == number and c["agent_id"] == author:
                            c["at"] = max(c["at"], at)
        return {b: c for b, c in contacts.items() if now - c["at"] <= window}

    def waiting(self) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for e in self.history:
            if e.kind == "decided" and e.fact["outcome"] != R.OUTCOME_AGENT:
                entry = {
                    "outcome": e.fact["outcome"],
                    "agent_id": e.fact["agent_id"],
                    "since_ms": e.now,
                    "decision": e.fact["decision"],
                }
                entries.setdefault(e.more["buyer_id"], entry)
            elif (e.kind == "decided" and _opens(e)) or (
                e.kind == "message_noted" and e.fact["opened"]
            ):
                entries.pop(e.more["buyer_id"], None)
        return entries

    def remembered(self, kind: str, now: int) -> dict[str, Event]:
        """`kind`: "request" or "event"."""
        return {e.more["id"]: e for e in self.history if e.kind == kind and now - e.now <= DAY_MS}

    # Who may take a new buyer, and with what weight

    def effective_weight(self, agent_id: str) -> int:
        doc = self.document()
        [weight] = [a.weight for a in doc.agents if a.agent_id == agent_id]
        if weight and doc.settings.selection_mode == shop_pb2.SELECTION_MODE_EVEN:
            weight = 1
        awaiting, threshold = self.awaiting(agent_id), doc.settings.busy_threshold
        if weight == 0 or awaiting <= threshold:
            return weight * 1024
        return max(1, floor(Fraction(weight * 1024 * (threshold + 1), awaiting + 1)))

    def groups_of(self, agent_id: str, among: Iterable[str] | None = None) -> list[str]:
        """The groups that have the agent, by (priority, id); of all groups or of `among`."""
        groups = [g for g in self.document().groups if among is None or g.group_id in among]
        groups.sort(key=lambda g: (g.priority, by_bytes(g.group_id)))
        return [g.group_id for g in groups if agent_id in g.agent_ids]

    def takes_part(self, agent_id: str) -> bool:
        return agent_id in self.agent_ids() and bool(self.groups_of(agent_id))

    def status(self, agent_id: str) -> int:
        """OFFLINE also for those who are not in the document."""
        return self.presence(agent_id)["status"] if agent_id in self.agent_ids() else OFFLINE

    def available(self, pool: tuple[str, ...]) -> dict[str, int]:
        """The agents who may take a new buyer in this pool, with their effective weights."""
        found = {}
        for agent in self.document().agents:
            if (
                self.groups_of(agent.agent_id, pool)
                and self.status(agent.agent_id) == ONLINE
                and agent.weight > 0
                and (agent.cap == 0 or self.open_count(agent.agent_id) < agent.cap)
            ):
                found[agent.agent_id] = self.effective_weight(agent.agent_id)
        return found

    # Selection (section 6)

    def pools(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """Every pool's V and members, by replaying all picks that ever were."""
        return self._once("pools", self._pools)

    def _pools(self) -> dict[tuple[str, ...], dict[str, Any]]:
        pools: dict[tuple[str, ...], dict[str, Any]] = {}
        for e in self.history:
            if e.kind == "shop_applied":
                groups = [g.group_id for g in e.fact["shop"].groups]
                agents = [a.agent_id for a in e.fact["shop"].agents]
                pools = {p: s for p, s in pools.items() if all(g in groups for g in p)}
                for state in pools.values():
                    state["members"] = {a: m for a, m in state["members"].items() if a in agents}
            elif e.kind == "decided" and e.more["pool"] is not None:
                pool = pools.setdefault(e.more["pool"], {"V": 0, "members": {}})
                picked = pick(pool, e.more["available"], e.more["excluded"])
                assert picked == e.fact["agent_id"]
        return pools

    def select(self, pool: tuple[str, ...], excluded: list[str]) -> str | None:
        available = self.available(pool)
        if all(a in excluded for a in available):
            return None
        state = self.pools().get(pool, {"V": 0, "members": {}})
        trial = {"V": state["V"], "members": {a: dict(m) for a, m in state["members"].items()}}
        return pick(trial, available, excluded)

    # Presence as the API shows it

    def agent_presence(self, agent_id: str) -> Any:
        p = self.presence(agent_id)
        return presence_pb2.AgentPresence(
            agent_id=agent_id,
            awaiting=self.awaiting(agent_id),
            open_conversations=self.open_count(agent_id),
            effective_weight=self.effective_weight(agent_id),
            **p,
        )


def _opens(e: Event) -> bool:
    return e.fact["outcome"] == R.OUTCOME_AGENT and e.fact["reason"] != R.REASON_OPEN_CONVERSATION


def _with_weights(shop: Any, weights: list[tuple[str, int]], etag: str) -> Any:
    changed = shop_pb2.Shop()
    changed.CopyFrom(shop)
    changed.etag = etag
    for agent in changed.agents:
        agent.weight = dict(weights).get(agent.agent_id, agent.weight)
    return changed


def bring_up_to_date(pool: dict[str, Any], available: dict[str, int]) -> None:
    v, members = pool["V"], pool["members"]
    for agent_id in {*members, *available}:
        w = available.get(agent_id)
        m = members.get(agent_id)
        if m is None:
            members[agent_id] = {"e": v, "w": w, "available": True}
        elif w is None:
            m["available"] = False
        else:
            if m["w"] != w:
                moved = floor(Fraction(abs(m["e"] - v) * m["w"], w))
                m["e"] = v + moved if m["e"] >= v else max(0, v - moved)
            if not m["available"]:
                m["e"] = max(m["e"], v)
            m["w"], m["available"] = w, True


def pick(pool: dict[str, Any], available: dict[str, int], excluded: list[str]) -> str:
    """Picks one of the available who is not excluded; there is one."""
    bring_up_to_date(pool, available)
    members = {a: m for a, m in pool["members"].items() if m["available"]}
    total = sum(m["w"] for m in members.values())
    choice = {a: m for a, m in members.items() if a not in excluded}
    if not any(m["e"] <= pool["V"] for m in choice.values()):
        pool["V"] = min(m["e"] for m in choice.values())
    eligible = [a for a, m in choice.items() if m["e"] <= pool["V"]]
    picked = min(eligible, key=lambda a: (choice[a]["e"] + ONE // choice[a]["w"], by_bytes(a)))
    choice[picked]["e"] += ONE // choice[picked]["w"]
    pool["V"] += ONE // total
    return picked


# --- the model ---------------------------------------------------------------------------------------


class NaiveModel:
    """Every shop. `command` is the name of the command's field in a log entry."""

    def __init__(self) -> None:
        self.shops: dict[str, NaiveShop] = {}

    def decide(self, command: str, q: Any, now_ms: int, actor: str = "") -> Answer:
        try:
            VALIDATE[command](q)
            shop_id = _shop_id(command, q)
            if command != "apply_shop" and shop_id not in self.shops:
                raise Refused(NOT_FOUND, "SHOP_NOT_FOUND", "shop_id", "unknown shop")
        except Refused as refused:
            return Answer(refusal=refused.plain())
        shop = self.shops.get(shop_id)
        is_new = shop is None
        if shop is None:
            shop = NaiveShop()
        now = now_ms if is_new else max(now_ms, shop.last_now())
        due = [] if is_new else self._apply_due(shop, now)
        own: list[tuple[str, dict[str, Any]]] = []
        before = len(shop.history)
        try:
            reply, refusal = HANDLERS[command](shop, q, now), None
        except Refused as refused:
            reply, refusal = None, refused.plain()
            assert len(shop.history) == before
        happened = shop.history[before:]
        own = [(e.kind, e.fact) for e in happened if e.kind not in ("request", "event")]
        logged = None
        if happened:
            said = actor if command in ("set_presence", "apply_shop", "set_weights") else ""
            logged = Logged(now, said, due + own, command)
        elif due:
            logged = Logged(now, "", due, "tick")
        if logged:
            shop.add("logged", now, {})
            self.shops[shop_id] = shop
        return Answer(refusal, reply, logged)

    @staticmethod
    def _due(shop: NaiveShop) -> list[tuple[int, int]]:
        idle = shop.document().settings.idle_close_ms
        if idle == 0:
            return []
        return sorted((c["last_activity_ms"] + idle, n) for n, c in shop.conversations().items())

    def _apply_due(self, shop: NaiveShop, now: int) -> list[tuple[str, dict[str, Any]]]:
        facts = []
        for due, number in self._due(shop):
            if due <= now:
                fact = {"conversation": number, "cause": IDLE, "at_ms": due}
                shop.add("conversation_closed", now, fact)
                facts.append(("conversation_closed", fact))
        return facts

    def next_due(self) -> int | None:
        return min((d for s in self.shops.values() for d, _ in self._due(s)), default=None)

    def sessions(self) -> list[tuple[str, str]]:
        found = {
            (shop.presence(a)["session_id"], shop_id)
            for shop_id, shop in self.shops.items()
            for a in shop.agent_ids()
        }
        return sorted(
            ((s, i) for s, i in found if s), key=lambda p: (by_bytes(p[0]), by_bytes(p[1]))
        )

    # Queries

    def list_presence(self, shop_id: str) -> Any:
        shop = self.shops[shop_id]
        agents = sorted(shop.agent_ids(), key=by_bytes)
        return presence_pb2.ListPresenceResponse(agents=[shop.agent_presence(a) for a in agents])

    def list_shops(self, page_size: int, page_token: str) -> Any:
        ids = sorted(self.shops, key=by_bytes)
        ids = [i for i in ids if by_bytes(i) > by_bytes(page_token)]
        page = ids[: page_size or 100]
        answer = shop_pb2.ListShopsResponse(
            next_page_token=page[-1] if len(ids) > len(page) else ""
        )
        for shop_id in page:
            doc = self.shops[shop_id].document()
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
        return q.shop.shop_id
    if command == "update_presence":
        return q.update.shop_id
    return q.shop_id


def _unknown_agent(name: str) -> Refused:
    return Refused(NOT_FOUND, "AGENT_NOT_FOUND", name, "unknown agent")


def _repeated(shop: NaiveShop, command: str, q: Any, now: int) -> Event | None:
    if not q.request_id:
        return None
    first = shop.remembered("request", now).get(q.request_id)
    if first and (first.more["command"], first.more["body"]) != (command, q):
        raise Refused(
            INVALID, "REQUEST_ID_REUSED", "request_id", "used within 24 h with another body"
        )
    return first


def _remember_request(shop: NaiveShop, command: str, q: Any, now: int, reply: Any) -> None:
    if q.request_id:
        shop.add("request", now, {}, id=q.request_id, command=command, body=q, reply=reply)


def route(shop: NaiveShop, q: Any, now: int) -> Any:
    first = _repeated(shop, "route", q, now)
    if first:
        return first.more["reply"]
    doc = shop.document()
    if q.dedicated_agent_id and q.dedicated_agent_id not in shop.agent_ids():
        raise _unknown_agent("dedicated_agent_id")
    outcome, reason, agent_id, group_id, number, pool = _find_handler(shop, doc, q, now)
    fact = {
        "decision": shop.decisions() + 1,
        "outcome": outcome,
        "reason": reason,
        "conversation": number,
        "agent_id": agent_id,
        "group_id": group_id,
        "pool_of_all_groups": pool is not None and len(pool) == len(doc.groups),
        "pool_group_ids": [] if pool is None or len(pool) == len(doc.groups) else list(pool),
    }
    shop.add(
        "decided",
        now,
        fact,
        buyer_id=q.buyer_id,
        group_id=group_id,
        pool=pool,
        available=None if pool is None else shop.available(pool),
        excluded=list(q.exclude_agent_ids),
        sender=None,
    )
    reply = dispatch_pb2.RouteResponse(
        conversation_id=f"c{number}" if number else "",
        decision_id=f"d{fact['decision']}",
        outcome=outcome,
        agent_id=agent_id,
        group_id=group_id,
        reason=reason,
    )
    _remember_request(shop, "route", q, now, reply)
    return reply


Handler = tuple[int, int, str, str, int, tuple[str, ...] | None]


def _find_handler(shop: NaiveShop, doc: Any, q: Any, now: int) -> Handler:
    excluded = list(q.exclude_agent_ids)
    number = shop.open_of_buyer(q.buyer_id)
    if number:
        c = shop.conversations()[number]
        there = shop.status(c["agent_id"]) != OFFLINE
        if there and c["agent_id"] not in excluded:
            reason = R.REASON_OPEN_CONVERSATION
            return R.OUTCOME_AGENT, reason, c["agent_id"], c["group_id"], number, None
        cause = HANDLER_EXCLUDED if there else HANDLER_OFFLINE
        closed = {"conversation": number, "cause": cause, "at_ms": now}
        shop.add("conversation_closed", now, closed)
    fresh = shop.last_conversation() + 1

    def agent(reason: int, agent_id: str, groups: Any = None, pool: Any = None) -> Handler:
        group_id = shop.groups_of(agent_id, groups)[0]
        return R.OUTCOME_AGENT, reason, agent_id, group_id, fresh, pool

    contact = shop.contacts(now).get(q.buyer_id)
    if contact:
        a, age = contact["agent_id"], now - contact["at"]
        window = {
            ONLINE: doc.settings.sticky_window_ms,
            SUSPENDED: doc.settings.sticky_suspended_window_ms,
            OFFLINE: 0,
        }[shop.status(a)]
        if shop.takes_part(a) and a not in excluded and window > 0 and age <= window:
            return agent(R.REASON_RECENT_CONTACT, a)
    mapped = [p.agent_id for p in doc.settings.buyer_agents if p.buyer_id == q.buyer_id]
    for a in [q.dedicated_agent_id] if q.dedicated_agent_id else mapped:
        if shop.takes_part(a) and shop.status(a) == ONLINE and a not in excluded:
            return agent(R.REASON_DEDICATED, a)
    everyone = tuple(g.group_id for g in doc.groups)
    matched = _matched_groups(doc, q)
    a = shop.select(matched, excluded)
    if a is not None:
        return agent(R.REASON_WEIGHTED, a, matched, matched)
    if matched != everyone:
        a = shop.select(everyone, excluded)
        if a is not None:
            return agent(R.REASON_SPILLED, a, everyone, everyone)
    entry = shop.waiting().get(q.buyer_id)
    if entry:
        return entry["outcome"], R.REASON_STILL_WAITING, entry["agent_id"], "", 0, None
    if any(shop.takes_part(a) and shop.status(a) == ONLINE for a in shop.agent_ids()):
        return R.OUTCOME_POOLED, R.REASON_NOBODY_FREE, "", "", 0, None
    target, left = doc.settings.offline_target, R.OUTCOME_LEFT_MESSAGE
    proxy, owner = doc.settings.proxy_agent_id, doc.owner_agent_id
    if target == shop_pb2.OFFLINE_TARGET_PROXY and proxy:
        return left, R.REASON_OFFLINE_PROXY, proxy, "", 0, None
    if target != shop_pb2.OFFLINE_TARGET_POOL and owner:
        return left, R.REASON_OFFLINE_OWNER, owner, "", 0, None
    return R.OUTCOME_POOLED, R.REASON_OFFLINE_POOL, "", "", 0, None


def _matched_groups(doc: Any, q: Any) -> tuple[str, ...]:
    left = list(doc.groups)
    for dimension in doc.settings.binding_precedence:
        value: Any
        name, value = {
            PRODUCT: ("product_ids", q.product_id),
            INTENT: ("intents", q.intent),
            ORDER_STATUS: ("order_statuses", q.order_status),
            PAGE_SOURCE: ("page_sources", q.page_source),
        }[dimension]
        bound = [g for g in left if value and value in getattr(g.bindings, name)]
        left = bound or left
    return tuple(g.group_id for g in left)


def close_conversation(shop: NaiveShop, q: Any, now: int) -> Any:
    first = _repeated(shop, "close_conversation", q, now)
    if first:
        return first.more["reply"]
    number = number_of(q.conversation_id, shop.last_conversation())
    if not number:
        raise Refused(NOT_FOUND, "CONVERSATION_NOT_FOUND", "conversation_id", "never issued")
    is_open = number in shop.conversations()
    if is_open:
        closed = {"conversation": number, "cause": REQUEST, "at_ms": now}
        shop.add("conversation_closed", now, closed)
    reply = dispatch_pb2.CloseConversationResponse(
        conversation_id=q.conversation_id, already_closed=not is_open
    )
    _remember_request(shop, "close_conversation", q, now, reply)
    return reply


def message(shop: NaiveShop, q: Any, now: int) -> Any:
    if q.event_id and q.event_id in shop.remembered("event", now):
        return dispatch_pb2.MessageResult(duplicate=True)
    number = 0
    if q.conversation_id:
        number = number_of(q.conversation_id, shop.last_conversation())
        if not number:
            raise Refused(NOT_FOUND, "CONVERSATION_NOT_FOUND", "conversation_id", "never issued")
        named = shop.conversations().get(number)
        if named and q.buyer_id and q.buyer_id != named["buyer_id"]:
            raise _invalid("buyer_id", "not the conversation's buyer")
    in_a_name = q.sender in (AGENT_WROTE, AUTO_REPLY)
    if q.agent_id and in_a_name and q.agent_id not in shop.agent_ids():
        raise _unknown_agent("agent_id")
    number = number or shop.open_of_buyer(q.buyer_id)
    conversation = shop.conversations().get(number)
    author = ""
    if in_a_name:
        author = q.agent_id or (conversation["agent_id"] if conversation else "")
        if not author and q.sender == AGENT_WROTE and not q.conversation_id:
            raise _invalid("agent_id", "required")
    skew = shop.document().settings.timestamp_skew_ms
    wanted = q.sent_at_ms or now
    at = min(max(wanted, now - skew), now + skew)
    opened = q.sender == AGENT_WROTE and not q.conversation_id and conversation is None
    if opened:
        number = shop.last_conversation() + 1
    fact = {
        "conversation": number,
        "at_ms": at,
        "clamped": at != wanted,
        "agent_id": author,
        "opened": opened,
    }
    groups = shop.groups_of(author) if author else []
    shop.add(
        "message_noted",
        now,
        fact,
        sender=q.sender,
        is_open=conversation is not None,
        open_agent=conversation["agent_id"] if conversation else None,
        buyer_id=conversation["buyer_id"] if conversation else q.buyer_id,
        group_id=groups[0] if groups else "",
    )
    if q.event_id:
        shop.add("event", now, {}, id=q.event_id)
    return dispatch_pb2.MessageResult(clamped=fact["clamped"])


def update_presence(shop: NaiveShop, q: Any, now: int) -> Any:
    _set_status(shop, q.update, now, BY_SESSION, q.session_id)
    return presence_pb2.PresenceAck(update_id=q.update.update_id)


def set_presence(shop: NaiveShop, q: Any, now: int) -> Any:
    _set_status(shop, q, now, BY_MANAGER, "")
    return presence_pb2.SetPresenceResponse(presence=shop.agent_presence(q.agent_id))


def _set_status(shop: NaiveShop, q: Any, now: int, cause: int, session_id: str) -> None:
    if q.agent_id not in shop.agent_ids():
        raise _unknown_agent("agent_id")
    old = shop.presence(q.agent_id)
    awaiting = q.awaiting if q.HasField("awaiting") else None
    same = (old["status"], old["cause"], old["session_id"]) == (q.status, cause, session_id)
    if same and awaiting in (None, shop.absolute_awaiting(q.agent_id)):
        return
    _presence_changed(shop, now, q.agent_id, q.status, cause, session_id, awaiting)


def _presence_changed(
    shop: NaiveShop, now: int, agent_id: str, status: int, cause: int, session: str, awaiting: Any
) -> None:
    fact = {
        "agent_id": agent_id,
        "status": status,
        "cause": cause,
        "session_id": session,
        "awaiting": awaiting,
    }
    shop.add("presence_changed", now, fact)


def expire_session(shop: NaiveShop, q: Any, now: int) -> None:
    for agent_id in sorted(shop.agent_ids(), key=by_bytes):
        p = shop.presence(agent_id)
        if p["session_id"] == q.session_id:
            cause = p["cause"] if p["status"] == OFFLINE else LEASE_EXPIRED
            _presence_changed(shop, now, agent_id, OFFLINE, cause, "", None)


def apply_shop(shop: NaiveShop, q: Any, now: int) -> Any:
    stored = shop.document()
    if q.shop.etag and stored is None:
        raise Refused(ABORTED, "STALE_ETAG", "shop.etag", "stale: there is no such shop")
    if q.shop.etag and q.shop.etag != stored.etag:
        rule = f"stale: the shop is at {stored.etag}"
        raise Refused(ABORTED, "STALE_ETAG", "shop.etag", rule)
    if stored is not None and resolve(q.shop, stored.etag) == stored:
        return shop_pb2.ApplyShopResponse(shop=stored, changed=False)
    etag = str(int(stored.etag) + 1) if stored is not None else "1"
    resolved = resolve(q.shop, etag)
    windows_changed = stored is not None and (
        (stored.settings.sticky_window_ms, stored.settings.sticky_suspended_window_ms)
        != (resolved.settings.sticky_window_ms, resolved.settings.sticky_suspended_window_ms)
    )
    shop.add("shop_applied", now, {"shop": resolved}, windows_changed=windows_changed)
    return shop_pb2.ApplyShopResponse(shop=resolved, changed=True)


def set_weights(shop: NaiveShop, q: Any, now: int) -> Any:
    stored = shop.document()
    if q.etag and q.etag != stored.etag:
        raise Refused(ABORTED, "STALE_ETAG", "etag", f"stale: the shop is at {stored.etag}")
    for i, w in enumerate(q.weights):
        if w.agent_id not in shop.agent_ids():
            raise _unknown_agent(f"weights[{i}].agent_id")
    old = {a.agent_id: a.weight for a in stored.agents}
    changed = [(w.agent_id, w.weight) for w in q.weights if old[w.agent_id] != w.weight]
    etag = stored.etag
    if changed:
        etag = str(int(etag) + 1)
        changed.sort(key=lambda w: by_bytes(w[0]))
        shop.add("weights_set", now, {"weights": changed, "etag": etag})
    return shop_pb2.SetWeightsResponse(etag=etag)


def tick(_shop: NaiveShop, _q: Any, _now: int) -> None:
    """What is due has been applied already."""


HANDLERS: dict[str, Callable[[NaiveShop, Any, int], Any]] = {
    "route": route,
    "close_conversation": close_conversation,
    "message": message,
    "update_presence": update_presence,
    "set_presence": set_presence,
    "expire_session": expire_session,
    "apply_shop": apply_shop,
    "set_weights": set_weights,
    "tick": tick,
}
