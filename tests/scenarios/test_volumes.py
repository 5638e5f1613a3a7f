"""Caps and reception volumes: who may take a new buyer, and when that begins again."""

from __future__ import annotations

from support.scene import DAY, HOUR, MIDNIGHT, MINUTE, MORNING, Scene, agent, brief, group


def test_an_agent_at_the_cap_takes_no_new_buyers_until_a_conversation_closes(scene: Scene):
    scene.opens([agent("a", cap=2), agent("b", weight=0)])
    first, second, third = (scene.route(f"b{number}") for number in range(3))
    assert [brief(first), brief(second)] == ["AGENT a WEIGHTED"] * 2
    assert brief(third) == "POOLED NOBODY_FREE"
    scene.closes(first)
    assert brief(scene.route("b2")) == "AGENT a OPEN_CONVERSATION"
    assert brief(scene.route("b3")) == "POOLED NOBODY_FREE"


def test_without_a_cap_there_is_none(scene: Scene):
    scene.opens(["a"])
    assert {brief(one) for one in scene.routes(f"b{n}" for n in range(200))} == {"AGENT a WEIGHTED"}


def test_returning_buyers_fill_the_cap_too(scene: Scene):
    scene.opens([agent("a", cap=1)])
    scene.replies("wang", agent_id="a")
    assert brief(scene.route("li")) == "POOLED NOBODY_FREE"


def test_daily_limit_counts_new_buyers_until_midnight_in_shanghai(scene: Scene):
    scene.opens([agent("a", daily_limit=2)])
    told = [brief(scene.route(f"b{number}")) for number in range(3)]
    assert told == ["AGENT a WEIGHTED", "AGENT a WEIGHTED", "POOLED NOBODY_FREE"]
    assert (scene.agents()["a"].received_today, scene.agents()["a"].received_this_hour) == (2, 2)
    scene.news()
    scene.now = MIDNIGHT + DAY - 1
    scene.tick()
    assert scene.news() == []
    scene.after(5 * HOUR).tick()
    assert scene.news() == ["b2: AGENT a LEFT_POOL"]
    assert scene.decisions()[-1].at_ms == MIDNIGHT + DAY  # Whenever it is looked at.
    assert scene.agents()["a"].received_today == 1


def test_hourly_limit_counts_new_buyers_until_the_next_full_hour(scene: Scene):
    scene.opens([agent("a", hourly_limit=1)], queue_limit=9, queue_timeout_ms=0)
    scene.after(20 * MINUTE)
    assert brief(scene.route("wang")) == "AGENT a WEIGHTED"
    assert brief(scene.route("li")) == "QUEUED QUEUED_AT_CAP"
    scene.news()
    scene.now = MORNING + HOUR - 1
    scene.tick()
    assert scene.news() == []
    scene.after(20 * MINUTE).tick()
    assert scene.news() == ["li: AGENT a LEFT_QUEUE"]
    assert scene.decisions()[-1].at_ms == MORNING + HOUR


def test_at_both_limits_the_later_one_holds(scene: Scene):
    scene.opens([agent("a", hourly_limit=1, daily_limit=1)])
    scene.route("wang")
    assert brief(scene.route("li")) == "POOLED NOBODY_FREE"
    scene.news()
    scene.now = MIDNIGHT + DAY + MINUTE
    scene.tick()
    assert scene.decisions()[-1].at_ms == MIDNIGHT + DAY
    assert scene.news() == ["li: AGENT a LEFT_POOL"]


def test_only_new_buyers_count_against_the_volume(scene: Scene):
    scene.opens(
        ["b", agent("a", daily_limit=1)],
        [group("all", "a", "b"), group("vip", "a", products=["p"])],
        charge_sticky=True,
        online=["a", "b"],
    )
    scene.replies("returning", agent_id="a")
    scene.after(31 * MINUTE)
    assert brief(scene.route("returning")) == "AGENT a RECENT_CONTACT"
    assert brief(scene.route("member", dedicated_agent_id="a")) == "AGENT a DEDICATED"
    handed = scene.route("handed", dedicated_agent_id="b")
    assert brief(scene.transfer(handed, group_id="vip")) == "AGENT a TRANSFER"
    assert scene.agents()["a"].received_today == 0
    assert brief(scene.route("new", product_id="p")) == "AGENT a WEIGHTED"
    assert scene.agents()["a"].received_today == 1
    assert brief(scene.route("more", product_id="p")) == "AGENT b SPILLED"


def test_received_this_hour_and_today_begin_again(scene: Scene):
    scene.opens(["a"])
    scene.routes(["b1", "b2"])
    scene.after(HOUR)
    scene.route("b3")
    agent_ = scene.agents()["a"]
    assert (agent_.received_today, agent_.received_this_hour) == (3, 1)
    scene.now = MIDNIGHT + DAY
    scene.route("b4")
    agent_ = scene.agents()["a"]
    assert (agent_.received_today, agent_.received_this_hour) == (1, 1)


def test_raising_a_limit_lets_waiting_buyers_in_at_once(scene: Scene):
    scene.opens([agent("a", daily_limit=1)])
    scene.routes(["wang", "li"])
    scene.news()
    scene.shop.agents[0].daily_limit = 2
    scene.apply(scene.shop)
    assert scene.news() == ["li: AGENT a LEFT_POOL"]
