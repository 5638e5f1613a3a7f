"""Weighted selection: shares follow the weights, at every moment and not only in the end."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenliu.v1 import dispatch_pb2
from model.wire import AGENT, OFFLINE, ONLINE, SUSPENDED, T0, Desk, batch_bytes, document


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    return Desk(core)


def open_shop(desk: Desk, weights: dict[str, int], **more: object) -> None:
    assert desk.apply(**document(weights, **more)).code == 0  # type: ignore[arg-type]
    for agent in weights:
        desk.set_presence(agent, ONLINE)


def pick(desk: Desk, n: int, **fields: object) -> str:
    """Who gets a new buyer, who is answered before the next one comes."""
    answer = desk.route(f"m{n}", **fields).ok
    assert answer.reason == 4
    desk.message(AGENT, conversation_id=answer.conversation_id)
    picked: str = answer.agent_id
    return picked


def unanswered_picks(desk: Desk, count: int, prefix: str = "m") -> list[str]:
    """Who gets `count` new buyers whom nobody answers."""
    picks: list[str] = []
    for start in range(0, count, 4096):
        items = [
            dispatch_pb2.RouteRequest(shop_id="s", buyer_id=f"{prefix}{n}").SerializeToString()
            for n in range(start, min(count, start + 4096))
        ]
        _, results, _, _, _, _ = desk.engine.decide_batch(4, batch_bytes(items), T0)
        answer = dispatch_pb2.RouteBatchResponse.FromString(results)
        picks += [r.response.agent_id for r in answer.results]
    return picks


def assert_prefixes_within_one(picks: list[str], weights: dict[str, int]) -> None:
    """After any number of picks everybody is less than 1 off the exact share."""
    total = sum(weights.values())
    counts = dict.fromkeys(weights, 0)
    for n, picked in enumerate(picks, 1):
        counts[picked] += 1
        for agent, weight in weights.items():
            off = abs(counts[agent] - Fraction(n * weight, total))
            assert off < 1, f"{agent} is {off} off after {n} picks"


def test_5_to_3_over_8000_new_buyers_each_answered_before_the_next(desk: Desk) -> None:
    weights = {"a": 5, "b": 3}
    open_shop(desk, weights)
    picks = []
    for start in range(0, 8000, 1000):
        picks += [pick(desk, n) for n in range(start, start + 1000)]
        for n in range(start + 1, start + 1001):
            desk.close(f"c{n}")
    assert Counter(picks) == {"a": 5000, "b": 3000}
    assert_prefixes_within_one(picks, weights)
    runs = "".join(picks)
    assert "aaaaa" not in runs


def test_the_busy_get_fewer_but_never_none(desk: Desk) -> None:
    # A reports 9 awaiting, above the threshold of 4: half the weight, one third of all.
    open_shop(desk, {"a": 5, "b": 5})
    picks = []
    for n in range(900):
        desk.update("x", "a", ONLINE, awaiting=9)
        desk.update("x", "b", ONLINE, awaiting=0)
        assert desk.presence("a").effective_weight == 2560
        assert desk.presence("b").effective_weight == 5120
        picks.append(desk.route(f"m{n}").ok.agent_id)
    assert Counter(picks) == {"a": 300, "b": 600}
    assert_prefixes_within_one(picks, {"a": 1, "b": 2})


def test_one_of_ten_interleaves_with_ten_of_one(desk: Desk) -> None:
    weights = {"big": 10, **{f"s{i}": 1 for i in range(10)}}
    open_shop(desk, weights)
    picks = [pick(desk, n) for n in range(400)]
    assert_prefixes_within_one(picks, weights)
    assert Counter(picks)["big"] == 200
    # Half of all is every other one: never twice in a row.
    assert all(pair != ("big", "big") for pair in pairwise(picks))
    for start in range(0, 400, 20):
        assert Counter(picks[start : start + 20])["big"] == 10


def test_equal_weights_take_turns_by_id_first(desk: Desk) -> None:
    open_shop(desk, {"b": 5, "c": 5, "a": 5})
    assert [pick(desk, n) for n in range(6)] == ["a", "b", "c", "a", "b", "c"]


def test_ties_go_by_bytes_of_the_id(desk: Desk) -> None:
    open_shop(desk, {"é": 5, "z": 5, "Z": 5, "\U0001f600": 5, "\uffee": 5})
    assert [pick(desk, n) for n in range(5)] == ["Z", "z", "é", "\uffee", "\U0001f600"]


def test_even_mode_takes_one_for_every_weight_above_zero(desk: Desk) -> None:
    open_shop(desk, {"a": 100, "b": 1, "c": 0}, selection_mode=2)
    assert desk.presence("a").effective_weight == 1024
    assert desk.presence("b").effective_weight == 1024
    assert desk.presence("c").effective_weight == 0
    assert Counter(pick(desk, n) for n in range(10)) == {"a": 5, "b": 5}


@pytest.mark.parametrize(
    ("weight", "threshold", "awaiting", "expected"),
    [
        (5, 4, 0, 5120),
        (5, 4, 4, 5120),
        (5, 4, 5, 5120 * 5 // 6),
        (5, 4, 9, 2560),
        (1, 0, 0, 1024),
        (1, 0, 1, 512),
        (1, 0, 1_000_000, 1),
        (100, 4, 1_000_000, 1),
        (100, 0, 50_000, 2),
        (0, 4, 50, 0),
        (100, 1_000_000, 1_000_000, 102400),
    ],
)
def test_effective_weight(
    desk: Desk, weight: int, threshold: int, awaiting: int, expected: int
) -> None:
    open_shop(desk, {"a": weight}, busy_threshold=threshold)
    desk.set_presence("a", ONLINE, awaiting=awaiting)
    assert desk.presence("a").effective_weight == expected


weight_lists = st.lists(st.integers(1, 100), min_size=1, max_size=8)


@given(weights=weight_lists, count=st.integers(1, 150))
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_constant_weights_keep_every_prefix_within_one(
    core: ModuleType, weights: list[int], count: int
) -> None:
    desk = Desk(core)
    named = {f"a{i}": w for i, w in enumerate(weights)}
    open_shop(desk, named, busy_threshold=1_000_000)
    assert_prefixes_within_one(unanswered_picks(desk, count), named)


@given(
    weights=st.lists(st.integers(1, 100), min_size=2, max_size=5),
    moves=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12)), max_size=12),
)
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_who_comes_back_catches_up_no_backlog(
    core: ModuleType, weights: list[int], moves: list[tuple[int, int]]
) -> None:
    """From any return on, an agent gets at most one more than the share, plus the turn in hand."""
    desk = Desk(core)
    named = {f"a{i}": w for i, w in enumerate(weights)}
    open_shop(desk, named, busy_threshold=1_000_000)
    online = set(named)
    since: dict[str, tuple[int, Fraction]] = dict.fromkeys(named, (0, Fraction(0)))
    number = 0
    for who, picks in moves:
        agent = f"a{who % len(weights)}"
        if agent in online and len(online) > 1:
            online.remove(agent)
            desk.set_presence(agent, OFFLINE)
        elif agent not in online:
            online.add(agent)
            desk.set_presence(agent, ONLINE)
            since[agent] = (0, Fraction(0))
        for _ in range(picks):
            number += 1
            picked = desk.route(f"m{number}").ok.agent_id
            total = sum(named[a] for a in online)
            for a in online:
                count, share = since[a]
                since[a] = (count + (a == picked), share + Fraction(named[a], total))
                assert since[a][0] - since[a][1] < len(weights)


def test_an_agent_back_from_a_long_break_gets_no_run_of_buyers(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 5})
    desk.set_presence("b", SUSPENDED)
    for n in range(50):
        assert pick(desk, n) == "a"
    desk.set_presence("b", ONLINE)
    picks = [pick(desk, n) for n in range(100, 120)]
    assert Counter(picks) == {"a": 10, "b": 10}
    assert all(len(set(three)) == 2 for three in zip(picks, picks[1:], picks[2:], strict=False))


def test_a_newcomer_starts_with_everybody_else(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 5})
    for n in range(31):
        pick(desk, n)
    weights = {"a": 5, "b": 5, "c": 5}
    desk.apply(**document(weights))
    desk.set_presence("c", ONLINE)
    picks = [pick(desk, n) for n in range(100, 130)]
    assert Counter(picks)["c"] == 10
    assert "ccc" not in "".join(picks)


def test_excluding_someone_keeps_the_turn_for_the_next_inquiry(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 5})
    assert pick(desk, 1, exclude_agent_ids=["a"]) == "b"
    assert pick(desk, 2) == "a"


def test_each_set_of_groups_has_its_own_turn(desk: Desk) -> None:
    bound = {"x": {"product_ids": ["1"]}, "y": {"product_ids": ["2"]}}
    weights = {"a": 5, "b": 5}
    both = {"x": ["a", "b"], "y": ["a", "b"]}
    desk.apply(**document(weights, both, bindings=bound))
    for agent in weights:
        desk.set_presence(agent, ONLINE)
    picks = [pick(desk, n, product_id=p) for n, p in enumerate(["1", "2", "", "1", "2", ""])]
    assert picks == ["a", "a", "a", "b", "b", "b"]
    assert [list(p.group_ids) for p in desk.state.pools] == [["x"], ["x", "y"], ["y"]]


def test_an_agent_in_two_matched_groups_counts_once(desk: Desk) -> None:
    desk.apply(**document({"a": 5, "b": 5}, {"x": ["a", "b"], "y": ["a"]}))
    for agent in ("a", "b"):
        desk.set_presence(agent, ONLINE)
    assert Counter(pick(desk, n) for n in range(10)) == {"a": 5, "b": 5}


def test_sticky_buyers_use_up_no_share(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 5})
    first = desk.route("m").ok
    assert first.agent_id == "a"
    desk.close(first.conversation_id)
    before = desk.state.pools[0]
    for _ in range(5):
        answer = desk.route("m").ok
        assert answer.agent_id == "a"
        desk.close(answer.conversation_id)
    assert desk.state.pools[0] == before
    assert pick(desk, 1) == "b"


def test_an_agent_deleted_and_named_again_is_new_to_every_pool(desk: Desk) -> None:
    open_shop(desk, {"a": 5, "b": 5})
    for n in range(4):
        pick(desk, n)
    desk.apply(**document({"a": 5}))
    assert [m.agent_id for m in desk.state.pools[0].members] == ["a"]
    desk.apply(**document({"a": 5, "b": 5}))
    assert [m.agent_id for m in desk.state.pools[0].members] == ["a"]
    assert desk.presence("b").status == OFFLINE


def test_a_pool_is_dropped_with_one_of_its_groups(desk: Desk) -> None:
    bound = {"x": {"product_ids": ["1"]}}
    weights = {"a": 5}
    desk.apply(**document(weights, {"x": ["a"], "y": ["a"]}, bindings=bound))
    desk.set_presence("a", ONLINE)
    pick(desk, 1)
    pick(desk, 2, product_id="1")
    desk.apply(**document(weights, {"x": ["a"]}, bindings=bound))
    assert [list(p.group_ids) for p in desk.state.pools] == [["x"]]
    desk.apply(**document(weights, {"x": ["a"], "y": ["a"], "z": ["a"]}, bindings=bound))
    assert [list(p.group_ids) for p in desk.state.pools] == [["x"]]


def test_the_state_of_a_pool_is_what_the_text_says(desk: Desk) -> None:
    """V and e after each of three picks, worked out by hand."""
    one = 2**64
    open_shop(desk, {"a": 5, "b": 3})
    desk.route("m1")

    def state() -> tuple[int, dict[str, tuple[int, int, bool]]]:
        [pool] = desk.state.pools
        members = {
            m.agent_id: (int.from_bytes(m.eligible_at, "big"), m.weight, m.available)
            for m in pool.members
        }
        return int.from_bytes(pool.virtual_time, "big"), members

    # a: 0 + ONE // 5120 is the least.
    v = one // 8192
    assert state() == (v, {"a": (one // 5120, 5120, True), "b": (0, 3072, True)})
    # V < a's e: only b is eligible.
    assert desk.route("m2").ok.agent_id == "b"
    v += one // 8192
    assert state() == (v, {"a": (one // 5120, 5120, True), "b": (one // 3072, 3072, True)})
    # a changes to weight 10: V is past e by now, so it moves away from V by the ratio.
    e = v - (v - one // 5120) * 5120 // 10240
    desk.set_weights({"a": 10})
    assert desk.route("m3").ok.agent_id == "a"
    e += one // 10240
    v += one // (10240 + 3072)
    assert state() == (v, {"a": (e, 10240, True), "b": (one // 3072, 3072, True)})


def test_what_happens_between_two_picks_leaves_no_trace(desk: Desk) -> None:
    twin = Desk(desk.core)
    for d in (desk, twin):
        open_shop(d, {"a": 5, "b": 3})
        d.route("m1")
    desk.set_weights({"a": 100, "b": 1})
    desk.set_presence("b", OFFLINE)
    desk.set_presence("b", ONLINE)
    desk.set_weights({"a": 5, "b": 3})
    for n in range(2, 20):
        assert desk.route(f"m{n}").ok.agent_id == twin.route(f"m{n}").ok.agent_id
    assert desk.state.pools == twin.state.pools


def members(desk: Desk) -> dict[str, tuple[int, int, bool]]:
    """(e, w, available) of the one pool's members."""
    [pool] = desk.state.pools
    return {
        m.agent_id: (int.from_bytes(m.eligible_at, "big"), m.weight, m.available)
        for m in pool.members
    }


def test_a_turn_long_kept_does_not_fall_below_zero_with_the_weight(desk: Desk) -> None:
    open_shop(desk, {"a": 100, "b": 1})
    for n in range(5):
        pick(desk, n, exclude_agent_ids=["a"])
    assert members(desk)["a"] == (0, 102400, True)
    # A hundred times as far behind V would be before the beginning.
    desk.set_weights({"a": 1})
    assert pick(desk, 5) == "a"
    assert members(desk)["a"] == (2**64 // 1024, 1024, True)


def test_who_comes_back_with_another_weight_is_reweighted_first(desk: Desk) -> None:
    open_shop(desk, {"a": 1, "b": 1})
    assert pick(desk, 1) == "a"
    desk.set_presence("a", SUSPENDED)
    v = 2**64 // 2048
    e = 2**64 // 1024
    desk.set_weights({"a": 4})
    desk.set_presence("a", ONLINE)
    # Ahead of V by e - V: at four times the weight, by a quarter of that.
    assert pick(desk, 2) == "b"
    assert members(desk)["a"] == (v + (e - v) * 1024 // 4096, 4096, True)


def test_who_comes_back_from_behind_starts_at_the_virtual_time(desk: Desk) -> None:
    open_shop(desk, {"a": 1, "b": 1})
    pick(desk, 1, exclude_agent_ids=["a"])
    desk.set_presence("a", SUSPENDED)
    pick(desk, 2)
    assert members(desk)["a"] == (0, 1024, False)
    [pool] = desk.state.pools
    v = int.from_bytes(pool.virtual_time, "big")
    desk.set_presence("a", ONLINE)
    assert pick(desk, 3) == "a"
    assert members(desk)["a"] == (v + 2**64 // 1024, 1024, True)


def test_a_busy_agent_is_reweighted_at_the_next_pick(desk: Desk) -> None:
    open_shop(desk, {"a": 1, "b": 1}, busy_threshold=0)
    desk.route("m1")
    desk.route("m2")
    # Both have one awaiting by now: half the weight; a third buyer finds both so.
    desk.route("m3")
    assert [w for _, w, _ in members(desk).values()] == [512, 512]
    for number in (1, 2, 3):
        desk.message(AGENT, conversation_id=f"c{number}")
    desk.route("m4")
    assert [w for _, w, _ in members(desk).values()] == [1024, 1024]
