"""How each agent of a shop stood when a decision was made, and why it was not taken. Only looks."""

from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from fenliu.engine.pure.agents import Agent
from fenliu.engine.pure.document import Groups
from fenliu.engine.pure.selection import ONE, Pool
from fenliu.engine.pure.state import Shop
from fenliu.v1 import insight_pb2, types_pb2


class Verdict(NamedTuple):
    """What of a decision concerns all agents."""

    taken: str = ""  # "": nobody of the shop
    instead: insight_pb2.CandidateReason | None = None  # ended before agents were compared: why
    handed_over: str = ""  # the agent from whom the buyer is moved
    excluded: Set[str] = frozenset()
    asked: Groups = frozenset()  # the groups in which somebody was looked for
    only_with_time: bool = False
    line: Sequence[str] = ()  # those among whom was picked, the one picked first


def in_line(pool: Pool, skips: Callable[[str], bool]) -> list[str]:
    """Who would be picked, who if not that one, and so on. The pool is up to date."""
    now = pool.virtual_time

    def place(agent_id: str) -> tuple[int, int, str]:
        member = pool.members[agent_id]
        # Who has a turn goes by its end; after them the clock jumps to the earliest turn each time.
        turn_begins = max(member.eligible_at - now, 0)
        return turn_begins, member.eligible_at + ONE // member.weight, agent_id

    there = (agent_id for agent_id, member in pool.members.items() if member.available)
    return sorted((agent_id for agent_id in there if not skips(agent_id)), key=place)


def candidates(shop: Shop, at_ms: int, verdict: Verdict) -> list[insight_pb2.Candidate]:
    """Every agent of the shop, by agent id, without words."""
    places = {agent_id: place for place, agent_id in enumerate(verdict.line, 1)}
    return [
        _candidate(agent, at_ms, verdict, places.get(agent_id, 0))
        for agent_id, agent in sorted(shop.agents.items())
    ]


def _candidate(agent: Agent, at_ms: int, verdict: Verdict, place: int) -> insight_pb2.Candidate:
    own, volume = agent.document, agent.volume
    reason = _reason(agent, verdict)
    # Whoever is held by a limit is held by what was counted, until that is reset.
    by_day, by_hour = volume.today >= own.daily_limit > 0, volume.this_hour >= own.hourly_limit > 0
    return insight_pb2.Candidate(
        agent_id=agent.agent_id,
        status=agent.status,
        weight=own.weight,
        awaiting=agent.awaiting,
        effective_weight=agent.effective_weight,
        place=place,
        chosen=reason == insight_pb2.CANDIDATE_REASON_TAKEN,
        reason=reason,
        display_name=own.display_name,
        open_conversations=agent.open_conversations,
        cap=own.cap,
        received_today=volume.today if by_day else volume.received_today(at_ms),
        daily_limit=own.daily_limit,
        received_this_hour=volume.this_hour if by_hour else volume.received_this_hour(at_ms),
        hourly_limit=own.hourly_limit,
        group_ids=sorted(agent.groups),
    )


def _reason(agent: Agent, verdict: Verdict) -> insight_pb2.CandidateReason:
    own, volume = agent.document, agent.volume
    if agent.agent_id == verdict.taken:
        return insight_pb2.CANDIDATE_REASON_TAKEN
    if agent.agent_id == verdict.handed_over:
        return insight_pb2.CANDIDATE_REASON_HANDED_OVER
    if agent.agent_id in verdict.excluded:
        return insight_pb2.CANDIDATE_REASON_EXCLUDED
    if verdict.instead is not None:
        return verdict.instead
    if not agent.takes_part:
        return insight_pb2.CANDIDATE_REASON_IN_NO_GROUP
    if verdict.asked.isdisjoint(agent.groups):
        return insight_pb2.CANDIDATE_REASON_IN_OTHER_GROUPS
    if agent.is_offline:
        return insight_pb2.CANDIDATE_REASON_OFFLINE
    if agent.status == types_pb2.PRESENCE_STATUS_SUSPENDED:
        return insight_pb2.CANDIDATE_REASON_SUSPENDED
    if own.weight == 0:
        return insight_pb2.CANDIDATE_REASON_WEIGHT_ZERO
    if agent.open_conversations >= own.cap > 0:
        return insight_pb2.CANDIDATE_REASON_AT_CAP
    if volume.today >= own.daily_limit > 0:
        return insight_pb2.CANDIDATE_REASON_AT_DAILY_LIMIT
    if volume.this_hour >= own.hourly_limit > 0:
        return insight_pb2.CANDIDATE_REASON_AT_HOURLY_LIMIT
    if verdict.only_with_time and not agent.has_time:
        return insight_pb2.CANDIDATE_REASON_BUSY
    return insight_pb2.CANDIDATE_REASON_LATER_IN_LINE
