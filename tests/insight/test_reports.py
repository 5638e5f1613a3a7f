"""Each KPI by its definition (docs/kpis.md): small days whose figures are worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2
from support.reporting import UNDEFINED, report, row
from support.scene import (
    DAY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    MORNING,
    OFFLINE,
    SECOND,
    SUSPENDED,
    Scene,
    group,
)

CREATED = dispatch_pb2.ORDER_EVENT_TYPE_CREATED
PAID = dispatch_pb2.ORDER_EVENT_TYPE_PAID
REFUNDED = dispatch_pb2.ORDER_EVENT_TYPE_REFUNDED


def ordered(scene: Scene, buyer: str, kind: int, order: str = "o", **fields: int) -> None:
    event = dispatch_pb2.OrderEvent(
        shop_id=scene.shop_id, buyer_id=buyer, order_id=order, type=kind, **fields
    )
    (result,) = scene.orders(event)
    assert not result.HasField("status"), result.status.message


def asks(scene: Scene, *buyers: str) -> None:
    for buyer in buyers:
        scene.route(buyer)
        scene.says(buyer)


# --- people ---------------------------------------------------------------------------------------


def test_consulted_are_received_and_filtered(scene: Scene):
    scene.opens(["a"])
    asks(scene, "b1", "b2")
    scene.route("silent")
    scene.after(MINUTE).replies("b1")
    figures = row(scene, "a")
    assert (figures["consulted"], figures["filtered"], figures["received"]) == (3, 1, 2)
    assert figures["unreplied"] == 1
    assert figures["reply_rate"] == Fraction(1, 2)


def test_a_buyer_counts_once_and_is_filtered_only_if_never_heard(scene: Scene):
    scene.opens(["a"])
    scene.closes(scene.route("b"))
    scene.after(HOUR)
    asks(scene, "b")
    figures = row(scene, "a")
    assert (figures["consulted"], figures["filtered"], figures["received"]) == (1, 0, 1)
    hours = report(scene, grain="HOUR")
    assert [hours["a", MORNING + hour * HOUR]["filtered"] for hour in (0, 1)] == [1, 0]
    assert [hours["a", MORNING + hour * HOUR]["received"] for hour in (0, 1)] == [0, 1]


def test_a_window_has_its_beginning_and_not_its_end(scene: Scene):
    scene.opens(["a"])
    asks(scene, "b")
    assert row(scene, "a", start_ms=MORNING, end_ms=MORNING + 1)["received"] == 1
    assert row(scene, "a", start_ms=MORNING - 1, end_ms=MORNING + 1)["received"] == 1
    scene.after(1)
    assert row(scene, "a", start_ms=MORNING + 1, end_ms=MORNING + 2)["received"] == 0


def test_robots_and_those_who_wait_are_not_received(scene: Scene):
    scene.opens(
        ["a"],
        online=["a"],
        robot_id="robot",
        reception_mode=shop_pb2.RECEPTION_MODE_ROBOT_FIRST,
    )
    asks(scene, "b1")
    scene.message(types_pb2.SENDER_ROBOT, "b1")
    assert row(scene, scene.shop_id, by="SHOP")["consulted"] == 0
    # What the buyer said to the robot waits for the person's answer.
    scene.after(MINUTE).route("b1", handoff=True)
    scene.after(20 * SECOND).replies("b1")
    figures = row(scene, "a")
    assert (figures["received"], figures["filtered"]) == (1, 0)
    assert figures["first_response"] == 20 * SECOND


# --- replies --------------------------------------------------------------------------------------


def test_rounds_run_from_the_first_unanswered_word_to_the_reply(scene: Scene):
    scene.opens(["a"])
    asks(scene, "b")
    scene.after(10 * SECOND).says("b")
    scene.after(20 * SECOND).replies("b")
    scene.after(SECOND).replies("b")
    scene.after(MINUTE).says("b")
    scene.after(4 * MINUTE).replies("b")
    figures = row(scene, "a")
    assert figures["first_response"] == 30 * SECOND
    assert figures["average_response"] == Fraction(30 * SECOND + 4 * MINUTE, 2)
    assert figures["prompt_rate"] == Fraction(1, 2)
    assert figures["answer_ratio"] == Fraction(3, 3)


def test_three_minutes_are_within_and_an_unanswered_round_counts_once_they_are_over(scene: Scene):
    scene.opens(["a"])
    asks(scene, "b1", "b2")
    scene.after(3 * MINUTE).replies("b1")
    assert row(scene, "a")["prompt_rate"] == 1
    scene.after(1)
    assert row(scene, "a")["prompt_rate"] == Fraction(1, 2)
    scene.replies("b2")
    assert row(scene, "a")["prompt_rate"] == Fraction(1, 2)


def test_robots_automatic_replies_and_others_do_not_reply(scene: Scene):
    scene.opens(["a", "b"], online=["a"])
    asks(scene, "buyer")
    scene.message(types_pb2.SENDER_AUTO_REPLY, "buyer", agent_id="a")
    scene.message(types_pb2.SENDER_ROBOT, "buyer")
    scene.replies("buyer", agent_id="b")
    figures = row(scene, "a")
    assert (figures["unreplied"], figures["answer_ratio"]) == (1, 0)
    assert figures["first_response"] == UNDEFINED
    assert row(scene, "b")["consulted"] == 0


def test_a_late_reply_to_a_closed_conversation_counts_where_it_was(scene: Scene):
    scene.opens(["a"])
    answer = scene.route("b")
    scene.says("b")
    scene.after(MINUTE).closes(answer)
    scene.after(DAY).replies("b", conversation_id=answer.conversation_id, agent_id="a")
    figures = row(scene, "a")
    assert (figures["unreplied"], figures["first_response"]) == (0, DAY + MINUTE)
    assert row(scene, "a", start_ms=MIDNIGHT + DAY, end_ms=MIDNIGHT + 2 * DAY)["received"] == 0


def test_a_transferred_word_is_the_receivers_to_answer(scene: Scene):
    scene.opens(["a", "b"], online=["a"])
    answer = scene.route("buyer")
    scene.says("buyer")
    scene.online("b")
    scene.after(10 * MINUTE).transfer(answer, agent_id="b")
    scene.after(15 * SECOND).replies("buyer", agent_id="b")
    giver, receiver = row(scene, "a"), row(scene, "b")
    assert (giver["received"], giver["unreplied"]) == (1, 1)
    assert giver["prompt_rate"] == UNDEFINED
    assert (receiver["received"], receiver["filtered"]) == (1, 0)
    assert (receiver["first_response"], receiver["prompt_rate"]) == (15 * SECOND, 1)
    shop = row(scene, scene.shop_id, by="SHOP")
    assert (shop["received"], shop["unreplied"], shop["prompt_rate"]) == (1, 0, 1)


def test_what_timed_out_stays_unanswered_and_goes_on_with_another(scene: Scene):
    scene.opens(["a", "b"], online=["a"], reply_timeout_ms=5 * MINUTE)
    asks(scene, "buyer")
    scene.online("b")
    scene.after(6 * MINUTE).replies("buyer", agent_id="b")
    assert row(scene, "a")["prompt_rate"] == 0
    assert row(scene, "b")["first_response"] == MINUTE


def test_a_word_left_while_waiting_counts_from_when_somebody_has_it(scene: Scene):
    scene.opens(["a"], online=[])
    scene.route("buyer")
    scene.says("buyer")
    scene.after(2 * HOUR).online("a")
    scene.after(30 * SECOND).replies("buyer")
    figures = row(scene, "a")
    assert (figures["filtered"], figures["received"]) == (0, 1)
    assert figures["first_response"] == 30 * SECOND


def test_an_exchange_that_is_over_leaves_nothing_to_answer(scene: Scene):
    scene.opens(["a"])
    asks(scene, "buyer")
    scene.after(31 * MINUTE).route("buyer")
    figures = report(scene, grain="HOUR", start_ms=MORNING)["a", MORNING]
    assert (figures["received"], figures["prompt_rate"]) == (1, 0)
    scene.after(HOUR)
    asks(scene, "other")
    scene.after(HOUR).replies("buyer", agent_id="a")
    assert row(scene, "a", start_ms=scene.now, end_ms=scene.now + 1)["filtered"] == 1


def test_slow_responses_are_buyers_kept_waiting_often(scene: Scene):
    scene.opens(["a"])

    def kept_waiting(buyer: str, times: int, ms: int) -> None:
        scene.route(buyer)
        for _ in range(times):
            scene.says(buyer)
            scene.after(ms).replies(buyer)

    kept_waiting("slow", 3, 2 * MINUTE + 1)
    kept_waiting("in-time", 3, 2 * MINUTE)
    kept_waiting("seldom", 2, 2 * MINUTE + 1)
    assert row(scene, "a")["slow_responses"] == 1
    scene.changes(slow_count=2)
    assert row(scene, "a")["slow_responses"] == 2
    # A gap is judged by the setting of its time.
    scene.changes(slow_gap_ms=10 * SECOND)
    assert row(scene, "a")["slow_responses"] == 2
    kept_waiting("new", 2, 11 * SECOND)
    assert row(scene, "a")["slow_responses"] == 3


def test_handling_leaves_out_long_silences(scene: Scene):
    scene.opens(["a"])
    scene.route("b")
    scene.after(10 * SECOND).says("b")
    scene.after(10 * MINUTE).replies("b")
    scene.after(10 * MINUTE + 1).says("b")
    scene.after(5 * SECOND).replies("b")
    asks(scene, "unreplied")
    assert row(scene, "a")["handling_time"] == 10 * MINUTE + 15 * SECOND


def test_an_agents_first_word_begins_a_reception(scene: Scene):
    scene.opens(["a"], groups=[group("z", "a", priority=1), group("y", "a", priority=2)])
    scene.replies("b", agent_id="a")
    assert row(scene, "a")["filtered"] == 1
    scene.after(MINUTE).says("b")
    scene.after(SECOND).replies("b")
    figures = row(scene, "z", by="GROUP")
    assert (figures["received"], figures["first_response"]) == (1, SECOND)
    assert row(scene, "y", by="GROUP")["consulted"] == 0


# --- time -----------------------------------------------------------------------------------------


def test_time_online_and_suspended_by_the_hour(scene: Scene):
    scene.opens(["a", "b"], online=["a"])
    scene.after(90 * MINUTE).presence("a", SUSPENDED)
    scene.after(10 * MINUTE).presence("a", OFFLINE)
    scene.after(3 * HOUR).tick()
    hours = report(scene, grain="HOUR")
    online = [hours["a", MORNING + hour * HOUR]["online_time"] for hour in range(3)]
    assert online == [HOUR, 30 * MINUTE, 0]
    assert hours["a", MORNING + HOUR]["suspended_time"] == 10 * MINUTE
    assert hours["b", MORNING]["online_time"] == 0
    assert row(scene, "a")["online_time"] == 90 * MINUTE


def test_time_that_has_not_passed_is_not_counted(scene: Scene):
    scene.opens(["a"])
    scene.after(HOUR)
    assert row(scene, "a")["online_time"] == HOUR
    assert row(scene, scene.shop_id, by="SHOP")["online_time"] == HOUR


def test_a_groups_time_is_that_of_its_members_while_they_are(scene: Scene):
    scene.opens(["a", "b"], groups=[group("x", "a"), group("y", "a", "b")])
    scene.after(HOUR).opens(["a", "b"], groups=[group("x", "a", "b")])
    scene.after(HOUR).opens(["b"], groups=[group("x", "b")])
    scene.after(HOUR)
    groups = report(scene, by="GROUP")
    assert groups["x", MIDNIGHT]["online_time"] == (1 + 2 + 1) * HOUR
    assert groups["y", MIDNIGHT]["online_time"] == 2 * HOUR
    # Who has left the shop is at no desk; who was there is told all the same.
    assert row(scene, "a")["online_time"] == 2 * HOUR
    late = report(scene, start_ms=scene.now - MINUTE, end_ms=scene.now)
    assert set(late) == {("b", scene.now - MINUTE)}


# --- sales ----------------------------------------------------------------------------------------


def test_sales_go_by_the_first_payment_less_what_is_refunded(scene: Scene):
    scene.opens(["a"])
    asks(scene, "b")
    ordered(scene, "b", CREATED, amount_cents=9_999, items=9)
    scene.after(HOUR)
    ordered(scene, "b", PAID, amount_cents=1_000, items=1)
    scene.after(DAY)
    ordered(scene, "b", PAID, amount_cents=9_000, items=2)
    ordered(scene, "b", REFUNDED, amount_cents=500, items=1)
    figures = row(scene, "a")
    assert (figures["sales_amount"], figures["sales_items"], figures["sales_buyers"]) == (
        9_500,
        3,
        1,
    )
    assert (figures["amount_per_buyer"], figures["items_per_buyer"]) == (9_500, 3)
    hours = report(scene, grain="HOUR")
    assert hours["a", MORNING + HOUR]["sales_amount"] == 9_500
    later = row(scene, "a", start_ms=MIDNIGHT + DAY, end_ms=MIDNIGHT + 2 * DAY)
    assert (later["sales_amount"], later["amount_per_buyer"]) == (0, UNDEFINED)


def test_an_order_is_credited_to_the_last_conversation_before_it(scene: Scene):
    scene.opens(["a", "b"], online=["a"], groups=[group("x", "a"), group("y", "b")])
    asks(scene, "buyer")
    scene.after(HOUR)
    ordered(scene, "buyer", CREATED)
    scene.offline("a")
    scene.online("b")
    scene.after(HOUR)
    asks(scene, "buyer")
    scene.after(SECOND)
    ordered(scene, "buyer", PAID, amount_cents=700)
    assert row(scene, "a")["sales_amount"] == 700
    assert row(scene, "x", by="GROUP")["sales_buyers"] == 1
    assert row(scene, "b")["sales_amount"] == 0
    ordered(scene, "buyer", PAID, "second", amount_cents=50)
    assert row(scene, "b")["sales_amount"] == 50


def test_an_order_after_72_hours_or_of_a_stranger_is_nobodys(scene: Scene):
    scene.opens(["a"])
    asks(scene, "b")
    ordered(scene, "stranger", PAID, amount_cents=1)
    scene.after(72 * HOUR)
    ordered(scene, "b", PAID, "in time", amount_cents=10)
    scene.after(1)
    ordered(scene, "b", PAID, "late", amount_cents=100)
    days = {"start_ms": MIDNIGHT, "end_ms": MIDNIGHT + 5 * DAY}
    assert row(scene, "a", **days)["sales_amount"] == 10
    assert row(scene, scene.shop_id, by="SHOP", **days)["sales_amount"] == 10


def test_conversions_are_known_when_they_can_no_longer_change(scene: Scene):
    scene.opens(["a"])
    ordered(scene, "had-ordered", CREATED, "old", occurred_at_ms=MORNING - DAY)
    asks(scene, "had-ordered", "same-day", "next-day", "third-day", "never")
    ordered(scene, "same-day", PAID, "1")
    names = ("presale_inquirers", "next_day_conversion", "final_conversion")

    def known() -> list[object]:
        figures = row(scene, "a")
        return [figures[name] for name in names]

    one, four = f"from {MIDNIGHT + 2 * DAY}", f"from {MIDNIGHT + 5 * DAY}"
    assert known() == [one, one, four]
    scene.after(MIDNIGHT + 2 * DAY - 1 - scene.now)
    ordered(scene, "next-day", PAID, "2")
    assert known() == [one, one, four]
    scene.after(1).tick()
    assert known() == [4, Fraction(2, 4), four]
    ordered(scene, "third-day", PAID, "3")
    scene.after(MIDNIGHT + 5 * DAY - scene.now)
    ordered(scene, "never", PAID, "4")
    assert known() == [4, Fraction(2, 4), Fraction(3, 4)]
    # Part of a day is known when its day is.
    hour = row(scene, "a", start_ms=MORNING, end_ms=MORNING + HOUR)
    assert hour["final_conversion"] == Fraction(3, 4)
    today = row(scene, "a", start_ms=scene.now, end_ms=scene.now + HOUR)
    assert today["final_conversion"] == f"from {MIDNIGHT + 10 * DAY}"


def test_an_order_reported_late_counts_when_it_was_made(scene: Scene):
    scene.opens(["a"])
    asks(scene, "b")
    ordered(scene, "b", CREATED, occurred_at_ms=MORNING - 1)
    scene.after(2 * DAY).tick()
    figures = row(scene, "a")
    assert (figures["presale_inquirers"], figures["next_day_conversion"]) == (0, UNDEFINED)


# --- what is asked for ----------------------------------------------------------------------------


def test_days_and_hours_are_those_of_shanghai_and_the_ends_may_be_parts(scene: Scene):
    scene.opens(["a"])
    scene.after(2 * DAY).tick()
    start, end = MORNING - HOUR // 2, MIDNIGHT + 2 * DAY + MINUTE
    days = report(scene, start_ms=start, end_ms=end, grain="DAY", by="SHOP")
    assert [start for _, start in days] == [start, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY]
    online = [figures["online_time"] for figures in days.values()]
    assert online == [15 * HOUR, DAY, MINUTE]
    hours = report(scene, start_ms=start, end_ms=MORNING + 90 * MINUTE, grain="HOUR", by="SHOP")
    # Before the shop came to be there is no row.
    assert [start for _, start in hours] == [MORNING, MORNING + HOUR]


def test_only_those_asked_for(scene: Scene):
    scene.opens(["a", "b", "c"])
    assert {one for one, _ in report(scene, subject_ids=["c", "a"])} == {"a", "c"}


@pytest.mark.parametrize(
    ("asked", "field", "rule"),
    [
        ({"start_ms": MORNING, "end_ms": MORNING - 1}, "window.end_ms", "the window ends before it begins"),
        ({"start_ms": MORNING, "end_ms": MORNING}, "window.end_ms", "the window is empty: its end is not included"),
        ({"start_ms": -1}, "window.start_ms", "must be within 0..9007199254740991"),
        ({"subject_ids": ["a"], "by": "SHOP"}, "subject_ids", "only with AGENT or GROUP"),
        ({"subject_ids": ["a", ""]}, "subject_ids[1]", "required"),
        ({"language": 9}, "language", "unknown value"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(scene: Scene, asked: dict, field: str, rule: str):
    scene.opens(["a"])
    with scene.refused("INVALID_FIELD", field, rule):
        report(scene, **asked)


def test_a_window_outside_of_what_there_is(scene: Scene):
    scene.opens(["a"])
    with scene.refused("INVALID_FIELD", "window.start_ms"):
        report(scene, start_ms=MORNING + 1, end_ms=MORNING + HOUR)
    with scene.refused("INVALID_FIELD", "window.end_ms"):
        report(scene, start_ms=MIDNIGHT, end_ms=MORNING)


def test_who_was_never_there(scene: Scene):
    scene.opens(["a"], groups=[group("x", "a")])
    rule = "this shop never had the agent 'x'"
    with scene.refused("AGENT_NOT_FOUND", "subject_ids[0]", rule, code="NOT_FOUND"):
        report(scene, subject_ids=["x"])
    with scene.refused("GROUP_NOT_FOUND", "subject_ids[0]", code="NOT_FOUND"):
        report(scene, subject_ids=["a"], by="GROUP")
    nowhere = Scene(scene.server, "nowhere")
    with scene.refused("SHOP_NOT_FOUND", "shop_id", code="NOT_FOUND"):
        report(nowhere)
