"""A gateway at work while its server is killed, stopped and started again: processes on a real port."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import ModuleType

import pytest

from end_to_end.processes import Serving, free_address
from fenliu.client import FenliuClient, Presence, Router
from fenliu.v1 import dispatch_pb2, types_pb2
from support.calls import ONLINE, demo_shop

CALLERS = 40
INQUIRIES = 3_000


@pytest.mark.slow
async def test_every_call_is_answered_once_through_kills_and_stops(
    core: ModuleType, tmp_path: Path
):
    address = free_address()

    def serve() -> Serving:
        return Serving(
            "serve", "--listen", address, "--core", core.CORE, "--data", tmp_path / "data"
        )

    server = await asyncio.to_thread(serve)
    answers: dict[int, dispatch_pb2.RouteResponse] = {}
    messages = 0
    numbers = iter(range(INQUIRIES))

    def inquiry(number: int) -> dispatch_pb2.RouteRequest:
        return dispatch_pb2.RouteRequest(
            shop_id="demo", buyer_id=f"b{number}", request_id=f"r{number}"
        )

    async def caller() -> None:
        nonlocal messages
        for number in numbers:
            answer = await router.route(inquiry(number))
            assert number not in answers
            answers[number] = answer
            if number % 10 == 0:
                await router.report(
                    dispatch_pb2.MessageEvent(
                        shop_id="demo",
                        conversation_id=answer.conversation_id,
                        sender=types_pb2.SENDER_AGENT,
                    )
                )
                messages += 1

    async def disturb() -> None:
        nonlocal server
        for part, end in ((4, "kill"), (2, "terminate"), (4 / 3, "kill")):
            while len(answers) < INQUIRIES / part:  # noqa: ASYNC110 - the load goes on meanwhile
                await asyncio.sleep(0.005)
            await asyncio.to_thread(getattr(server, end))
            server = await asyncio.to_thread(serve)

    try:
        async with FenliuClient(address) as client:
            await client.apply_shop(demo_shop())
        async with Presence(address, timeout_s=60) as presence:
            await presence.set("demo", "a", ONLINE)
            await presence.set("demo", "b", ONLINE)
            async with Router(address, timeout_s=60) as router, asyncio.TaskGroup() as group:
                group.create_task(disturb())
                for _ in range(CALLERS):
                    group.create_task(caller())
            async with Router(address, timeout_s=60) as router:
                again = await asyncio.gather(*(router.route(inquiry(n)) for n in sorted(answers)))
    finally:
        await asyncio.to_thread(server.kill)

    assert again == [answers[number] for number in sorted(answers)]
    assert {answer.outcome for answer in again} == {types_pb2.OUTCOME_AGENT}
    # Numbered without a gap: what was asked twice was decided once.
    decided = sorted(int(answer.decision_id.removeprefix("d")) for answer in again)
    assert decided == list(range(1, INQUIRIES + 1))
    assert messages == INQUIRIES / 10
