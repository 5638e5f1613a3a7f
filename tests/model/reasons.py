"""Why each agent was or was not taken, worked out by the naive model at the moment it decides.

Part of the naive model: imports nothing of the engine or of insight, only the public enum. Watches the
model decide and looks at its plain lists each time; nothing here is known to the model itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from fenliu.v1 import insight_pb2
from model import naive, steps
from model.shop import AGENT, LEFT_MESSAGE, OFFLINE, ROBOT, SUSPENDED, NaiveShop, R

C = insight_pb2
BY_STEP_3_OR_4 = {
    R.REASON_RECENT_CONTACT: C.CANDIDATE_REASON_OTHER_IS_RECENT_CONTACT,
    R.REASON_DEDICATED: C.CANDIDATE_REASON_OTHER_IS_DEDICATED,
}
MOVED = (R.REASON_TRANSFER, R.REASON_REPLY_TIMEOUT)


@dataclass
class Seen:
    """One decision: of each agent the reason, the figures, and the place in line (0: none)."""

    reasons: dict[str, int]
    figures: dict[str, dict[str, Any]]
    places: dict[str, int]
    steps_ended: int | None
    """The step that decided where the decision's own reason does not say; None elsewhere."""


Log = dict[tuple[str, int], Seen]
"""By shop id and decision number."""


@contextmanager
def watched() -> Iterator[Log]:
    """What every decision that any model makes meanwhile says of the agents."""
    log: Log = {}
    ended: dict[int, dict[str, Any]] = {}
    really_decided, really_close = steps.decided, NaiveShop.close

    def close(shop: NaiveShop, number: int, cause: int, at: int) -> None:
        ended[id(shop)] = next(c for c in shop.conversations if c["conversation"] == number)
        really_close(shop, number, cause, at)

    def decided(
        shop: NaiveShop, buyer: str, handler: steps.Handler, t: int, inquiry: Any, **more: Any
    ) -> dict[str, Any]:
        left = ended[id(shop)]["agent_id"] if handler.reason in MOVED else ""
        seen = look(shop, buyer, handler, t, inquiry, left)
        fact = really_decided(shop, buyer, handler, t, inquiry, **more)
        log[shop.document.shop_id, fact["decision"]] = seen
        return fact

    with (
        patch.object(NaiveShop, "close", close),
        patch.object(steps, "decided", decided),
        patch.object(naive, "decided", decided),
    ):
        yield log


def look(
    shop: NaiveShop,
    buyer: str,
    handler: steps.Handler,
    t: int,
    inquiry: dict[str, Any],
    moved_from: str,
) -> Seen:
    """How the agents stand just before the decision is applied."""
    excluded = [] if handler.reason == R.REASON_TRANSFER else inquiry["exclude_agent_ids"]
    has_it = handler.agent_id if handler.outcome in (AGENT, LEFT_MESSAGE) else ""
    instead, ended_by = _instead(shop, buyer, handler, t, inquiry)
    asked = _asked(shop, handler, inquiry)
    narrowed = handler.reason == R.REASON_LEFT_POOL
    reasons: dict[str, int] = {}
    for agent in shop.document.agents:
        a = agent.agent_id
        if a == has_it:
            reasons[a] = C.CANDIDATE_REASON_TAKEN
        elif a == moved_from:
            reasons[a] = C.CANDIDATE_REASON_HANDED_OVER
        elif a in excluded:
            reasons[a] = C.CANDIDATE_REASON_EXCLUDED
        else:
            reasons[a] = instead or _own(shop, agent, asked, narrowed)
    return Seen(reasons, _figures(shop), _places(shop, handler), ended_by)


def _instead(
    shop: NaiveShop, buyer: str, handler: steps.Handler, t: int, inquiry: dict[str, Any]
) -> tuple[int | None, int | None]:
    """The reason of all others when agents were not compared; and the step, where it is not plain."""
    reason = handler.reason
    if reason == R.REASON_OPEN_CONVERSATION:
        if handler.outcome == ROBOT:
            return C.CANDIDATE_REASON_ROBOT_COMES_FIRST, None
        return C.CANDIDATE_REASON_OTHER_HAS_CONVERSATION, None
    if reason in (R.REASON_ROBOT_FIRST, R.REASON_MIXED_ROBOT):
        return C.CANDIDATE_REASON_ROBOT_COMES_FIRST, None
    if reason in BY_STEP_3_OR_4:
        return BY_STEP_3_OR_4[reason], None
    if reason == R.REASON_TRANSFER:
        to_agent = handler.target_agent_id or (handler.outcome == AGENT and handler.pool is None)
        return (C.CANDIDATE_REASON_OTHER_IS_RECEIVER if to_agent else None), None
    if handler.outcome != AGENT or (handler.pool is not None and not handler.charged):
        return None, None
    entry = shop.entry_of(buyer)
    if reason == R.REASON_LEFT_POOL and entry and entry["target_agent_id"]:
        return C.CANDIDATE_REASON_OTHER_IS_RECEIVER, 0
    # A timeout, the queue or the pool by way of step 3 or 4.
    known = steps.recent_contact(shop, buyer, inquiry["exclude_agent_ids"], t)
    if known is not None and (reason != R.REASON_LEFT_POOL or known in shop.free()):
        return C.CANDIDATE_REASON_OTHER_IS_RECENT_CONTACT, 3
    return C.CANDIDATE_REASON_OTHER_IS_DEDICATED, 4


def _asked(shop: NaiveShop, handler: steps.Handler, inquiry: dict[str, Any]) -> Collection[str]:
    """The groups of the last pool that was asked."""
    if handler.pool is not None:
        return handler.pool
    if handler.target_group_id:
        return [handler.target_group_id]
    matched = steps.matched_groups(shop, inquiry)
    return shop.everyone() if steps.spills(shop, matched) else matched


def _own(shop: NaiveShop, agent: Any, asked: Collection[str], narrowed: bool) -> int:
    a = agent.agent_id
    hindrances = [
        (not shop.groups_of(a), C.CANDIDATE_REASON_IN_NO_GROUP),
        (not shop.groups_of(a, asked), C.CANDIDATE_REASON_IN_OTHER_GROUPS),
        (shop.status(a) == OFFLINE, C.CANDIDATE_REASON_OFFLINE),
        (shop.status(a) == SUSPENDED, C.CANDIDATE_REASON_SUSPENDED),
        (agent.weight == 0, C.CANDIDATE_REASON_WEIGHT_ZERO),
        (agent.cap and shop.open_count(a) >= agent.cap, C.CANDIDATE_REASON_AT_CAP),
        (shop.held_by_day(a), C.CANDIDATE_REASON_AT_DAILY_LIMIT),
        (shop.held_by_hour(a), C.CANDIDATE_REASON_AT_HOURLY_LIMIT),
        (narrowed and a not in shop.free(), C.CANDIDATE_REASON_BUSY),
        (True, C.CANDIDATE_REASON_LATER_IN_LINE),
    ]
    return next(reason for holds, reason in hindrances if holds)


def _figures(shop: NaiveShop) -> dict[str, dict[str, Any]]:
    return {
        agent.agent_id: {
            "status": shop.status(agent.agent_id),
            "weight": agent.weight,
            "awaiting": shop.awaiting(agent.agent_id),
            "effective_weight": shop.effective_weight(agent.agent_id),
            "open_conversations": shop.open_count(agent.agent_id),
            "group_ids": sorted(shop.groups_of(agent.agent_id)),
        }
        for agent in shop.document.agents
    }


def _places(shop: NaiveShop, handler: steps.Handler) -> dict[str, int]:
    """Who would be picked, who if not that one, and so on: by asking again and again."""
    places = {a.agent_id: 0 for a in shop.document.agents}
    if handler.pool is None or handler.charged:
        return places
    skipped = list(handler.skipped)
    while (following := shop.would_pick(handler.pool, skipped)) is not None:
        skipped.append(following)
        places[following] = len(skipped) - len(handler.skipped)
    return places
