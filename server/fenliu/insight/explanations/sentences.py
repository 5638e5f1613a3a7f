"""Sentences about one decision, in the language of a catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fenliu.engine.answers import conversation_id
from fenliu.engine.explanation import Explanation, Step
from fenliu.insight.explanations.catalogue import Catalogue
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

_UNITS_MS = (86_400_000, 3_600_000, 60_000, 1_000, 1)


class Sentences:
    """Says what an explanation says."""

    def __init__(self, catalogue: Catalogue, explained: Explanation) -> None:
        self._words = catalogue
        self._explained = explained
        self._settings = explained.shop.settings
        self._agents = {one.agent_id: one.display_name for one in explained.shop.agents}
        self._groups = {one.group_id: one.display_name for one in explained.shop.groups}

    def decision(self) -> str:
        """The whole decision."""
        explained, made = self._explained, self._explained.decided
        reason = types_pb2.Reason.Name(made.reason).removeprefix("REASON_")
        left = made.outcome == types_pb2.OUTCOME_LEFT_MESSAGE
        if made.reason == types_pb2.REASON_TRANSFER and left:
            reason = "TRANSFER_LEFT"
        first, last = explained.steps[0], explained.steps[-1]
        return self._words.decisions[reason].format(
            buyer=explained.buyer_id,
            agent=self._agent(made.agent_id),
            before=self._agent(first.agent_id) or self._words.robot,
            receiver=self._agent(made.agent_id) if made.agent_id else self._group(made.group_id),
            groups=self._listed(last.group_ids),
            conversation=conversation_id(made.conversation),
            position=made.queue_position,
            waited_ms=self._duration(explained.waited_ms),
        )

    def step(self, step: Step) -> str:
        """What a step found."""
        groups = self._listed(step.group_ids)
        facts = {name: self._fact(name, value) for name, value in step.facts.items()}
        text = self._words.steps[step.finding].format(
            agent=self._agent(step.agent_id),
            groups=groups,
            owner=groups or self._words.shop,
            **facts,
        )
        if step.number in (3, 4) and step.group_ids:
            text += self._words.charged.format(groups=groups)
        return text

    def candidate(self, one: insight_pb2.Candidate) -> str:
        """How an agent stood, and why it was taken or not."""
        words, made = self._words, self._explained.decided
        reason = insight_pb2.CandidateReason.Name(one.reason).removeprefix("CANDIDATE_REASON_")
        if one.chosen and made.outcome == types_pb2.OUTCOME_LEFT_MESSAGE:
            reason = "TAKEN_MESSAGE"
        threshold = self._settings.busy_threshold
        clauses = [
            words.figures.format(
                agent=self._agent(one.agent_id),
                status=self._status(one.status),
                weight=one.weight,
                awaiting=one.awaiting,
            )
        ]
        if one.place and one.awaiting > threshold:
            clauses.append(
                words.busy.format(threshold=threshold, part=threshold + 1, whole=one.awaiting + 1)
            )
        if one.place:
            clauses.append(words.place.format(place=one.place))
        why = words.candidates[reason].format(
            taken=self._agent(made.agent_id),
            robot=self._settings.robot_id,
            groups=self._listed(one.group_ids),
            time_threshold=max(1, threshold),
            open_conversations=one.open_conversations,
            cap=one.cap,
            received_today=one.received_today,
            daily_limit=one.daily_limit,
            received_this_hour=one.received_this_hour,
            hourly_limit=one.hourly_limit,
        )
        return words.clauses.join(clauses) + words.before_reason + why + words.end

    # --- Names and values ---

    def _fact(self, name: str, value: object) -> object:
        """A fact as it is said; its name tells what it is."""
        match name, value:
            case "conversation", int():
                return conversation_id(value)
            case "status", int():
                return self._status(value)
            case "note", str():
                # Somebody else's text, perhaps of several lines.
                return (
                    self._words.note.format(note=" ".join(value.split())) if value.strip() else ""
                )
            case "bound", list():
                return self._words.separator.join(self._bound(*one) for one in value)
            case _, int() if name.endswith("_ms"):
                return self._duration(value)
        return value

    def _bound(self, dimension: int, value: str | int) -> str:
        name = shop_pb2.BindingDimension.Name(shop_pb2.BindingDimension.ValueType(dimension))
        if isinstance(value, int):
            status = types_pb2.OrderStatus.Name(types_pb2.OrderStatus.ValueType(value))
            value = self._words.order_statuses[status.removeprefix("ORDER_STATUS_")]
        dimension_name = self._words.dimensions[name.removeprefix("BINDING_DIMENSION_")]
        return self._words.bound.format(dimension=dimension_name, value=value)

    def _status(self, status: int) -> str:
        name = types_pb2.PresenceStatus.Name(types_pb2.PresenceStatus.ValueType(status))
        return self._words.statuses[name.removeprefix("PRESENCE_STATUS_")]

    def _agent(self, agent_id: str) -> str:
        return self._named(agent_id, self._agents.get(agent_id, ""))

    def _group(self, group_id: str) -> str:
        return self._named(group_id, self._groups.get(group_id, ""))

    def _named(self, ident: str, name: str) -> str:
        return self._words.named.format(name=name, id=ident) if name else ident

    def _listed(self, group_ids: Sequence[str] | Iterable[str]) -> str:
        listed = list(group_ids)
        if len(listed) > 1 and len(listed) == len(self._groups):
            return self._words.all_groups.format(count=len(listed))
        return self._words.separator.join(map(self._group, listed))

    def _duration(self, ms: int) -> str:
        """In its two largest units, cut off: "3 d 2 h", "41 s"."""
        said: list[str] = []
        for unit, text in zip(_UNITS_MS, self._words.units, strict=True):
            count, rest = divmod(ms, unit)
            if count and not (said and unit == 1):
                said.append(text.format(count))
            elif said:
                break  # Not "3 d 5 s".
            ms = rest
            if len(said) == 2:
                break
        return " ".join(said) or self._words.units[3].format(0)
