"""What callers see when the engine fails at one shop: that shop is away for a moment, and everybody else is served."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fenliu import app
from fenliu.client import FenliuClient, FenliuError, Presence
from fenliu.dispatch import shops as shops_module
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2
from support.calls import OFFLINE, ONLINE, Caller, Start, demo_shop
from support.harm import HarmedCore
from support.several import inquiry, shop_of, staffed
from workers.conftest import together

__all__ = ["together"]

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
POISON = dispatch_pb2.RouteRequest(shop_id="demo", buyer_id="poison")
ROUTE, ROUTE_BATCH = "DispatchService/Route", "DispatchService/RouteBatch"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Shops are read back only when it is set."""
    may = threading.Event()
    recover_shop = shops_module.recover_shop

    def waiting(*some: Any, **more: Any) -> Any:
        assert may.wait(30)
        return recover_shop(*some, **more)

    monkeypatch.setattr(shops_module, "recover_shop", waiting)
    yield may
    may.set()


@pytest.fixture
async def harmed(start: Start, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    """A server whose core fails at the shop `demo` when a buyer `poison` asks; a shop `other` beside it."""
    with harming(monkeypatch, "demo"):
        async with start(lease_ms=1_000, heartbeat_ms=100) as call:
            await call.apply(demo_shop())
            await staffed(call, "other")
            await call.set_presence("a", ONLINE)
            yield call


@contextmanager
def harming(monkeypatch: pytest.MonkeyPatch, shop_id: str) -> Iterator[None]:
    load_core = app.load_core
    with monkeypatch.context() as patched:
        patched.setattr(app, "load_core", lambda choice: HarmedCore(load_core(choice), shop_id))
        yield


async def test_the_call_is_internal_the_shop_unavailable_and_the_rest_served(
    harmed: Caller, held: threading.Event
):
    failed = await harmed.refusal(ROUTE, POISON)
    assert (failed.code, failed.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    away = await harmed.refusal(ROUTE, inquiry("demo", "li"))
    assert (away.code, away.reason) == (UNAVAILABLE, "SHOP_UNAVAILABLE")
    assert int(away.trailing["grpc-retry-pushback-ms"]) > 0
    batch = dispatch_pb2.RouteBatchRequest(
        requests=[inquiry("other", "li"), inquiry("demo", "li"), inquiry("other", "wang")]
    )
    answer = await harmed(ROUTE_BATCH, batch, dispatch_pb2.RouteBatchResponse)
    kinds = [result.WhichOneof("result") for result in answer.results]
    assert kinds == ["response", "status", "response"]
    details = answer.results[1].status.details
    assert any(one.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for one in details)
    listed = await harmed(
        "ShopService/ListShops", shop_pb2.ListShopsRequest(), shop_pb2.ListShopsResponse
    )
    assert [shop.shop_id for shop in listed.shops] == ["demo", "other"]
    stub = health_pb2_grpc.HealthStub(harmed.channel)
    health = await stub.Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    held.set()
    async with FenliuClient(harmed.address, patience_s=20) as client:
        assert (await client.route(inquiry("demo", "li"))).agent_id == "a"


async def test_the_client_asks_again_and_a_presence_is_said_again(
    harmed: Caller, held: threading.Event
):
    async with (
        FenliuClient(harmed.address, patience_s=20) as client,
        Presence(harmed.address, timeout_s=20) as presence,
    ):
        await presence.set("other", "b", ONLINE)
        with pytest.raises(FenliuError):
            await client.route(POISON)
        asking = asyncio.create_task(client.route(inquiry("demo", "li")))
        saying = asyncio.create_task(presence.set("demo", "b", ONLINE, awaiting=1))
        await presence.set("other", "b", OFFLINE)
        await asyncio.sleep(0.3)
        # A later word takes the place of the one that waits.
        later = asyncio.create_task(presence.set("demo", "b", ONLINE, awaiting=3))
        await asyncio.sleep(0.1)
        assert not asking.done()
        assert not saying.done()
        held.set()
        await asyncio.gather(asking, saying, later)
        assert presence.connected
    agents = await harmed.presence()
    assert (agents["b"].status, agents["b"].awaiting) == (ONLINE, 3)


async def test_a_lease_that_runs_out_meanwhile_has_run_out_afterwards(
    harmed: Caller, held: threading.Event
):
    async with Presence(harmed.address) as presence:
        await presence.set("demo", "b", ONLINE)
    assert (await harmed.refusal(ROUTE, POISON)).reason == "INTERNAL"
    await asyncio.sleep(1.5)  # a lease and a half
    held.set()
    async with asyncio.timeout(20):
        while True:
            try:
                agents = await harmed.presence()
            except grpc.aio.AioRpcError as error:
                assert error.code() == UNAVAILABLE
            else:
                if agents["b"].status == OFFLINE:
                    break
            await asyncio.sleep(0.05)


async def test_among_workers_it_is_the_same(
    together: Any, monkeypatch: pytest.MonkeyPatch, held: threading.Event
):
    here, there, beside = shop_of(0), shop_of(1), shop_of(1, 1)
    with harming(monkeypatch, there):
        async with together() as workers:
            asked = workers[0]
            await staffed(asked, here, there, beside)
            failed = await asked.refusal(ROUTE, inquiry(there, "poison"))
            assert (failed.code, failed.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
            for worker in (workers[0], workers[1]):
                away = await worker.refusal(ROUTE, inquiry(there, "li"))
                assert (away.code, away.reason) == (UNAVAILABLE, "SHOP_UNAVAILABLE")
                assert int(away.trailing["grpc-retry-pushback-ms"]) > 0
            shops = (here, there, beside)
            batch = dispatch_pb2.RouteBatchRequest(requests=[inquiry(one, "li") for one in shops])
            answer = await asked(ROUTE_BATCH, batch, dispatch_pb2.RouteBatchResponse)
            kinds = [result.WhichOneof("result") for result in answer.results]
            assert kinds == ["response", "status", "response"]
            held.set()
            async with FenliuClient(asked.address, patience_s=20) as client:
                assert (await client.route(inquiry(there, "li"))).decision_id == "d1"
                request = presence_pb2.ListPresenceRequest(shop_id=there)
                listed = await asked(
                    "PresenceService/ListPresence", request, presence_pb2.ListPresenceResponse
                )
                assert listed.agents[0].open_conversations == 1
