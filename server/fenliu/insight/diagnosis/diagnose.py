"""DiagnoseImbalance: a window of one agent beside another, or beside the mean, cause by cause.

Runs in a process of its own: reads the window once, plays it without each set of causes, and says what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from fenliu.engine import Core
from fenliu.insight.diagnosis.causes import CAUSES, Outcome, Worlds
from fenliu.insight.diagnosis.figures import (
    DAY_MS,
    FIGURES,
    Hour,
    Person,
    busiest_hour,
    day_of_contacts,
    document_of,
    people,
)
from fenliu.insight.diagnosis.sentences import Facts, Sentences
from fenliu.insight.diagnosis.shapley import shapley
from fenliu.insight.errors import ReportRefused, SubjectNeverThere
from fenliu.insight.places import entries_from, first_at, shop_at
from fenliu.insight.whatif.recording import Recording, record
from fenliu.journal import CorruptSnapshot, DroppedRecord, Reader
from fenliu.recovery import head_of
from fenliu.v1 import insight_pb2, types_pb2

READING_STEPS = 16
"""Steps of progress that reading counts for."""
_TIME_BYTES = 8
_OFFLINE = types_pb2.PRESENCE_STATUS_OFFLINE

Step = insight_pb2.DiagnoseImbalanceStreamResponse


def asked(request: insight_pb2.DiagnoseImbalanceRequest, now_ms: int) -> bytes:
    """For `run`: the request, and the time it is."""
    return now_ms.to_bytes(_TIME_BYTES, "big") + request.SerializeToString()


def run(reader: Reader, core: Core, asked: bytes, emit: Callable[[bytes], None]) -> None:
    """Diagnoses what was given to `asked`; each message a DiagnoseImbalanceStreamResponse, last the result.

    Raises ReportRefused, SubjectNeverThere, CorruptRecord, CorruptSnapshot, StorageError.
    """
    request = insight_pb2.DiagnoseImbalanceRequest.FromString(asked[_TIME_BYTES:])
    now_ms = int.from_bytes(asked[:_TIME_BYTES], "big")

    def progress(done: int, total: int) -> None:
        told = insight_pb2.DiagnoseImbalanceProgress(done=done, total=total)
        emit(Step(progress=told).SerializeToString())

    emit(Step(result=diagnose(reader, core, request, now_ms, progress)).SerializeToString())


def diagnose(
    reader: Reader,
    core: Core,
    request: insight_pb2.DiagnoseImbalanceRequest,
    now_ms: int,
    progress: Callable[[int, int], None],
) -> insight_pb2.DiagnoseImbalanceResponse:
    """The whole answer. Raises as `run`; what `progress` raises ends it."""
    plays = 4 << len(CAUSES) - 2

    def read(done: int, total: int) -> None:
        progress(READING_STEPS * done // total, READING_STEPS + plays)

    window = request.window
    recording = record(
        reader,
        core,
        request.shop_id,
        window.start_ms,
        window.end_ms,
        now_ms=now_ms,
        progress=read,
    )
    others = _compared(recording, request)
    agent_ids = sorted({request.agent_id, *others})
    worlds = Worlds(core, recording, agent_ids)

    def played(done: int, total: int) -> None:
        progress(READING_STEPS + done, READING_STEPS + total)

    outcomes = worlds.outcomes(played)
    found = people(recording, worlds, agent_ids)
    return _answer(reader, core, request, recording, worlds, outcomes, found, others)


def _compared(recording: Recording, request: insight_pb2.DiagnoseImbalanceRequest) -> list[str]:
    """Who the agent is compared with: the other, or all whose mean it is."""
    known = {agent.agent_id for _, document in recording.documents for agent in document.agents}
    for field in ("agent_id", "other_agent_id"):
        agent_id = getattr(request, field)
        if agent_id and agent_id not in known:
            raise SubjectNeverThere(field, "agent", agent_id)
    if request.other_agent_id:
        return [request.other_agent_id]
    taking_part = {
        agent_id
        for _, document in recording.documents
        for group in document.groups
        for agent_id in group.agent_ids
    }
    online = types_pb2.PRESENCE_STATUS_ONLINE
    there = {
        agent_id
        for agent_id, spans in recording.presence.items()
        if agent_id in taking_part and any(span.status == online for span in spans)
    }
    if not there - {request.agent_id}:
        raise ReportRefused(
            "other_agent_id", "required: nobody else took part and was ONLINE in this window"
        )
    return sorted({*there, request.agent_id})


def _answer(
    reader: Reader,
    core: Core,
    request: insight_pb2.DiagnoseImbalanceRequest,
    recording: Recording,
    worlds: Worlds,
    outcomes: list[Outcome],
    found: dict[str, Person],
    others: list[str],
) -> insight_pb2.DiagnoseImbalanceResponse:
    count = len(others)

    def difference(receptions: dict[str, int]) -> int:
        """`count` times the difference."""
        mean = sum(receptions.get(one, 0) for one in others)
        return count * receptions.get(request.agent_id, 0) - mean

    observed = Fraction(difference(recording.receptions), count)
    shares: dict[insight_pb2.ImbalanceCause, Fraction] = {
        cause: share / count
        for cause, share in zip(
            CAUSES, shapley([difference(one.receptions) for one in outcomes]), strict=True
        )
    }
    shares[insight_pb2.IMBALANCE_CAUSE_REST] = observed - sum(shares.values())
    agent, compared = found[request.agent_id], [found[one] for one in others]
    document = document_of(recording, request.agent_id)
    pair = len(others) == 1
    gained = shares[insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS] > 0
    contacts = day_of_contacts(recording, request.agent_id if gained or not pair else others[0])
    loser = others[0] if gained else request.agent_id
    away = None
    if contacts is not None and pair:
        away = _away(reader, core, recording, loser, contacts.start_ms)

    def hour(swapped: bool) -> Hour | None:
        if not pair:
            return None
        there, away = worlds.online_of(request.agent_id), worlds.online_of(others[0])
        return busiest_hour(recording, *((away, there) if swapped else (there, away)))

    facts = Facts(
        agent=agent,
        others=compared,
        difference=observed,
        shares=shares,
        busy_threshold=document.settings.busy_threshold,
        charge_sticky=document.settings.charge_sticky,
        group_names={one.group_id: one.display_name or one.group_id for one in document.groups},
        hour=hour,
        contacts=contacts,
        away_that_day=away,
    )
    chinese = request.language != types_pb2.LANGUAGE_ENGLISH
    say = Sentences(facts, chinese=chinese)
    response = insight_pb2.DiagnoseImbalanceResponse(
        difference=observed.numerator,
        difference_denominator=observed.denominator,
        receptions=agent.receptions,
        other_receptions=sum(one.receptions for one in compared),
        compared_agent_ids=others,
        summary=say.summary(),
        as_of_ms=recording.as_of_ms,
        inquiries=sum(event.begins for event in recording.events),
        plays=worlds.plays,
    )
    for cause in (*CAUSES, insight_pb2.IMBALANCE_CAUSE_REST):
        row = response.shares.add(
            cause=cause,
            share_numerator=shares[cause].numerator,
            share_denominator=shares[cause].denominator,
            title=say.title(cause),
            finding=say.finding(cause),
            advice=say.advice(cause),
        )
        for figure in FIGURES.get(cause, ()):
            row.figures.add(
                name=figure.name,
                title=figure.zh if chinese else figure.en,
                unit=figure.unit,
                of_agent=figure.of(agent),
                of_other=sum(map(figure.of, compared)),
                of_other_parts=len(compared),
            )
    return response


def _away(
    reader: Reader, core: Core, recording: Recording, agent_id: str, day_ms: int
) -> bool | None:
    """Whether an agent was OFFLINE all of a day before the window; None: it is not kept."""
    end_ms = min(day_ms + DAY_MS, recording.start_ms)
    try:
        place = first_at(reader, core, recording.shop_id, day_ms)
        head = head_of(reader, *shop_at(reader, core, recording.shop_id, place))
        agents = head.agents if head is not None else ()
        if any(one.agent_id == agent_id and one.status != _OFFLINE for one in agents):
            return False
        for entry in entries_from(reader, core, recording.shop_id, place):
            if entry.now_ms >= end_ms:
                return True
            for fact in entry.facts:
                changed = fact.presence_changed
                if changed.agent_id == agent_id and changed.status != _OFFLINE:
                    return False
    except (CorruptSnapshot, DroppedRecord):
        return None
    return True
