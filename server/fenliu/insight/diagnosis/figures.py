"""What each cause rested on: figures of the agent and of those compared with, out of a recording."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import NamedTuple

from fenliu.insight.diagnosis.causes import Times, Worlds, length
from fenliu.insight.whatif.recording import Recording
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_SHANGHAI_MS = 8 * HOUR_MS
_COUNT, _MS = insight_pb2.KPI_UNIT_COUNT, insight_pb2.KPI_UNIT_MILLISECONDS


class Hour(NamedTuple):
    """An hour in which the one was ONLINE and the other hardly."""

    start_ms: int
    inquiries: int


class Day(NamedTuple):
    """Returning buyers who had consulted the agent last on that day."""

    start_ms: int
    buyers: int


@dataclass(frozen=True, slots=True)
class Person:
    """An agent in the window."""

    agent_id: str
    name: str
    receptions: int
    reasons: Counter[types_pb2.Reason]
    online_ms: int
    company_ms: int
    """How long others not compared, who took part, were ONLINE meanwhile, all together."""
    inquiries: int
    """That came while the agent was ONLINE."""
    weight: int
    groups: frozenset[str]
    returning: int
    left_messages: int
    delay_ms: int | None
    """The median of how long answers took; None: there are none."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as the API has it."""

    name: str
    zh: str
    en: str
    unit: insight_pb2.KpiUnit
    of: Callable[[Person], int]


FIGURES: dict[insight_pb2.ImbalanceCause, tuple[Figure, ...]] = {
    insight_pb2.IMBALANCE_CAUSE_ONLINE_TIME: (
        Figure("online_time", "在线时长", "Online", _MS, lambda one: one.online_ms),
    ),
    insight_pb2.IMBALANCE_CAUSE_TIME_SLOT: (
        Figure(
            "inquiries_online",
            "在线时的咨询",
            "Inquiries while online",
            _COUNT,
            lambda one: one.inquiries,
        ),
    ),
    insight_pb2.IMBALANCE_CAUSE_WEIGHT: (
        Figure("weight", "权重", "Weight", _COUNT, lambda one: one.weight),
    ),
    insight_pb2.IMBALANCE_CAUSE_GROUPS: (
        Figure("groups", "分流组数", "Groups", _COUNT, lambda one: len(one.groups)),
    ),
    insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS: (
        Figure("returning", "回头客的接待", "Returning buyers", _COUNT, lambda one: one.returning),
    ),
    insight_pb2.IMBALANCE_CAUSE_PROXY: (
        Figure("left_messages", "留言", "Messages left", _COUNT, lambda one: one.left_messages),
    ),
    insight_pb2.IMBALANCE_CAUSE_BUSYNESS: (
        Figure(
            "answer_time",
            "回复用时中位数",
            "Median time to answer",
            _MS,
            lambda one: one.delay_ms or 0,
        ),
    ),
}
"""What each cause rested on."""


def people(recording: Recording, worlds: Worlds, agent_ids: Sequence[str]) -> dict[str, Person]:
    """These agents, by id."""
    arrivals = [event.at_ms for event in recording.events if event.begins]
    taking_part = {
        agent_id
        for _, document in recording.documents
        for group in document.groups
        for agent_id in group.agent_ids
    }
    company = [worlds.online_of(one) for one in sorted(taking_part - set(agent_ids))]
    return {
        agent_id: _person(recording, worlds.online_of(agent_id), arrivals, company, agent_id)
        for agent_id in agent_ids
    }


def _person(
    recording: Recording,
    online: Times,
    arrivals: Sequence[int],
    company: Sequence[Times],
    agent_id: str,
) -> Person:
    document = document_of(recording, agent_id)
    known = next(one for one in document.agents if one.agent_id == agent_id)
    reasons = recording.reasons.get(agent_id, Counter())
    delays = recording.delays_ms.get(agent_id)
    return Person(
        agent_id=agent_id,
        name=known.display_name or agent_id,
        receptions=recording.receptions[agent_id],
        reasons=reasons,
        online_ms=length(online),
        company_ms=sum(overlap(online, times) for times in company),
        inquiries=sum(1 for at_ms in arrivals if within(online, at_ms)),
        weight=known.weight,
        groups=frozenset(one.group_id for one in document.groups if agent_id in one.agent_ids),
        returning=reasons[types_pb2.REASON_RECENT_CONTACT],
        left_messages=recording.left_messages[agent_id],
        delay_ms=median_low(delays) if delays else None,
    )


def document_of(recording: Recording, agent_id: str) -> shop_pb2.Shop:
    """The last document of the window that has the agent. Raises LookupError without one."""
    for _, document in reversed(recording.documents):
        if any(agent.agent_id == agent_id for agent in document.agents):
            return document
    raise LookupError(agent_id)


def within(times: Times, at_ms: int) -> bool:
    """Whether a moment is in one of these spans, which ascend."""
    place = bisect_right(times, (at_ms, 1 << 62)) - 1
    return place >= 0 and times[place][0] <= at_ms < times[place][1]


def overlap(one: Times, other: Times) -> int:
    """How long both are, ms."""
    return sum(
        max(0, min(end, to) - max(start, since)) for start, end in one for since, to in other
    )


def busiest_hour(recording: Recording, there: Times, away: Times) -> Hour | None:
    """The clock hour in which most inquiries came while the one was ONLINE and the other not."""
    counts = Counter(
        event.at_ms - event.at_ms % HOUR_MS
        for event in recording.events
        if event.begins and within(there, event.at_ms) and not within(away, event.at_ms)
    )
    if not counts:
        return None
    start_ms, inquiries = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return Hour(start_ms, inquiries)


def day_of_contacts(recording: Recording, agent_id: str) -> Day | None:
    """The day before the window on which most of the agent's returning buyers had been there last."""
    first: dict[str, str] = {}
    for one in recording.returning:
        first.setdefault(one.buyer_id, one.agent_id)
    days: Counter[int] = Counter()
    for buyer_id, receiver in first.items():
        contact = recording.contacts.get(buyer_id)
        if receiver == agent_id and contact is not None and contact.agent_id == agent_id:
            days[day_start(contact.consulted_at_ms)] += 1
    if not days:
        return None
    start_ms, buyers = min(days.items(), key=lambda item: (-item[1], item[0]))
    return Day(start_ms, buyers)


def day_start(at_ms: int) -> int:
    """When the day of Asia/Shanghai began."""
    return at_ms - (at_ms + _SHANGHAI_MS) % DAY_MS
