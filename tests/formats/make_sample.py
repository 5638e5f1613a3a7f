"""Makes a small data directory and writes down beside it what is in it. Run by hand, once for each format:

    .venv/bin/python tests/formats/make_sample.py tests/formats/vN

A sample is kept as the version that introduced its format made it; the tests open copies of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from fenliu.dispatch import Dispatcher, TraceClock
from fenliu.engine import CommandKind, Core, load_core, partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import SqliteJournal
from fenliu.recovery import replay
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

NOW = 1_700_000_000_000
MINUTE = 60_000
PARTITIONS = 5


def shops() -> list[shop_pb2.Shop]:
    """One with a queue, one with a robot, one plain."""
    queue = shop_pb2.Shop(
        shop_id="queue",
        owner_agent_id="boss",
        settings=shop_pb2.ShopSettings(queue_limit=20, reply_timeout_ms=5 * MINUTE),
        agents=[
            shop_pb2.Agent(agent_id="a", weight=5, cap=2),
            shop_pb2.Agent(agent_id="b", weight=3, cap=3, hourly_limit=9),
        ],
        groups=[shop_pb2.Group(group_id="g", agent_ids=["a", "b"])],
    )
    robot = shop_pb2.Shop(
        shop_id="机器人店",
        settings=shop_pb2.ShopSettings(
            robot_id="robot",
            reception_mode=shop_pb2.RECEPTION_MODE_MIXED,
            robot_percent=40,
        ),
        agents=[shop_pb2.Agent(agent_id=agent) for agent in "abc"],
        groups=[
            shop_pb2.Group(
                group_id="presale",
                agent_ids=["a", "b"],
                bindings=shop_pb2.Bindings(product_ids=["p"]),
            ),
            shop_pb2.Group(group_id="aftersale", agent_ids=["b", "c"], priority=1),
        ],
    )
    plain = shop_pb2.Shop(
        shop_id="plain",
        owner_agent_id="boss",
        agents=[shop_pb2.Agent(agent_id=agent, weight=9) for agent in "abcd"],
        groups=[shop_pb2.Group(group_id="all", agent_ids=list("abcd"))],
    )
    return [queue, robot, plain]


async def play(dispatcher: Dispatcher, journal: SqliteJournal) -> None:
    """Fifty minutes: inquiries, replies, transfers, orders, a queue, a weight, an agent who leaves;
    snapshots on the way."""

    async def do(kind: CommandKind, request, at: int) -> bytes:
        answer = await dispatcher.command(
            kind, request.SerializeToString(), now_ms=at, actor="boss"
        )
        assert answer.code == 0, answer
        return answer.body

    for shop in shops():
        await do(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop), NOW)
        for agent in shop.agents:
            update = presence_pb2.PresenceUpdate(
                update_id=agent.agent_id,
                shop_id=shop.shop_id,
                agent_id=agent.agent_id,
                status=types_pb2.PRESENCE_STATUS_ONLINE,
            )
            session = engine_pb2.UpdatePresence(session_id=f"s-{shop.shop_id}", update=update)
            await do(CommandKind.UPDATE_PRESENCE, session, NOW)
    for minute in range(50):
        at = NOW + minute * MINUTE
        for number, shop in enumerate(shops()):
            await minute_of(do, shop.shop_id, minute, at + number)
        if minute in (20, 40):
            for partition in journal.heads():
                await dispatcher.snapshot(partition)
    weights = shop_pb2.SetWeightsRequest(
        shop_id="plain", weights=[shop_pb2.AgentWeight(agent_id="a", weight=2)]
    )
    await do(CommandKind.SET_WEIGHTS, weights, at)
    gone = presence_pb2.SetPresenceRequest(
        shop_id="queue", agent_id="a", status=types_pb2.PRESENCE_STATUS_OFFLINE
    )
    await do(CommandKind.SET_PRESENCE, gone, at)
    await do(CommandKind.ROUTE, dispatch_pb2.RouteRequest(shop_id="plain", buyer_id="last"), at)
    batch = dispatch_pb2.RouteBatchRequest()
    for number in range(100):  # together in one record, a large one
        batch.requests.add(shop_id="plain", buyer_id=f"b{number}", request_id=f"batch-{number}")
    answer = await dispatcher.batch(CommandKind.ROUTE, batch.SerializeToString(), now_ms=at)
    assert answer.code == 0, answer
    await dispatcher.snapshot(partition_of("plain", PARTITIONS))  # with a large chunk
    await do(
        CommandKind.ROUTE, dispatch_pb2.RouteRequest(shop_id="plain", buyer_id="very last"), at
    )


async def minute_of(do, shop_id: str, minute: int, at: int) -> None:
    buyer = f"买家{minute % 17}"
    inquiry = dispatch_pb2.RouteRequest(
        shop_id=shop_id,
        buyer_id=buyer,
        request_id=f"r{minute}",
        product_id="p" if minute % 3 else "",
        priority=minute % 4,
    )
    body = await do(CommandKind.ROUTE, inquiry, at)
    decided = dispatch_pb2.RouteResponse.FromString(body)
    conversation = decided.conversation_id
    if not conversation:
        return
    answering = (
        types_pb2.SENDER_ROBOT
        if decided.outcome == types_pb2.OUTCOME_ROBOT
        else types_pb2.SENDER_AGENT
    )
    event = dispatch_pb2.MessageEvent(
        shop_id=shop_id,
        conversation_id=conversation,
        sender=answering if minute % 4 else types_pb2.SENDER_BUYER,
        sent_at_ms=at + 20_000,
        event_id=f"e{minute}",
    )
    await do(CommandKind.MESSAGE, event, at + 20_000)
    if minute % 5 == 0:
        order = dispatch_pb2.OrderEvent(
            shop_id=shop_id,
            buyer_id=buyer,
            order_id=f"o{minute}",
            type=dispatch_pb2.ORDER_EVENT_TYPE_PAID,
            amount_cents=9900,
            items=2,
            event_id=f"o{minute}",
        )
        await do(CommandKind.ORDER, order, at + 30_000)
    if minute % 7 == 6:
        close = dispatch_pb2.CloseConversationRequest(shop_id=shop_id, conversation_id=conversation)
        await do(CommandKind.CLOSE_CONVERSATION, close, at + 40_000)


async def make(directory: Path, core: Core) -> None:
    journal = SqliteJournal.open(directory, partitions=PARTITIONS)
    dispatcher = Dispatcher(core, journal, TraceClock())
    await dispatcher.start()
    await play(dispatcher, journal)
    digest, shops = await dispatcher.state_hash()
    await dispatcher.close()
    _, replayed = replay(journal, core)
    journal.close()
    (directory / "fenliu.lock").unlink()
    held = {
        "state_hash": digest.hex(),
        "shops": shops,
        "records": replayed.records,
        "entries": replayed.entries,
    }
    (directory / "sample.json").write_text(json.dumps(held, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1]), load_core()))
