"""The log and the state: applying, deciding again, snapshots, hashes, partitions."""

from __future__ import annotations

import hashlib
from types import ModuleType
from typing import Any

import google_crc32c
import pytest

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2
from model.wire import (
    AGENT,
    BUYER,
    DAY,
    HOUR,
    MINUTE,
    OFFLINE,
    ONLINE,
    SUSPENDED,
    T0,
    Desk,
    batch_bytes,
    document,
    parse_entry,
    split_entries,
)


def busy_day(core: ModuleType, shop: str = "s") -> Desk:
    """A desk that has been through every kind of command."""
    desk = Desk(core, shop=shop)
    shop = document(
        {"a": 5, "b": 3, "c": 0},
        caps={"b": 2},
        hourly={"a": 3},
        managers=["b"],
        queue_limit=2,
        reply_timeout_ms=10 * MINUTE,
        robot_id="robot",
        reception_mode=3,
        robot_percent=10,
        charge_sticky=True,
    )
    desk.apply(actor="boss", owner_agent_id="boss", **shop)
    desk.update("x", "a", ONLINE)
    desk.update("y", "b", ONLINE, awaiting=3)
    for n in range(8):
        desk.route(f"m{n}", T0 + n, request_id=f"r{n}" if n % 2 else "")
    desk.message(AGENT, T0 + 10, conversation_id="c1", event_id="e1", sent_at_ms=1)
    desk.message(BUYER, T0 + 11, buyer_id="m2", event_id="e2")
    desk.message(AGENT, T0 + 12, buyer_id="new", agent_id="c")
    desk.close("c2", T0 + 13, request_id="close")
    desk.set_weights({"a": 9, "c": 1}, T0 + 14, actor="b")
    desk.transfer("c3", T0 + 14, agent_id="b", reason="换货", request_id="hand on")
    desk.route("w1", T0 + 14, priority=2, product_id="p", exclude_agent_ids=["c"])
    desk.route("w2", T0 + 14, exclude_agent_ids=["c"])
    desk.cancel("w1", T0 + 14, request_id="cancel")
    desk.order("m0", T0 + 14, event_id="o1")
    desk.set_presence("c", SUSPENDED, T0 + 15, actor="boss")
    desk.route("m0", T0 + MINUTE, exclude_agent_ids=["a"])
    desk.tick_shop(T0 + 30 * MINUTE + 2)
    desk.expire("x", T0 + HOUR)
    desk.expire("y", T0 + HOUR)
    desk.route("late", T0 + HOUR)
    return desk


def test_applying_the_log_gives_the_same_state(core: ModuleType) -> None:
    desk = busy_day(core)
    follower = core.Engine(desk.partitions)
    entries = b"".join(desk.log)
    assert follower.apply(entries) == (len(desk.log), len(entries), b"")
    assert follower.snapshot("s") == desk.engine.snapshot("s")
    assert follower.state_hash() == desk.engine.state_hash()
    assert follower.next_due() == desk.engine.next_due()
    assert follower.sessions() == desk.engine.sessions()


def test_a_follower_goes_on_as_the_first_would(core: ModuleType) -> None:
    desk = busy_day(core)
    follower = core.Engine(desk.partitions)
    follower.apply(b"".join(desk.log))
    desk.update("x", "a", ONLINE)
    follower.apply(desk.log[-1])
    body = b"\x0a\x01s\x12\x01q\x1a\x01r"
    for now in (T0 + HOUR, T0 + HOUR + 5):
        assert follower.decide(4, body, now) == desk.engine.decide(4, body, now)


def test_deciding_an_entry_again_gives_the_same_entry_and_reply(core: ModuleType) -> None:
    first = busy_day(core)
    replies: dict[bytes, bytes] = {}
    judge = core.Engine(first.partitions)
    desk = Desk(core)
    for entry in first.log:
        parsed = parse_entry(entry)
        name = parsed.WhichOneof("command")
        assert name is not None
        command = getattr(parsed, name)
        replies[entry] = desk.do(name, command, parsed.now_ms, parsed.actor).reply
    assert desk.log == first.log
    for entry in first.log:
        parsed = parse_entry(entry)
        code, reply, partition, again = judge.redecide(entry)
        assert (code, reply, again) == (0, replies[entry], entry)
        assert partition == core.partition_of("s", first.partitions)
    assert judge.state_hash() == first.engine.state_hash()


def test_a_snapshot_holds_the_whole_state(core: ModuleType) -> None:
    desk = busy_day(core)
    fresh = core.Engine(desk.partitions)
    fresh.load_snapshot(desk.engine.snapshot("s"))
    assert fresh.snapshot("s") == desk.engine.snapshot("s")
    assert fresh.state_hash() == desk.engine.state_hash()
    assert fresh.next_due() == desk.engine.next_due()
    assert fresh.shop_ids() == ["s"]
    body = b"\x0a\x01s\x12\x02m1\x1a\x02r1"
    for now in (T0 + HOUR, T0 + DAY + 2):
        assert fresh.decide(4, body, now) == desk.engine.decide(4, body, now)


def test_loading_a_snapshot_replaces_the_shop(core: ModuleType) -> None:
    desk = busy_day(core)
    snapshot = desk.engine.snapshot("s")
    desk.update("x", "a", ONLINE, T0 + 2 * HOUR)
    desk.route("q", T0 + 2 * HOUR)
    desk.engine.load_snapshot(snapshot)
    assert desk.engine.snapshot("s") == snapshot
    assert desk.engine.sessions() == []
    fresh = core.Engine(desk.partitions)
    fresh.load_snapshot(snapshot)
    assert desk.engine.next_due() == fresh.next_due()
    assert desk.engine.state_hash() == fresh.state_hash()


def test_a_snapshot_lists_what_exists_at_the_last_entrys_time(core: ModuleType) -> None:
    desk = Desk(core)
    desk.apply(**document(["a"], sticky_window_ms=1000, sticky_suspended_window_ms=2000))
    desk.set_presence("a", ONLINE)
    desk.route("m", request_id="r")
    desk.message(BUYER, conversation_id="c1", event_id="e")
    desk.set_presence("a", OFFLINE, T0 + 2000)
    assert len(desk.state.contacts) == 1
    desk.set_presence("a", ONLINE, T0 + 2001)
    assert len(desk.state.contacts) == 0
    desk.set_presence("a", OFFLINE, T0 + DAY)
    assert (len(desk.state.requests), len(desk.state.events)) == (1, 1)
    desk.set_presence("a", ONLINE, T0 + DAY + 1)
    assert (len(desk.state.requests), len(desk.state.events)) == (0, 0)


def test_entries_are_applied_from_where_one_says_and_of_the_shop_one_names(
    core: ModuleType,
) -> None:
    desk, other = busy_day(core), busy_day(core, "t")
    both = [entry for pair in zip(desk.log, other.log, strict=True) for entry in pair]
    entries, start = b"".join(both), len(both[0]) + len(both[1])
    follower = core.Engine(desk.partitions)
    assert follower.apply(entries[:start]) == (2, start, b"")
    assert follower.apply(entries, start) == (len(both) - 2, len(entries), b"")
    assert follower.snapshot("s") == desk.engine.snapshot("s")
    assert follower.snapshot("t") == other.engine.snapshot("t")
    one = core.Engine(desk.partitions)
    assert one.apply(entries, 0, "t") == (len(both), len(entries), b"")
    assert one.shop_ids() == ["t"]
    assert one.snapshot("t") == other.engine.snapshot("t")


def test_bad_bytes_are_no_snapshot_and_no_entries(core: ModuleType) -> None:
    desk = busy_day(core)
    before = desk.engine.state_hash()
    for bad in (b"\x0f", b"\x12\x05ab"):
        with pytest.raises(ValueError, match=r".+"):
            desk.engine.load_snapshot(bad)
        with pytest.raises(ValueError, match=r".+"):
            desk.engine.apply(bad)
    with pytest.raises(ValueError, match=r".+"):
        desk.engine.redecide(b"\x05ab")
    assert desk.engine.state_hash() == before


def test_entries_before_a_bad_one_are_applied(core: ModuleType) -> None:
    desk = busy_day(core)
    for tail in (b"\x05ab", b"\x02\x0a\x05", desk.log[3][:-1]):
        follower = core.Engine(16)
        with pytest.raises(ValueError, match=r".+"):
            follower.apply(b"".join(desk.log[:3]) + tail)
        expected = core.Engine(16)
        expected.apply(b"".join(desk.log[:3]))
        assert follower.state_hash() == expected.state_hash()


def test_applying_nothing_is_nothing(core: ModuleType) -> None:
    engine = core.Engine(16)
    assert engine.apply(b"") == (0, 0, b"")
    assert engine.shop_ids() == []


def test_an_unknown_shop_has_no_snapshot(core: ModuleType) -> None:
    with pytest.raises(KeyError):
        core.Engine(4).snapshot("s")


def test_the_state_hash_is_over_the_snapshots_by_shop_id(core: ModuleType) -> None:
    desk = busy_day(core)
    for desk.shop in ("店", "b"):
        desk.apply(**document(["a"]))
    whole = hashlib.sha256()
    for shop_id in ("b", "s", "店"):
        whole.update(hashlib.sha256(desk.engine.snapshot(shop_id)).digest())
    assert desk.engine.state_hash() == whole.digest()
    assert core.Engine(1).state_hash() == hashlib.sha256().digest()


def test_the_number_of_partitions_is_no_part_of_the_state(core: ModuleType) -> None:
    desk = busy_day(core)
    other = core.Engine(1)
    other.apply(b"".join(desk.log))
    assert other.state_hash() == desk.engine.state_hash()


def test_a_shops_partition_is_the_crc32c_of_its_id(core: ModuleType) -> None:
    assert core.partition_of("123456789", 65536) == 0xE3069283 % 65536
    for shop_id in ("s", "店", "", "x" * 128):
        for partitions in (1, 2, 64, 65536):
            expected = google_crc32c.value(shop_id.encode()) % partitions
            assert core.partition_of(shop_id, partitions) == expected
    desk = busy_day(core)
    assert desk.route("z").partition == core.partition_of("s", desk.partitions)


def test_a_partition_moves_with_all_its_shops(core: ModuleType) -> None:
    there, here = Desk(core), Desk(core)
    shops = [f"shop{n}" for n in range(20)]
    for there.shop in shops:
        there.apply(**document(["a"]))
        there.update("x", "a", ONLINE)
        there.route("m")
    partition = core.partition_of("shop3", 16)
    moved = [s for s in shops if core.partition_of(s, 16) == partition]
    moved.sort(key=str.encode)
    here.shop = moved[0]
    here.apply(display_name="stale")
    here.shop = next(s for s in shops if s not in moved)
    here.apply(display_name="not moved")
    snapshots = {s: there.engine.snapshot(s) for s in moved}
    here.engine.take_partition(there.engine, partition)
    assert here.engine.shop_ids() == sorted([*moved, here.shop], key=str.encode)
    assert {s: here.engine.snapshot(s) for s in moved} == snapshots
    assert there.engine.shop_ids() == sorted(set(shops) - set(moved), key=str.encode)
    assert here.engine.sessions() == [("x", s) for s in moved]
    assert here.engine.next_due() == T0 + 30 * MINUTE
    assert here.engine.tick(T0 + 30 * MINUTE)[0][:2] == (partition, len(moved))
    assert {s for _, s in there.engine.sessions()} == set(shops) - set(moved)
    entries = there.engine.tick(T0 + 30 * MINUTE)
    assert sum(count for _, count, _ in entries) == 20 - len(moved)


def test_taking_an_empty_partition_drops_what_was_there(core: ModuleType) -> None:
    desk = busy_day(core)
    desk.engine.take_partition(core.Engine(16), core.partition_of("s", 16))
    assert desk.engine.shop_ids() == []
    assert desk.engine.next_due() is None
    assert desk.engine.sessions() == []


def test_engines_with_other_partitions_give_and_take_nothing(core: ModuleType) -> None:
    desk = busy_day(core)
    with pytest.raises(ValueError, match=r".+"):
        desk.engine.take_partition(core.Engine(8), 0)
    assert desk.engine.shop_ids() == ["s"]


def test_a_tick_covers_every_shop_by_partition_then_id(core: ModuleType) -> None:
    desk = Desk(core, partitions=4)
    shops = [f"shop{n}" for n in range(9)]
    for n, desk.shop in enumerate(shops):
        desk.apply(**document(["a"]))
        desk.set_presence("a", ONLINE)
        desk.route("m", T0 + n)
    assert desk.engine.next_due() == T0 + 30 * MINUTE
    assert desk.engine.tick(T0 + 30 * MINUTE - 1) == []
    now = T0 + 30 * MINUTE + 6
    entries = desk.engine.tick(now)
    ticked = []
    for partition, count, data in entries:
        follower = core.Engine(4)
        with pytest.raises(ValueError, match=r".+"):
            follower.apply(data[:-1])
        parts = [parse_entry(e) for e in split_entries(data)]
        assert len(parts) == count
        for entry in parts:
            assert entry.now_ms == now
            assert core.partition_of(entry.tick.shop_id, 4) == partition
        names = [e.tick.shop_id for e in parts]
        assert names == sorted(names)
        ticked += names
    assert sorted(ticked) == shops[:7]
    assert [p for p, _, _ in entries] == sorted({p for p, _, _ in entries})
    assert desk.engine.next_due() == T0 + 30 * MINUTE + 7
    assert desk.engine.tick(now) == []


def followed_up(desk: Desk, entries: list[tuple[int, int, bytes]], before: bytes) -> list[int]:
    """The times of ticks' entries, which a judge makes again."""
    judge, times = desk.core.Engine(desk.partitions), []
    judge.load_snapshot(before)
    for _, count, data in entries:
        parts = split_entries(data)
        assert len(parts) == count
        for raw, entry in zip(parts, map(parse_entry, parts), strict=True):
            assert entry.HasField("tick")
            assert judge.redecide(raw)[3] == raw
            times.append(entry.now_ms)
    assert judge.snapshot(desk.shop) == desk.engine.snapshot(desk.shop)
    return times


def much_due(core: ModuleType) -> Desk:
    """Conversations that fall idle: two at T0, then one a minute, some of them kept up later."""
    desk = Desk(core)
    desk.apply(**document(["a", "b", "c"]))
    for agent in "abc":
        desk.set_presence(agent, ONLINE)
    desk.route("m", T0)
    for minute in range(12):
        desk.route(f"m{minute}", T0 + minute * MINUTE)
    for minute in (3, 7):
        desk.message(BUYER, T0 + 20 * MINUTE, buyer_id=f"m{minute}")
    return desk


def inquiry(buyer: str, shop: str = "s") -> bytes:
    return dispatch_pb2.RouteRequest(shop_id=shop, buyer_id=buyer).SerializeToString()


def test_much_that_is_due_is_applied_in_parts_to_the_same_end(core: ModuleType) -> None:
    now, body = T0 + 3 * HOUR, inquiry("n")
    at_once = much_due(core)
    wanted = at_once.engine.decide(4, body, now)
    for most in (1, 2, 5, 12):
        desk, times = much_due(core), []
        before = desk.engine.snapshot("s")
        while (answer := desk.engine.decide(4, body, now, "", most))[0] == -2:
            assert answer[1:] == (b"s", wanted[2], b"")
            assert desk.engine.snapshot("s") == before, "nothing has happened"
            entries = desk.engine.tick(now, most, "s")
            times += followed_up(desk, entries, before)
            before = desk.engine.snapshot("s")
        assert answer[:3] == wanted[:3]
        assert desk.engine.snapshot("s") == at_once.engine.snapshot("s")
        assert times == sorted(set(times))
        ends, due = [], [0, 0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 20, 20]
        while len(due) > most:
            ends.append(due[most])
            due = [minute for minute in due if minute > ends[-1]]
        assert times == [T0 + (30 + minute) * MINUTE for minute in ends]
        facts = parse_entry(split_entries(answer[3])[0]).facts
        assert 0 < len(facts) <= most + 1, "the rest, and the decision"


def test_a_batch_stops_before_much_that_is_due(core: ModuleType) -> None:
    desk, now = much_due(core), T0 + 3 * HOUR
    desk.shop = "t"
    desk.apply(**document(["a"]))
    batch = batch_bytes([inquiry("n", "t"), inquiry("n", "s"), inquiry("o", "t")], 7)
    code, _, total, batch_id, entries, decided = desk.engine.decide_batch(4, batch, now, 0, 9, 3)
    assert (code, total, batch_id, decided) == (0, 3, 7, 1)
    assert [count for _, count, _ in entries] == [1]
    assert desk.engine.decide_batch(4, batch, now, 1, 9, 3) == (-2, b"s", 3, 7, [], 0)
    assert desk.engine.decide_batch(4, batch, now, 1, 9)[5] == 2


def test_ticks_take_the_earliest_first_and_end_when_they_have_done_much(core: ModuleType) -> None:
    desk = Desk(core, partitions=4)
    shops = [f"shop{n}" for n in range(6)]
    for n, desk.shop in enumerate(shops):
        desk.apply(**document(["a"]))
        desk.set_presence("a", ONLINE)
        for buyer in "klmn":
            desk.route(buyer, T0 + 10 - n)
    now, ticked = T0 + HOUR, []
    while entries := desk.engine.tick(now, 6):
        parts = [parse_entry(e) for _, _, data in entries for e in split_entries(data)]
        ticked.append({entry.tick.shop_id for entry in parts})
        assert [e.tick.shop_id for e in desk_order(core, parts)] == [e.tick.shop_id for e in parts]
        due = desk.engine.next_due()
        assert due is None or due > T0 + 30 * MINUTE
    assert ticked == [{"shop5", "shop4"}, {"shop3", "shop2"}, {"shop1", "shop0"}]
    assert desk.engine.next_due() is None


def desk_order(core: ModuleType, parts: list[Any]) -> list[Any]:
    """By partition, then shop."""
    return sorted(
        parts, key=lambda e: (core.partition_of(e.tick.shop_id, 4), e.tick.shop_id.encode())
    )


def test_effects_of_one_time_are_not_parted(core: ModuleType) -> None:
    desk = Desk(core)
    desk.apply(**document(["a"]))
    desk.set_presence("a", ONLINE)
    for buyer in "klmno":
        desk.route(buyer, T0)
    at_ms = T0 + 30 * MINUTE
    assert desk.engine.decide(4, inquiry("n"), at_ms, "", 2)[0] == 0
    desk.apply(at_ms, **document(["a"], idle_close_ms=5 * HOUR))
    for buyer in "pqrst":
        desk.route(buyer, at_ms + 1)
    # A shortened setting has made them due in the past: at one time, that of the shop's last entry.
    desk.apply(at_ms + HOUR, **document(["a"], idle_close_ms=MINUTE))
    assert desk.engine.decide(4, inquiry("n"), at_ms + HOUR, "", 2)[0] == 0
    assert len(desk.state.conversations) == 1


def test_the_module_says_which_core_it_is(core: ModuleType) -> None:
    assert core.CORE in ("rust", "python")
    assert core.__name__.endswith({"rust": "_core", "python": "pure"}[core.CORE])
    assert core.RULES_VERSION >= 1
    assert (
        engine_pb2.ShopSnapshot.FromString(busy_day(core).engine.snapshot("s")).rules_version
        == core.RULES_VERSION
    )
