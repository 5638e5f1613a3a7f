"""Decisions per second of each core alone: bytes in, bytes out, no journal, no gRPC.

    .venv/bin/python -m pytest benchmarks/test_engine.py

One round is a batch of 512 new buyers for a shop with the given number of agents, all ONLINE; in the
second test also a batch with the agents' first replies to the round before. Between rounds, not timed,
batches are encoded and the conversations before are closed.

What a million buyers cost, of whom some come again: the Rust core's example `peak` (benchmarks/README.md).
"""

from __future__ import annotations

from typing import Any

import pytest

from fenliu.engine import CommandKind, load_core
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

BATCH = 512
START_MS = 1_762_000_000_000
ROUNDS = 20


class Shop:
    """One shop in one engine, and the next batch of buyers for it."""

    def __init__(self, core: str, agents: int) -> None:
        self.engine: Any = load_core(core).engine(64)
        self.now_ms = START_MS
        self.buyers = 0
        ids = [f"agent-{number:05}" for number in range(agents)]
        shop = shop_pb2.Shop(
            shop_id="bench",
            agents=[
                shop_pb2.Agent(agent_id=agent, weight=number % 9 + 1)
                for number, agent in enumerate(ids)
            ],
            groups=[shop_pb2.Group(group_id="all", agent_ids=ids)],
        )
        self._decide(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop))
        for agent in ids:
            self._decide(
                CommandKind.SET_PRESENCE,
                presence_pb2.SetPresenceRequest(
                    shop_id="bench", agent_id=agent, status=types_pb2.PRESENCE_STATUS_ONLINE
                ),
            )

    def _decide(self, kind: CommandKind, request: Any) -> None:
        code, reply, _, _ = self.engine.decide(kind, request.SerializeToString(), self.now_ms, "")
        assert code == 0, reply

    def next_batch(self) -> bytes:
        first, self.buyers = self.buyers, self.buyers + BATCH
        self.now_ms += 1_000
        return dispatch_pb2.RouteBatchRequest(
            requests=[
                dispatch_pb2.RouteRequest(
                    shop_id="bench",
                    buyer_id=f"buyer-{number:010}",
                    request_id=f"6f1c2a34-5b6d-4e7f-8a9b-{number:012}",
                )
                for number in range(first, self.buyers)
            ]
        ).SerializeToString()

    def route(self, batch: bytes) -> bytes:
        code, results, total, _, _, _ = self.engine.decide_batch(
            CommandKind.ROUTE, batch, self.now_ms
        )
        assert code == 0 and total == BATCH
        return bytes(results)

    def replies(self, results: bytes) -> bytes:
        """The agents' first words to the buyers of a batch, as a batch."""
        answers = dispatch_pb2.RouteBatchResponse.FromString(results).results
        return dispatch_pb2.ReportMessagesBatchRequest(
            events=[
                dispatch_pb2.MessageEvent(
                    shop_id="bench",
                    conversation_id=answer.response.conversation_id,
                    sender=types_pb2.SENDER_AGENT,
                    event_id=f"9a0b7d21-1c2d-4b01-8a9b-{answer.response.conversation_id:>012}",
                )
                for answer in answers
            ]
        ).SerializeToString()

    def report(self, events: bytes) -> None:
        code, _, total, _, _, decided = self.engine.decide_batch(
            CommandKind.MESSAGE, events, self.now_ms
        )
        assert code == 0 and total == decided == BATCH

    def answer_all(self, results: bytes) -> None:
        for result in dispatch_pb2.RouteBatchResponse.FromString(results).results:
            self._decide(
                CommandKind.CLOSE_CONVERSATION,
                dispatch_pb2.CloseConversationRequest(
                    shop_id="bench", conversation_id=result.response.conversation_id
                ),
            )


@pytest.mark.parametrize("agents", [10, 100, 1_000, 10_000])
@pytest.mark.parametrize("core", ["rust", "python"])
def test_new_buyers(benchmark: Any, core: str, agents: int) -> None:
    shop = Shop(core, agents)
    answers: list[bytes] = []

    def setup() -> tuple[tuple[bytes], dict[str, Any]]:
        if answers:
            shop.answer_all(answers.pop())
        return (shop.next_batch(),), {}

    def route(batch: bytes) -> None:
        answers.append(shop.route(batch))

    benchmark.group = f"{agents} agents"
    benchmark.pedantic(route, setup=setup, rounds=ROUNDS, warmup_rounds=2)
    benchmark.extra_info["decisions_per_second"] = round(BATCH / benchmark.stats.stats.median)


@pytest.mark.parametrize("agents", [10, 100, 1_000, 10_000])
@pytest.mark.parametrize("core", ["rust", "python"])
def test_new_buyers_and_their_replies(benchmark: Any, core: str, agents: int) -> None:
    shop = Shop(core, agents)
    answers = [shop.route(shop.next_batch())]

    def setup() -> tuple[tuple[bytes, bytes], dict[str, Any]]:
        if len(answers) > 1:
            shop.answer_all(answers.pop(0))
        return (shop.next_batch(), shop.replies(answers[-1])), {}

    def route_and_report(batch: bytes, events: bytes) -> None:
        answers.append(shop.route(batch))
        shop.report(events)

    benchmark.group = f"{agents} agents, with replies"
    benchmark.pedantic(route_and_report, setup=setup, rounds=ROUNDS, warmup_rounds=2)
    benchmark.extra_info["decisions_per_second"] = round(BATCH / benchmark.stats.stats.median)
