"""Where in a shop's log a moment is, and what the shop was then."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf import proto

from fenliu.engine import load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.places import Place, at_end, entries_from, first_at, shop_at
from fenliu.recovery import SnapshotWriter, head_of, snapshots, supply
from support.logs import NOW, PARTITIONS, Log

OURS, OTHER = "shop-ours", "shop-other"


@pytest.fixture(params=[False, True], ids=["without snapshots", "with snapshots"])
def log(
    request: pytest.FixtureRequest,
    core: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Log]:
    """Two shops of one partition; some records have entries of both."""
    log = Log(core, tmp_path / "data")
    log.opens(OTHER)
    log.opens(OURS)
    for number in range(20):
        with log.together():
            log.route(OTHER, f"x{number}")
            log.route(OURS, f"y{number}")
            log.route(OURS, f"z{number}")
        log.route(OTHER, f"b{number}")
    if request.param:
        monkeypatch.setattr(snapshots, "HISTORY_BYTES", 0)  # all are kept
        writer = SnapshotWriter(log.journal, load_core(core.CORE))
        for seq in range(5, log.seq, 7):
            writer.write(0, seq)
    yield log
    log.journal.close()


def prefixed(entry: engine_pb2.Entry) -> bytes:
    buffer = BytesIO()
    proto.serialize_length_prefixed(entry, buffer)
    return buffer.getvalue()


def test_a_moment_is_before_the_first_entry_of_then(log: Log, core: ModuleType):
    loaded = load_core(core.CORE)
    everything = list(entries_from(log.journal, loaded, OURS, Place(1)))
    times = [entry.now_ms for entry in everything]
    assert len(times) == 3 + 40 and times == sorted(times)
    for before, at in pairwise([NOW, *times]):
        for moment in (before + 1, at):
            place = first_at(log.journal, loaded, OURS, moment)
            after = [entry.now_ms for entry in entries_from(log.journal, loaded, OURS, place)]
            assert after == [time for time in times if time >= moment]


def test_the_shop_is_as_it_was_just_before(log: Log, core: ModuleType):
    loaded = load_core(core.CORE)
    everything = list(entries_from(log.journal, loaded, OURS, Place(1)))
    for number in (0, 1, 3, 10, 11, len(everything) - 1):
        place = first_at(log.journal, loaded, OURS, everything[number].now_ms)
        manifest, chunks = shop_at(log.journal, loaded, OURS, place)
        head = head_of(log.journal, manifest, chunks)
        if number == 0:
            assert head is None
            continue
        assert head is not None
        assert head.last_now_ms == everything[number - 1].now_ms
        engine = core.Engine(PARTITIONS)
        engine.load_manifest(manifest)
        for chunk_id, content in chunks.items():
            engine.put_chunk(chunk_id, content)
        logged = prefixed(everything[number])
        code, reply, _, entry = engine.redecide(logged)
        while code == -1:
            supply(log.journal, engine, reply)
            code, reply, _, entry = engine.redecide(logged)
        assert (code, entry) == (0, logged)


def test_behind_the_last_entry_is_the_end(log: Log, core: ModuleType):
    loaded = load_core(core.CORE)
    end = at_end(log.journal, OURS)
    assert end == Place(log.seq + 1)
    assert first_at(log.journal, loaded, OURS, log.now + 1) == end
    assert first_at(log.journal, loaded, "nowhere", 0) == end
    assert not list(entries_from(log.journal, loaded, OURS, end))
