"""Why did A get more than B (分流不均)? Each documented cause makes exactly the difference the rules predict.

Two agents of equal weight. Every cause stands beside the same day without it, which is even.
"""

from __future__ import annotations

import pytest

from fenliu.v1 import shop_pb2
from support.scene import HOUR, MINUTE, NEVER_BUSY, ONLINE, Scene, agent, group


class Day:
    """Counts who received whom over a scene's batches of buyers."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.received = {"a": 0, "b": 0}
        self._buyers = 0

    def come(self, count: int, **fields: str) -> None:
        """So many buyers who were never here before."""
        self._buyers += count
        numbers = range(self._buyers - count, self._buyers)
        self.ask([f"new-{number}" for number in numbers], **fields)

    def ask(self, buyers: list[str], **fields: str) -> None:
        for one in self.scene.routes(self.scene.inquiry(buyer, **fields) for buyer in buyers):
            if one.agent_id:
                self.received[one.agent_id] += 1


def result(day: Day) -> tuple[int, int]:
    return day.received["a"], day.received["b"]


@pytest.mark.parametrize(("b_leaves", "counts"), [(True, (750, 250)), (False, (500, 500))])
def test_online_time(scene: Scene, b_leaves: bool, counts: tuple[int, int]):
    day = Day(scene.opens(["a", "b"], busy_threshold=NEVER_BUSY))
    day.come(500)
    scene.after(4 * HOUR)
    if b_leaves:
        scene.offline("b")
    day.come(500)
    assert result(day) == counts


@pytest.mark.parametrize(
    ("morning", "evening", "counts"), [(300, 700, (700, 300)), (500, 500, (500, 500))]
)
def test_time_slot(scene: Scene, morning: int, evening: int, counts: tuple[int, int]):
    day = Day(scene.opens(["a", "b"], busy_threshold=NEVER_BUSY, online=["b"]))
    day.come(morning)
    scene.after(6 * HOUR).offline("b")
    scene.online("a")  # As long as b was.
    day.come(evening)
    scene.after(6 * HOUR).offline("a")
    assert result(day) == counts


@pytest.mark.parametrize(("weight_of_a", "counts"), [(15, (750, 250)), (5, (500, 500))])
def test_weight(scene: Scene, weight_of_a: int, counts: tuple[int, int]):
    agents = [agent("a", weight=weight_of_a), agent("b", weight=5)]
    day = Day(scene.opens(agents, busy_threshold=NEVER_BUSY))
    day.come(1000)
    assert result(day) == counts


@pytest.mark.parametrize(("bound_to_both", "counts"), [(False, (750, 250)), (True, (500, 500))])
def test_groups_and_bindings(scene: Scene, bound_to_both: bool, counts: tuple[int, int]):
    members = ["a", "b"] if bound_to_both else ["a"]
    groups = [group("bound", *members, products=["hot"]), group("rest", "a", "b")]
    day = Day(scene.opens(["a", "b"], groups, busy_threshold=NEVER_BUSY, online=["a", "b"]))
    for _ in range(5):
        day.come(100, product_id="hot")  # Only `bound` matches.
        day.come(100)  # All groups match.
    assert result(day) == counts


@pytest.mark.parametrize(("window", "counts"), [(None, (750, 250)), (0, (500, 500))])
def test_recent_contacts(scene: Scene, window: int | None, counts: tuple[int, int]):
    settings = {} if window is None else {"sticky_window_ms": window}
    day = Day(scene.opens(["a", "b"], busy_threshold=NEVER_BUSY, **settings))
    friends = [f"friend-{number}" for number in range(500)]
    scene.all_reply(friends, agent_id="a")
    scene.after(31 * MINUTE)
    day.ask(friends)
    day.come(500)
    assert result(day) == counts


@pytest.mark.parametrize(("proxy", "counts"), [("a", (750, 250)), ("", (250, 250))])
def test_proxy(scene: Scene, proxy: str, counts: tuple[int, int]):
    target = shop_pb2.OFFLINE_TARGET_PROXY
    settings = {"offline_target": target, "proxy_agent_id": proxy} if proxy else {}
    day = Day(scene.opens(["a", "b"], busy_threshold=NEVER_BUSY, **settings))
    day.come(500)
    scene.offline("a", "b")
    day.come(500)  # At night: left messages, or the pool.
    assert result(day) == counts


@pytest.mark.parametrize(("awaiting_of_b", "counts"), [(9, (40, 20)), (4, (30, 30))])
def test_busyness(scene: Scene, awaiting_of_b: int, counts: tuple[int, int]):
    day = Day(scene.opens(["a", "b"]))  # busy_threshold 4: at 9 awaiting half the weight counts.
    for _ in range(60):
        scene.presence("a", ONLINE, awaiting=0)
        scene.presence("b", ONLINE, awaiting=awaiting_of_b)
        day.come(1)
    assert result(day) == counts


def test_without_any_cause_shares_are_even_and_with_weights_they_follow_the_weights(scene: Scene):
    day = Day(scene.opens(["a", "b"], busy_threshold=NEVER_BUSY))
    day.come(800)
    assert result(day) == (400, 400)
    scene.weights(a=5, b=3)
    day.come(800)
    assert result(day) == (900, 700)
