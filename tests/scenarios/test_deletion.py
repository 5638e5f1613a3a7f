"""Deleting a shop: who may, what becomes of its buyers, and making it again."""

from __future__ import annotations

import pytest

from fenliu.v1 import shop_pb2
from support.scene import MINUTE, Scene, agent, brief

IN_USE = "conversations are open or buyers wait"


def delete(scene: Scene, actor: str = "", **fields: object) -> str:
    """Returns the etag of the deletion."""
    request = shop_pb2.DeleteShopRequest(shop_id=scene.shop_id, **fields)  # type: ignore[arg-type]
    response = shop_pb2.DeleteShopResponse
    return str(scene.call("ShopService/DeleteShop", request, response, actor).etag)


def owned(scene: Scene) -> Scene:
    """boss owns, manager may manage."""
    return scene.opens(
        [agent("manager", permissions=["dispatch.manage"]), agent("clerk", cap=1)],
        owner="boss",
        online=["clerk"],
    )


def test_only_the_owner_and_the_operators_tools_delete_a_shop(scene: Scene):
    owned(scene)
    for actor in ("manager", "clerk", "stranger"):
        with scene.refused(
            "NOT_ALLOWED",
            "fenliu-actor",
            "only the owner deletes the shop",
            code="PERMISSION_DENIED",
        ):
            delete(scene, actor, force=True)
    assert delete(scene, "boss") == "2"
    assert scene.entries()[-1].actor == "boss"  # The log knows who.
    scene.apply(scene.shop)
    assert delete(scene) == "4"


def test_deleting_with_a_stale_etag_is_refused(scene: Scene):
    owned(scene)
    with scene.refused("STALE_ETAG", "etag", "stale: the shop is at 1", code="ABORTED"):
        delete(scene, etag="7")


def test_a_shop_in_use_is_not_deleted_without_force(scene: Scene):
    owned(scene)
    answer = scene.route("wang")
    with scene.refused("SHOP_IN_USE", "force", IN_USE, code="FAILED_PRECONDITION"):
        delete(scene)
    waiting = scene.route("li")
    assert brief(waiting) == "POOLED NOBODY_FREE"
    scene.offline("clerk")
    scene.closes(answer)
    with scene.refused("SHOP_IN_USE", "force", IN_USE, code="FAILED_PRECONDITION"):
        delete(scene)
    scene.cancel("li")
    assert delete(scene) == "2"


def test_by_force_conversations_end_and_who_waits_is_cancelled(scene: Scene):
    owned(scene)
    scene.route("wang")
    scene.route("li")
    delete(scene, force=True)
    facts = [fact.WhichOneof("fact") for fact in scene.entries()[-1].facts]
    assert facts == ["conversation_closed", "waiting_cancelled", "shop_deleted"]
    assert scene.entries()[-1].facts[1].waiting_cancelled.buyer_id == "li"


def test_a_deleted_shop_is_unknown_and_nothing_falls_due_in_it(scene: Scene):
    owned(scene)
    scene.route("wang")
    delete(scene, force=True)
    scene.shop = shop_pb2.Shop()
    scene.after(60 * MINUTE)
    logged = len(scene.entries())
    for call in (lambda: scene.route("wang"), scene.stored, scene.agents, lambda: delete(scene)):
        with scene.refused("SHOP_NOT_FOUND", "shop_id", "unknown shop", code="NOT_FOUND"):
            call()
    assert len(scene.entries()) == logged


def test_made_again_it_begins_anew_but_no_number_is_given_out_twice(scene: Scene):
    owned(scene)
    first = scene.route("wang", request_id="r")
    delete(scene, force=True)
    again = scene.apply(scene.shop, actor="stranger").shop
    assert again.etag == "3"
    assert not any(one.status == 1 for one in scene.agents().values())
    scene.online("manager")
    answer = scene.route("wang", request_id="r")
    assert brief(answer) == "AGENT manager WEIGHTED"
    assert (first.decision_id, first.conversation_id) == ("d1", "c1")
    assert (answer.decision_id, answer.conversation_id) == ("d2", "c2")
    with pytest.raises(AssertionError):
        scene.replies("wang", conversation_id="c9")
    scene.replies("", conversation_id="c1", agent_id="clerk")  # From before: issued, and closed.
