"""Who may change a shop: the operator, its owner, and agents with dispatch.manage."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import ONLINE, Desk, Refusal, document

NEEDS = (7, "NOT_ALLOWED", "fenliu-actor", "needs dispatch.manage")
GRANTS = (7, "NOT_ALLOWED", "fenliu-actor", "only the owner grants permissions")


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """The shop of boss; a manages, b does not."""
    desk = Desk(core)
    apply(desk, "")
    return desk


def apply(desk: Desk, actor: str, owner: str = "boss", etag: str = "", **more: Any) -> Any:
    fields: dict[str, Any] = {"agents": ["a", "b"], "managers": ["a"], **more}
    agents = fields.pop("agents")
    name = fields.pop("display_name", "")
    shop = document(agents, {"g": []}, **fields)
    return desk.apply(
        None, actor, owner_agent_id=owner, etag=etag, display_name=name, **shop
    )  # fmt: skip


def refused(desk: Desk, actor: str, **more: Any) -> Refusal:
    before = desk.engine.state_hash()
    result = apply(desk, actor, **more)
    assert result.entry == b""
    assert desk.engine.state_hash() == before
    return result.refusal


def test_anybody_may_make_a_shop_that_does_not_exist(desk: Desk) -> None:
    desk.shop = "new"
    assert apply(desk, "stranger").ok.changed


@pytest.mark.parametrize("actor", ["", "boss", "a"])
def test_these_may_change_a_shop(desk: Desk, actor: str) -> None:
    result = apply(desk, actor, busy_threshold=9)
    assert result.ok.changed
    assert result.logged.actor == actor
    assert desk.set_weights({"b": 9}, actor=actor).ok.etag == "3"


@pytest.mark.parametrize("actor", ["b", "stranger", "A"])
def test_others_may_not_even_when_nothing_would_change(desk: Desk, actor: str) -> None:
    assert refused(desk, actor) == NEEDS
    assert refused(desk, actor, etag="9") == NEEDS
    assert desk.set_weights({"nobody": 5}, etag="9", actor=actor).refusal == NEEDS


def test_an_agent_needs_the_permission_now_not_after_the_change(desk: Desk) -> None:
    apply(desk, "boss", managers=["b"])
    assert refused(desk, "a") == NEEDS
    assert apply(desk, "b", managers=["b"], display_name="x").ok.changed


def test_a_permission_goes_with_its_agent(desk: Desk) -> None:
    apply(desk, "boss", agents=["b"], managers=[])
    apply(desk, "boss", managers=[])
    assert refused(desk, "a", managers=[]) == NEEDS


@pytest.mark.parametrize(
    "more",
    [
        {"managers": []},
        {"managers": ["a", "b"]},
        {"agents": ["b"], "managers": []},
        {"agents": ["a", "b", "c"], "managers": ["a", "c"]},
        {"owner": "a"},
        {"owner": ""},
    ],
)
def test_only_the_owner_grants_and_takes_permissions(desk: Desk, more: dict[str, Any]) -> None:
    assert refused(desk, "a", **more) == GRANTS
    for actor in ("", "boss"):
        twin = Desk(desk.core)
        apply(twin, "")
        assert apply(twin, actor, **more).ok.changed


def test_a_manager_may_change_everything_else(desk: Desk) -> None:
    more: dict[str, Any] = {"agents": {"a": 7, "c": 1}, "display_name": "新店", "robot_id": "r"}
    assert apply(desk, "a", **more).ok.changed


def test_the_etag_is_checked_before_what_only_the_owner_may(desk: Desk) -> None:
    assert refused(desk, "a", etag="9", managers=[])[1] == "STALE_ETAG"


def test_without_an_owner_only_managers_and_the_operator_may(desk: Desk) -> None:
    apply(desk, "", owner="")
    assert refused(desk, "boss", owner="") == NEEDS
    assert refused(desk, "a", owner="boss") == GRANTS
    assert apply(desk, "a", owner="", display_name="x").ok.changed


def test_the_owner_may_be_an_agent_without_the_permission(desk: Desk) -> None:
    apply(desk, "", owner="b")
    assert apply(desk, "b", owner="b", managers=["a", "b"]).ok.changed


def test_presence_is_not_configuration(desk: Desk) -> None:
    assert desk.set_presence("b", ONLINE, actor="stranger").code == 0
