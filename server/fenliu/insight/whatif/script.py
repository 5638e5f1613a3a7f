"""A recording written down for the engine's `play`, as it was or with something changed.

Changed are who was at the desk for how long, when buyers came, and, by reference, the shop's documents;
everything else the play is told (`engine.v1.Playing`). Made once for each change, played any number of times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fenliu.engine.v1 import engine_pb2
from fenliu.insight.whatif.recording import Event, Recording
from fenliu.v1 import presence_pb2, types_pb2

Times = Sequence[tuple[int, int]]
"""Spans of time (start, end not included), one after the other."""


def script(
    recording: Recording,
    *,
    documents: bool = False,
    leaving: Mapping[str, int] | None = None,
    arriving: Times | None = None,
    draws: Mapping[int, int] | None = None,
) -> bytes:
    """The script of a recording; plain, it plays the window as it was.

    `documents`: where the configuration changed, and at the start if the shop was there, the script names
    documents, by the places (from 1) of the recording's. `leaving`: from this time on these agents are
    OFFLINE and say no first words. `arriving`: inquiries come evenly over these times, in the order they
    came, and what belongs to them moves along. `draws`: by places among the recording's events, numbers by
    which agents' answers draw one of the agent's own delays.
    """
    leaving = leaving or {}
    timed: list[tuple[int, int, bytes]] = []  # (time, order, body)
    moved = _moved(recording.events, arriving) if arriving is not None else None
    for place, event in enumerate(recording.events):
        if event.agent_id in leaving and event.at_ms >= leaving[event.agent_id]:
            continue
        body = event.body
        if documents and event.document:
            body = _document(event.document)
        elif draws is not None and place in draws:
            body += b"\xc0\x01" + _varint(draws[place])
        at_ms = event.at_ms if moved is None else moved[place]
        timed.append((at_ms, place, body))
    for agent_id, at_ms in leaving.items():
        offline = engine_pb2.ScriptEvent(
            set_presence=presence_pb2.SetPresenceRequest(
                shop_id=recording.shop_id,
                agent_id=agent_id,
                status=types_pb2.PRESENCE_STATUS_OFFLINE,
            )
        )
        timed.append((max(at_ms, recording.start_ms), -1, offline.SerializeToString()))
    if documents and recording.starts_with_document:
        timed.append((recording.start_ms, -2, _document(1)))
    timed.sort()
    return b"".join(_element(at_ms, body) for at_ms, _, body in timed)


def _moved(events: Sequence[Event], arriving: Times) -> list[int]:
    """When each event comes if inquiries come evenly over these times."""
    count = sum(event.begins for event in events)
    places = iter(_evenly(arriving, count))
    shift: dict[str, int] = {}
    moved = []
    for event in events:
        if event.begins:
            at_ms = next(places, event.at_ms)
            shift[event.buyer_id] = at_ms - event.at_ms
        by_ms = shift.get(event.buyer_id, 0) if event.buyer_id else 0
        moved.append(event.at_ms + by_ms)
    return moved


def _evenly(times: Times, count: int) -> Iterable[int]:
    """`count` moments, evenly over these times: each in the middle of its share. None if there is no time."""
    length = sum(end - start for start, end in times)
    passed = 0
    spans = iter(times)
    start = end = 0
    for number in range(count if length else 0):
        at = (2 * number + 1) * length // (2 * count)
        while at >= passed + end - start:
            passed += end - start
            start, end = next(spans)
        yield start + at - passed


def _document(number: int) -> bytes:
    return b"\xc8\x01" + _varint(number)


def _element(at_ms: int, body: bytes) -> bytes:
    timed = b"\x08" + _varint(at_ms) + body
    return _varint(len(timed)) + timed


def _varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
