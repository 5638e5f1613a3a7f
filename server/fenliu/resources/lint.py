"""What is valid in a shop document but cannot work as meant: findings, each with what to do.

Both in English, as the API has them, and in Chinese.

A pure function of the document, stored or not: what is absent counts as its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, the place, e.g. "groups[2].bindings", and what is wrong and what to do."""

    rule: shop_pb2.LintRule
    field: str
    message: str
    message_zh: str


def lint(shop: shop_pb2.Shop) -> list[Finding]:
    """All findings, by rule and then by place."""
    return [
        *_unreachable_groups(shop),
        *_unstaffed_groups(shop),
        *_overlapping_bindings(shop),
        *_modes_without_robot(shop),
        *_impossible_caps(shop),
    ]


def _precedence(shop: shop_pb2.Shop) -> list[shop_pb2.BindingDimension]:
    return list(shop.settings.binding_precedence) or list(_LISTS)


def _bound(group: shop_pb2.Group, dimension: shop_pb2.BindingDimension) -> list[str | int]:
    return list(getattr(group.bindings, _LISTS[dimension]))


def _unreachable_groups(shop: shop_pb2.Shop) -> Iterator[Finding]:
    precedence = [one for one in _precedence(shop) if one in _LISTS]
    status = shop_pb2.BINDING_DIMENSION_ORDER_STATUS
    bound_statuses = {value for group in shop.groups for value in group.bindings.order_statuses}
    for index, group in enumerate(shop.groups):
        bound = [one for one in _LISTS if _bound(group, one)]
        if bound and not set(bound) & set(precedence):
            names = ", ".join(_LISTS[one] for one in bound)
            yield Finding(
                shop_pb2.LINT_RULE_UNREACHABLE_GROUP,
                f"groups[{index}].bindings",
                f"group {group.group_id} is bound by {names} only, and settings.binding_precedence "
                "leaves that out, so no binding matches; add it there or bind the group otherwise",
                f"分流组 {group.group_id} 只按 {names} 绑定，而 settings.binding_precedence 没有列出，"
                "所以绑定不起作用；请在那里加上，或改用别的绑定",
            )
        elif status in precedence and bound_statuses >= _ORDER_STATUSES:
            # An earlier dimension may leave this group alone before order statuses are asked for.
            first = precedence[: precedence.index(status) + 1]
            if not set(bound) & set(first):
                yield Finding(
                    shop_pb2.LINT_RULE_UNREACHABLE_GROUP,
                    f"groups[{index}].bindings",
                    f"other groups are bound to every order status, so no inquiry that has one "
                    f"matches group {group.group_id}; bind it to an order status, or to something "
                    "that comes before ORDER_STATUS in settings.binding_precedence",
                    f"其他组已绑定所有订单状态，带订单状态的咨询都到不了分流组 {group.group_id}；请为它绑定"
                    "订单状态，或绑定 settings.binding_precedence 中排在 ORDER_STATUS 之前的内容",
                )


def _unstaffed_groups(shop: shop_pb2.Shop) -> Iterator[Finding]:
    weighted = {agent.agent_id for agent in shop.agents if _has_weight(agent)}
    for index, group in enumerate(shop.groups):
        if not weighted & set(group.agent_ids):
            what = "only agents of weight 0" if group.agent_ids else "no agents"
            what_zh = "只有权重为 0 的客服" if group.agent_ids else "没有客服"
            yield Finding(
                shop_pb2.LINT_RULE_UNSTAFFED_GROUP,
                f"groups[{index}].agent_ids",
                f"group {group.group_id} has {what}, so it can take no new buyer; "
                "add an agent with a weight, or delete the group",
                f"分流组 {group.group_id} {what_zh}，接不了新买家；请加入有权重的客服，或删除该组",
            )


def _has_weight(agent: shop_pb2.Agent) -> bool:
    return not agent.HasField("weight") or agent.weight > 0


def _overlapping_bindings(shop: shop_pb2.Shop) -> Iterator[Finding]:
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
                more_zh = f"（另有 {len(shared) - 1} 个相同的值）" if len(shared) > 1 else ""
                yield Finding(
                    shop_pb2.LINT_RULE_OVERLAPPING_BINDINGS,
                    f"groups[{index}].bindings.{name}",
                    f"groups {other} and {group.group_id} are both bound to {_shown(value)}{more}, "
                    "so both take part in those inquiries; leave each value to one group if that "
                    "is not meant",
                    f"分流组 {other} 与 {group.group_id} 都绑定了 {_shown(value)}{more_zh}，这些咨询两组都会"
                    "参与；如非本意，每个值只留给一个组",
                )


def _shown(value: str | int) -> str:
    if isinstance(value, str):
        return value
    known = types_pb2.OrderStatus.DESCRIPTOR.values_by_number.get(value)
    # A document need not be one that a server would store.
    return str(value) if known is None else known.name.removeprefix("ORDER_STATUS_")


def _modes_without_robot(shop: shop_pb2.Shop) -> Iterator[Finding]:
    settings = shop.settings
    if settings.robot_id:
        return
    do = "so it has no effect; set settings.robot_id or choose another"
    do_zh = "而店铺没有机器人，所以不起作用；请设置 settings.robot_id，或改用别的"
    by_group = settings.reception_scope == shop_pb2.RECEPTION_SCOPE_GROUP
    if not by_group and settings.reception_mode in _ROBOT_MODES:
        yield Finding(
            shop_pb2.LINT_RULE_MODE_WITHOUT_ROBOT,
            "settings.reception_mode",
            f"the reception mode needs a robot and the shop has none, {do} mode",
            f"这个接待模式需要机器人，{do_zh}模式",
        )
    for index, group in enumerate(shop.groups):
        if by_group and group.reception_mode in _ROBOT_MODES:
            yield Finding(
                shop_pb2.LINT_RULE_MODE_WITHOUT_ROBOT,
                f"groups[{index}].reception_mode",
                f"group {group.group_id}'s reception mode needs a robot and the shop has none, "
                f"{do} mode",
                f"分流组 {group.group_id} 的接待模式需要机器人，{do_zh}模式",
            )
        if group.when_unavailable == shop_pb2.UNAVAILABLE_POLICY_ROBOT:
            yield Finding(
                shop_pb2.LINT_RULE_MODE_WITHOUT_ROBOT,
                f"groups[{index}].when_unavailable",
                f"group {group.group_id} leaves buyers to a robot and the shop has none, "
                f"{do} policy",
                f"分流组 {group.group_id} 无人时交给机器人，{do_zh}办法",
            )


def _impossible_caps(shop: shop_pb2.Shop) -> Iterator[Finding]:
    grouped = {agent_id for group in shop.groups for agent_id in group.agent_ids}
    rule = shop_pb2.LINT_RULE_IMPOSSIBLE_CAP
    for index, agent in enumerate(shop.agents):
        who, who_zh = f"agent {agent.agent_id}", f"客服 {agent.agent_id}"
        place = f"agents[{index}]"
        limits = [n for n in ("cap", "daily_limit", "hourly_limit") if getattr(agent, n) > 0]
        if limits and not (_has_weight(agent) and agent.agent_id in grouped):
            why = "is in no group" if agent.agent_id not in grouped else "has weight 0"
            why_zh = "不在任何组里" if agent.agent_id not in grouped else "权重为 0"
            yield Finding(
                rule,
                f"{place}.{limits[0]}",
                f"{who} {why} and gets no new buyers, so the limit is never met; "
                "remove it, or let the agent take part",
                f"{who_zh} {why_zh}，不接新买家，限额永远达不到；请去掉限额，或让其参与分流",
            )
            continue
        day, hour = agent.daily_limit, agent.hourly_limit
        if day and agent.cap > day:
            yield Finding(
                rule,
                f"{place}.cap",
                f"{who} gets at most {day} new buyers a day, which never fill the cap of "
                f"{agent.cap}; lower cap or raise daily_limit",
                f"{who_zh} 每天最多接 {day} 位新买家，达不到接待上限 {agent.cap}；请调低 cap 或调高"
                " daily_limit",
            )
        if day and hour > day:
            yield Finding(
                rule,
                f"{place}.hourly_limit",
                f"{who}'s hourly_limit {hour} is above daily_limit {day} and never met; "
                "lower it or raise daily_limit",
                f"{who_zh} 的 hourly_limit {hour} 高于 daily_limit {day}，永远达不到；请调低它或调高"
                " daily_limit",
            )
        if hour and day > hour * HOURS_A_DAY:
            yield Finding(
                rule,
                f"{place}.daily_limit",
                f"{who}'s daily_limit {day} is above {HOURS_A_DAY} times hourly_limit {hour} and "
                "never met; lower it or raise hourly_limit",
                f"{who_zh} 的 daily_limit {day} 高于 hourly_limit {hour} 的 {HOURS_A_DAY} 倍，永远达不到；"
                "请调低它或调高 hourly_limit",
            )
