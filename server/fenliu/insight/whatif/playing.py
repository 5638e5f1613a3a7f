"""Plays a recording's script on an engine of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fenliu.engine import Core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.whatif.recording import Recording
from fenliu.v1 import shop_pb2


def play(
    core: Core,
    recording: Recording,
    script: bytes,
    *,
    documents: Sequence[shop_pb2.Shop] = (),
    agent_ids: Iterable[str] = (),
    without_contacts: bool = False,
    never_busy: bool = False,
    delays: Iterable[engine_pb2.AgentDelays] = (),
    want_entries: bool = False,
) -> engine_pb2.Played:
    """What comes of a script, beginning with the shop as the window found it.

    For any thread: the Rust core lets others run meanwhile. What else is asked: `engine.v1.Playing`.
    """
    engine = core.engine(recording.partitions)
    if recording.start:
        engine.load_snapshot(recording.start)
    playing = engine_pb2.Playing(
        shop_id=recording.shop_id,
        start_ms=recording.start_ms,
        end_ms=recording.end_ms,
        documents=documents,
        agent_ids=agent_ids,
        without_contacts=without_contacts,
        never_busy=never_busy,
        delays=delays,
        want_entries=want_entries,
    )
    played = engine.play(script, playing.SerializeToString())
    return engine_pb2.Played.FromString(played)
