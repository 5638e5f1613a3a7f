"""Weighted selection: exact shares, even mode, busy agents, and charging returning buyers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fenliu.v1 import shop_pb2
from support.scene import MINUTE, NEVER_BUSY, ONLINE, SUSPENDED, Scene, agent, brief, group

EVEN = shop_pb2.SELECTION_MODE_EVEN
WEIGHTED = shop_pb2.SELECTION_MODE_WEIGHTED


def new_buyers(scene: Scene, count: int, prefix: str = "n") -> list[str]:
    """Who got each of `count` new buyers."""
    return [one.agent_id for one in scene.routes(f"{prefix}{number}" for number in range(count))]


def test_shares_follow_the_weights_with_every_prefix_less_than_one_off(scene: Scene):
    weights = {"a": 5, "b": 3, "c": 1, "d": 100, "e": 0}
    scene.opens([agent(one, weight=w) for one, w in weights.items()], busy_threshold=NEVER_BUSY)
    told = new_buyers(scene, 1090)
    for one, weight in weights.items():
        assert told.count(one) == 10 * weight
        share = Fraction(weight, 109)
        counted = 0
        for number, taker in enumerate(told, start=1):
            counted += taker == one
            assert abs(counted - number * share) < 1


def test_the_default_weight_is_5(scene: Scene):
    scene.opens([agent("a"), agent("b", weight=10)], busy_threshold=NEVER_BUSY)
    assert new_buyers(scene, 90).count("a") == 30


@pytest.mark.parametrize("mode", [None, WEIGHTED])
def test_weighted_is_the_default(scene: Scene, mode: shop_pb2.SelectionMode | None):
    scene.opens([agent("a", weight=3), agent("b", weight=1)], selection_mode=mode,
                busy_threshold=NEVER_BUSY)  # fmt: skip
    assert new_buyers(scene, 40).count("a") == 30


def test_even_mode_takes_all_with_a_weight_alike(scene: Scene):
    scene.opens(
        [agent("a", weight=100), agent("b", weight=1), agent("c", weight=0)],
        selection_mode=EVEN,
        busy_threshold=NEVER_BUSY,
    )
    told = new_buyers(scene, 40)
    assert (told.count("a"), told.count("b"), told.count("c")) == (20, 20, 0)


def test_weight_0_receives_only_returning_buyers_and_transfers(scene: Scene):
    scene.opens([agent("a", weight=0), "b"])
    assert set(new_buyers(scene, 20)) == {"b"}
    scene.replies("friend", agent_id="a")
    scene.after(31 * MINUTE)
    assert brief(scene.route("friend")) == "AGENT a RECENT_CONTACT"
    assert brief(scene.transfer(scene.route("n0"), agent_id="a")) == "AGENT a TRANSFER"


def test_a_new_weight_counts_from_the_next_buyer_on(scene: Scene):
    scene.opens(["a", "b"], busy_threshold=NEVER_BUSY)
    assert new_buyers(scene, 40).count("a") == 20
    scene.weights(a=15)
    assert new_buyers(scene, 40, "m").count("a") == 30


def test_nobody_who_comes_back_catches_up_what_was_missed(scene: Scene):
    scene.opens(["a", "b"], busy_threshold=NEVER_BUSY)
    scene.presence("a", SUSPENDED)
    assert set(new_buyers(scene, 30)) == {"b"}
    scene.online("a")
    assert new_buyers(scene, 30, "m").count("a") == 15


def test_the_busy_get_fewer_never_none(scene: Scene):
    scene.opens(["a", "b"], busy_threshold=4)
    told = []
    for number in range(99):
        scene.presence("a", ONLINE, awaiting=9)  # Half the weight.
        scene.presence("b", ONLINE, awaiting=4)
        told.append(scene.route(f"n{number}").agent_id)
    assert told.count("a") == 33


def test_each_set_of_groups_has_shares_of_its_own(scene: Scene):
    scene.opens(
        ["a", "b"],
        [group("g1", "a", "b", products=["p"]), group("g2", "a", "b", products=["q"])],
        busy_threshold=NEVER_BUSY,
        online=["a", "b"],
    )
    told = [scene.route(f"n{n}", product_id="pq"[n % 2]).agent_id for n in range(20)]
    assert told == ["a", "a", "b", "b"] * 5


def returning_and_new(scene: Scene) -> dict[str, int]:
    """Total receptions when 60 buyers of a's come back, a new buyer after each."""
    scene.all_reply((f"r{number}" for number in range(60)), agent_id="a")
    scene.after(31 * MINUTE)
    inquiries = [f"{kind}{number}" for number in range(60) for kind in "rn"]
    told = [one.agent_id for one in scene.routes(inquiries)]
    return {one: told.count(one) for one in "ab"}


def test_returning_buyers_do_not_use_up_a_share_by_default(scene: Scene):
    scene.opens(["a", "b"], busy_threshold=NEVER_BUSY)
    assert returning_and_new(scene) == {"a": 60 + 30, "b": 30}


def test_charge_sticky_makes_total_receptions_follow_the_weights(scene: Scene):
    scene.opens(["a", "b"], busy_threshold=NEVER_BUSY, charge_sticky=True)
    assert returning_and_new(scene) == {"a": 60, "b": 60}


def test_charge_sticky_counts_dedicated_buyers_too(scene: Scene):
    scene.opens([agent("a", weight=2), agent("b", weight=1)], busy_threshold=NEVER_BUSY,
                charge_sticky=True)  # fmt: skip
    inquiries = []
    for number in range(30):
        inquiries.append(scene.inquiry(f"d{number}", dedicated_agent_id="a"))
        inquiries += [scene.inquiry(f"n{number}"), scene.inquiry(f"m{number}")]
    told = [one.agent_id for one in scene.routes(inquiries)]
    assert (told.count("a"), told.count("b")) == (60, 30)
