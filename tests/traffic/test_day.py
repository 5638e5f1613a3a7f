"""The generated sale day: repeatable, shaped like a day, and within its window."""

from collections import Counter, defaultdict

import pytest

from fenliu.traffic.day import DAY_MS, HOUR_MS, SHANGHAI_MS, example_shops, sale_day
from fenliu.traffic.events import (
    AgentReply,
    BuyerMessage,
    Cancel,
    Close,
    Order,
    Presence,
    Traffic,
    Transfer,
)
from fenliu.v1 import dispatch_pb2, types_pb2

MIDNIGHT = 1_700_000_000_000 // DAY_MS * DAY_MS - SHANGHAI_MS
ONLINE = types_pb2.PRESENCE_STATUS_ONLINE
SUSPENDED = types_pb2.PRESENCE_STATUS_SUSPENDED


def day(
    seed: int = 7, buyers: int = 400, start_ms: int = MIDNIGHT, length: int = DAY_MS
) -> Traffic:
    return sale_day(
        example_shops(2), seed=seed, start_ms=start_ms, end_ms=start_ms + length, buyers=buyers
    )


def test_the_same_seed_gives_the_same_day_and_another_seed_another():
    assert day() == day()
    assert day().events != day(seed=8).events


def test_a_shops_day_does_not_depend_on_the_other_shops():
    alone = sale_day(
        example_shops(1), seed=7, start_ms=MIDNIGHT, end_ms=MIDNIGHT + DAY_MS, buyers=400
    )
    among = [event for event in day().events if event.shop_id == "shop-0001"]
    assert list(alone.events) == among


def test_events_are_in_the_order_of_time_and_inside_the_window():
    times = [event.at_ms for event in day().events]
    assert times == sorted(times)
    assert times[0] >= MIDNIGHT
    assert times[-1] < MIDNIGHT + DAY_MS


def test_even_the_slowest_agents_reply_inside_the_window():
    for window in (DAY_MS, HOUR_MS):
        for event in (traffic := day(length=window)).events:
            if isinstance(event, AgentReply):
                assert event.asked_at_ms is not None
                wait_ms = event.at_ms - event.asked_at_ms
                slowest = max(traffic.slowness_permille.values())
                assert event.asked_at_ms + wait_ms * slowest // 1000 < MIDNIGHT + window


def test_arrivals_peak_in_the_evening_and_sleep_at_night():
    hours = Counter(
        (event.at_ms - MIDNIGHT) // HOUR_MS
        for event in day().events
        if isinstance(event, BuyerMessage)
    )
    assert hours.most_common(1)[0][0] in (20, 21, 22)
    assert sum(hours[hour] for hour in range(2, 6)) < hours[21]


def test_some_buyers_come_back_with_a_later_order_status():
    statuses = defaultdict(list)
    for event in day().events:
        if isinstance(event, BuyerMessage):
            statuses[event.shop_id, event.buyer_id].append(event.order_status)
    returned = [seen for seen in statuses.values() if len(set(seen)) > 1]
    assert len(returned) > len(statuses) // 10
    assert len({seen[0] for seen in statuses.values()}) == 6


def test_agents_work_shifts_with_a_break():
    changes = defaultdict(list)
    for event in day().events:
        if isinstance(event, Presence):
            changes[event.shop_id, event.agent_id].append(event.status)
    assert len(changes) == 16
    early = changes["shop-0001", "agent-01"]
    assert early == [ONLINE, SUSPENDED, ONLINE, types_pb2.PRESENCE_STATUS_OFFLINE]
    # The night shift is at its desk when the day begins.
    assert changes["shop-0001", "agent-04"][0] in (ONLINE, SUSPENDED)


def test_somebody_is_at_the_desk_at_every_moment():
    here: dict[str, int] = {}
    events = [e for e in day().events if isinstance(e, Presence) and e.shop_id == "shop-0001"]
    for at_ms in sorted({event.at_ms for event in events}):
        here.update({e.agent_id: e.status for e in events if e.at_ms == at_ms})
        assert {ONLINE, SUSPENDED} & set(here.values())


def test_replies_wait_for_a_question_and_most_conversations_are_closed():
    kinds = Counter(type(event) for event in day().events)
    assert 0 < kinds[Close] < kinds[AgentReply] < kinds[BuyerMessage]
    for event in day().events:
        if isinstance(event, AgentReply):
            assert event.asked_at_ms is not None
            assert event.asked_at_ms < event.at_ms


def test_agents_answer_at_their_own_pace():
    slowness = day().slowness_permille
    assert len(slowness) == 16
    assert min(slowness.values()) >= 1000
    assert len(set(slowness.values())) > 8


def test_message_ids_are_unique_in_a_shop():
    ids = [(e.shop_id, e.message_id) for e in day().events if not isinstance(e, Presence)]
    assert len(ids) == len(set(ids))


def test_a_window_inside_a_day_has_only_its_hours():
    evening = day(start_ms=MIDNIGHT + 20 * HOUR_MS + 1, length=HOUR_MS // 2)
    messages = [event for event in evening.events if isinstance(event, BuyerMessage)]
    assert len({(event.shop_id, event.buyer_id) for event in messages}) == 800
    assert all(event.at_ms > MIDNIGHT + 20 * HOUR_MS for event in messages)


def test_bound_intents_occur_among_the_inquiries():
    intents = Counter(e.intent for e in day().events if isinstance(e, BuyerMessage))
    assert 0 < intents["vip"] < intents[""]


@pytest.mark.parametrize("length", [0, -1])
def test_an_empty_window_is_refused(length: int):
    with pytest.raises(ValueError, match="end_ms must be after start_ms"):
        day(length=length)


def featured(**fields: int) -> Traffic:
    settings = {"seed": 7, "start_ms": MIDNIGHT, "end_ms": MIDNIGHT + DAY_MS, "buyers": 400}
    return sale_day(example_shops(2, features=True), **{**settings, **fields}, features=True)


def test_features_add_to_the_same_arrivals():
    assert featured() == featured()

    def arrivals(traffic: Traffic) -> list[tuple[int, str, str]]:
        messages = (event for event in traffic.events if isinstance(event, BuyerMessage))
        return [(event.at_ms, event.shop_id, event.message_id) for event in messages]

    assert arrivals(featured()) == arrivals(day())
    assert (
        day().events
        == sale_day(
            example_shops(2), seed=7, start_ms=MIDNIGHT, end_ms=MIDNIGHT + DAY_MS, buyers=400
        ).events
    )


def test_with_features_buyers_order_give_up_and_ask_for_humans_and_agents_hand_them_on():
    events = featured().events
    kinds = Counter(type(event) for event in events)
    assert min(kinds[Transfer], kinds[Cancel], kinds[Order]) > 10
    assert not any(type(event) in (Transfer, Cancel, Order) for event in day().events)
    handoffs = [event for event in events if isinstance(event, BuyerMessage) and event.handoff]
    assert {event.shop_id for event in handoffs} == {"shop-0002"}  # The one with a robot.
    times = [event.at_ms for event in events]
    assert times == sorted(times) and times[-1] < MIDNIGHT + DAY_MS


def test_an_order_is_created_before_it_is_paid():
    steps = defaultdict(list)
    for event in featured().events:
        if isinstance(event, Order):
            assert event.amount_cents > 0 and event.items > 0
            steps[event.shop_id, event.order_id].append(event.type)
    created, paid = dispatch_pb2.ORDER_EVENT_TYPE_CREATED, dispatch_pb2.ORDER_EVENT_TYPE_PAID
    assert [created, paid] in steps.values()
    assert not [seen for seen in steps.values() if seen != sorted(seen)]
