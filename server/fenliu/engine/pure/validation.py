"""What a request must look like (docs/engine.md section 3). Nothing here looks at state.

Each function raises `Refusal` for the first broken rule, in the order in which the page names them.
"""

from collections.abc import Collection, Sequence
from typing import TypeVar

from fenliu.engine.ids import CONTROL, broken_id_rule
from fenliu.engine.pure.document import MANAGE
from fenliu.engine.pure.refusals import invalid
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

MAX_TEXT_BYTES = 256
MAX_REASON_BYTES = 1024
MAX_TIME_MS = 9_007_199_254_740_991
MAX_AMOUNT_CENTS = 9_007_199_254_740_991
MAX_BATCH_BYTES = 1_048_576
MAX_BATCH_ELEMENTS = 4096
_MILLION = 1_000_000
_BILLION = 1_000_000_000
_DAY_MS = 86_400_000
_90_DAYS_MS = 7_776_000_000

V = TypeVar("V", str, int)

_ORDER_STATUSES = frozenset(types_pb2.OrderStatus.values())
_SENDERS = frozenset(types_pb2.Sender.values())
_PRESENCE_STATUSES = frozenset(types_pb2.PresenceStatus.values())
_SELECTION_MODES = frozenset(shop_pb2.SelectionMode.values())
_BINDING_DIMENSIONS = frozenset(shop_pb2.BindingDimension.values())
_RECEPTION_MODES = frozenset(shop_pb2.ReceptionMode.values())
_RECEPTION_SCOPES = frozenset(shop_pb2.ReceptionScope.values())
_OFFLINE_TARGETS = frozenset(shop_pb2.OfflineTarget.values())
_UNAVAILABLE_POLICIES = frozenset(shop_pb2.UnavailablePolicy.values())
_ORDER_EVENT_TYPES = frozenset(dispatch_pb2.OrderEventType.values())
_PERMISSIONS = frozenset((MANAGE,))


# --- Rules for single values -------------------------------------------------------------------


def _id(field: str, value: str) -> None:
    if (rule := broken_id_rule(value)) is not None:
        raise invalid(field, rule)


def _optional_id(field: str, value: str) -> None:
    if value:
        _id(field, value)


def _text(field: str, value: str) -> None:
    if len(value.encode()) > MAX_TEXT_BYTES:
        raise invalid(field, f"at most {MAX_TEXT_BYTES} bytes")
    if CONTROL.search(value):
        raise invalid(field, "no control characters")


def _within(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise invalid(field, f"must be within {low}..{high}")


def _known(field: str, value: V, known: Collection[V]) -> None:
    if value not in known:
        raise invalid(field, "unknown value")


def _listed(field: str, value: int, known: Collection[int]) -> None:
    """An enum value in a list: known, and not the unspecified one."""
    if value == 0 or value not in known:
        raise invalid(field, "unknown value")


def _given(field: str, value: int, known: Collection[int]) -> None:
    """An enum value that is needed."""
    if value == 0:
        raise invalid(field, "required")
    _known(field, value, known)


def _at_most(field: str, values: Sequence[object], limit: int) -> None:
    if len(values) > limit:
        raise invalid(field, f"at most {limit} elements")


# --- Commands ----------------------------------------------------------------------------------


def route(request: dispatch_pb2.RouteRequest) -> None:
    _id("shop_id", request.shop_id)
    _id("buyer_id", request.buyer_id)
    _optional_id("request_id", request.request_id)
    _known("order_status", request.order_status, _ORDER_STATUSES)
    _optional_id("product_id", request.product_id)
    _optional_id("intent", request.intent)
    _optional_id("page_source", request.page_source)
    _optional_id("dedicated_agent_id", request.dedicated_agent_id)
    _within("priority", request.priority, 0, 9)
    _at_most("exclude_agent_ids", request.exclude_agent_ids, 100)
    for i, agent_id in enumerate(request.exclude_agent_ids):
        _id(f"exclude_agent_ids[{i}]", agent_id)


def close_conversation(request: dispatch_pb2.CloseConversationRequest) -> None:
    _id("shop_id", request.shop_id)
    _id("conversation_id", request.conversation_id)
    _optional_id("request_id", request.request_id)


def transfer(request: dispatch_pb2.TransferRequest) -> None:
    _id("shop_id", request.shop_id)
    _id("conversation_id", request.conversation_id)
    _optional_id("request_id", request.request_id)
    if request.WhichOneof("target") == "group_id":
        _id("group_id", request.group_id)
    else:
        _id("agent_id", request.agent_id)
    if len(request.reason.encode()) > MAX_REASON_BYTES:
        raise invalid("reason", f"at most {MAX_REASON_BYTES} bytes")


def cancel_inquiry(request: dispatch_pb2.CancelInquiryRequest) -> None:
    _id("shop_id", request.shop_id)
    _id("buyer_id", request.buyer_id)
    _optional_id("request_id", request.request_id)


def order(event: dispatch_pb2.OrderEvent) -> None:
    _id("shop_id", event.shop_id)
    _id("buyer_id", event.buyer_id)
    _id("order_id", event.order_id)
    _given("type", event.type, _ORDER_EVENT_TYPES)
    _within("amount_cents", event.amount_cents, 0, MAX_AMOUNT_CENTS)
    _within("items", event.items, 0, _BILLION)
    _within("occurred_at_ms", event.occurred_at_ms, 0, MAX_TIME_MS)
    _optional_id("event_id", event.event_id)


def message(event: dispatch_pb2.MessageEvent) -> None:
    _id("shop_id", event.shop_id)
    _optional_id("conversation_id", event.conversation_id)
    _optional_id("buyer_id", event.buyer_id)
    if not event.conversation_id and not event.buyer_id:
        raise invalid("conversation_id", "required")
    _given("sender", event.sender, _SENDERS)
    _optional_id("agent_id", event.agent_id)
    _within("sent_at_ms", event.sent_at_ms, 0, MAX_TIME_MS)
    _optional_id("event_id", event.event_id)


def update_presence(command: engine_pb2.UpdatePresence) -> None:
    _id("session_id", command.session_id)
    if not command.HasField("update"):
        raise invalid("update", "required")
    _id("update_id", command.update.update_id)
    _presence(command.update)


def set_presence(request: presence_pb2.SetPresenceRequest) -> None:
    _presence(request)


def _presence(wanted: presence_pb2.PresenceUpdate | presence_pb2.SetPresenceRequest) -> None:
    _id("shop_id", wanted.shop_id)
    _id("agent_id", wanted.agent_id)
    _given("status", wanted.status, _PRESENCE_STATUSES)
    _within("awaiting", wanted.awaiting, 0, _MILLION)


def expire_session(command: engine_pb2.ExpireSession) -> None:
    _id("shop_id", command.shop_id)
    _id("session_id", command.session_id)


def tick(command: engine_pb2.Tick) -> None:
    _id("shop_id", command.shop_id)


def set_weights(request: shop_pb2.SetWeightsRequest) -> None:
    _id("shop_id", request.shop_id)
    if not 1 <= len(request.weights) <= 20_000:
        raise invalid("weights", "must have 1..20000 elements")
    seen: set[str] = set()
    for i, weight in enumerate(request.weights):
        _id(f"weights[{i}].agent_id", weight.agent_id)
        _within(f"weights[{i}].weight", weight.weight, 0, 100)
        _first(f"weights[{i}].agent_id", weight.agent_id, seen)


def delete_shop(request: shop_pb2.DeleteShopRequest) -> None:
    _id("shop_id", request.shop_id)


def apply_shop(request: shop_pb2.ApplyShopRequest) -> None:
    if not request.HasField("shop"):
        raise invalid("shop", "required")
    shop = request.shop
    _id("shop.shop_id", shop.shop_id)
    _text("shop.display_name", shop.display_name)
    _optional_id("shop.owner_agent_id", shop.owner_agent_id)
    _settings("shop.settings", shop.settings)
    agent_ids = _agents("shop.agents", shop.agents)
    _groups("shop.groups", shop.groups, agent_ids)
    for i, buyer_agent in enumerate(shop.settings.buyer_agents):
        if buyer_agent.agent_id not in agent_ids:
            raise invalid(f"shop.settings.buyer_agents[{i}].agent_id", "names an unknown agent")
    _fits_together(shop)


def _fits_together(shop: shop_pb2.Shop) -> None:
    settings = shop.settings
    to_a_person = (shop_pb2.OFFLINE_TARGET_PROXY, shop_pb2.OFFLINE_TARGET_OWNER)
    if settings.robot_id and settings.offline_target in to_a_person:
        raise invalid("shop.settings.offline_target", "not while a robot is configured")
    if any(agent.cap or agent.daily_limit or agent.hourly_limit for agent in shop.agents):
        return
    # A queue moves when a slot frees up; without a limit there are no slots.
    if settings.queue_limit > 0:
        raise invalid("shop.settings.queue_limit", "needs an agent with a cap or a volume")
    for i, group in enumerate(shop.groups):
        if group.when_unavailable == shop_pb2.UNAVAILABLE_POLICY_QUEUE:
            raise invalid(
                f"shop.groups[{i}].when_unavailable", "needs an agent with a cap or a volume"
            )


def _first(field: str, value: V, seen: set[V]) -> None:
    """Refuses the second of two equal values."""
    if value in seen:
        raise invalid(field, "named twice")
    seen.add(value)


def _settings(at: str, settings: shop_pb2.ShopSettings) -> None:
    _within(f"{at}.busy_threshold", settings.busy_threshold, 0, _MILLION)
    _known(f"{at}.selection_mode", settings.selection_mode, _SELECTION_MODES)
    _within(f"{at}.sticky_window_ms", settings.sticky_window_ms, 0, _90_DAYS_MS)
    _within(f"{at}.sticky_suspended_window_ms", settings.sticky_suspended_window_ms, 0, _90_DAYS_MS)
    dimensions: set[int] = set()
    for i, dimension in enumerate(settings.binding_precedence):
        _listed(f"{at}.binding_precedence[{i}]", dimension, _BINDING_DIMENSIONS)
        _first(f"{at}.binding_precedence[{i}]", dimension, dimensions)
    _known(f"{at}.reception_mode", settings.reception_mode, _RECEPTION_MODES)
    _known(f"{at}.reception_scope", settings.reception_scope, _RECEPTION_SCOPES)
    _optional_id(f"{at}.robot_id", settings.robot_id)
    _within(f"{at}.robot_percent", settings.robot_percent, 0, 100)
    _known(f"{at}.offline_target", settings.offline_target, _OFFLINE_TARGETS)
    _optional_id(f"{at}.proxy_agent_id", settings.proxy_agent_id)
    _within(f"{at}.queue_limit", settings.queue_limit, 0, _MILLION)
    _within(f"{at}.queue_timeout_ms", settings.queue_timeout_ms, 0, _90_DAYS_MS)
    _within(f"{at}.reply_timeout_ms", settings.reply_timeout_ms, 0, _90_DAYS_MS)
    _within(f"{at}.max_hops", settings.max_hops, 0, 10)
    _within(f"{at}.idle_close_ms", settings.idle_close_ms, 0, _90_DAYS_MS)
    _within(f"{at}.timestamp_skew_ms", settings.timestamp_skew_ms, 0, _DAY_MS)
    _within(f"{at}.longest_wait_ms", settings.longest_wait_ms, 0, _DAY_MS)
    _within(f"{at}.slow_gap_ms", settings.slow_gap_ms, 0, _DAY_MS)
    _within(f"{at}.slow_count", settings.slow_count, 0, 1000)
    _at_most(f"{at}.buyer_agents", settings.buyer_agents, 100_000)
    buyers: set[str] = set()
    for i, buyer_agent in enumerate(settings.buyer_agents):
        _id(f"{at}.buyer_agents[{i}].buyer_id", buyer_agent.buyer_id)
        _id(f"{at}.buyer_agents[{i}].agent_id", buyer_agent.agent_id)
        _first(f"{at}.buyer_agents[{i}].buyer_id", buyer_agent.buyer_id, buyers)


def _agents(at: str, agents: Sequence[shop_pb2.Agent]) -> set[str]:
    """Returns the agents' ids."""
    _at_most(at, agents, 20_000)
    agent_ids: set[str] = set()
    for i, agent in enumerate(agents):
        _id(f"{at}[{i}].agent_id", agent.agent_id)
        _text(f"{at}[{i}].display_name", agent.display_name)
        _within(f"{at}[{i}].weight", agent.weight, 0, 100)
        _within(f"{at}[{i}].cap", agent.cap, 0, _MILLION)
        _within(f"{at}[{i}].daily_limit", agent.daily_limit, 0, _MILLION)
        _within(f"{at}[{i}].hourly_limit", agent.hourly_limit, 0, _MILLION)
        permissions: set[str] = set()
        for j, permission in enumerate(agent.permissions):
            _known(f"{at}[{i}].permissions[{j}]", permission, _PERMISSIONS)
            _first(f"{at}[{i}].permissions[{j}]", permission, permissions)
        _first(f"{at}[{i}].agent_id", agent.agent_id, agent_ids)
    return agent_ids


def _groups(at: str, groups: Sequence[shop_pb2.Group], agent_ids: set[str]) -> None:
    _at_most(at, groups, 1000)
    group_ids: set[str] = set()
    for i, group in enumerate(groups):
        here = f"{at}[{i}]"
        _id(f"{here}.group_id", group.group_id)
        _text(f"{here}.display_name", group.display_name)
        _at_most(f"{here}.agent_ids", group.agent_ids, 20_000)
        members: set[str] = set()
        for j, agent_id in enumerate(group.agent_ids):
            _id(f"{here}.agent_ids[{j}]", agent_id)
            if agent_id not in agent_ids:
                raise invalid(f"{here}.agent_ids[{j}]", "names an unknown agent")
            _first(f"{here}.agent_ids[{j}]", agent_id, members)
        _within(f"{here}.priority", group.priority, 0, _MILLION)
        _bindings(f"{here}.bindings", group.bindings)
        _known(f"{here}.when_unavailable", group.when_unavailable, _UNAVAILABLE_POLICIES)
        _known(f"{here}.reception_mode", group.reception_mode, _RECEPTION_MODES)
        _within(f"{here}.robot_percent", group.robot_percent, 0, 100)
        _first(f"{here}.group_id", group.group_id, group_ids)


def _bindings(at: str, bindings: shop_pb2.Bindings) -> None:
    _bound_ids(f"{at}.product_ids", bindings.product_ids)
    _bound_ids(f"{at}.intents", bindings.intents)
    _at_most(f"{at}.order_statuses", bindings.order_statuses, 10_000)
    statuses: set[int] = set()
    for i, status in enumerate(bindings.order_statuses):
        _listed(f"{at}.order_statuses[{i}]", status, _ORDER_STATUSES)
        _first(f"{at}.order_statuses[{i}]", status, statuses)
    _bound_ids(f"{at}.page_sources", bindings.page_sources)


def _bound_ids(field: str, values: Sequence[str]) -> None:
    _at_most(field, values, 10_000)
    seen: set[str] = set()
    for i, value in enumerate(values):
        _id(f"{field}[{i}]", value)
        _first(f"{field}[{i}]", value, seen)


# --- Queries and batches -----------------------------------------------------------------------


def get_shop(request: shop_pb2.GetShopRequest) -> None:
    _id("shop_id", request.shop_id)


def list_shops(request: shop_pb2.ListShopsRequest) -> None:
    _within("page_size", request.page_size, 0, 1000)
    _optional_id("page_token", request.page_token)


def list_presence(request: presence_pb2.ListPresenceRequest) -> None:
    _id("shop_id", request.shop_id)


def batch_size(field: str, size: int) -> None:
    """`size` in bytes."""
    if size > MAX_BATCH_BYTES:
        raise invalid(field, f"at most {MAX_BATCH_BYTES} bytes")


def batch_elements(field: str, items: Sequence[bytes]) -> None:
    _at_most(field, items, MAX_BATCH_ELEMENTS)
