"""A worker that is gone for a while: its shops wait or are refused, the others' go on."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from fenliu.client import FenliuClient, Router
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2
from model.cores import all_cores
from support.calls import Caller, refused
from support.several import inquiry, session_of, shop_of, staffed

Answer = dispatch_pb2.RouteResponse
HERE, THERE = shop_of(0), shop_of(1)


@pytest.fixture
def core() -> ModuleType:
    """One will do: what is decided is not the point here."""
    return all_cores()[-1]


async def route(caller: Caller, shop_id: str, buyer: str, request_id: str = "") -> Answer:
    answer: Answer = await caller(
        "DispatchService/Route", inquiry(shop_id, buyer, request_id), Answer
    )
    return answer


async def test_a_call_waits_for_a_worker_that_is_just_being_started_again(together: Any):
    async with together() as workers:
        await staffed(workers[0], HERE, THERE)
        first = await route(workers[0], THERE, "li", "r1")
        await workers.stop(1)
        waiting = asyncio.create_task(route(workers[0], THERE, "wang"))
        repeat = asyncio.create_task(route(workers[0], THERE, "li", "r1"))
        assert (await route(workers[0], HERE, "li")).agent_id == "a"
        assert not waiting.done()
        await workers.start(1)
        assert (await waiting).agent_id == "a"
        assert await repeat == first


async def test_without_its_owner_a_call_is_refused_with_pushback_and_its_elements_alone(
    together: Any,
):
    async with together() as workers:
        await staffed(workers[0], HERE, THERE)
        await workers.stop(1)
        found = await workers[0].refusal("DispatchService/Route", inquiry(THERE, "li"))
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "OWNER_UNREACHABLE")
        assert int(found.trailing["grpc-retry-pushback-ms"]) > 0

        batch = dispatch_pb2.RouteBatchRequest(
            requests=[inquiry(shop_id, "zhao") for shop_id in (HERE, THERE, HERE, THERE)]
        )
        answer = await workers[0](
            "DispatchService/RouteBatch", batch, dispatch_pb2.RouteBatchResponse
        )
        assert [result.WhichOneof("result") for result in answer.results] == [
            "response",
            "status",
        ] * 2
        status = answer.results[1].status
        assert status.code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert any(one.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for one in status.details)
        # All of a batch's: then the call fails, as it does where storage does not answer.
        batch = dispatch_pb2.RouteBatchRequest(requests=[inquiry(THERE, "zhao")])
        found = await workers[0].refusal("DispatchService/RouteBatch", batch)
        assert found.reason == "OWNER_UNREACHABLE"
        # What spans all shops would be wrong without some of them.
        found = await workers[0].refusal("ShopService/ListShops", shop_pb2.ListShopsRequest())
        assert found.reason == "OWNER_UNREACHABLE"
        # A presence stream whose home is gone.
        stream = workers[0].channel.stream_stream("/fenliu.v1.PresenceService/StreamPresence")()
        hello = presence_pb2.PresenceHello(session_id=session_of(1))
        await stream.write(presence_pb2.StreamPresenceRequest(hello=hello).SerializeToString())
        try:
            await stream.read()
        except grpc.aio.AioRpcError as error:
            assert refused(error).reason == "OWNER_UNREACHABLE"
        else:
            raise AssertionError("it was let in")
        # Nothing of what was refused was decided; and the one place nobody else has is taken again.
        await workers.start(1)
        for index in (0, 1):
            async with FenliuClient(workers[index].address, patience_s=20) as client:
                decided = await client.route(inquiry(THERE, f"qian{index}"))
            assert decided.decision_id == f"d{index + 1}"


async def test_the_projects_client_gets_every_answer_in_spite_of_it(together: Any):
    async with together() as workers:
        await staffed(workers[0], HERE, THERE)
        async with Router(workers[0].address) as router:

            async def ask(number: int) -> Answer:
                shop_id = (HERE, THERE)[number % 2]
                return await router.route(
                    inquiry(shop_id, f"b{number}", f"r{number}"), timeout_s=20
                )

            asked = [asyncio.create_task(ask(number)) for number in range(200)]
            await asyncio.sleep(0)
            await workers.stop(1)
            asked += [asyncio.create_task(ask(number)) for number in range(200, 300)]
            await asyncio.sleep(0.5)
            await workers.start(1)
            answers = await asyncio.gather(*asked)
        for index in (0, 1):
            decided = [answer.decision_id for answer in answers[index::2]]
            assert sorted(decided, key=lambda one: int(one[1:])) == [
                f"d{number}" for number in range(1, 151)
            ]
