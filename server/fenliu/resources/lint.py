"""What is valid in a shop document but cannot work as meant: findings, each with what to do.

A pure function of the document, stored or not: what is absent counts as its default.
"""

from __future__ import annotations

from collections.abc import Iterator

from fenliu.v1 import shop_pb2, types_pb2

HOURS_A_DAY = 24
_ROBOT_MODES = frozenset({shop_pb2.RECEPTION_MODE_ROBOT_FIRST, shop_pb2.RECEPTION_MODE_MIXED})
# As BINDING_DIMENSION numbers; the order of the default precedence.
_LISTS = {
    shop_pb2.BINDING_DIMENSION_PRODUCT: "product_ids",
    shop_pb2.BINDING_DIMENSION_INTENT: "intents",
    shop_pb2.BINDING_DIMENSION_ORDER_STATUS: "order_statuses",
    shop_pb2.BINDING_DIMENSION_PAGE_SOURCE: "page_sources",
}
_ORDER_STATUSES = frozenset(types_pb2.OrderStatus.values()) - {types_pb2.ORDER_STATUS_UNSPECIFIED}


def lint(shop: shop_pb2.Shop) -> list[shop_pb2.LintFinding]:
    """All findings, by rule and then by place."""
    return [
        *_unreachable_groups(shop),
        *_unstaffed_groups(shop),
        *_overlapping_bindings(shop),
        *_modes_without_robot(shop),
        *_impossible_caps(shop),
    ]


def _finding(rule: shop_pb2.LintRule, field: str, message: str) -> shop_pb2.LintFinding:
    return shop_pb2.LintFinding(rule=rule, field=field, message=message)


def _precedence(shop: shop_pb2.Shop) -> list[shop_pb2.BindingDimension]:
    return list(shop.settings.binding_precedence) or list(_LISTS)


def _bound(group: shop_pb2.Group, dimension: shop_pb2.BindingDimension) -> list[str | int]:
    return list(getattr(group.bindings, _LISTS[dimension]))


def _unreachable_groups(shop: shop_pb2.Shop) -> Iterator[shop_pb2.LintFinding]:
    precedence = [one for one in _precedence(shop) if one in _LISTS]
    status = shop_pb2.BINDING_DIMENSION_ORDER_STATUS
    bound_statuses = {value for group in shop.groups for value in group.bindings.order_statuses}
    for index, group in enumerate(shop.groups):
        bound = [one for one in _LISTS if _bound(group, one)]
        if bound and not set(bound) & set(precedence):
            names = ", ".join(_LISTS[one] for one in bound)
            yield _finding(
                shop_pb2.LINT_RULE_UNREACHABLE_GROUP,
                f"groups[{index}].bindings",
                f"group {group.group_id} is bound by {names} only, and settings.binding_precedence "
                "leaves that out, so no binding matches; add it there or bind the group otherwise",
            )
        elif status in precedence and bound_statuses >= _ORDER_STATUSES:
            # An earlier dimension may leave this group alone before order statuses are asked for.
            first = precedence[: precedence.index(status) + 1]
            if not set(bound) & set(first):
                yield _finding(
                    shop_pb2.LINT_RULE_UNREACHABLE_GROUP,
                    f"groups[{index}].bindings",
                    f"other groups are bound to every order status, so no inquiry that has one "
                    f"matches group {group.group_id}; bind it to an order status, or to something "
                    "that comes before ORDER_STATUS in settings.binding_precedence",
                )


def _unstaffed_groups(shop: shop_pb2.Shop) -> Iterator[shop_pb2.LintFinding]:
    weighted = {agent.agent_id for agent in shop.agents if _has_weight(agent)}
    for index, group in enumerate(shop.groups):
        if not weighted & set(group.agent_ids):
            what = "only agents of weight 0" if group.agent_ids else "no agents"
            yield _finding(
                shop_pb2.LINT_RULE_UNSTAFFED_GROUP,
                f"groups[{index}].agent_ids",
                f"group {group.group_id} has {what}, so it can take no new buyer; "
                "add an agent with a weight, or delete the group",
            )


def _has_weight(agent: shop_pb2.Agent) -> bool:
    return not agent.HasField("weight") or agent.weight > 0


def _overlapping_bindings(shop: shop_pb2.Shop) -> Iterator[shop_pb2.LintFinding]:
    first_with: dict[tuple[int, str | int], str] = {}
    for index, group in enumerate(shop.groups):
        for dimension, name in _LISTS.items():
            shared: list[tuple[str | int, str]] = []
            for value in _bound(group, dimension):
                other = first_with.setdefault((dimension, value), group.group_id)
                if other != group.group_id:
                    shared.append((value, other))
            if shared:
                value, other = shared[0]
                more = f" (and {len(shared) - 1} more shared values)" if len(shared) > 1 else ""
                yield _finding(
                    shop_pb2.LINT_RULE_OVERLAPPING_BINDINGS,
                    f"groups[{index}].bindings.{name}",
                    f"groups {other} and {group.group_id} are both bound to {_shown(value)}{more}, "
                    "so both take part in those inquiries; leave each value to one group if that "
                    "is not meant",
                )


def _shown(value: str | int) -> str:
    if isinstance(value, str):
        return value
    name = types_pb2.OrderStatus.Name(types_pb2.OrderStatus.ValueType(value))
    return name.removeprefix("ORDER_STATUS_")


def _modes_without_robot(shop: shop_pb2.Shop) -> Iterator[shop_pb2.LintFinding]:
    settings = shop.settings
    if settings.robot_id:
        return
    do = "so it has no effect; set settings.robot_id or choose another"
    by_group = settings.reception_scope == shop_pb2.RECEPTION_SCOPE_GROUP
    if not by_group and settings.reception_mode in _ROBOT_MODES:
        yield _finding(
            shop_pb2.LINT_RULE_MODE_WITHOUT_ROBOT,
            "settings.reception_mode",
            f"the reception mode needs a robot and the shop has none, {do} mode",
        )
    for index, group in enumerate(shop.groups):
        if by_group and group.reception_mode in _ROBOT_MODES:
            yield _finding(
                shop_pb2.LINT_RULE_MODE_WITHOUT_ROBOT,
                f"groups[{index}].reception_mode",
                f"group {group.group_id}'s reception mode needs a robot and the shop has none, "
                f"{do} mode",
            )
        if group.when_unavailable == shop_pb2.UNAVAILABLE_POLICY_ROBOT:
            yield _finding(
                shop_pb2.LINT_RULE_MODE_WITHOUT_ROBOT,
                f"groups[{index}].when_unavailable",
                f"group {group.group_id} leaves buyers to a robot and the shop has none, "
                f"{do} policy",
            )


def _impossible_caps(shop: shop_pb2.Shop) -> Iterator[shop_pb2.LintFinding]:
    grouped = {agent_id for group in shop.groups for agent_id in group.agent_ids}
    rule = shop_pb2.LINT_RULE_IMPOSSIBLE_CAP
    for index, agent in enumerate(shop.agents):
        who, place = f"agent {agent.agent_id}", f"agents[{index}]"
        limits = [n for n in ("cap", "daily_limit", "hourly_limit") if getattr(agent, n) > 0]
        if limits and not (_has_weight(agent) and agent.agent_id in grouped):
            why = "is in no group" if agent.agent_id not in grouped else "has weight 0"
            yield _finding(
                rule,
                f"{place}.{limits[0]}",
                f"{who} {why} and gets no new buyers, so the limit is never met; "
                "remove it, or let the agent take part",
            )
            continue
        day, hour = agent.daily_limit, agent.hourly_limit
        if day and agent.cap > day:
            yield _finding(
                rule,
                f"{place}.cap",
                f"{who} gets at most {day} new buyers a day, which never fill the cap of "
                f"{agent.cap}; lower cap or raise daily_limit",
            )
        if day and hour > day:
            yield _finding(
                rule,
                f"{place}.hourly_limit",
                f"{who}'s hourly_limit {hour} is above daily_limit {day} and never met; "
                "lower it or raise daily_limit",
            )
        if hour and day > hour * HOURS_A_DAY:
            yield _finding(
                rule,
                f"{place}.daily_limit",
                f"{who}'s daily_limit {day} is above {HOURS_A_DAY} times hourly_limit {hour} and "
                "never met; lower it or raise hourly_limit",
            )
