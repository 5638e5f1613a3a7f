"""What two shops decided otherwise on the same commands, one by one and in sum. Exact; knows no journal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from fenliu.engine.answers import decision_id
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.shadow.candidate import conversations_begun
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

_WAITING = frozenset(
    {types_pb2.OUTCOME_QUEUED, types_pb2.OUTCOME_POOLED, types_pb2.OUTCOME_LEFT_MESSAGE}
)


class _Whose(NamedTuple):
    """What makes two decisions one: they are about the same buyer, who asked or did not."""

    buyer_id: str
    inquiry: bool


class Comparison:
    """The live shop and its shadow since the shadow began."""

    def __init__(self, since_ms: int, live: shop_pb2.Shop, candidate: shop_pb2.Shop) -> None:
        self.changed = False
        """The live shop was changed since this was last set to False."""
        self._sums = insight_pb2.ShadowSums(
            since_ms=since_ms, up_to_ms=since_ms, live_etag=live.etag
        )
        self._received: dict[str, list[int]] = {
            agent.agent_id: [0, 0] for shop in (live, candidate) for agent in shop.agents
        }

    def take(
        self, live: engine_pb2.Entry | None, shadow: engine_pb2.Entry | None, at_ms: int
    ) -> list[insight_pb2.ShadowDifference]:
        """An entry of the log and what its command led to in the shadow; what differs, in order."""
        self._sums.up_to_ms = at_ms
        if live is not None:
            self._document(live)
        self._receptions(live, 0)
        self._receptions(shadow, 1)
        found = []
        ours, theirs = _decided(live), _decided(shadow)
        for whose in {**ours, **theirs}:
            mine, other = ours.get(whose, []), theirs.get(whose, [])
            for place in range(max(len(mine), len(other))):
                left = mine[place] if place < len(mine) else None
                right = other[place] if place < len(other) else None
                if self._differs(whose, left, right):
                    found.append(_difference(at_ms, whose, left, right))
        self._sums.differences += len(found)
        return found

    def sums(self, left_out: Counter[tuple[str, str]]) -> insight_pb2.ShadowSums:
        """All so far."""
        sums = insight_pb2.ShadowSums()
        sums.CopyFrom(self._sums)
        for agent_id, (live, shadow) in sorted(
            self._received.items(), key=lambda one: one[0].encode()
        ):
            sums.agents.add(agent_id=agent_id, live_received=live, shadow_received=shadow)
        for (command, reason), count in sorted(left_out.items()):
            sums.left_out.add(command=command, reason=reason, count=count)
        return sums

    def _document(self, live: engine_pb2.Entry) -> None:
        for fact in live.facts:
            etag = (
                fact.shop_applied.shop.etag or fact.weights_set.etag
            )  # both empty for other facts
            if etag:
                self._sums.live_etag = etag
                self.changed = True
            for agent in fact.shop_applied.shop.agents:
                self._received.setdefault(agent.agent_id, [0, 0])

    def _receptions(self, entry: engine_pb2.Entry | None, which: int) -> None:
        if entry is None:
            return
        for _, _, agent_id in conversations_begun(entry):
            if agent_id:
                self._received.setdefault(agent_id, [0, 0])[which] += 1

    def _differs(
        self, whose: _Whose, live: engine_pb2.Decided | None, shadow: engine_pb2.Decided | None
    ) -> bool:
        if whose.inquiry:
            sums = self._sums
            if live is not None:
                sums.live_waiting += live.outcome in _WAITING
                sums.live_robot += live.outcome == types_pb2.OUTCOME_ROBOT
            if shadow is not None:
                sums.shadow_waiting += shadow.outcome in _WAITING
                sums.shadow_robot += shadow.outcome == types_pb2.OUTCOME_ROBOT
        if live is None or shadow is None:
            return True
        same = _said(live) == _said(shadow)
        if whose.inquiry:
            self._sums.inquiries.inquiries += 1
            self._sums.inquiries.same += same
            self._sums.inquiries.other_receiver += _receiver(live) != _receiver(shadow)
        return not same


def decisions(entry: engine_pb2.Entry | None) -> Iterator[tuple[str, bool, engine_pb2.Decided]]:
    """Each decision of an entry: its buyer, whether the buyer asked, and the decision."""
    if entry is None:
        return
    command = command_of(entry)
    asked = entry.WhichOneof("command") == "route"
    named: str = getattr(command, "buyer_id", "")
    for fact in entry.facts:
        if fact.HasField("decided"):
            decided = fact.decided
            # Only what is about the command's own buyer leaves the buyer out.
            yield decided.buyer_id or named, asked and not decided.buyer_id, decided


def _decided(entry: engine_pb2.Entry | None) -> dict[_Whose, list[engine_pb2.Decided]]:
    found: dict[_Whose, list[engine_pb2.Decided]] = defaultdict(list)
    for buyer_id, inquiry, decided in decisions(entry):
        found[_Whose(buyer_id, inquiry)].append(decided)
    return found


def _receiver(decided: engine_pb2.Decided) -> tuple[int, str]:
    return decided.outcome, decided.agent_id


def _said(decided: engine_pb2.Decided) -> tuple[int, str, str, int]:
    return decided.outcome, decided.agent_id, decided.group_id, decided.reason


def _difference(
    at_ms: int,
    whose: _Whose,
    live: engine_pb2.Decided | None,
    shadow: engine_pb2.Decided | None,
) -> insight_pb2.ShadowDifference:
    return insight_pb2.ShadowDifference(
        at_ms=at_ms,
        buyer_id=whose.buyer_id,
        inquiry=whose.inquiry,
        decision_id=decision_id(live.decision) if live is not None else "",
        live=_told(live),
        shadow=_told(shadow),
    )


def _told(decided: engine_pb2.Decided | None) -> insight_pb2.ShadowDecision | None:
    if decided is None:
        return None
    return insight_pb2.ShadowDecision(
        outcome=decided.outcome,
        reason=decided.reason,
        agent_id=decided.agent_id,
        group_id=decided.group_id,
    )
