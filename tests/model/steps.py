"""The steps of a decision, what falls due, and who leaves the queue and the pool: sections 8 to 10.

Part of the naive model: everything is evaluated in full each time, nothing is flagged or kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from fenliu.v1 import dispatch_pb2, shop_pb2
from model.checks import DAY_MS, INTENT, ORDER_STATUS, PAGE_SOURCE, PRODUCT, by_bytes
from model.shop import (
    AGENT,
    HOUR_MS,
    LEFT_MESSAGE,
    ONLINE,
    POOLED,
    QUEUED,
    ROBOT,
    SHANGHAI_MS,
    SUSPENDED,
    NaiveShop,
    Pool,
    R,
    charge,
    in_queue_order,
    pick,
)

IDLE, REQUEST, HANDLER_OFFLINE, HANDLER_EXCLUDED = 1, 2, 3, 4
TO_HUMAN, TRANSFERRED, REPLY_TIMEOUT, SHOP_DELETED = 5, 6, 7, 8
HUMAN_FIRST, ROBOT_FIRST, MIXED = 1, 2, 3
SPILL, _QUEUE, ROBOT_POLICY, OFFLINE_POLICY = 1, 2, 3, 4


@dataclass
class Handler:
    """What the steps found. `conversation`: the open one; 0 with AGENT and ROBOT opens the next."""

    outcome: int
    reason: int
    agent_id: str = ""
    group_id: str = ""
    conversation: int = 0
    pool: Pool | None = None
    charged: bool = False
    skipped: list[str] = field(default_factory=list)  # by the pick
    pool_entry: bool = False
    target_agent_id: str = ""
    target_group_id: str = ""


# --- steps 3 to 8, as far as they find an agent ------------------------------------------------------


def recent_contact(shop: NaiveShop, buyer: str, excluded: list[str], t: int) -> str | None:
    contact = shop.contact_of(buyer, t)
    if contact is None or not shop.takes_part(contact["agent_id"]):
        return None
    agent, age = contact["agent_id"], t - contact["at"]
    window = {
        ONLINE: shop.settings.sticky_window_ms,
        SUSPENDED: shop.settings.sticky_suspended_window_ms,
    }.get(shop.status(agent), 0)
    return agent if agent not in excluded and window > 0 and age <= window else None


def dedicated(shop: NaiveShop, buyer: str, inquiry: dict[str, Any]) -> str | None:
    mapped = [p.agent_id for p in shop.settings.buyer_agents if p.buyer_id == buyer]
    for agent in [inquiry["dedicated_agent_id"]] if inquiry["dedicated_agent_id"] else mapped:
        there = shop.takes_part(agent) and shop.status(agent) == ONLINE
        if there and agent not in inquiry["exclude_agent_ids"]:
            return agent
    return None


def matched_groups(shop: NaiveShop, inquiry: dict[str, Any]) -> Pool:
    left = list(shop.document.groups)
    for dimension in shop.settings.binding_precedence:
        name, value = {
            PRODUCT: ("product_ids", inquiry["product_id"]),
            INTENT: ("intents", inquiry["intent"]),
            ORDER_STATUS: ("order_statuses", inquiry["order_status"]),
            PAGE_SOURCE: ("page_sources", inquiry["page_source"]),
        }[dimension]
        left = [g for g in left if value and value in getattr(g.bindings, name)] or left
    return tuple(g.group_id for g in left)


def first_group(shop: NaiveShop, matched: Pool) -> Any:
    """The first of the matched groups by (priority, id), or None."""
    groups = [g for g in shop.document.groups if g.group_id in matched]
    return min(groups, key=lambda g: (g.priority, by_bytes(g.group_id)), default=None)


def spills(shop: NaiveShop, matched: Pool) -> bool:
    first = first_group(shop, matched)
    return first is not None and first.when_unavailable == SPILL


def sticky(
    shop: NaiveShop, reason: int, agent: str, inquiry: dict[str, Any], only: Collection[str] | None
) -> Handler:
    """An agent of step 3 or 4, and with charge_sticky the pool that pays."""
    handler = Handler(AGENT, reason, agent, shop.groups_of(agent)[0])
    if shop.settings.charge_sticky:
        matched = matched_groups(shop, inquiry)
        pool: Pool | None = matched
        if all(a in _skipped(shop, matched, inquiry, only) for a in shop.available(matched)):
            pool = shop.everyone() if spills(shop, matched) else None
        if pool is not None and agent in shop.available(pool):
            handler.pool, handler.charged = pool, True
    return handler


def _skipped(
    shop: NaiveShop, pool: Pool, inquiry: dict[str, Any], only: Collection[str] | None
) -> list[str]:
    """Whom this pick may not take."""
    others = [] if only is None else [a for a in shop.available(pool) if a not in only]
    return [*inquiry["exclude_agent_ids"], *others]


def picked(
    shop: NaiveShop, reason: int, pool: Pool, inquiry: dict[str, Any], only: Collection[str] | None
) -> Handler | None:
    skipped = _skipped(shop, pool, inquiry, only)
    agent = shop.would_pick(pool, skipped)
    if agent is None:
        return None
    group = shop.groups_of(agent, pool)[0]
    return Handler(AGENT, reason, agent, group, pool=pool, skipped=skipped)


def weighted(
    shop: NaiveShop,
    matched: Pool,
    inquiry: dict[str, Any],
    only: Collection[str] | None = None,
    *,
    may_spill: bool = True,
) -> Handler | None:
    """Steps 7 and 8 as far as SPILL."""
    found = picked(shop, R.REASON_WEIGHTED, matched, inquiry, only)
    if found is None and may_spill and spills(shop, matched) and matched != shop.everyone():
        found = picked(shop, R.REASON_SPILLED, shop.everyone(), inquiry, only)
    return found


def find_agent(shop: NaiveShop, buyer: str, inquiry: dict[str, Any], t: int) -> Handler | None:
    """Steps 3, 4, 5, 7 and 8 (SPILL only)."""
    agent = recent_contact(shop, buyer, inquiry["exclude_agent_ids"], t)
    if agent is not None:
        return sticky(shop, R.REASON_RECENT_CONTACT, agent, inquiry, None)
    agent = dedicated(shop, buyer, inquiry)
    if agent is not None:
        return sticky(shop, R.REASON_DEDICATED, agent, inquiry, None)
    return weighted(shop, matched_groups(shop, inquiry), inquiry)


# --- steps 3 to 10 ---------------------------------------------------------------------------------


def find_handler(
    shop: NaiveShop, buyer: str, inquiry: dict[str, Any], t: int, handoff: bool
) -> tuple[Handler, str | None]:
    """The handler, and whose accumulator of mixed mode advances."""
    robot_id, owner = shop.settings.robot_id, None
    agent = recent_contact(shop, buyer, inquiry["exclude_agent_ids"], t)
    if agent is not None:
        return sticky(shop, R.REASON_RECENT_CONTACT, agent, inquiry, None), None
    agent = dedicated(shop, buyer, inquiry)
    if agent is not None:
        return sticky(shop, R.REASON_DEDICATED, agent, inquiry, None), None
    matched = matched_groups(shop, inquiry)
    first = first_group(shop, matched)
    if robot_id and not handoff:
        mode, owned_by = shop.settings.reception_mode, ""
        if shop.settings.reception_scope == shop_pb2.RECEPTION_SCOPE_GROUP:
            mode, owned_by = HUMAN_FIRST, ""
            if first is not None:
                mode, owned_by = first.reception_mode, first.group_id
        if mode == ROBOT_FIRST:
            return Handler(ROBOT, R.REASON_ROBOT_FIRST, robot_id), None
        if mode == MIXED:
            owner = owned_by
            if shop.mixed.get(owner, 0) + percent(shop, owner) >= 100:
                return Handler(ROBOT, R.REASON_MIXED_ROBOT, robot_id), owner
    found = weighted(shop, matched, inquiry)
    if found is not None:
        return found, owner
    policy = first.when_unavailable if first is not None else SPILL
    if policy == ROBOT_POLICY and robot_id and not handoff:
        return Handler(ROBOT, R.REASON_GROUP_ROBOT, robot_id), owner
    if policy != OFFLINE_POLICY:
        entry = shop.entry_of(buyer)
        if entry and entry["outcome"] == QUEUED:
            return Handler(QUEUED, R.REASON_STILL_WAITING), owner
        room = len(shop.queue()) < shop.settings.queue_limit
        if entry is None and room and shop.somebody_online():
            return Handler(QUEUED, R.REASON_QUEUED_AT_CAP), owner
    return nobody_there(shop, buyer, handoff, shop.entry_of(buyer)), owner


def percent(shop: NaiveShop, owner: str) -> int:
    if owner == "":
        return int(shop.settings.robot_percent)
    [group] = [g for g in shop.document.groups if g.group_id == owner]
    return int(group.robot_percent)


def nobody_there(
    shop: NaiveShop, buyer: str, handoff: bool, entry: dict[str, Any] | None
) -> Handler:
    """Step 10."""
    robot_id, robots = shop.settings.robot_id, shop.robots_of(buyer)
    unavailable = R.REASON_HANDOFF_UNAVAILABLE
    if robots is not None:
        number = robots["conversation"]
        return Handler(ROBOT, unavailable, robot_id, conversation=number, pool_entry=True)
    if not shop.somebody_online() and robot_id:
        reason = unavailable if handoff else R.REASON_OFFLINE_ROBOT
        return Handler(ROBOT, reason, robot_id, pool_entry=True)
    if entry is not None:
        return Handler(entry["outcome"], R.REASON_STILL_WAITING, entry["agent_id"])
    if shop.somebody_online():
        return Handler(POOLED, R.REASON_NOBODY_FREE)
    target = shop.settings.offline_target
    proxy, owner = shop.settings.proxy_agent_id, shop.document.owner_agent_id
    if target == shop_pb2.OFFLINE_TARGET_PROXY and proxy:
        return Handler(LEFT_MESSAGE, R.REASON_OFFLINE_PROXY, proxy)
    if target != shop_pb2.OFFLINE_TARGET_POOL and owner:
        return Handler(LEFT_MESSAGE, R.REASON_OFFLINE_OWNER, owner)
    return Handler(POOLED, R.REASON_OFFLINE_POOL)


# --- Decided -----------------------------------------------------------------------------------------


def decided(
    shop: NaiveShop,
    buyer: str,
    handler: Handler,
    t: int,
    inquiry: dict[str, Any],
    *,
    named: bool = False,
    stamped: bool = False,
    previous: int = 0,
    mixed_owner: str | None = None,
    reply_hops: int = 0,
    transfer_hops: int = 0,
) -> dict[str, Any]:
    """Makes and applies one `Decided`; returns the fact. `named`: with buyer_id; `stamped`: at_ms."""
    robots = shop.robots_of(buyer)
    if handler.outcome == AGENT and robots is not None:
        previous = robots["conversation"]
        shop.close(previous, TO_HUMAN, t)
    opens = handler.conversation == 0 and handler.outcome in (AGENT, ROBOT)
    everyone = handler.pool is not None and handler.pool == shop.everyone()
    fact = {
        "decision": shop.decisions + 1,
        "outcome": handler.outcome,
        "reason": handler.reason,
        "conversation": shop.conversations_issued + 1 if opens else handler.conversation,
        "agent_id": handler.agent_id,
        "group_id": handler.group_id,
        "pool_of_all_groups": everyone,
        "pool_group_ids": [] if handler.pool is None or everyone else list(handler.pool),
        "charged": handler.charged,
        "buyer_id": buyer if named else "",
        "at_ms": t if stamped else 0,
        "previous_conversation": previous,
        "pool_entry": handler.pool_entry,
        "mixed_owner": mixed_owner,
        "queue_position": 0,
        "estimated_wait_ms": 0,
    }
    entry = shop.entry_of(buyer)
    if handler.outcome == QUEUED:
        new = {"inquiry": inquiry, "since_ms": t, "decision": fact["decision"]}
        place = in_queue_order(shop.queue() if entry else [*shop.queue(), new])
        fact["queue_position"] = place.index(entry or new) + 1
        fact["estimated_wait_ms"] = shop.mean_release_ms(fact["queue_position"])
    shop.facts.append(("decided", fact))

    shop.decisions += 1
    if mixed_owner is not None:
        sum_ = shop.mixed.get(mixed_owner, 0) + percent(shop, mixed_owner)
        shop.mixed[mixed_owner] = sum_ - 100 if sum_ >= 100 else sum_
    if handler.pool is not None:
        available = shop.available(handler.pool)
        if handler.charged:
            charge(shop.pool(handler.pool), available, handler.agent_id)
        else:
            agent = pick(shop.pool(handler.pool), available, handler.skipped)
            assert agent == handler.agent_id
            if handler.reason != R.REASON_TRANSFER:
                shop.count_volume(agent, t)
    number = fact["conversation"]
    hops = {"reply_hops": reply_hops, "transfer_hops": transfer_hops}
    if opens:
        human = handler.outcome == AGENT
        agent_id = handler.agent_id if human else ""
        opened = shop.open(
            buyer, agent_id, handler.group_id, t,
            robot=not human, awaiting=human, inquiry=inquiry, **hops,
        )  # fmt: skip
        assert opened == number
        if human:
            a = shop.agents[agent_id]
            if a["absolute_awaiting"] is not None:
                a["absolute_awaiting"] += 1
            shop.stop_waiting(buyer)
    elif number:
        c = shop.conversation(number)
        assert c is not None
        c["last_activity_ms"] = max(c["last_activity_ms"], t)
    if handler.outcome == AGENT:
        shop.meet(buyer, handler.agent_id, t, number)
    if handler.outcome not in (AGENT, ROBOT) or handler.pool_entry:
        _wait(shop, buyer, handler, t, inquiry, hops)
    return fact


def _wait(
    shop: NaiveShop,
    buyer: str,
    handler: Handler,
    t: int,
    inquiry: dict[str, Any],
    hops: dict[str, int],
) -> None:
    robot = handler.outcome == ROBOT
    waits = {
        "outcome": POOLED if robot else handler.outcome,
        "agent_id": "" if robot else handler.agent_id,
        "target_agent_id": handler.target_agent_id,
        "target_group_id": handler.target_group_id,
    }
    entry = shop.entry_of(buyer)
    if entry is None:
        made = {"since_ms": t, "decision": shop.decisions, "inquiry": inquiry, **hops}
        shop.waiting.append({"buyer_id": buyer, **waits, **made})
    elif handler.reason == R.REASON_STILL_WAITING or (robot and entry["outcome"] != QUEUED):
        pass
    else:
        entry.update(waits)
        if handler.reason == R.REASON_TRANSFER:
            entry.update(hops)


def route_response(fact: dict[str, Any]) -> Any:
    return dispatch_pb2.RouteResponse(
        conversation_id=f"c{fact['conversation']}" if fact["conversation"] else "",
        decision_id=f"d{fact['decision']}",
        outcome=fact["outcome"],
        agent_id=fact["agent_id"],
        group_id=fact["group_id"],
        reason=fact["reason"],
        queue_position=fact["queue_position"],
        estimated_wait_ms=fact["estimated_wait_ms"],
    )


# --- due effects (section 9) -----------------------------------------------------------------------

Due = tuple[int, int, Any, Callable[[int], None]]
"""(due time, kind, id, effect at a time)."""


def due(shop: NaiveShop) -> list[Due]:
    """Everything that will fall due, in order."""
    found: list[Due] = []
    s = shop.settings
    for c in shop.conversations:
        number = c["conversation"]
        if s.idle_close_ms:
            at = c["last_activity_ms"] + s.idle_close_ms
            found.append((at, 1, number, lambda t, n=number: shop.close(n, IDLE, t)))
        if s.reply_timeout_ms and not (c["robot"] or c["answered"] or c["reply_timeout_spent"]):
            at = c["opened_at_ms"] + s.reply_timeout_ms
            found.append((at, 3, number, lambda t, c=c: _reply_timeout(shop, c, t)))
    for w in shop.queue():
        if s.queue_timeout_ms:
            at = w["since_ms"] + s.queue_timeout_ms
            found.append((at, 2, w["decision"], lambda t, w=w: _queue_timeout(shop, w, t)))
    for a in shop.agents:
        ends = []
        if shop.held_by_hour(a):
            ends.append((shop.agents[a]["volume_hour"] + 1) * HOUR_MS - SHANGHAI_MS)
        if shop.held_by_day(a):
            ends.append((shop.agents[a]["volume_day"] + 1) * DAY_MS - SHANGHAI_MS)
        if ends:
            found.append((max(ends), 4, by_bytes(a), lambda t, a=a: _volume_reset(shop, a, t)))
    return sorted(found, key=lambda d: d[:3])


def _queue_timeout(shop: NaiveShop, entry: dict[str, Any], t: int) -> None:
    buyer = entry["buyer_id"]
    handler = nobody_there(shop, buyer, False, None)
    decided(shop, buyer, handler, t, entry["inquiry"], named=True, stamped=True)


def _reply_timeout(shop: NaiveShop, c: dict[str, Any], t: int) -> None:
    inquiry = c["inquiry"]
    if c["agent_id"] not in inquiry["exclude_agent_ids"]:
        excluded = [*inquiry["exclude_agent_ids"], c["agent_id"]]
        inquiry = {**inquiry, "exclude_agent_ids": excluded}
    found = None
    if c["reply_hops"] < shop.settings.max_hops:
        found = find_agent(shop, c["buyer_id"], inquiry, t)
    if found is None:
        shop.facts.append(("reply_timed_out", {"conversation": c["conversation"], "at_ms": t}))
        c["reply_timeout_spent"] = True
        return
    shop.close(c["conversation"], REPLY_TIMEOUT, t)
    found.reason = R.REASON_REPLY_TIMEOUT
    decided(
        shop, c["buyer_id"], found, t, inquiry, named=True, stamped=True,
        previous=c["conversation"], reply_hops=c["reply_hops"] + 1,
        transfer_hops=c["transfer_hops"],
    )  # fmt: skip


def _volume_reset(shop: NaiveShop, agent_id: str, t: int) -> None:
    shop.facts.append(("volume_reset", {"agent_id": agent_id, "at_ms": t}))
    shop.new_day_and_hour(agent_id, t)


# --- settling (section 10) -------------------------------------------------------------------------


def settle(shop: NaiveShop, t: int, *, stamped: bool) -> None:
    while _one_leaves(shop, t, stamped):
        pass


def _one_leaves(shop: NaiveShop, t: int, stamped: bool) -> bool:
    for entry in shop.queue():
        found = find_agent(shop, entry["buyer_id"], entry["inquiry"], t)
        if found is not None:
            _leave(shop, entry, found, R.REASON_LEFT_QUEUE, t, stamped)
            return True
    pool = [
        w
        for w in shop.waiting
        if w["outcome"] == POOLED
        or (w["outcome"] == LEFT_MESSAGE and (w["target_agent_id"] or w["target_group_id"]))
    ]
    pool.sort(key=lambda w: (w["since_ms"], w["decision"]))
    for finds in (_who_is_waited_for, _anybody_free):
        for entry in pool:
            found = finds(shop, entry, t)
            if found is not None:
                _leave(shop, entry, found, R.REASON_LEFT_POOL, t, stamped)
                return True
    return False


def _who_is_waited_for(shop: NaiveShop, entry: dict[str, Any], t: int) -> Handler | None:
    """The target agent of a transfer, or the recent contact."""
    target, inquiry = entry["target_agent_id"], entry["inquiry"]
    if target:
        most = max(1, shop.settings.busy_threshold)
        if shop.status(target) == ONLINE and shop.awaiting(target) < most:
            groups = shop.groups_of(target)
            return Handler(AGENT, 0, target, groups[0] if groups else "")
        return None
    if entry["target_group_id"]:
        return None
    agent = recent_contact(shop, entry["buyer_id"], inquiry["exclude_agent_ids"], t)
    if agent is None or agent not in shop.free():
        return None
    return sticky(shop, 0, agent, inquiry, None)


def _anybody_free(shop: NaiveShop, entry: dict[str, Any], _t: int) -> Handler | None:
    inquiry, free, group = entry["inquiry"], shop.free(), entry["target_group_id"]
    if entry["target_agent_id"]:
        return None
    if group in shop.everyone():
        return weighted(shop, (group,), inquiry, free, may_spill=False)
    agent = dedicated(shop, entry["buyer_id"], inquiry)
    if agent is not None and agent in free:
        return sticky(shop, 0, agent, inquiry, free)
    return weighted(shop, matched_groups(shop, inquiry), inquiry, free)


def _leave(
    shop: NaiveShop, entry: dict[str, Any], found: Handler, reason: int, t: int, stamped: bool
) -> None:
    found.reason = reason
    decided(
        shop, entry["buyer_id"], found, t, entry["inquiry"], named=True, stamped=stamped,
        reply_hops=entry["reply_hops"], transfer_hops=entry["transfer_hops"],
    )  # fmt: skip
