"""Who received what and why, and what the weights alone would have given: counts over a play."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from fenliu.traffic.events import Event, Presence
from fenliu.traffic.player import Decision
from fenliu.v1 import shop_pb2, types_pb2

DEFAULT_WEIGHT = 5

_TAKEN = (types_pb2.OUTCOME_AGENT, types_pb2.OUTCOME_ROBOT)
_BY_SELECTION = (types_pb2.REASON_WEIGHTED, types_pb2.REASON_SPILLED)


@dataclass(slots=True)
class Reception:
    """One agent's receptions: distinct buyers, and decisions by reason."""

    buyers: set[str] = field(default_factory=set)
    reasons: Counter[types_pb2.Reason] = field(default_factory=Counter)

    @property
    def new_buyers(self) -> int:
        """Decisions made by weighted selection."""
        return sum(self.reasons[reason] for reason in _BY_SELECTION)


def receptions(decisions: Iterable[Decision]) -> dict[str, dict[str, Reception]]:
    """By shop, by agent (or the robot), both sorted; "" stands for buyers nobody took: queued, pooled, left."""
    shops: dict[str, dict[str, Reception]] = defaultdict(lambda: defaultdict(Reception))
    for decision in decisions:
        taken = decision.response.outcome in _TAKEN
        reception = shops[decision.shop_id][decision.response.agent_id if taken else ""]
        reception.buyers.add(decision.buyer_id)
        reception.reasons[decision.response.reason] += 1
    return {shop: dict(sorted(agents.items())) for shop, agents in sorted(shops.items())}


def expected_by_weight(
    shop: shop_pb2.Shop, decisions: Iterable[Decision], events: Iterable[Event]
) -> dict[str, Fraction]:
    """New buyers each agent would have had by weight alone (all alike in EVEN mode), busy or not.

    Each decision by selection is shared out by weight among those who were ONLINE in the group of
    its answer, or in any group when it spilled. Exact when an inquiry matches one group.
    """
    weights = {
        agent.agent_id: agent.weight if agent.HasField("weight") else DEFAULT_WEIGHT
        for agent in shop.agents
    }
    if shop.settings.selection_mode == shop_pb2.SELECTION_MODE_EVEN:
        weights = {agent_id: min(weight, 1) for agent_id, weight in weights.items()}
    groups = {group.group_id: frozenset(group.agent_ids) for group in shop.groups}
    everybody = frozenset[str]().union(*groups.values())
    presence = [e for e in events if isinstance(e, Presence) and e.shop_id == shop.shop_id]
    online: set[str] = set()
    expected: dict[str, Fraction] = defaultdict(Fraction)
    played = 0
    for decision in decisions:
        if decision.shop_id != shop.shop_id or decision.response.reason not in _BY_SELECTION:
            continue
        while played < len(presence) and presence[played].at_ms <= decision.at_ms:
            change = presence[played]
            if change.status == types_pb2.PRESENCE_STATUS_ONLINE:
                online.add(change.agent_id)
            else:
                online.discard(change.agent_id)
            played += 1
        spilled = decision.response.reason == types_pb2.REASON_SPILLED
        members = everybody if spilled else groups[decision.response.group_id]
        total = sum(weights[agent_id] for agent_id in members & online)
        for agent_id in members & online:
            if total:
                expected[agent_id] += Fraction(weights[agent_id], total)
    return dict(expected)
