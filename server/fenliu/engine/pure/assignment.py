"""Which agent takes a buyer: steps 3, 4, 5, 7 and, to all groups, 8 (docs/engine.md section 8).

Only looks; the one thing it changes is a pool brought up to date for the pick that follows.
"""

from collections.abc import Set
from typing import NamedTuple

from fenliu.engine.pure.agents import Agent
from fenliu.engine.pure.document import Groups
from fenliu.engine.pure.inquiry import bound_value
from fenliu.engine.pure.state import Shop
from fenliu.engine.v1.engine_pb2 import Decided, Inquiry
from fenliu.v1 import shop_pb2, types_pb2


class Search:
    """For whom an agent is looked for, among whom, and when."""

    __slots__ = ("at_ms", "buyer_id", "excluded", "inquiry", "only_with_time", "shop")

    def __init__(
        self,
        shop: Shop,
        buyer_id: str,
        inquiry: Inquiry,
        at_ms: int,
        *,
        without: str = "",
        only_with_time: bool = False,
    ) -> None:
        """`without`: an agent excluded besides those of the inquiry."""
        self.shop = shop
        self.buyer_id = buyer_id
        self.inquiry = inquiry
        self.excluded: Set[str] = frozenset((*inquiry.exclude_agent_ids, without))
        self.at_ms = at_ms
        self.only_with_time = only_with_time

    def skips(self, agent_id: str) -> bool:
        """Whether this agent does not count, however available."""
        return agent_id in self.excluded or (
            self.only_with_time and not self.shop.agents[agent_id].has_time
        )


class Found(NamedTuple):
    """An agent who takes the buyer, or the pool that is to pick one."""

    reason: types_pb2.Reason
    agent: Agent | None = None  # None: the pool picks
    pool: Groups | None = None
    # With an agent and a pool, the pool is charged without being asked.


def find_agent(search: Search) -> Found | None:
    """Steps 3, 4, 5, 7 and 8 where it says SPILL: for a buyer who is already known to wait."""
    return recent_contact(search) or find_besides_contact(search)


def find_besides_contact(search: Search) -> Found | None:
    """The same without step 3."""
    matched = match(search)
    return dedicated(search) or selected(search, matched) or spilled(search, matched)


def recent_contact(search: Search) -> Found | None:
    """Step 3, whatever weight, page source, awaiting, cap or volume."""
    config = search.shop.config
    contact = search.shop.contact(search.buyer_id, search.at_ms)
    agent = search.shop.agents.get(contact.agent_id) if contact is not None else None
    if contact is None or agent is None:
        return None
    if not agent.takes_part or agent.agent_id in search.excluded:
        return None
    if search.shop.supposed.passes_over(agent.agent_id):
        return None
    if agent.status == types_pb2.PRESENCE_STATUS_ONLINE:
        window_ms = config.sticky_window_ms
    elif agent.status == types_pb2.PRESENCE_STATUS_SUSPENDED:
        window_ms = config.sticky_suspended_window_ms
    else:
        return None
    if window_ms == 0 or search.at_ms - contact.consulted_at_ms > window_ms:
        return None
    return Found(types_pb2.REASON_RECENT_CONTACT, agent, _charged_pool(search, agent))


def dedicated(search: Search) -> Found | None:
    """Step 4: the inquiry's, else the shop's for this buyer."""
    wanted = search.inquiry.dedicated_agent_id
    wanted = wanted or search.shop.config.buyer_agents.get(search.buyer_id, "")
    agent = search.shop.agents.get(wanted)
    if agent is None or not agent.takes_part or not agent.is_online or search.skips(wanted):
        return None
    return Found(types_pb2.REASON_DEDICATED, agent, _charged_pool(search, agent))


def match(search: Search) -> Groups:
    """Step 5. A value that nobody bound leaves all groups in, also those bound to other values."""
    left = search.shop.config.all_groups
    for dimension, bound in search.shop.config.bound:
        value = bound_value(search.inquiry, dimension)
        if value and value in bound:
            left = (left & bound[value]) or left
    return left


def selected(search: Search, matched: Groups) -> Found | None:
    """Step 7: weighted selection among the matched groups."""
    if not _has_somebody(search, matched):
        return None
    return Found(types_pb2.REASON_WEIGHTED, pool=matched)


def spilled(search: Search, matched: Groups) -> Found | None:
    """Step 8, when the first of the matched groups says SPILL: among all groups."""
    config = search.shop.config
    first = config.first_of(matched)
    if first is None or first.when_unavailable != shop_pb2.UNAVAILABLE_POLICY_SPILL:
        return None
    if matched == config.all_groups or not _has_somebody(search, config.all_groups):
        return None
    return Found(types_pb2.REASON_SPILLED, pool=config.all_groups)


def decided(search: Search, found: Found, reason: types_pb2.Reason | None = None) -> Decided:
    """The assignment; picks if a pool is to. `reason`: instead of that of the step."""
    agent, groups = found.agent, found.pool
    decided = Decided(outcome=types_pb2.OUTCOME_AGENT, reason=reason or found.reason)
    if agent is not None:
        decided.group_id = agent.first_group
        decided.charged = groups is not None
    elif groups is not None:
        pool = search.shop.pool(groups)
        pool.bring_up_to_date(search.shop.agents)
        agent = search.shop.agents[pool.next_in_line(search.skips)]
        decided.group_id = next(group for group in agent.groups if group in groups)
    if agent is not None:
        decided.agent_id = agent.agent_id
    if groups == search.shop.config.all_groups:
        decided.pool_of_all_groups = True
    elif groups is not None:
        decided.pool_group_ids.extend(sorted(groups))
    return decided


def _has_somebody(search: Search, groups: Groups) -> bool:
    """Whether an agent of these groups is available and not skipped."""
    pool = search.shop.pool(groups)
    left = pool.available_with_time if search.only_with_time else pool.available
    for agent_id in search.excluded:
        if agent_id in pool.agent_ids:
            agent = search.shop.agents[agent_id]
            left -= agent.available and (agent.has_time or not search.only_with_time)
    return left > 0


def _charged_pool(search: Search, agent: Agent) -> Groups | None:
    """With charge_sticky: the pool that would have picked, if the agent is available in it."""
    if not search.shop.config.charge_sticky or not agent.available:
        return None
    matched = match(search)
    found = selected(search, matched) or spilled(search, matched)
    if found is None or found.pool is None:
        return None
    return found.pool if agent.agent_id in search.shop.pool(found.pool).agent_ids else None
