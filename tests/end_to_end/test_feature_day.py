"""A generated sale day with every feature on, in five shops: both cores and the naive model agree."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from end_to_end.days import Log, log_of
from end_to_end.judge import judge
from end_to_end.processes import Serving, fenliu
from fenliu.client import FenliuClient
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import SqliteReader
from fenliu.traffic.day import DAY_MS, HOUR_MS, MINUTE_MS, example_shops, sale_day
from fenliu.traffic.player import PlayReport, play
from fenliu.v1 import operator_pb2, shop_pb2, types_pb2
from model.cores import all_cores, both_cores

pytestmark = pytest.mark.slow

START_MS = 1_762_790_400_000  # 2025-11-11 00:00 in Shanghai


def feature_shops() -> list[shop_pb2.Shop]:
    """Between them these shops use every setting that can change a decision."""
    queue, robot, sticky, night, plain = shops = example_shops(5)
    for shop in shops[:3] + shops[4:]:
        for group in shop.groups:  # At night nobody takes part.
            kept = [agent for agent in group.agent_ids if agent not in {"agent-04", "agent-08"}]
            group.agent_ids[:] = kept

    queue.settings.queue_limit = 6
    queue.settings.queue_timeout_ms = 4 * MINUTE_MS
    queue.settings.reply_timeout_ms = 45_000
    queue.settings.busy_threshold = 2
    for number, agent in enumerate(queue.agents):
        agent.cap = 2
        agent.hourly_limit = 4 if number % 2 else 0
        agent.daily_limit = 40 if number % 3 == 0 else 0
    queue.groups[0].when_unavailable = shop_pb2.UNAVAILABLE_POLICY_QUEUE

    robot.settings.robot_id = "robot"
    robot.settings.reception_scope = shop_pb2.RECEPTION_SCOPE_GROUP
    robot.settings.idle_close_ms = 12 * MINUTE_MS
    robot.groups[0].reception_mode = shop_pb2.RECEPTION_MODE_MIXED
    robot.groups[0].robot_percent = 35
    robot.groups[1].reception_mode = shop_pb2.RECEPTION_MODE_HUMAN_FIRST
    robot.groups[1].when_unavailable = shop_pb2.UNAVAILABLE_POLICY_ROBOT
    for agent in robot.agents:
        agent.cap = 1

    sticky.settings.charge_sticky = True
    sticky.settings.selection_mode = shop_pb2.SELECTION_MODE_EVEN
    sticky.settings.sticky_window_ms = 5 * HOUR_MS
    sticky.settings.offline_target = shop_pb2.OFFLINE_TARGET_PROXY
    sticky.settings.proxy_agent_id = "proxy"
    sticky.settings.binding_precedence.extend(
        [shop_pb2.BINDING_DIMENSION_INTENT, shop_pb2.BINDING_DIMENSION_ORDER_STATUS]
    )
    sticky.groups[1].when_unavailable = shop_pb2.UNAVAILABLE_POLICY_OFFLINE
    sticky.settings.buyer_agents.extend(
        shop_pb2.BuyerAgent(buyer_id=f"buyer-{number:05}", agent_id=sticky.agents[0].agent_id)
        for number in range(0, 400, 7)
    )

    night.settings.robot_id = "robot"
    night.settings.reception_mode = shop_pb2.RECEPTION_MODE_ROBOT_FIRST
    night.settings.reply_timeout_ms = 30_000
    night.settings.max_hops = 1

    plain.settings.offline_target = shop_pb2.OFFLINE_TARGET_OWNER
    plain.settings.busy_threshold = 1
    for agent in plain.agents:
        agent.cap = 2
    return shops


def played(core: str, data: Path) -> tuple[PlayReport, str]:
    async def through(address: str) -> PlayReport:
        traffic = sale_day(
            feature_shops(),
            seed=1111,
            start_ms=START_MS,
            end_ms=START_MS + DAY_MS,
            buyers=220,
            features=True,
        )
        async with FenliuClient(address) as client:
            return await play(client, traffic, operator_pb2.CLOCK_TRACE)

    options = ("--listen", "127.0.0.1:0", "--clock", "trace", "--core", core, "--data", data)
    with Serving("serve", *options) as server:
        report = asyncio.run(through(server.address))
        state_hash = fenliu("state-hash", "--target", server.address).strip()
        assert server.terminate() == 0
    return report, state_hash


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[PlayReport, str, Path]]:
    folder = tmp_path_factory.mktemp("features")
    names = [core.CORE for core in all_cores()]
    return {name: (*played(name, folder / name), folder / name) for name in names}


@pytest.fixture(scope="module")
def log(days: dict[str, tuple[PlayReport, str, Path]]) -> Log:
    return log_of(days["python"][2])


def by_shop(log: Log) -> dict[str, list[bytes]]:
    shops: dict[str, list[bytes]] = {}
    for data, entry in log:
        command = getattr(entry, entry.WhichOneof("command") or "")
        name = command.shop.shop_id if entry.HasField("apply_shop") else command.shop_id
        shops.setdefault(name, []).append(data)
    return shops


def test_both_cores_log_the_same_and_end_alike(
    days: dict[str, tuple[PlayReport, str, Path]], log: Log
):
    both_cores()
    (python, python_hash, _), (rust, rust_hash, rust_data) = days["python"], days["rust"]
    # Agents hand on whom a timeout has taken from them meanwhile: refused, the same on both.
    failures = [
        [(f.shop_id, f.message_id, str(f.error)) for f in r.failures] for r in (python, rust)
    ]
    assert failures[0] == failures[1]
    assert {error for *_, error in failures[0]} <= {
        "conversation_id: already closed (CONVERSATION_CLOSED)"
    }
    assert python_hash == rust_hash
    assert by_shop(log) == by_shop(log_of(rust_data))


def test_the_naive_model_makes_every_decision(
    days: dict[str, tuple[PlayReport, str, Path]], log: Log
):
    answers = judge(log, SqliteReader(days["python"][2]).partitions)
    assert len(answers) > 1_500


def test_the_day_meets_every_reason_and_every_kind_of_end(log: Log):
    facts = [fact for _, entry in log for fact in entry.facts]
    reasons = Counter(fact.decided.reason for fact in facts if fact.HasField("decided"))
    missing = [name for name, number in types_pb2.Reason.items() if number and not reasons[number]]
    assert not missing
    causes = Counter(
        fact.conversation_closed.cause for fact in facts if fact.HasField("conversation_closed")
    )
    assert {
        engine_pb2.CLOSE_CAUSE_IDLE,
        engine_pb2.CLOSE_CAUSE_REQUEST,
        engine_pb2.CLOSE_CAUSE_TO_HUMAN,
        engine_pb2.CLOSE_CAUSE_TRANSFER,
        engine_pb2.CLOSE_CAUSE_REPLY_TIMEOUT,
    } <= set(causes)
