"""Leaving the queue and the pool: who waits and can be taken now is taken now (docs/engine.md section 10)."""

from fenliu.engine.pure import decision
from fenliu.engine.pure.assignment import (
    Found,
    Search,
    decided,
    find_agent,
    find_besides_contact,
    recent_contact,
    selected,
)
from fenliu.engine.pure.parts import Waiting
from fenliu.engine.pure.turn import Turn
from fenliu.engine.pure.waiting import in_queue_order
from fenliu.v1 import types_pb2


def settle(turn: Turn) -> None:
    """Looks until nobody who waits can be taken. Costs nothing while nothing has changed for them."""
    shop = turn.shop
    if not shop.unsettled:
        return
    while shop.waiting and (_from_queue(turn) or _from_pool(turn)):
        pass
    shop.unsettled = False


def _from_queue(turn: Turn) -> bool:
    """(a) The first in the queue for whom there is an agent."""
    for entry in in_queue_order(turn.shop):
        search = _search(turn, entry)
        found = find_agent(search)
        if found is not None:
            _take(turn, entry, search, found, types_pb2.REASON_LEFT_QUEUE)
            return True
    return False


def _from_pool(turn: Turn) -> bool:
    """(b) Only to agents who have time: first to the agent for whom a buyer waits, or whom they know."""
    shop = turn.shop
    if not any(agent.has_time for agent in shop.agents.values()):
        return False
    entries = [entry for entry in shop.waiting.values() if entry.in_pool]
    for entry in entries:
        if not entry.target_agent_id and shop.contacts.of(entry.buyer_id) is None:
            continue
        search = _search(turn, entry)
        found = _awaited(search, entry)
        if found is not None:
            _take(turn, entry, search, found, types_pb2.REASON_LEFT_POOL)
            return True
    for entry in entries:
        search = _search(turn, entry, only_with_time=True)
        found = _anybody(search, entry)
        if found is not None:
            _take(turn, entry, search, found, types_pb2.REASON_LEFT_POOL)
            return True
    return False


def _awaited(search: Search, entry: Waiting) -> Found | None:
    """(b) 1."""
    if entry.target_agent_id:
        agent = search.shop.agents.get(entry.target_agent_id)
        if agent is None or not agent.has_time:
            return None
        return Found(types_pb2.REASON_LEFT_POOL, agent)
    if entry.has_target:
        return None
    found = recent_contact(search)
    if found is None or found.agent is None or not found.agent.has_time:
        return None
    return found


def _anybody(search: Search, entry: Waiting) -> Found | None:
    """(b) 2."""
    if entry.target_agent_id:
        return None
    if entry.target_group_id in search.shop.config.all_groups:
        return selected(search, frozenset((entry.target_group_id,)))
    return find_besides_contact(search)


def _search(turn: Turn, entry: Waiting, *, only_with_time: bool = False) -> Search:
    return Search(
        turn.shop, entry.buyer_id, entry.inquiry, turn.time, only_with_time=only_with_time
    )


def _take(
    turn: Turn, entry: Waiting, search: Search, found: Found, reason: types_pb2.Reason
) -> None:
    decision.record(turn, decided(search, found, reason), entry.buyer_id)
