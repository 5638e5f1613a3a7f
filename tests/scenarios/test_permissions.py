"""Who may change a shop: the owner everything, others what the owner has granted."""

from __future__ import annotations

import pytest

from fenliu.v1 import shop_pb2
from support.scene import Scene, agent

MANAGE = "dispatch.manage"
NOBODYS = {"code": "PERMISSION_DENIED"}


def managed(scene: Scene) -> Scene:
    """boss owns, manager may manage, clerk may not."""
    scene.opens([agent("manager", permissions=[MANAGE]), "clerk"], owner="boss", online=[])
    return scene


@pytest.mark.parametrize("actor", ["", "boss", "manager"])
def test_the_owner_the_granted_and_the_operators_tools_may_change_weights_groups_and_modes(
    scene: Scene, actor: str
):
    managed(scene)
    scene.weights(actor=actor, clerk=9)
    scene.shop.agents[1].weight = 9
    scene.shop.groups[0].display_name = "全店"
    scene.shop.settings.selection_mode = shop_pb2.SELECTION_MODE_EVEN
    assert scene.apply(scene.shop, actor=actor).changed
    assert scene.entries()[-1].actor == actor  # The log knows who.


@pytest.mark.parametrize("actor", ["clerk", "stranger"])
def test_nobody_else_may(scene: Scene, actor: str):
    managed(scene)
    with scene.refused("NOT_ALLOWED", "fenliu-actor", "needs dispatch.manage", **NOBODYS):
        scene.weights(actor=actor, clerk=9)
    scene.shop.display_name = "x"
    with scene.refused("NOT_ALLOWED", "fenliu-actor", "needs dispatch.manage", **NOBODYS):
        scene.apply(scene.shop, actor=actor)


def test_a_permission_ends_when_the_owner_takes_it_back(scene: Scene):
    managed(scene)
    del scene.shop.agents[0].permissions[:]
    scene.apply(scene.shop, actor="boss")
    with scene.refused("NOT_ALLOWED", "fenliu-actor", "needs dispatch.manage", **NOBODYS):
        scene.weights(actor="manager", clerk=9)


@pytest.mark.parametrize("change", ["grant", "take", "newcomer", "leaver", "owner"])
def test_only_the_owner_grants_permissions(scene: Scene, change: str):
    managed(scene)
    match change:
        case "grant":
            scene.shop.agents[1].permissions.append(MANAGE)
        case "take":
            del scene.shop.agents[0].permissions[:]
        case "newcomer":
            scene.shop.agents.append(agent("new", permissions=[MANAGE]))
        case "leaver":
            del scene.shop.agents[0]
            del scene.shop.groups[0].agent_ids[0]
        case "owner":
            scene.shop.owner_agent_id = "manager"
    with scene.refused(
        "NOT_ALLOWED", "fenliu-actor", "only the owner grants permissions", **NOBODYS
    ):
        scene.apply(scene.shop, actor="manager")
    assert scene.apply(scene.shop, actor="boss").changed


def test_who_may_manage_may_take_in_and_let_go_agents_without_permissions(scene: Scene):
    managed(scene)
    scene.shop.agents[1].CopyFrom(agent("new"))
    scene.shop.groups[0].agent_ids[1] = "new"
    assert scene.apply(scene.shop, actor="manager").changed


def test_a_shop_that_does_not_exist_yet_may_be_made_by_anybody(scene: Scene):
    scene.opens(["a"], owner="boss", actor="stranger", online=[])
    assert scene.stored().owner_agent_id == "boss"


def test_an_unknown_permission_is_refused(scene: Scene):
    managed(scene)
    scene.shop.agents[1].permissions.append("dispatch.everything")
    with scene.refused("INVALID_FIELD", "shop.agents[1].permissions[0]", "unknown value"):
        scene.apply(scene.shop)
