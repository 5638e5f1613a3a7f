"""Agents at the desk at other times than recorded: spans of presence, and the moments at which they begin and end.

Pure: knows no log and no engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fenliu.insight.whatif.recording import Span
from fenliu.v1 import insight_pb2, types_pb2

ONLINE = types_pb2.PRESENCE_STATUS_ONLINE
SUSPENDED = types_pb2.PRESENCE_STATUS_SUSPENDED
OFFLINE = types_pb2.PRESENCE_STATUS_OFFLINE


class Change(NamedTuple):
    """An agent's status from a moment on. Sorts as it happens."""

    at_ms: int
    agent_id: str
    status: types_pb2.PresenceStatus


def spans_of(shifts: insight_pb2.AgentShifts) -> list[Span]:
    """The spans that a request gives."""
    return [
        Span(window.start_ms, window.end_ms, status)
        for windows, status in ((shifts.online, ONLINE), (shifts.suspended, SUSPENDED))
        for window in windows
    ]


def changes(agent_id: str, spans: Iterable[Span], start_ms: int, end_ms: int) -> Iterator[Change]:
    """What becomes of the agent in a window: first the status at its beginning, then each other one.

    Where spans overlap the agent is SUSPENDED; outside them, OFFLINE. Behind the window it stays as it is.
    """
    spans = list(spans)
    edges = {edge for span in spans for edge in (span.start_ms, span.end_ms)}
    last: types_pb2.PresenceStatus | None = None
    for at_ms in sorted({start_ms, *(edge for edge in edges if start_ms < edge < end_ms)}):
        here = {span.status for span in spans if span.start_ms <= at_ms < span.end_ms}
        status = SUSPENDED if SUSPENDED in here else ONLINE if ONLINE in here else OFFLINE
        if status != last:
            yield Change(at_ms, agent_id, status)
        last = status
