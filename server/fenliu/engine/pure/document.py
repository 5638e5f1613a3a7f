"""The shop document as the rules look things up in it; derived from it and never stored."""

from collections.abc import Mapping

from fenliu.v1 import shop_pb2

Groups = frozenset[str]
"""A set of group ids: what an inquiry matched, and the name of a pool."""

MANAGE = "dispatch.manage"
"""客服分流管理: the permission to change weights, groups and modes."""


class Config:
    """Look-ups in a resolved shop document."""

    __slots__ = (
        "all_groups",
        "bound",
        "busy_threshold",
        "buyer_agents",
        "charge_sticky",
        "even",
        "group_members",
        "groups",
        "groups_of",
        "idle_close_ms",
        "max_hops",
        "offline_target",
        "owner_agent_id",
        "proxy_agent_id",
        "queue_limit",
        "queue_timeout_ms",
        "reception_by_group",
        "reception_mode",
        "reply_timeout_ms",
        "robot_id",
        "robot_percent",
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
        self.charge_sticky = settings.charge_sticky
        self.reception_mode = settings.reception_mode
        self.reception_by_group = settings.reception_scope == shop_pb2.RECEPTION_SCOPE_GROUP
        self.robot_id = settings.robot_id
        self.offline_target = settings.offline_target
        self.proxy_agent_id = settings.proxy_agent_id
        self.owner_agent_id = shop.owner_agent_id
        self.queue_limit = settings.queue_limit
        self.queue_timeout_ms = settings.queue_timeout_ms
        self.reply_timeout_ms = settings.reply_timeout_ms
        self.max_hops = settings.max_hops
        self.idle_close_ms = settings.idle_close_ms
        self.timestamp_skew_ms = settings.timestamp_skew_ms
        self.buyer_agents = {one.buyer_id: one.agent_id for one in settings.buyer_agents}

        # By (priority, id).
        self.groups = sorted(shop.groups, key=lambda group: (group.priority, group.group_id))
        self.all_groups: Groups = frozenset(group.group_id for group in self.groups)
        self.group_members = {group.group_id: tuple(group.agent_ids) for group in self.groups}
        # An agent's groups by (priority, id); who is not here takes no part in dispatch.
        self.groups_of: dict[str, list[str]] = {}
        for group in self.groups:
            for agent_id in group.agent_ids:
                self.groups_of.setdefault(agent_id, []).append(group.group_id)
        # For each dimension, the most important first: which groups are bound to a value.
        self.bound = [
            (dimension, _bound_groups(self.groups, dimension))
            for dimension in settings.binding_precedence
        ]
        # Of the owners of an accumulator of mixed mode: "" the shop, or a group.
        self.robot_percent = {"": settings.robot_percent}
        self.robot_percent.update((group.group_id, group.robot_percent) for group in self.groups)

    @property
    def contact_lifetime_ms(self) -> int:
        """A contact older than this is not there."""
        return max(self.sticky_window_ms, self.sticky_suspended_window_ms)

    def first_of(self, groups: Groups) -> shop_pb2.Group | None:
        """The first of these groups by (priority, id)."""
        for group in self.groups:
            if group.group_id in groups:
                return group
        return None


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


def knows_its_agents(document: shop_pb2.Shop) -> bool:
    """Whether all agents that groups and `buyer_agents` name are there: else it is no stored document."""
    agents = {agent.agent_id for agent in document.agents}
    return all(agents.issuperset(group.agent_ids) for group in document.groups) and all(
        buyer.agent_id in agents for buyer in document.settings.buyer_agents
    )
