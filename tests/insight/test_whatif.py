"""Recordings of windows: played unchanged they are what was, played changed they are what is asked."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fenliu.engine import CommandKind, load_core, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.errors import ReportRefused
from fenliu.insight.whatif import recording
from fenliu.insight.whatif.playing import play
from fenliu.insight.whatif.recording import Recording, record
from fenliu.insight.whatif.script import script
from fenliu.journal import SqliteJournal, SqliteReader
from fenliu.recovery import SnapshotWriter
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2
from model.wire import parse_entry, split_entries
from support.recorded import PARTITIONS, RecordedDay
from support.scene import DAY, HOUR, MIDNIGHT, MINUTE, MORNING, agent, group

EVENING = MORNING + 12 * HOUR


def decisions(entries: Iterator[engine_pb2.Entry], start_ms: int, end_ms: int) -> list[Any]:
    """Every decision made in a window: its time, its buyer and all that it says."""
    found = []
    for entry in entries:
        named = getattr(command_of(entry), "buyer_id", "")
        for fact in entry.facts:
            if fact.HasField("decided"):
                decided = engine_pb2.Decided.FromString(fact.decided.SerializeToString())
                decided.at_ms = decided.at_ms or entry.now_ms
                decided.buyer_id = decided.buyer_id or named
                if start_ms <= decided.at_ms < end_ms:
                    found.append(decided)
    return found


def logged(data: Path, shop_id: str) -> Iterator[engine_pb2.Entry]:
    reader = SqliteReader(data)
    for record_ in reader.read(partition_of(shop_id, reader.partitions)):
        for entry in map(parse_entry, split_entries(record_.entries)):
            if command_of(entry).shop_id == shop_id:
                yield entry


def check_unchanged(core: ModuleType, data: Path, shop_id: str, start: int, end: int) -> Recording:
    """Asserts that a window, played unchanged, is decided as it was; returns its recording."""
    loaded = load_core(core.CORE)
    recording = record(SqliteReader(data), loaded, shop_id, start, end)
    played = play(loaded, recording, script(recording), want_entries=True)
    again = map(parse_entry, split_entries(played.entries))
    was = decisions(logged(data, shop_id), start, recording.end_ms)
    assert decisions(again, start, recording.end_ms) == was
    assert {one.agent_id: one.receptions for one in played.agents} == recording.receptions
    # By documents that are those of then, it is the same.
    documents = [document for _, document in recording.documents]
    again_ = play(loaded, recording, script(recording, documents=True), documents=documents)
    assert list(again_.agents) == list(played.agents)
    return recording


def a_busy_day(core: ModuleType, data: Path) -> RecordedDay:
    """Three agents and 300 inquiries, with everything that a recording has to take care of."""
    rng = random.Random(7)

    def pace(agent_id: str, _buyer_id: str) -> tuple[int, ...]:
        first = rng.randrange(10_000, 5 * MINUTE)
        later = (first + 90_000,) if rng.randrange(2) else ()
        close = (-(first + 3 * MINUTE),) if agent_id != "c" else ()
        return (first, *later, *close)

    day = RecordedDay(core, data, pace=pace)
    shop = shop_pb2.Shop(
        shop_id="demo",
        owner_agent_id="boss",
        agents=[agent("a"), agent("b", weight=3), agent("c", cap=6), agent("boss")],
        groups=[group("g", "a", "b", "c"), group("h", "b", products=["p"])],
        settings=shop_pb2.ShopSettings(
            queue_limit=3,
            queue_timeout_ms=2 * MINUTE,
            reply_timeout_ms=4 * MINUTE,
            offline_target=shop_pb2.OFFLINE_TARGET_OWNER,
            busy_threshold=2,
        ),
    )
    day.shop(MIDNIGHT, shop)
    day.online("a", MORNING, EVENING)
    day.online("b", MORNING + HOUR, EVENING + HOUR)
    day.online("c", MORNING, EVENING - 3 * HOUR)
    for number in range(300):
        buyer = f"buyer-{rng.randrange(180):04}"
        at = MORNING - HOUR + rng.randrange(15 * HOUR)
        day.route(at, buyer, product_id="p" if number % 5 == 0 else "")
        if number % 9 == 0:
            word = dispatch_pb2.MessageEvent(
                shop_id="demo", buyer_id=buyer, sender=types_pb2.SENDER_BUYER, sent_at_ms=at + 9_000
            )
            day.give(at + 10_000, CommandKind.MESSAGE, word)
        if number % 10 == 0:
            transfer = dispatch_pb2.TransferRequest(
                shop_id="demo", conversation_id=f"c{number + 1}", group_id="g", allow_offline=True
            )
            day.give(at + 4 * HOUR, CommandKind.TRANSFER, transfer)
        if number % 30 == 0:
            cancel = dispatch_pb2.CancelInquiryRequest(shop_id="demo", buyer_id=buyer)
            day.give(at + MINUTE, CommandKind.CANCEL_INQUIRY, cancel)
        if number % 25 == 0:
            day.word(at + 2 * HOUR, buyer, "a")
            day.word(at + 40 * MINUTE, buyer, "boss")
    weights = [shop_pb2.AgentWeight(agent_id="b", weight=9)]
    changed = shop_pb2.SetWeightsRequest(shop_id="demo", weights=weights)
    day.give(MORNING + 6 * HOUR, CommandKind.SET_WEIGHTS, changed)
    shop.settings.busy_threshold = 4
    day.shop(MORNING + 7 * HOUR, shop)
    return day


def test_played_unchanged_a_window_is_decided_as_it_was(core: ModuleType, tmp_path: Path):
    day = a_busy_day(core, tmp_path)
    day.snapshot_every = 5
    day.play()
    data = day.close()
    whole = check_unchanged(core, data, "demo", MIDNIGHT - HOUR, MIDNIGHT + DAY)
    assert len(whole.events) > 700
    assert sum(event.answer for event in whole.events) > 250
    assert whole.documents[0][0] == MIDNIGHT and not whole.start
    part = check_unchanged(core, data, "demo", MORNING + 2 * HOUR + 7, EVENING + 1)
    assert part.start and part.documents[0][1].etag == "1"
    assert [document.etag for _, document in part.documents] == ["1", "2", "3"]
    assert part.returning
    check_unchanged(core, data, "demo", EVENING, EVENING + DAY)
    assert not check_unchanged(core, data, "demo", EVENING + 1, EVENING + 2).events


def test_a_shop_deleted_and_made_again_within_the_window(core: ModuleType, tmp_path: Path):
    day = RecordedDay(core, tmp_path)
    shop = shop_pb2.Shop(shop_id="demo", agents=[agent("a")], groups=[group("g", "a")])
    day.shop(MORNING, shop)
    day.online("a", MORNING)
    day.arrivals(MORNING, MORNING + HOUR, 10)
    delete = shop_pb2.DeleteShopRequest(shop_id="demo", force=True)
    day.give(MORNING + 30 * MINUTE, CommandKind.DELETE_SHOP, delete)
    day.shop(MORNING + 40 * MINUTE, shop)
    day.play()
    recording = check_unchanged(core, day.close(), "demo", MORNING, MORNING + HOUR)
    assert recording.receptions == {"a": 5}
    assert [document.etag for _, document in recording.documents] == ["1", "3"]
    assert [(one.start_ms, one.end_ms) for one in recording.presence["a"]] == [
        (MORNING, MORNING + 30 * MINUTE)
    ]


def test_contacts_from_before_are_found_in_snapshots(core: ModuleType, tmp_path: Path):
    day = RecordedDay(core, tmp_path)
    agents, everybody = [agent("a"), agent("b")], group("g", "a", "b")
    day.shop(MORNING, shop_pb2.Shop(shop_id="demo", agents=agents, groups=[everybody]))
    day.online("a", MORNING)
    day.arrivals(MORNING, MORNING + HOUR, 100)
    day.play()
    day.snapshot()
    day.online("b", MORNING + DAY)
    day.arrivals(MORNING + DAY, MORNING + DAY + HOUR, 150)
    day.play()
    day.snapshot()
    recording = check_unchanged(core, day.close(), "demo", MORNING + DAY, MORNING + DAY + HOUR)
    assert Counter(one.agent_id for one in recording.returning)["a"] == 100
    assert len(recording.contacts) == 100


def test_presence_is_known_within_the_window(core: ModuleType, tmp_path: Path):
    day = a_busy_day(core, tmp_path)
    day.play()
    start = MORNING + HOUR
    recording = record(SqliteReader(day.close()), load_core(core.CORE), "demo", start, EVENING)
    online = types_pb2.PRESENCE_STATUS_ONLINE
    assert recording.presence == {
        "a": [(start, EVENING, online)],
        "b": [(start, EVENING, online)],
        "c": [(start, EVENING - 3 * HOUR, online)],
    }


def test_an_agent_who_leaves_earlier_receives_nobody_from_then_on(core: ModuleType, tmp_path: Path):
    day = a_busy_day(core, tmp_path)
    day.play()
    loaded = load_core(core.CORE)
    recording = record(SqliteReader(day.close()), loaded, "demo", MIDNIGHT, MIDNIGHT + DAY)
    noon = MORNING + 3 * HOUR
    changed = script(recording, leaving={"a": noon})
    played = play(loaded, recording, changed, want_entries=True)
    entries = list(map(parse_entry, split_entries(played.entries)))
    to_a = [one.at_ms for one in decisions(iter(entries), 0, MIDNIGHT + DAY) if one.agent_id == "a"]
    assert to_a
    assert max(to_a) < noon
    assert played.decisions > 300


def test_arrivals_come_evenly_over_the_times_asked_for(core: ModuleType, tmp_path: Path):
    day = RecordedDay(core, tmp_path)
    shop = shop_pb2.Shop(shop_id="demo", agents=[agent("a")], groups=[group("g", "a")])
    day.shop(MIDNIGHT, shop)
    day.online("a", MORNING)
    day.arrivals(MORNING + HOUR, MORNING + HOUR + 100, 8)
    day.play()
    loaded = load_core(core.CORE)
    reader = SqliteReader(day.close())
    recording = record(reader, loaded, "demo", MORNING, EVENING, now_ms=EVENING)
    times = [(MORNING, MORNING + 20), (EVENING - 60, EVENING)]
    played = play(loaded, recording, script(recording, arriving=times), want_entries=True)
    entries = list(map(parse_entry, split_entries(played.entries)))
    came = [one.now_ms for one in entries if one.HasField("route")]
    assert came == [MORNING + 5, MORNING + 15, *(EVENING - 55 + 10 * n for n in range(6))]
    # Answers come along: 20 s after each, so only those of the first two within the window.
    answered = [one.now_ms for one in entries if one.HasField("message")]
    assert answered == [MORNING + 20_005, MORNING + 20_015]


def test_windows_of_which_nothing_can_be_said(core: ModuleType, tmp_path: Path):
    day = RecordedDay(core, tmp_path)
    shop = shop_pb2.Shop(shop_id="demo", agents=[agent("a")], groups=[group("g", "a")])
    day.shop(MORNING, shop)
    day.online("a", MORNING)
    day.arrivals(MORNING, MORNING + HOUR, 200)
    day.play()
    data, loaded = day.close(), load_core(core.CORE)

    def refused(start_ms: int, end_ms: int, shop_id: str = "demo") -> tuple[str, str]:
        with pytest.raises(ReportRefused) as caught:
            record(SqliteReader(data), loaded, shop_id, start_ms, end_ms, now_ms=EVENING)
        return caught.value.field, caught.value.rule.split(":")[0]

    assert refused(EVENING + 1, EVENING + HOUR) == ("window.start_ms", "in the future")
    assert refused(MIDNIGHT, MORNING) == (
        "window.end_ms",
        "before the shop came to be, which was at 2025-11-02 09",
    )
    assert refused(MORNING, EVENING, "other") == ("shop_id", "nothing of this shop is kept")
    # A window that ends in the future ends now.
    ends = record(SqliteReader(data), loaded, "demo", MORNING, EVENING + DAY, now_ms=EVENING)
    assert (ends.end_ms, ends.as_of_ms) == (EVENING + 1, EVENING)

    # The log's beginning is dropped.
    journal = SqliteJournal.open(data)
    writer, partition = SnapshotWriter(journal, loaded), partition_of("demo", PARTITIONS)
    head = journal.heads([partition])[partition].seq
    writer.write(partition, head - 4)
    writer.write(partition, head)
    assert writer.retain(partition, EVENING) > 0
    journal.close()
    field, rule = refused(MORNING, EVENING)
    assert (field, rule.partition(",")[0]) == ("window.start_ms", "before what is kept")


def test_reading_can_be_given_up(core: ModuleType, tmp_path: Path):
    day = a_busy_day(core, tmp_path)
    day.play()
    data = day.close()
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        record(
            SqliteReader(data),
            load_core(core.CORE),
            "demo",
            MIDNIGHT,
            MIDNIGHT + DAY,
            progress=progress,
        )
    assert len(told) == 1


def test_a_window_with_too_much_in_it_is_refused(
    core: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    day = a_busy_day(core, tmp_path)
    day.play()
    monkeypatch.setattr(recording, "MOST_EVENTS", 100)
    reader, loaded = SqliteReader(day.close()), load_core(core.CORE)
    with pytest.raises(ReportRefused) as caught:
        record(reader, loaded, "demo", MIDNIGHT, MIDNIGHT + DAY)
    assert (caught.value.field, caught.value.rule) == (
        "window.end_ms",
        "more than 100 commands lie in the window: ask for a shorter one",
    )
