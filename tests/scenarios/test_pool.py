"""The offline pool: kept, paced, in order, each entry once."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from support.scene import (
    MINUTE,
    NEVER_BUSY,
    ONLINE,
    SECOND,
    SUSPENDED,
    Scene,
    agent,
    brief,
    group,
    serving,
)


def pooled(scene: Scene, *buyers: str) -> Scene:
    """These buyers ask one second after another while nobody is there."""
    for buyer in buyers:
        scene.after(SECOND)
        assert brief(scene.route(buyer)) == "POOLED OFFLINE_POOL"
    scene.news()
    return scene


def left(scene: Scene, agent_id: str = "a") -> list[str]:
    """Who has left the pool for this agent since the last look, in order."""
    news = scene.news()
    assert all(line.endswith(f": AGENT {agent_id} LEFT_POOL") for line in news), news
    return [line.partition(":")[0] for line in news]


def test_a_lone_early_shift_is_not_flooded(scene: Scene):
    scene.opens(["a"], online=[])
    pooled(scene, *(f"b{number}" for number in range(9)))
    scene.online("a")
    assert left(scene) == ["b0", "b1", "b2", "b3"]  # busy_threshold is 4.
    scene.after(MINUTE).replies("b2")
    assert left(scene) == ["b4"]
    scene.after(MINUTE).closes(scene.route("b0"))
    assert scene.news()[-1] == "b5: AGENT a LEFT_POOL"


@pytest.mark.parametrize(("threshold", "taken"), [(0, 1), (1, 1), (3, 3)])
def test_how_many_at_once_follows_busy_threshold(scene: Scene, threshold: int, taken: int):
    scene.opens(["a"], busy_threshold=threshold, online=[])
    pooled(scene, *(f"b{number}" for number in range(9)))
    scene.online("a")
    assert len(left(scene)) == taken


def test_awaiting_as_the_gateway_counts_it_paces_too(scene: Scene):
    scene.opens(["a"], online=[])
    pooled(scene, "b1", "b2", "b3")
    scene.presence("a", ONLINE, awaiting=3)
    assert left(scene) == ["b1"]
    scene.presence("a", ONLINE, awaiting=0)
    assert left(scene) == ["b2", "b3"]


def test_who_consulted_the_agent_before_goes_first_then_the_oldest(scene: Scene):
    scene.opens(["a", "b"], busy_threshold=3, online=["a"])
    scene.replies("friend", agent_id="a")
    scene.after(31 * MINUTE).offline("a")
    pooled(scene, "b1", "b2", "b3", "friend", "b4")
    scene.online("a")
    assert left(scene) == ["friend", "b1", "b2"]


def test_asking_again_keeps_the_place(scene: Scene):
    scene.opens(["a"], busy_threshold=1, online=[])
    pooled(scene, "b1", "b2")
    scene.after(MINUTE)
    assert brief(scene.route("b1")) == "POOLED STILL_WAITING"
    scene.news()
    scene.online("a")
    assert left(scene) == ["b1"]


def test_the_pool_goes_through_groups_and_weights(scene: Scene):
    scene.opens(
        ["a", "b", agent("c", weight=0)],
        [group("g1", "a", products=["p"]), group("g2", "b", "c", products=["q"])],
        busy_threshold=NEVER_BUSY,
        online=[],
    )
    for number in range(6):
        scene.route(f"b{number}", product_id="pq"[number % 2])
    scene.news()
    scene.online("c")
    assert scene.news() == []
    scene.online("b")  # p's group has nobody: its buyers spill over to b.
    assert scene.news() == [f"b{number}: AGENT b LEFT_POOL" for number in range(6)]


@pytest.mark.parametrize("way", ["unsuspend", "weight", "setting", "dedicated", "cap"])
def test_what_lets_an_agent_take_buyers_lets_the_pool_out(scene: Scene, way: str):
    scene.opens([agent("a", cap=1), agent("b", weight=0), "c"], [group("all", "a", "b", "c")],
                online=["a", "b", "c"])  # fmt: skip
    scene.presence("c", SUSPENDED)
    scene.route("first")
    assert brief(scene.route("wang")) == "POOLED NOBODY_FREE"
    scene.news()
    taker = "a"
    match way:
        case "unsuspend":
            scene.online(taker := "c")
        case "weight":
            scene.weights(**{(taker := "b"): 1})
        case "dedicated":
            scene.changes(buyer_agents=[{"buyer_id": "wang", "agent_id": (taker := "b")}])
        case "cap":
            scene.shop.agents[0].cap = 0
            scene.apply(scene.shop)
        case "setting":
            scene.changes(busy_threshold=5)
            assert scene.news() == []  # Nobody may take a new buyer because of this one.
            scene.closes(scene.route("first"))
    assert f"wang: AGENT {taker} LEFT_POOL" in scene.news()


def test_cancelling_leaves_the_pool(scene: Scene):
    scene.opens(["a"], online=[])
    pooled(scene, "wang")
    assert scene.cancel("wang")
    assert not scene.cancel("wang")
    scene.online("a")
    assert scene.news() == []


def test_an_agents_own_word_takes_a_buyer_out_of_the_pool(scene: Scene):
    scene.opens(["a"], busy_threshold=1, online=[])
    pooled(scene, "wang")
    scene.replies("wang", agent_id="a")
    assert not scene.cancel("wang")
    assert brief(scene.route("wang")) == "POOLED OFFLINE_POOL"  # That one is OFFLINE still.


def test_an_excluded_agent_does_not_get_the_buyer_out_of_the_pool(scene: Scene):
    scene.opens(["a", "b"], online=[])
    scene.route("wang", exclude_agent_ids=["a"])
    scene.news()
    scene.online("a")
    assert scene.news() == []
    scene.online("b")
    assert left(scene, "b") == ["wang"]


def test_an_agent_who_comes_back_to_a_pool_of_500_gets_each_of_them_once_and_in_order(
    scene: Scene,
):
    scene.opens(["a"], online=[])
    buyers = [f"b{number:03}" for number in range(500)]
    assert {brief(one) for one in scene.routes(buyers)} == {"POOLED OFFLINE_POOL"}
    scene.news()
    scene.after(MINUTE).online("a")
    assert left(scene) == buyers[:4]
    assert scene.agents()["a"].awaiting == 4
    scene.all_reply(buyers[:300])
    assert left(scene) == buyers[4:304]
    assert scene.agents()["a"].awaiting == 4
    scene.all_reply(buyers[300:])
    assert left(scene) == buyers[304:]
    assert scene.agents()["a"].awaiting == 0


def test_pool_and_queue_are_kept_through_a_restart(core: ModuleType, tmp_path: Path):
    with serving(core, tmp_path / "data") as server:
        scene = Scene(server).opens([agent("a", cap=1)], online=[], queue_limit=9, busy_threshold=1)
        pooled(scene, "old", "young")
        scene.online("a")
        assert left(scene) == ["old"]
        queued = scene.route("late")
        assert brief(queued) == "QUEUED QUEUED_AT_CAP"
        before = scene.state_hash()
    with serving(core, tmp_path / "data") as server:
        scene = scene.again(server)
        assert scene.state_hash() == before
        scene.news()
        assert brief(scene.route("young")) == "POOLED STILL_WAITING"
        scene.closes(scene.route("old"))
        scene.replies("late")
        scene.closes(scene.route("late"))
        told = [line for line in scene.news() if "LEFT" in line]
        assert told == ["late: AGENT a LEFT_QUEUE", "young: AGENT a LEFT_POOL"]
