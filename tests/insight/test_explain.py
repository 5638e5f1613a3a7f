"""ExplainDecision over a real port: what it says, what it refuses, that it stays the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fenliu.v1 import insight_pb2, shop_pb2, types_pb2
from model.cores import all_cores
from support.scene import (
    MINUTE,
    OFFLINE,
    ONLINE,
    SECOND,
    SUSPENDED,
    Scene,
    agent,
    group,
    serving,
)

CHINESE, ENGLISH = types_pb2.LANGUAGE_CHINESE, types_pb2.LANGUAGE_ENGLISH
Response = insight_pb2.ExplainDecisionResponse


def explained(scene: Scene, decision: str, **fields: Any) -> Response:
    fields = {"language": ENGLISH, "shop_id": scene.shop_id} | fields
    request = insight_pb2.ExplainDecisionRequest(decision_id=decision, **fields)
    response: Response = scene.call("InsightService/ExplainDecision", request, Response)
    return response


def why(response: Response) -> dict[str, str]:
    return {
        one.agent_id: insight_pb2.CandidateReason.Name(one.reason).removeprefix("CANDIDATE_REASON_")
        for one in response.candidates
    }


def steps(response: Response) -> list[str]:
    return [f"{step.step}: {step.text}" for step in response.steps]


def last(scene: Scene) -> str:
    """The id of the last decision."""
    return f"d{scene.decisions()[-1].fact.decision}"


# --- what it says ---------------------------------------------------------------------------------


def test_a_new_buyers_line_is_told_with_the_figures_of_then(scene: Scene):
    scene.opens(
        [agent("a", display_name="小王", weight=5), agent("b", weight=5), agent("c", weight=0)],
        [group("g", "a", "b", "c")],
    )
    scene.presence("a", ONLINE, awaiting=6)
    answer = scene.route("wang")
    scene.presence("a", OFFLINE, awaiting=0)  # What is now does not matter.
    scene.weights(b=1)
    found = explained(scene, answer.decision_id, language=CHINESE, why_not_agent_id="a")
    assert (found.decision.agent_id, found.decision.buyer_id) == ("b", "wang")
    assert found.decision.decided_at_ms == scene.now
    a, b, c = found.candidates
    assert found.why_not == a
    assert (a.status, a.weight, a.awaiting, a.effective_weight) == (ONLINE, 5, 6, 5120 * 5 // 7)
    assert [one.place for one in (a, b, c)] == [2, 1, 0]
    assert [one.chosen for one in (a, b, c)] == [False, True, False]
    assert a.text == (
        "小王（a）：在线，权重 5，待回复 6 人，超过繁忙阈值 4，按 5/7 折算，排在第 2 位；"
        "分给了排在第 1 位的b。"
    )
    assert c.text == "c：在线，权重 0，待回复 0 人；权重为 0，只接老买家和转接。"
    assert found.text == "买家 wang 是新买家，在g里按权重分流，轮到b接待。"


def test_decisions_of_one_batch_are_told_each_on_what_the_ones_before_left(scene: Scene):
    scene.opens(["a", "b"])
    answers = scene.routes([f"buyer-{number}" for number in range(6)])
    awaiting = [
        [one.awaiting for one in explained(scene, answer.decision_id).candidates]
        for answer in answers
    ]
    assert awaiting == [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [3, 2]]


def test_who_had_the_buyer_before_is_told_in_each_way(scene: Scene):
    scene.opens(["a", "b"])
    first = scene.route("wang")
    assert why(explained(scene, scene.route("wang").decision_id)) == {
        "a": "TAKEN",
        "b": "OTHER_HAS_CONVERSATION",
    }
    scene.after(MINUTE).closes(first)
    scene.presence("a", SUSPENDED)
    found = explained(scene, scene.after(2 * MINUTE).route("wang").decision_id)
    assert why(found) == {"a": "TAKEN", "b": "OTHER_IS_RECENT_CONTACT"}
    assert steps(found)[-1] == (
        "3: the buyer had consulted a 3 min ago, who is suspended: within the limit, "
        "whatever weight and cap"
    )
    found = explained(scene, scene.route("li", dedicated_agent_id="b").decision_id)
    assert why(found) == {"a": "OTHER_IS_DEDICATED", "b": "TAKEN"}


def test_a_transfer_names_who_hands_on_and_why(scene: Scene):
    scene.opens(["a", "b", "c"], [group("g", "a", "b"), group("h", "c")])
    answer = scene.route("wang", exclude_agent_ids=["b", "c"])
    answer = scene.transfer(answer, agent_id="c", reason="要退货\n急")
    found = explained(scene, answer.decision_id, language=CHINESE)
    assert why(found) == {"a": "HANDED_OVER", "b": "OTHER_IS_RECEIVER", "c": "TAKEN"}
    assert [step.text for step in found.steps] == [
        "a把会话 c1 转接出去，理由「要退货 急」",
        "转接给c：在线，可以接收转接",
    ]
    assert found.text == "买家 wang 由a转接给c。"
    answer = scene.transfer(answer, group_id="g")
    found = explained(scene, answer.decision_id)
    # Whom the inquiry once excluded a transfer may take.
    assert why(found)["c"] == "HANDED_OVER"
    assert sorted((why(found)["a"], why(found)["b"])) == ["LATER_IN_LINE", "TAKEN"]
    assert [step.step for step in found.steps] == [0, 7]


def test_a_reply_timeout_tells_from_whom_the_buyer_was_taken(scene: Scene):
    scene.opens(["a", "b", "c"], reply_timeout_ms=45 * SECOND)
    scene.offline("b", "c")
    scene.route("wang")
    scene.online("b")
    scene.after(46 * SECOND).tick()
    found = explained(scene, last(scene))
    assert found.decision.reason == types_pb2.REASON_REPLY_TIMEOUT
    assert found.decision.decided_at_ms == scene.now - SECOND
    assert why(found) == {"a": "HANDED_OVER", "b": "TAKEN", "c": "OFFLINE"}
    assert steps(found)[0] == (
        "0: a had not answered 45 s after conversation c1 began: another agent is looked for"
    )
    assert [step.step for step in found.steps] == [0, 3, 4, 5, 7]
    assert found.text == "a did not answer buyer wang in time: now b receives them."


def test_the_queue_and_the_pool_tell_how_long_the_buyer_waited(scene: Scene):
    scene.opens([agent("a", cap=1), "b"], online=["a"], queue_limit=1, busy_threshold=1)
    first = scene.route("wang")
    queued = scene.route("li", priority=3)
    pooled = scene.route("zhao")
    found = explained(scene, queued.decision_id)
    assert why(found) == {"a": "AT_CAP", "b": "OFFLINE"}
    assert steps(found)[-1] == "9: into the queue: number 1"
    found = explained(scene, pooled.decision_id)
    assert steps(found)[-2:] == [
        "9: the queue was full (at most 1)",
        "10: somebody was online but nobody could: into the pool",
    ]
    scene.after(3 * MINUTE).closes(first)
    found = explained(scene, last(scene))
    assert found.decision.reason == types_pb2.REASON_LEFT_QUEUE
    assert steps(found)[0] == (
        "0: the buyer had been in the queue for 3 min (priority 3) and it was their turn"
    )
    assert found.text == "After 3 min in the queue it was the turn of buyer li: a receives them."
    scene.after(2 * MINUTE + 5 * SECOND).online("b")
    found = explained(scene, last(scene), language=CHINESE)
    assert found.decision.reason == types_pb2.REASON_LEFT_POOL
    assert found.text == "买家 zhao 等了 5 分 5 秒，从离线消息池分给b接待。"
    assert why(found) == {"a": "AT_CAP", "b": "TAKEN"}


def test_a_message_to_somebody_who_has_gone_is_told_from_step_2_on(scene: Scene):
    scene.opens(["a", "b"], online=["a"])
    scene.route("wang")
    scene.offline("a")
    scene.online("b")
    moved = scene.says("wang").reassigned
    found = explained(scene, moved.decision_id)
    assert steps(found)[0] == "2: a of conversation c1 was offline: it ended"
    assert [step.step for step in found.steps] == [2, 3, 4, 5, 6, 7]
    assert why(found) == {"a": "OFFLINE", "b": "TAKEN"}


def test_the_robot_is_told_as_such(scene: Scene):
    mixed = shop_pb2.RECEPTION_MODE_MIXED
    scene.opens(["a"], robot_id="小茶", reception_mode=mixed, robot_percent=60)
    human, robot = scene.route("wang"), scene.route("li")
    assert steps(explained(scene, human.decision_id))[5] == (
        "6: the shop: mixed, 60% for the robot; 0 and 60 do not make 100, so a human"
    )
    found = explained(scene, robot.decision_id, language=CHINESE)
    assert found.steps[-1].text == (
        "店铺是混合模式，机器人接 60%：累计 60 加 60 满 100，轮到机器人 小茶"
    )
    assert why(found) == {"a": "ROBOT_COMES_FIRST"}
    assert (
        found.candidates[0].text
        == "a：在线，权重 5，待回复 1 人；由机器人 小茶 接待，没有比较客服。"
    )


def test_with_charge_sticky_it_is_told_who_pays(scene: Scene):
    scene.opens(
        ["a", "b", "c"],
        [group("g", "a", "b", display_name="售前", intents=["buy"]), group("h", "c")],
        charge_sticky=True,
    )
    answer = scene.route("wang", dedicated_agent_id="a", intent="buy")
    found = explained(scene, answer.decision_id, language=CHINESE)
    assert found.steps[-1].text == (
        "a是买家的专属客服，在线，不论权重与上限；这次接待记在售前（g）的分流份额上"
    )
    assert list(found.steps[-1].group_ids) == ["g"]


# --- what it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "decision", ["d2", "d0", "d01", "1", "c1", "d", "D1", "d１", "d" + "9" * 90]
)
def test_a_decision_that_was_never_made_is_not_found(scene: Scene, decision: str):
    scene.opens(["a"]).route("wang")
    with scene.refused("DECISION_NOT_FOUND", "decision_id", "never made", code="NOT_FOUND"):
        explained(scene, decision)


def test_what_is_no_request_is_refused_by_field_and_rule(scene: Scene):
    scene.opens(["a"]).route("wang")
    with scene.refused("INVALID_FIELD", "shop_id", "required"):
        explained(scene, "d1", shop_id="")
    with scene.refused("INVALID_FIELD", "decision_id", "required"):
        explained(scene, "")
    with scene.refused("INVALID_FIELD", "decision_id", "at most 128 bytes"):
        explained(scene, "d" * 129)
    with scene.refused("INVALID_FIELD", "why_not_agent_id", "no control characters"):
        explained(scene, "d1", why_not_agent_id="a\n")
    with scene.refused("INVALID_FIELD", "language", "unknown value"):
        explained(scene, "d1", language=3)
    with scene.refused("SHOP_NOT_FOUND", "shop_id", "unknown shop", code="NOT_FOUND"):
        explained(scene, "d1", shop_id="nowhere")
    rule = "unknown agent at the time of the decision"
    with scene.refused("AGENT_NOT_FOUND", "why_not_agent_id", rule, code="NOT_FOUND"):
        explained(scene, "d1", why_not_agent_id="b")


def test_agents_are_those_of_then(scene: Scene):
    scene.opens(["a", "b"], online=["a"]).route("wang")
    scene.opens(["a", "c"])
    assert set(why(explained(scene, "d1", why_not_agent_id="b"))) == {"a", "b"}
    rule = "unknown agent at the time of the decision"
    with scene.refused("AGENT_NOT_FOUND", "why_not_agent_id", rule, code="NOT_FOUND"):
        explained(scene, "d1", why_not_agent_id="c")


# --- that it stays the same -----------------------------------------------------------------------


def a_morning(scene: Scene) -> None:
    """A bit of everything."""
    scene.opens(
        [agent("a", cap=2), agent("b", hourly_limit=2), "c", "d"],
        [group("g", "a", "b", intents=["buy"]), group("h", "c")],
        queue_limit=2,
        reply_timeout_ms=MINUTE,
        busy_threshold=1,
        charge_sticky=True,
    )
    answers = scene.routes([scene.inquiry(f"buyer-{n}", intent="buy") for n in range(5)])
    scene.after(40 * SECOND).replies("buyer-0")
    scene.transfer(answers[0], group_id="h")
    scene.offline("c")
    scene.after(50 * SECOND).says("buyer-0")
    scene.routes([scene.inquiry(f"buyer-{n}") for n in range(3, 9)])
    scene.presence("c", SUSPENDED)
    scene.after(MINUTE).online("c", "d")
    scene.after(MINUTE).tick()


def all_of(scene: Scene) -> list[Response]:
    return [
        explained(scene, f"d{one.fact.decision}", language=language, why_not_agent_id="a")
        for one in scene.decisions()
        for language in (CHINESE, ENGLISH)
    ]


def test_the_text_is_the_same_after_a_restart_and_on_every_core(tmp_path: Path):
    told: list[list[Response]] = []
    for core in all_cores():
        data = tmp_path / core.CORE
        with serving(core, data) as server:
            scene = Scene(server, "demo")
            a_morning(scene)
            told.append(all_of(scene))
        with serving(core, data) as server:
            again = scene.again(server)
            told.append(all_of(again))
            again.route("one more")
            assert all_of(again)[: len(told[0])] == told[0]
    assert len(told[0]) > 30
    assert all(one == told[0] for one in told)


def test_asking_changes_nothing(scene: Scene):
    a_morning(scene)
    before, entries = scene.state_hash(), scene.entries()
    all_of(scene)
    assert (scene.state_hash(), scene.entries()) == (before, entries)
