"""The shop document as the rules look things up in it; derived from it and never stored."""

from collections.abc import Mapping

from fenliu.v1 import dispatch_pb2, shop_pb2

Groups = frozenset[str]
"""A set of group ids: what an inquiry matched, and the name of a pool."""


class Config:
    """Look-ups in a resolved shop document."""

    __slots__ = (
        "all_groups",
        "bound",
        "busy_threshold",
        "buyer_agents",
        "even",
        "group_members",
        "groups_of",
        "idle_close_ms",
        "offline_target",
        "owner_agent_id",
        "proxy_agent_id",
        "sticky_suspended_window_ms",
        "sticky_window_ms",
        "timestamp_skew_ms",
    )

    def __init__(self, shop: shop_pb2.Shop) -> None:
        settings = shop.settings
        self.busy_threshold = settings.busy_threshold
        self.even = settings.selection_mode == shop_pb2.SELECTION_MODE_EVEN
        self.sticky_window_ms = settings.sticky_window_ms
        self.sticky_suspended_window_ms = settings.sticky_suspended_window_ms
        self.idle_close_ms = settings.idle_close_ms
        self.timestamp_skew_ms = settings.timestamp_skew_ms
        self.offline_target = settings.offline_target
        self.proxy_agent_id = settings.proxy_agent_id
        self.owner_agent_id = shop.owner_agent_id
        self.buyer_agents = {one.buyer_id: one.agent_id for one in settings.buyer_agents}

        in_order = sorted(shop.groups, key=lambda group: (group.priority, group.group_id))
        self.all_groups: Groups = frozenset(group.group_id for group in in_order)
        self.group_members = {group.group_id: tuple(group.agent_ids) for group in in_order}
        # An agent's groups by (priority, id); who is not here takes no part in dispatch.
        self.groups_of: dict[str, list[str]] = {}
        for group in in_order:
            for agent_id in group.agent_ids:
                self.groups_of.setdefault(agent_id, []).append(group.group_id)
        # For each dimension, the most important first: which groups are bound to a value.
        self.bound = [
            (dimension, _bound_groups(in_order, dimension))
            for dimension in settings.binding_precedence
        ]

    @property
    def contact_lifetime_ms(self) -> int:
        """A contact older than this is not there."""
        return max(self.sticky_window_ms, self.sticky_suspended_window_ms)


def inquiry_value(
    request: dispatch_pb2.RouteRequest, dimension: shop_pb2.BindingDimension
) -> str | int:
    """The inquiry's value in a binding dimension; "" or 0 when it has none."""
    if dimension == shop_pb2.BINDING_DIMENSION_PRODUCT:
        return request.product_id
    if dimension == shop_pb2.BINDING_DIMENSION_INTENT:
        return request.intent
    if dimension == shop_pb2.BINDING_DIMENSION_ORDER_STATUS:
        return request.order_status
    return request.page_source


def _bound_groups(
    groups: list[shop_pb2.Group], dimension: shop_pb2.BindingDimension
) -> Mapping[str | int, Groups]:
    found: dict[str | int, set[str]] = {}
    for group in groups:
        bindings = group.bindings
        values: list[str | int]
        if dimension == shop_pb2.BINDING_DIMENSION_PRODUCT:
            values = [*bindings.product_ids]
        elif dimension == shop_pb2.BINDING_DIMENSION_INTENT:
            values = [*bindings.intents]
        elif dimension == shop_pb2.BINDING_DIMENSION_ORDER_STATUS:
            values = [*bindings.order_statuses]
        else:
            values = [*bindings.page_sources]
        for value in values:
            found.setdefault(value, set()).add(group.group_id)
    return {value: frozenset(group_ids) for value, group_ids in found.items()}
