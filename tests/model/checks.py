"""What is refused before looking at state, and a document's resolved form: sections 3 and 4.

Part of the naive model; written from docs/engine.md alone, knows only the public messages.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2

DAY_MS = 86_400_000
PRODUCT, INTENT, ORDER_STATUS, PAGE_SOURCE = 1, 2, 3, 4
INVALID, NOT_FOUND, NOT_ALLOWED, PRECONDITION, ABORTED = 3, 5, 7, 9, 10


class Refused(Exception):
    """A command was refused; `field` is empty when none can be named."""

    def __init__(self, code: int, reason: str, field_: str, rule: str) -> None:
        super().__init__(f"{field_}: {rule}")
        self.code, self.reason, self.field, self.rule = code, reason, field_, rule

    def plain(self) -> tuple[int, str, str, str]:
        return self.code, self.reason, self.field, self.rule


def invalid(name: str, rule: str) -> Refused:
    return Refused(INVALID, "INVALID_FIELD", name, rule)


def by_bytes(text: str) -> bytes:
    return text.encode()


def check_id(value: str, name: str, optional: bool = False) -> None:
    if value == "":
        if optional:
            return
        raise invalid(name, "required")
    if len(value.encode()) > 128:
        raise invalid(name, "at most 128 bytes")
    _check_control(value, name)


def _check_text(value: str, name: str) -> None:
    if len(value.encode()) > 256:
        raise invalid(name, "at most 256 bytes")
    _check_control(value, name)


def _check_control(value: str, name: str) -> None:
    if any(unicodedata.category(c) == "Cc" for c in value):
        raise invalid(name, "no control characters")


def _check_range(value: int, low: int, high: int, name: str) -> None:
    if not low <= value <= high:
        raise invalid(name, f"must be within {low}..{high}")


def _check_enum(value: int, enum: Any, name: str, zero: str | None = None) -> None:
    """`zero`: the rule that 0 breaks; None when 0 is a value."""
    if value == 0 and zero is not None:
        raise invalid(name, zero)
    if value not in enum.values():
        raise invalid(name, "unknown value")


def _check_count(values: Any, most: int, name: str) -> None:
    if len(values) > most:
        raise invalid(name, f"at most {most} elements")


def _check_once(values: list[Any], index: int, name: str) -> None:
    if values[index] in values[:index]:
        raise invalid(name, "named twice")


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
        raise invalid("conversation_id", "required")
    _check_enum(q.sender, types_pb2.Sender, "sender", zero="required")
    check_id(q.agent_id, "agent_id", optional=True)
    _check_range(q.sent_at_ms, 0, 9007199254740991, "sent_at_ms")
    check_id(q.event_id, "event_id", optional=True)


def validate_update_presence(q: Any) -> None:
    check_id(q.session_id, "session_id")
    if not q.HasField("update"):
        raise invalid("update", "required")
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


def validate_transfer(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.conversation_id, "conversation_id")
    check_id(q.request_id, "request_id", optional=True)
    target = q.WhichOneof("target") or "agent_id"
    check_id(getattr(q, target), target)
    if len(q.reason.encode()) > 1024:
        raise invalid("reason", "at most 1024 bytes")


def validate_cancel(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.buyer_id, "buyer_id")
    check_id(q.request_id, "request_id", optional=True)


def validate_order(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    check_id(q.buyer_id, "buyer_id")
    check_id(q.order_id, "order_id")
    _check_enum(q.type, dispatch_pb2.OrderEventType, "type", zero="required")
    _check_range(q.amount_cents, 0, 9007199254740991, "amount_cents")
    _check_range(q.items, 0, 1_000_000_000, "items")
    _check_range(q.occurred_at_ms, 0, 9007199254740991, "occurred_at_ms")
    check_id(q.event_id, "event_id", optional=True)


def validate_weights(q: Any) -> None:
    check_id(q.shop_id, "shop_id")
    if not 1 <= len(q.weights) <= 20000:
        raise invalid("weights", "must have 1..20000 elements")
    for i, w in enumerate(q.weights):
        check_id(w.agent_id, f"weights[{i}].agent_id")
        _check_range(w.weight, 0, 100, f"weights[{i}].weight")
        _check_once([x.agent_id for x in q.weights], i, f"weights[{i}].agent_id")


def validate_delete(q: Any) -> None:
    check_id(q.shop_id, "shop_id")


def validate_apply(q: Any) -> None:
    if not q.HasField("shop"):
        raise invalid("shop", "required")
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
        _check_range(agent.daily_limit, 0, 1_000_000, at + "daily_limit")
        _check_range(agent.hourly_limit, 0, 1_000_000, at + "hourly_limit")
        for j, permission in enumerate(agent.permissions):
            if permission != "dispatch.manage":
                raise invalid(f"{at}permissions[{j}]", "unknown value")
            _check_once(list(agent.permissions), j, f"{at}permissions[{j}]")
        _check_once(known, i, at + "agent_id")
    _check_count(shop.groups, 1000, "shop.groups")
    for i, group in enumerate(shop.groups):
        _validate_group(group, f"shop.groups[{i}].", known)
        _check_once([g.group_id for g in shop.groups], i, f"shop.groups[{i}].group_id")
    for i, pair in enumerate(shop.settings.buyer_agents):
        if pair.agent_id not in known:
            raise invalid(f"shop.settings.buyer_agents[{i}].agent_id", "names an unknown agent")
    _must_fit_together(shop)


def _must_fit_together(shop: Any) -> None:
    to_a_person = (shop_pb2.OFFLINE_TARGET_PROXY, shop_pb2.OFFLINE_TARGET_OWNER)
    if shop.settings.robot_id and shop.settings.offline_target in to_a_person:
        raise invalid("shop.settings.offline_target", "not while a robot is configured")
    limited = any(a.cap or a.daily_limit or a.hourly_limit for a in shop.agents)
    if shop.settings.queue_limit > 0 and not limited:
        raise invalid("shop.settings.queue_limit", "needs an agent with a cap or a volume")
    for i, group in enumerate(shop.groups):
        if group.when_unavailable == shop_pb2.UNAVAILABLE_POLICY_QUEUE and not limited:
            name = f"shop.groups[{i}].when_unavailable"
            raise invalid(name, "needs an agent with a cap or a volume")


def _validate_settings(s: Any) -> None:
    at = "shop.settings."
    ninety_days, day = 7_776_000_000, DAY_MS
    _check_range(s.busy_threshold, 0, 1_000_000, at + "busy_threshold")
    _check_enum(s.selection_mode, shop_pb2.SelectionMode, at + "selection_mode")
    _check_range(s.sticky_window_ms, 0, ninety_days, at + "sticky_window_ms")
    _check_range(s.sticky_suspended_window_ms, 0, ninety_days, at + "sticky_suspended_window_ms")
    for i, dimension in enumerate(s.binding_precedence):
        name = f"{at}binding_precedence[{i}]"
        _check_enum(dimension, shop_pb2.BindingDimension, name, zero="unknown value")
        _check_once(list(s.binding_precedence), i, name)
    _check_enum(s.reception_mode, shop_pb2.ReceptionMode, at + "reception_mode")
    _check_enum(s.reception_scope, shop_pb2.ReceptionScope, at + "reception_scope")
    check_id(s.robot_id, at + "robot_id", optional=True)
    _check_range(s.robot_percent, 0, 100, at + "robot_percent")
    _check_enum(s.offline_target, shop_pb2.OfflineTarget, at + "offline_target")
    check_id(s.proxy_agent_id, at + "proxy_agent_id", optional=True)
    _check_range(s.queue_limit, 0, 1_000_000, at + "queue_limit")
    _check_range(s.queue_timeout_ms, 0, ninety_days, at + "queue_timeout_ms")
    _check_range(s.reply_timeout_ms, 0, ninety_days, at + "reply_timeout_ms")
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
            raise invalid(f"{at}agent_ids[{i}]", "names an unknown agent")
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
    _check_enum(group.reception_mode, shop_pb2.ReceptionMode, at + "reception_mode")
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
    "transfer": validate_transfer,
    "cancel_inquiry": validate_cancel,
    "order": validate_order,
    "delete_shop": validate_delete,
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
        agent.permissions.sort(key=by_bytes)
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
