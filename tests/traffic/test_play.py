"""Playing traffic on a real server."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import pytest

from fenliu.app import App
from fenliu.client import FenliuClient, FenliuError
from fenliu.config import ServerConfig
from fenliu.traffic.day import HOUR_MS, example_shops, sale_day
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
from fenliu.traffic.player import play
from fenliu.traffic.shares import expected_by_weight, receptions
from fenliu.v1 import dispatch_pb2, operator_pb2, shop_pb2, types_pb2

TRACE, WALL = operator_pb2.CLOCK_TRACE, operator_pb2.CLOCK_WALL
START = 1_700_000_000_000
ONLINE = types_pb2.PRESENCE_STATUS_ONLINE


def shop(*agent_ids: str, shop_id: str = "s") -> shop_pb2.Shop:
    return shop_pb2.Shop(
        shop_id=shop_id,
        agents=[shop_pb2.Agent(agent_id=agent_id) for agent_id in agent_ids],
        groups=[shop_pb2.Group(group_id="g", agent_ids=agent_ids)],
    )


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[FenliuClient]:
    config = ServerConfig(listen="127.0.0.1:0", data=tmp_path / "data", clock="trace", grace_ms=200)
    app = App(config)
    try:
        async with FenliuClient(await app.start()) as client:
            yield client
    finally:
        await app.stop()


async def test_questions_are_routed_and_replies_go_to_whoever_has_the_buyer(client: FenliuClient):
    events = (
        Presence(START, "s", "a", ONLINE),
        BuyerMessage(START + 1000, "s", "b1", "m1"),
        AgentReply(START + 2000, "s", "b1", "m2"),
        AgentReply(START + 2000, "s", "stranger", "m3"),
        BuyerMessage(START + 3000, "s", "b2", "m4"),
    )
    report = await play(client, Traffic((shop("a"),), events), TRACE)
    assert [decision.response.agent_id for decision in report.decisions] == ["a", "a"]
    assert report.replies_without_conversation == 1
    assert report.failures == []
    (agent,) = await client.list_presence("s", now_ms=START + 3000)
    assert (agent.open_conversations, agent.awaiting) == (2, 1)


async def test_playing_again_repeats_the_answers_and_changes_nothing(client: FenliuClient):
    traffic = sale_day(
        example_shops(2), seed=3, start_ms=START, end_ms=START + 3 * HOUR_MS, buyers=25
    )
    first = await play(client, traffic, TRACE)
    state = (await client.get_state_hash()).state_hash
    quiet = [event for event in traffic.events if not isinstance(event, Presence)]
    again = await play(client, Traffic((), tuple(quiet), traffic.slowness_permille), TRACE)
    assert (await client.get_state_hash()).state_hash == state

    def answers(decisions):
        return sorted((d.shop_id, d.request_id, d.response.decision_id) for d in decisions)

    assert answers(again.decisions) == answers(first.decisions)
    assert len(first.decisions) > 50
    assert first.failures == again.failures == []


async def test_a_buyer_who_waits_is_answered_by_whoever_gets_them(client: FenliuClient):
    events = (
        BuyerMessage(START, "s", "b1", "m1"),
        AgentReply(START + 20_000, "s", "b1", "m2"),
        Presence(START + 400_000, "s", "a", ONLINE),
        BuyerMessage(START + 900_000, "s", "b2", "m3"),
    )
    report = await play(client, Traffic((shop("a"),), events), TRACE)
    assert report.replies_without_conversation == 0
    assert report.failures == []
    (agent,) = await client.list_presence("s", now_ms=START + 900_000)
    assert (agent.open_conversations, agent.awaiting) == (2, 1)


async def test_a_buyer_whom_nobody_ever_gets_is_not_answered(client: FenliuClient):
    events = (
        BuyerMessage(START, "s", "b1", "m1"),
        AgentReply(START + 20_000, "s", "b1", "m2"),
        BuyerMessage(START + 900_000, "s", "b2", "m3"),
    )
    steps = []
    report = await play(
        client, Traffic((shop("a"),), events), TRACE, on_event=lambda: steps.append(1)
    )
    assert (report.replies_without_conversation, report.failures) == (1, [])
    assert len(steps) == len(events)


async def test_the_robot_answers_whom_it_has_until_a_human_takes_over(client: FenliuClient):
    document = shop("a")
    document.settings.robot_id = "robo"
    document.settings.reception_mode = shop_pb2.RECEPTION_MODE_ROBOT_FIRST
    events = (
        Presence(START, "s", "a", ONLINE),
        BuyerMessage(START + 1000, "s", "b1", "m1"),
        AgentReply(START + 2000, "s", "b1", "m2"),
        BuyerMessage(START + 3000, "s", "b1", "m3", handoff=True),
        AgentReply(START + 4000, "s", "b1", "m4"),
    )
    report = await play(client, Traffic((document,), events), TRACE)
    assert report.failures == []
    received = receptions(report.decisions)["s"]
    assert {name: len(one.buyers) for name, one in received.items()} == {"a": 1, "robo": 1}
    (agent,) = await client.list_presence("s", now_ms=START + 4000)
    assert (agent.open_conversations, agent.awaiting) == (1, 0)


async def test_transfers_cancels_and_orders_are_sent(client: FenliuClient):
    document = shop("a", "b")
    document.settings.queue_limit = 5
    document.agents[0].cap = 1
    document.groups[0].agent_ids.remove("b")
    document.groups.add(group_id="h", agent_ids=["b"])
    events = (
        Presence(START, "s", "a", ONLINE),
        BuyerMessage(START + 1000, "s", "b1", "m1"),
        BuyerMessage(START + 2000, "s", "b2", "m2"),
        Cancel(START + 3000, "s", "b2", "m3"),
        Cancel(START + 3000, "s", "b1", "m4"),  # Does not wait: nothing to give up.
        Presence(START + 4000, "s", "b", ONLINE),
        Transfer(START + 5000, "s", "b1", "m5", "h"),
        AgentReply(START + 6000, "s", "b1", "m6"),
        Order(START + 7000, "s", "b1", "m7", "o1", dispatch_pb2.ORDER_EVENT_TYPE_PAID, 100, 1),
    )
    acks = io.StringIO()
    report = await play(client, Traffic((document,), events), TRACE, acks=acks)
    assert report.failures == []
    assert (report.transfers, report.cancelled, report.orders) == (1, 1, 1)
    reasons = [types_pb2.Reason.Name(one.response.reason) for one in report.decisions]
    assert reasons == ["REASON_WEIGHTED", "REASON_QUEUED_AT_CAP", "REASON_TRANSFER"]
    agents = {one.agent_id: one for one in await client.list_presence("s", now_ms=START + 8000)}
    assert (agents["a"].open_conversations, agents["b"].open_conversations) == (0, 1)
    assert agents["b"].awaiting == 0
    kinds = [json.loads(line)["kind"] for line in acks.getvalue().splitlines()]
    assert kinds.count("transfer") == kinds.count("cancel") == kinds.count("order") == 1


async def test_a_day_with_features_is_played_without_refusals(client: FenliuClient):
    shops = example_shops(2, features=True)
    traffic = sale_day(
        shops, seed=3, start_ms=START, end_ms=START + 6 * HOUR_MS, buyers=60, features=True
    )
    report = await play(client, traffic, TRACE)
    assert report.failures == []
    assert report.transfers and report.orders
    outcomes = {decision.response.outcome for decision in report.decisions}
    assert types_pb2.OUTCOME_ROBOT in outcomes


async def test_slow_agents_reply_later(client: FenliuClient):
    events = (
        Presence(START, "s", "a", ONLINE),
        BuyerMessage(START + 1000, "s", "b1", "m1"),
        AgentReply(START + 11_000, "s", "b1", "m2", asked_at_ms=START + 1000),
        BuyerMessage(START + 25_000, "s", "b2", "m3"),
    )
    acks = io.StringIO()
    traffic = Traffic((shop("a"),), events, {("s", "a"): 3000})
    await play(client, traffic, TRACE, acks=acks)
    order = [json.loads(line) for line in acks.getvalue().splitlines()]
    # Ten seconds become thirty: after the second buyer's message.
    assert [one["id"] for one in order] == ["m1", "m1", "m3", "m3", "m2"]


async def test_acknowledged_answers_are_written_as_json_lines(client: FenliuClient):
    events = (
        Presence(START, "s", "a", ONLINE),
        BuyerMessage(START + 1000, "s", "b1", "m1"),
        Close(START + 2000, "s", "b1", "m2"),
    )
    acks = io.StringIO()
    report = await play(client, Traffic((shop("a"),), events), TRACE, acks=acks)
    routed, _, closed = [json.loads(line) for line in acks.getvalue().splitlines()]
    assert (routed["kind"], routed["shop_id"], routed["id"]) == ("route", "s", "m1")
    assert routed["response"]["agent_id"] == "a"
    assert routed["response"]["decision_id"] == report.decisions[0].response.decision_id
    assert (closed["kind"], closed["id"]) == ("close", "m2")


async def test_a_refused_event_is_kept_and_the_rest_goes_on(client: FenliuClient):
    events = (
        BuyerMessage(START, "s", "b" * 200, "m1"),
        BuyerMessage(START + 1, "s", "b", "m2"),
    )
    report = await play(client, Traffic((shop("a"),), events), TRACE)
    (failure,) = report.failures
    assert (failure.message_id, failure.error.field) == ("m1", "buyer_id")
    assert [decision.request_id for decision in report.decisions] == ["m2"]


async def test_a_refused_shop_ends_the_play_with_the_refusal(client: FenliuClient):
    broken = shop("a")
    broken.groups[0].agent_ids.append("nobody")
    with pytest.raises(FenliuError) as caught:
        await play(client, Traffic((broken, shop("a", shop_id="t")), ()), TRACE)
    assert caught.value.field == "shop.groups[0].agent_ids[1]"


async def test_speed_keeps_the_distances_on_a_wall_clock(tmp_path: Path):
    app = App(ServerConfig(listen="127.0.0.1:0", data=tmp_path / "data", grace_ms=200))
    events = (
        Presence(START, "s", "a", ONLINE),
        BuyerMessage(START + 1000, "s", "b1", "m1"),
        AgentReply(START + 60_000, "s", "b1", "m2"),
    )
    try:
        async with FenliuClient(await app.start()) as client:
            traffic = Traffic((shop("a"),), events)
            report = await play(client, traffic, WALL, speed=1000)
            (agent,) = await client.list_presence("s")
    finally:
        await app.stop()
    assert [decision.response.agent_id for decision in report.decisions] == ["a"]
    assert agent.awaiting == 0


async def test_a_wall_clock_without_a_speed_is_refused():
    async with FenliuClient("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match="needs a speed"):
            await play(client, Traffic((), ()), WALL)


async def test_receptions_count_buyers_and_reasons_and_weights_tell_what_was_due(
    client: FenliuClient,
):
    document = shop("a", "b")
    document.agents[0].weight = 1
    document.agents[1].weight = 3
    events = (
        Presence(START, "s", "a", ONLINE),
        Presence(START, "s", "b", ONLINE),
        *(BuyerMessage(START + n, "s", f"b{n}", f"m{n}") for n in range(1, 5)),
        BuyerMessage(START + 5, "s", "b1", "m5"),
        Presence(START + 6, "s", "b", types_pb2.PRESENCE_STATUS_SUSPENDED),
        BuyerMessage(START + 7, "s", "b7", "m7"),
    )
    traffic = Traffic((document,), events)
    report = await play(client, traffic, TRACE)
    agents = receptions(report.decisions)["s"]
    assert {name: len(one.buyers) for name, one in agents.items()} == {"a": 2, "b": 3}
    assert {name: one.new_buyers for name, one in agents.items()} == {"a": 2, "b": 3}
    assert sum(one.reasons[types_pb2.REASON_OPEN_CONVERSATION] for one in agents.values()) == 1
    expected = expected_by_weight(document, report.decisions, traffic.events)
    assert expected == {"a": Fraction(2), "b": Fraction(3)}
