"""Shops as resources over a real port: parts, masks, etags, history, undo, lint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from fenliu.client import FenliuClient, FenliuError
from fenliu.v1 import shop_pb2
from support.calls import Caller, Start, demo_shop

Agent, Group, Shop, Settings = (
    shop_pb2.Agent,
    shop_pb2.Group,
    shop_pb2.Shop,
    shop_pb2.ShopSettings,
)


@pytest.fixture
async def client(call: Caller) -> AsyncIterator[FenliuClient]:
    async with FenliuClient(call.address) as client:
        yield client


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


async def stored(client: FenliuClient) -> shop_pb2.Shop:
    return await client.get_shop("demo")


async def history(client: FenliuClient, **paging: Any) -> list[shop_pb2.AuditEntry]:
    return [entry async for entry in client.audit_entries("demo", **paging)]


# --- the shop -------------------------------------------------------------------------------------


async def test_an_update_changes_the_fields_of_its_mask_and_no_other(client: FenliuClient):
    before = await stored(client)
    given = Shop(shop_id="demo", display_name="ignored", settings=Settings(busy_threshold=7))
    after = await client.update_shop(given, ["settings.busy_threshold"])
    before.settings.busy_threshold, before.etag = 7, "2"
    assert after == before == await stored(client)


async def test_a_field_of_the_mask_that_is_not_set_takes_its_default(client: FenliuClient):
    await client.update_shop(Shop(shop_id="demo", settings=Settings(busy_threshold=7)))
    after = await client.update_shop(Shop(shop_id="demo"), ["settings.busy_threshold"])
    assert after.settings.busy_threshold == 4


async def test_without_a_mask_what_is_set_is_changed(client: FenliuClient):
    given = Shop(shop_id="demo", display_name="新店", settings=Settings(queue_timeout_ms=0))
    after = await client.update_shop(given)
    assert (after.display_name, after.settings.queue_timeout_ms) == ("新店", 0)
    assert (after.owner_agent_id, after.settings.busy_threshold) == ("boss", 4)
    assert [agent.agent_id for agent in after.agents] == ["a", "b"]


async def test_an_update_that_changes_nothing_leaves_the_etag(client: FenliuClient):
    assert (await client.update_shop(Shop(shop_id="demo", display_name="演示店"))).etag == "1"


BAD_MASKS = [
    ("settings.busy_treshold", "the nearest is settings.busy_threshold"),
    ("agents.weight", "is no field that can be changed"),
    ("shop_id", "shop_id cannot be changed"),
    ("etag", "etag cannot be changed"),
]


@pytest.mark.parametrize(("path", "says"), BAD_MASKS)
async def test_an_unknown_path_is_named_with_what_could_be_meant(
    client: FenliuClient, path: str, says: str
):
    with pytest.raises(FenliuError) as caught:
        await client.update_shop(Shop(shop_id="demo"), [path])
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.field == "update_mask"
    assert path in caught.value.rule and says in caught.value.rule


async def test_the_engine_judges_an_update_in_the_names_of_the_request(client: FenliuClient):
    with pytest.raises(FenliuError) as caught:
        await client.update_shop(Shop(shop_id="demo", settings=Settings(max_hops=11)))
    assert caught.value.field == "shop.settings.max_hops"
    with pytest.raises(FenliuError) as caught:
        await client.update_shop(Shop(shop_id="other"))
    assert (caught.value.reason, caught.value.field) == ("SHOP_NOT_FOUND", "shop.shop_id")


# --- agents and groups ----------------------------------------------------------------------------


async def test_an_agent_lives_from_creation_to_deletion(client: FenliuClient):
    created = await client.create_agent(
        shop_pb2.CreateAgentRequest(shop_id="demo", agent=Agent(agent_id="0c", cap=3))
    )
    assert (created.agent.agent_id, created.agent.weight, created.etag) == ("0c", 5, "2")
    assert await client.get_agent("demo", "0c") == created.agent
    updated = await client.update_agent(
        shop_pb2.UpdateAgentRequest(
            shop_id="demo", agent=Agent(agent_id="0c", weight=0), update_mask=mask("weight")
        )
    )
    assert (updated.agent.weight, updated.agent.cap, updated.etag) == (0, 3, "3")
    assert [one.agent_id for one in await client.list_agents("demo")] == ["0c", "a", "b"]
    assert await client.delete_agent("demo", "0c") == "4"
    assert [one.agent_id for one in await client.list_agents("demo")] == ["a", "b"]


async def test_a_deleted_agent_leaves_its_groups_and_its_own_buyers(client: FenliuClient):
    shop = demo_shop(
        buyer_agents=[
            shop_pb2.BuyerAgent(buyer_id="li", agent_id="b"),
            shop_pb2.BuyerAgent(buyer_id="wang", agent_id="a"),
        ]
    )
    await client.apply_shop(shop)
    await client.delete_agent("demo", "a")
    after = await stored(client)
    assert [group.agent_ids for group in after.groups] == [["b"]]
    assert [one.buyer_id for one in after.settings.buyer_agents] == ["li"]


async def test_a_group_lives_from_creation_to_deletion(client: FenliuClient):
    created = await client.create_group(
        shop_pb2.CreateGroupRequest(
            shop_id="demo",
            group=Group(group_id="vip", agent_ids=["b"], bindings=shop_pb2.Bindings(intents=["x"])),
        )
    )
    assert created.group.when_unavailable == shop_pb2.UNAVAILABLE_POLICY_SPILL
    updated = await client.update_group(
        shop_pb2.UpdateGroupRequest(
            shop_id="demo",
            group=Group(
                group_id="vip", agent_ids=["a"], bindings=shop_pb2.Bindings(page_sources=["p"])
            ),
            update_mask=mask("agent_ids", "bindings.page_sources"),
        )
    )
    assert list(updated.group.agent_ids) == ["a"]
    assert updated.group.bindings == shop_pb2.Bindings(intents=["x"], page_sources=["p"])
    assert await client.get_group("demo", "vip") == updated.group
    assert [one.group_id for one in await client.list_groups("demo")] == ["presale", "vip"]
    assert await client.delete_group("demo", "vip") == "4"
    assert [one.group_id for one in await client.list_groups("demo")] == ["presale"]


async def test_parts_are_listed_page_by_page(call: Caller, client: FenliuClient):
    shop = demo_shop()
    shop.agents.extend(Agent(agent_id=f"n{number}") for number in range(5))
    await client.apply_shop(shop)
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        page = await call(
            "ShopService/ListAgents",
            shop_pb2.ListAgentsRequest(shop_id="demo", page_size=3, page_token=token),
            shop_pb2.ListAgentsResponse,
        )
        pages.append([one.agent_id for one in page.agents])
        token = page.next_page_token
    assert pages == [["a", "b", "n0"], ["n1", "n2", "n3"], ["n4"]]


REFUSED = [
    ("GetAgent", shop_pb2.GetAgentRequest(shop_id="demo", agent_id="x"), "AGENT_NOT_FOUND", "agent_id"),
    ("GetAgent", shop_pb2.GetAgentRequest(shop_id="demo"), "INVALID_FIELD", "agent_id"),
    ("GetGroup", shop_pb2.GetGroupRequest(shop_id="no", group_id="x"), "SHOP_NOT_FOUND", "shop_id"),
    ("ListGroups", shop_pb2.ListGroupsRequest(shop_id="demo", page_size=1001), "INVALID_FIELD", "page_size"),
    ("CreateAgent", shop_pb2.CreateAgentRequest(shop_id="demo"), "INVALID_FIELD", "agent"),
    (
        "CreateAgent",
        shop_pb2.CreateAgentRequest(shop_id="demo", agent=Agent(agent_id="a")),
        "ALREADY_EXISTS",
        "agent.agent_id",
    ),
    (
        "CreateAgent",
        shop_pb2.CreateAgentRequest(shop_id="demo", agent=Agent(agent_id="c", weight=101)),
        "INVALID_FIELD",
        "agent.weight",
    ),
    (
        "UpdateAgent",
        shop_pb2.UpdateAgentRequest(shop_id="demo", agent=Agent(agent_id="b", cap=-1)),
        "INVALID_FIELD",
        "agent.cap",
    ),
    (
        "UpdateAgent",
        shop_pb2.UpdateAgentRequest(shop_id="demo", agent=Agent(agent_id="x", cap=1)),
        "AGENT_NOT_FOUND",
        "agent.agent_id",
    ),
    (
        "UpdateAgent",
        shop_pb2.UpdateAgentRequest(
            shop_id="demo", agent=Agent(agent_id="a"), update_mask=mask("agent_id")
        ),
        "INVALID_FIELD",
        "update_mask",
    ),
    (
        "UpdateGroup",
        shop_pb2.UpdateGroupRequest(
            shop_id="demo", group=Group(group_id="presale", agent_ids=["a", "x"])
        ),
        "INVALID_FIELD",
        "group.agent_ids[1]",
    ),
    (
        "DeleteGroup",
        shop_pb2.DeleteGroupRequest(shop_id="demo", group_id="x"),
        "GROUP_NOT_FOUND",
        "group_id",
    ),
    (
        "DeleteAgent",
        shop_pb2.DeleteAgentRequest(shop_id="demo", agent_id="a", etag="7"),
        "STALE_ETAG",
        "etag",
    ),
    ("UndoChange", shop_pb2.UndoChangeRequest(shop_id="demo", change_id="9"), "CHANGE_NOT_FOUND", "change_id"),
    ("LintShop", shop_pb2.LintShopRequest(), "INVALID_FIELD", "shop_id"),
    ("GetAgent", b"\xff", "MALFORMED_MESSAGE", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "request_", "reason", "field"), REFUSED)
async def test_what_is_refused_names_the_requests_own_field_and_changes_nothing(
    call: Caller, method: str, request_: Any, reason: str, field: str | None
):
    before = await call.state_hash()
    refused = await call.refusal(f"ShopService/{method}", request_)
    assert (refused.reason, refused.metadata.get("field")) == (reason, field)
    if field is not None:
        assert refused.message == f"{field}: {refused.metadata['rule']}"
    assert await call.state_hash() == before


async def test_who_may_not_change_the_shop_may_not_change_its_parts(call: Caller):
    request = shop_pb2.UpdateAgentRequest(shop_id="demo", agent=Agent(agent_id="b", weight=1))
    refused = await call.refusal("ShopService/UpdateAgent", request, fenliu_actor="b")
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
    answer = await call(
        "ShopService/UpdateAgent", request, shop_pb2.UpdateAgentResponse, fenliu_actor="boss"
    )
    assert answer.agent.weight == 1


async def test_edits_at_the_same_time_all_take_place(client: FenliuClient):
    await asyncio.gather(
        *(
            client.create_agent(
                shop_pb2.CreateAgentRequest(shop_id="demo", agent=Agent(agent_id=f"n{number}"))
            )
            for number in range(4)
        )
    )
    after = await stored(client)
    assert [one.agent_id for one in after.agents] == ["a", "b", "n0", "n1", "n2", "n3"]
    assert after.etag == "5"


async def test_of_edits_on_one_etag_one_takes_place(client: FenliuClient):
    results = await asyncio.gather(
        *(
            client.update_agent(
                shop_pb2.UpdateAgentRequest(
                    shop_id="demo", agent=Agent(agent_id="a", weight=weight), etag="1"
                )
            )
            for weight in range(10, 15)
        ),
        return_exceptions=True,
    )
    refused = [one for one in results if isinstance(one, FenliuError)]
    assert len(refused) == 4
    assert {(one.reason, one.field) for one in refused} == {("STALE_ETAG", "etag")}
    assert (await stored(client)).etag == "2"


# --- history and undo -----------------------------------------------------------------------------


async def test_the_history_has_every_change_newest_first(call: Caller, client: FenliuClient):
    documents = [await stored(client)]
    await call(
        "ShopService/SetWeights",
        shop_pb2.SetWeightsRequest(
            shop_id="demo", weights=[shop_pb2.AgentWeight(agent_id="b", weight=9)]
        ),
        shop_pb2.SetWeightsResponse,
        fenliu_actor="boss",
    )
    documents.append(await stored(client))
    await client.delete_agent("demo", "a")
    documents.append(await stored(client))
    entries = await history(client)
    assert [entry.change_id for entry in entries] == ["3", "2", "1"]
    assert [entry.actor for entry in entries] == ["", "boss", ""]
    assert [entry.after for entry in entries] == documents[::-1]
    assert [entry.before for entry in entries[:2]] == documents[1::-1]
    assert not entries[2].HasField("before")
    assert entries[0].changed_at_ms >= entries[2].changed_at_ms > 0
    assert await history(client, page_size=1) == entries


async def test_the_history_is_there_after_a_restart_and_grows(start: Start):
    async with start() as call:
        await call.apply(demo_shop())
        await call.apply(demo_shop(busy_threshold=5))
    async with start() as call, FenliuClient(call.address) as client:
        assert len(await history(client)) == 2
        await call.apply(demo_shop(busy_threshold=6))
        thresholds = [entry.after.settings.busy_threshold for entry in await history(client)]
        assert thresholds == [6, 5, 4]


async def test_shops_of_one_partition_have_histories_of_their_own(start: Start):
    async with start(partitions=1) as call, FenliuClient(call.address) as client:
        await call.apply(demo_shop())
        await call.apply(Shop(shop_id="other"))
        await call.apply(Shop(shop_id="other", display_name="anders"))
        assert [entry.change_id for entry in await history(client)] == ["1"]
        others = [entry async for entry in client.audit_entries("other")]
        assert [entry.after.display_name for entry in others] == ["anders", ""]


async def test_the_last_change_can_be_undone_and_the_undo_as_well(client: FenliuClient):
    before = await stored(client)
    changed = await client.update_shop(Shop(shop_id="demo", display_name="新店"))
    undone = await client.undo_change("demo", changed.etag)
    before.etag = undone.etag
    assert undone == before == await stored(client)
    redone = await client.undo_change("demo", undone.etag)
    assert redone.display_name == "新店"
    undoes = [entry.undoes_change_id for entry in await history(client)]
    assert undoes == ["3", "2", "", ""]


async def test_weights_that_were_set_can_be_undone(client: FenliuClient):
    await client.set_weights(
        shop_pb2.SetWeightsRequest(
            shop_id="demo", weights=[shop_pb2.AgentWeight(agent_id="b", weight=9)]
        )
    )
    undone = await client.undo_change("demo", "2")
    assert [agent.weight for agent in undone.agents] == [5, 3]


async def test_only_the_last_change_can_be_undone_and_a_refusal_says_why(client: FenliuClient):
    rules = {}

    async def refused(change_id: str, **fields: str) -> FenliuError:
        with pytest.raises(FenliuError) as caught:
            await client.undo_change("demo", change_id, **fields)
        return caught.value

    rules["creation"] = await refused("1")
    await client.update_shop(Shop(shop_id="demo", display_name="2"))
    await client.update_shop(Shop(shop_id="demo", display_name="3"))
    rules["older"] = await refused("2")
    await client.undo_change("demo", "3")
    rules["undone"] = await refused("3")
    assert {error.code for error in rules.values()} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert {error.reason for error in rules.values()} == {"NOT_UNDOABLE"}
    assert {name: error.rule for name, error in rules.items()} == {
        "creation": "it created the shop: there is nothing before it",
        "older": "changed since by change 3",
        "undone": "already undone by change 4",
    }
    assert (await refused("4", etag="3")).reason == "STALE_ETAG"


async def test_an_undo_needs_the_permission_and_is_in_the_history(call: Caller):
    await call.apply(demo_shop(busy_threshold=9))
    request = shop_pb2.UndoChangeRequest(shop_id="demo", change_id="2")
    refused = await call.refusal("ShopService/UndoChange", request, fenliu_actor="a")
    assert refused.reason == "NOT_ALLOWED"
    await call("ShopService/UndoChange", request, shop_pb2.UndoChangeResponse, fenliu_actor="boss")
    async with FenliuClient(call.address) as client:
        newest = (await history(client))[0]
    assert (newest.actor, newest.undoes_change_id) == ("boss", "2")


async def test_a_page_token_of_no_change_is_refused(call: Caller):
    request = shop_pb2.ListAuditEntriesRequest(shop_id="demo", page_token="99")
    refused = await call.refusal("ShopService/ListAuditEntries", request)
    assert (refused.reason, refused.metadata["field"]) == ("INVALID_FIELD", "page_token")


async def test_a_page_of_large_documents_has_fewer_entries(client: FenliuClient):
    names = [f"{number}" * 120 for number in range(5)]
    shop = Shop(shop_id="demo", agents=[Agent(agent_id=f"{n:0120d}") for n in range(2500)])
    for name in names:
        shop.display_name = name
        await client.apply_shop(shop)
    entries = await history(client)
    assert [entry.after.display_name for entry in entries] == [*names[::-1], "演示店"]


# --- lint -----------------------------------------------------------------------------------------


async def test_a_stored_shop_and_a_document_are_linted_alike(client: FenliuClient):
    shop = demo_shop(reception_mode=shop_pb2.RECEPTION_MODE_MIXED, robot_percent=20)
    await client.apply_shop(shop)
    (finding,) = await client.lint_shop("demo")
    assert finding.rule == shop_pb2.LINT_RULE_MODE_WITHOUT_ROBOT
    assert finding.field == "settings.reception_mode"
    assert await client.lint_shop(shop) == [finding]
