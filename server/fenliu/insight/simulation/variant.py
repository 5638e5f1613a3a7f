"""What is changed of a recording before it is played: agents at other times, replies drawn anew.

Pure: knows no log and no engine.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from fenliu.engine.v1 import engine_pb2
from fenliu.insight.simulation.shifts import Change
from fenliu.insight.whatif.recording import Event, Recording
from fenliu.v1 import presence_pb2, shop_pb2

_LARGEST_DRAW = 2**31


def moved(recording: Recording, agents: Collection[str], changes: Sequence[Change]) -> Recording:
    """The recording with these agents coming and going as the changes say."""
    if not agents:
        return recording
    kept = [event for event in recording.events if event.buyer_id or event.agent_id not in agents]
    coming = [_event(recording.shop_id, change) for change in changes]
    # The event that makes the shop stays the first one.
    first = [] if recording.starts_with_document else kept[:1]
    events = first + sorted(coming + kept[len(first) :], key=lambda event: event.at_ms)
    return replace(recording, events=events)


def _event(shop_id: str, change: Change) -> Event:
    command = engine_pb2.ScriptEvent(
        set_presence=presence_pb2.SetPresenceRequest(
            shop_id=shop_id, agent_id=change.agent_id, status=change.status
        )
    )
    return Event(change.at_ms, command.SerializeToString(), agent_id=change.agent_id)


def draws(recording: Recording, seed: int, repetition: int) -> dict[int, int]:
    """A number for each reply that ends a round, by its place among the recording's events."""
    rng = random.Random(f"{seed}/{repetition}")  # noqa: S311 - a reproducible day, no secret
    return {
        place: rng.randrange(1, _LARGEST_DRAW)
        for place, event in enumerate(recording.events)
        if event.ends_round
    }


def delays(
    recording: Recording, shop: shop_pb2.Shop
) -> tuple[list[engine_pb2.AgentDelays], list[str]]:
    """How long the shop's agents take to reply, in ms: each its own, as recorded; and who has none.

    These have what the agents of the same groups have, or all if those have none either.
    """
    own = recording.delays_ms
    mates: Mapping[str, set[str]] = defaultdict(set)
    for group in shop.groups:
        for agent_id in group.agent_ids:
            mates[agent_id].update(group.agent_ids)
    agents = [agent.agent_id for agent in shop.agents]
    tables = []
    without = []
    for agent_id in agents:
        table = own.get(agent_id, ())
        if not table:
            without.append(agent_id)
            table = _joined(own, mates[agent_id]) or _joined(own, own)
        tables.append(engine_pb2.AgentDelays(agent_id=agent_id, delays_ms=sorted(table)))
    return tables, without


def _joined(own: Mapping[str, Sequence[int]], agents: Iterable[str]) -> list[int]:
    return [delay for agent_id in agents for delay in own.get(agent_id, ())]
