"""Shops that are deleted over a real port: what is refused, what is left, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from fenliu.client import FenliuClient, FenliuError
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2
from rpc.test_presence import Stream
from support.calls import OFFLINE, ONLINE, Caller, Start, demo_shop


@pytest.fixture
async def client(call: Caller) -> AsyncIterator[FenliuClient]:
    async with FenliuClient(call.address) as client:
        yield client


async def refused(call: Any) -> FenliuError:
    with pytest.raises(FenliuError) as caught:
        await call
    return caught.value


async def history(client: FenliuClient) -> list[shop_pb2.AuditEntry]:
    return [entry async for entry in client.audit_entries("demo")]


async def test_a_deleted_shop_is_unknown_to_every_call(call: Caller, client: FenliuClient):
    assert await client.delete_shop("demo") == "2"
    assert await client.list_shops() == []
    for gone in (
        client.get_shop("demo"),
        client.delete_shop("demo"),
        client.route(dispatch_pb2.RouteRequest(shop_id="demo", buyer_id="wang")),
        client.list_agents("demo"),
    ):
        error = await refused(gone)
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "SHOP_NOT_FOUND")


async def test_a_shop_in_use_is_deleted_only_by_force(call: Caller, client: FenliuClient):
    answer = await call.route("wang")
    error = await refused(client.delete_shop("demo"))
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (error.reason, error.field) == ("SHOP_IN_USE", "force")
    assert (await client.get_shop("demo")).etag == "1"
    await client.delete_shop("demo", force=True)
    # No id is given out twice.
    await call.apply(demo_shop())
    await call.set_presence("a", ONLINE)
    again = await call.route("wang")
    assert (answer.conversation_id, again.conversation_id) == ("c1", "c2")
    assert again.reason == types_pb2.REASON_WEIGHTED


async def test_only_the_owner_and_the_operator_delete(call: Caller):
    request = shop_pb2.DeleteShopRequest(shop_id="demo")
    refusal = await call.refusal("ShopService/DeleteShop", request, fenliu_actor="a")
    assert (refusal.reason, refusal.metadata["rule"]) == (
        "NOT_ALLOWED",
        "only the owner deletes the shop",
    )
    answer = await call(
        "ShopService/DeleteShop", request, shop_pb2.DeleteShopResponse, fenliu_actor="boss"
    )
    assert answer.etag == "2"
    async with FenliuClient(call.address) as client:
        assert (await history(client))[0].actor == "boss"


async def test_a_stale_etag_deletes_nothing(client: FenliuClient):
    await client.update_shop(shop_pb2.Shop(shop_id="demo", display_name="新店"))
    error = await refused(client.delete_shop("demo", etag="1"))
    assert (error.reason, error.field) == ("STALE_ETAG", "etag")
    assert await client.delete_shop("demo", etag="2") == "3"


async def test_the_history_goes_through_deletion_and_making_again(
    call: Caller, client: FenliuClient
):
    first = await client.get_shop("demo")
    await client.delete_shop("demo")
    await call.apply(demo_shop(busy_threshold=9))
    second = await client.get_shop("demo")
    await client.set_weights(
        shop_pb2.SetWeightsRequest(
            shop_id="demo", weights=[shop_pb2.AgentWeight(agent_id="b", weight=9)]
        )
    )
    made_again, deleted, created = (await history(client))[1:]
    assert (created.change_id, deleted.change_id, made_again.change_id) == ("1", "2", "3")
    assert deleted.before == first and not deleted.HasField("after")
    assert not made_again.HasField("before") and made_again.after == second
    assert [entry.undoes_change_id for entry in await history(client)] == ["", "", "", ""]


async def test_a_deletion_can_be_undone_and_then_not_again(call: Caller, client: FenliuClient):
    before = await client.get_shop("demo")
    await call.set_presence("a", OFFLINE)
    await call.set_presence("b", OFFLINE)
    await call.route("wang")
    change_id = await client.delete_shop("demo", force=True)
    assert (await refused(client.undo_change("demo", "1"))).rule == "changed since by change 2"
    assert (await refused(client.undo_change("demo", change_id, etag="1"))).reason == "STALE_ETAG"
    undone = await client.undo_change("demo", change_id, etag=change_id)
    before.etag = "3"
    assert undone == before == await client.get_shop("demo")
    newest = (await history(client))[0]
    assert (newest.undoes_change_id, newest.HasField("before")) == ("2", False)
    assert (await refused(client.undo_change("demo", "2"))).rule == "already undone by change 3"
    error = await refused(client.undo_change("demo", "3"))
    assert (error.reason, error.rule) == (
        "NOT_UNDOABLE",
        "it created the shop: there is nothing before it",
    )
    # The document is back, not who waited.
    assert (await call.route("wang")).reason == types_pb2.REASON_OFFLINE_POOL


async def test_a_presence_session_goes_on_without_the_deleted_shop(start: Start):
    async with start(lease_ms=1_000, heartbeat_ms=100) as call:
        await call.apply(demo_shop())
        stream = Stream(call)
        await stream.hello("s")
        await stream.update(("a", ONLINE))
        async with FenliuClient(call.address) as client:
            await client.delete_shop("demo")
            (ack,) = await stream.update(("a", ONLINE))
            assert ack.status.message == "shop_id: unknown shop"
            # Made again, the shop knows nothing of who was there before; the session may say so anew.
            await call.apply(demo_shop())
            assert (await call.presence())["a"].status == OFFLINE
            (ack,) = await stream.update(("a", ONLINE))
            assert not ack.status.code
        assert (await call.presence())["a"].status == ONLINE


async def test_the_history_of_a_deleted_shop_is_there_after_a_restart(start: Start):
    async with start() as call, FenliuClient(call.address) as client:
        await call.apply(demo_shop())
        await client.delete_shop("demo")
    async with start() as call, FenliuClient(call.address) as client:
        assert [entry.change_id for entry in await history(client)] == ["2", "1"]
        assert (await client.undo_change("demo", "2")).display_name == "演示店"
        error = await refused(client.undo_change("never", "1"))
        assert error.reason == "SHOP_NOT_FOUND"
