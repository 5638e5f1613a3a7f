"""Presence: sessions, managers, leases, and what the list of agents says."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from model.wire import AGENT, MINUTE, OFFLINE, ONLINE, SUSPENDED, T0, Desk, document

SESSION, MANAGER, LEASE_EXPIRED = 1, 2, 3


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    desk = Desk(core)
    desk.apply(**document({"a": 5, "b": 3, "c": 0}))
    return desk


def state(desk: Desk, agent: str) -> tuple[int, int, str, int]:
    p = desk.presence(agent)
    return p.status, p.cause, p.session_id, p.since_ms


def test_a_new_agent_is_offline_since_it_was_created_for_no_cause(desk: Desk) -> None:
    assert state(desk, "a") == (OFFLINE, 0, "", T0)


def test_a_session_reports_its_agents(desk: Desk) -> None:
    result = desk.update("x", "a", ONLINE, T0 + 1, update_id="u7")
    assert result.ok.update_id == "u7"
    assert not result.ok.HasField("status")
    assert state(desk, "a") == (ONLINE, SESSION, "x", T0 + 1)
    assert result.facts == [
        (
            "presence_changed",
            {
                "agent_id": "a",
                "status": ONLINE,
                "cause": SESSION,
                "session_id": "x",
                "awaiting": None,
            },
        )
    ]


def test_a_manager_sets_presence_without_a_session(desk: Desk) -> None:
    desk.update("x", "a", ONLINE)
    result = desk.set_presence("a", SUSPENDED, T0 + 5, actor="boss", awaiting=2)
    assert result.logged.actor == "boss"
    p = result.ok.presence
    assert p == desk.presence("a")
    assert (p.status, p.cause, p.session_id) == (SUSPENDED, MANAGER, "")
    assert (p.since_ms, p.awaiting, p.effective_weight) == (T0 + 5, 2, 5120)
    assert desk.engine.sessions() == []


def test_since_changes_with_the_status_only(desk: Desk) -> None:
    desk.update("x", "a", ONLINE, T0 + 1)
    desk.update("y", "a", ONLINE, T0 + 2)
    assert state(desk, "a") == (ONLINE, SESSION, "y", T0 + 1)
    desk.set_presence("a", ONLINE, T0 + 3)
    assert state(desk, "a") == (ONLINE, MANAGER, "", T0 + 1)
    desk.set_presence("a", SUSPENDED, T0 + 4)
    assert state(desk, "a") == (SUSPENDED, MANAGER, "", T0 + 4)


def test_what_changes_nothing_is_not_logged(desk: Desk) -> None:
    desk.update("x", "a", ONLINE, awaiting=3)
    before = desk.engine.state_hash()
    fields: list[dict[str, Any]] = [{}, {"awaiting": 3}]
    for more in fields:
        again = desk.update("x", "a", ONLINE, T0 + 9, update_id="v", **more)
        assert (again.ok.update_id, again.entry) == ("v", b"")
    assert desk.engine.state_hash() == before
    assert desk.update("x", "a", ONLINE, T0 + 9, awaiting=4).entry != b""


def test_reporting_zero_is_not_reporting_nothing(desk: Desk) -> None:
    desk.update("x", "a", ONLINE)
    assert desk.update("x", "a", ONLINE, awaiting=0).facts[0][1]["awaiting"] == 0
    assert desk.state.agents[0].HasField("absolute_awaiting")


def test_setting_offline_who_is_offline_is_a_change_of_cause(desk: Desk) -> None:
    assert desk.set_presence("a", OFFLINE, T0 + 5).entry != b""
    assert state(desk, "a") == (OFFLINE, MANAGER, "", T0)
    assert desk.set_presence("a", OFFLINE, T0 + 6).entry == b""


def test_actors_are_logged_for_managers_only(desk: Desk) -> None:
    message = desk.update("x", "a", ONLINE)
    assert message.logged.actor == ""
    kind, body = 7, message.logged.update_presence
    body.update.status = OFFLINE
    code, _, _, entry = desk.engine.decide(kind, body.SerializeToString(), T0, "boss")
    assert code == 0
    assert b"boss" not in entry
    desk.set_presence("a", ONLINE)
    result = desk.raw("route", b"\x0a\x01s\x12\x01m", actor="boss")
    assert result.logged.actor == ""


def test_an_expired_session_takes_its_agents_offline(desk: Desk) -> None:
    desk.update("x", "b", SUSPENDED)
    desk.update("x", "a", ONLINE)
    desk.update("y", "c", ONLINE)
    result = desk.expire("x", T0 + 30)
    assert (result.code, result.reply) == (0, b"")
    assert [f["agent_id"] for _, f in result.facts] == ["a", "b"]
    assert {f["cause"] for _, f in result.facts} == {LEASE_EXPIRED}
    assert state(desk, "a") == (OFFLINE, LEASE_EXPIRED, "", T0 + 30)
    assert state(desk, "c") == (ONLINE, SESSION, "y", T0)
    assert desk.engine.sessions() == [("y", "s")]


def test_an_expired_session_forgets_agents_who_were_offline_already(desk: Desk) -> None:
    desk.update("x", "a", ONLINE)
    desk.update("x", "a", OFFLINE, T0 + 1)
    assert desk.engine.sessions() == [("x", "s")]
    [(_, fact)] = desk.expire("x", T0 + 30).facts
    assert (fact["status"], fact["cause"], fact["session_id"]) == (OFFLINE, SESSION, "")
    assert state(desk, "a") == (OFFLINE, SESSION, "", T0 + 1)
    assert desk.engine.sessions() == []


def test_an_agent_belongs_to_the_session_that_updated_it_last(desk: Desk) -> None:
    desk.update("x", "a", ONLINE)
    desk.update("y", "a", ONLINE)
    assert desk.expire("x").entry == b""
    assert state(desk, "a")[0] == ONLINE
    assert desk.engine.sessions() == [("y", "s")]


def test_expiring_leaves_awaiting_as_it_is(desk: Desk) -> None:
    desk.update("x", "a", ONLINE, awaiting=7)
    desk.expire("x")
    assert desk.presence("a").awaiting == 7


def test_an_unknown_session_expires_without_a_trace(desk: Desk) -> None:
    before = desk.engine.state_hash()
    result = desk.expire("nobody's")
    assert (result.code, result.reply, result.entry) == (0, b"", b"")
    assert desk.engine.state_hash() == before


def test_sessions_are_listed_by_session_then_shop(desk: Desk) -> None:
    for shop in ("z", "s", "é"):
        desk.shop = shop
        desk.apply(**document(["a", "b"]))
        desk.update("y", "a", ONLINE)
        desk.update("x", "b", ONLINE)
    expected = [("x", "s"), ("x", "z"), ("x", "é"), ("y", "s"), ("y", "z"), ("y", "é")]
    assert desk.engine.sessions() == expected


def test_a_session_ends_in_the_shop_it_is_expired_in(desk: Desk) -> None:
    desk.update("x", "a", ONLINE)
    desk.shop = "t"
    desk.apply(**document(["a"]))
    desk.update("x", "a", ONLINE)
    desk.expire("x")
    assert desk.engine.sessions() == [("x", "s")]


def test_the_list_says_what_everybody_has_in_hand(desk: Desk) -> None:
    desk.update("x", "a", ONLINE)
    for n in range(6):
        desk.route(f"m{n}")
    desk.message(AGENT, conversation_id="c1")
    desk.set_presence("c", ONLINE)
    listed = desk.query("list_presence", shop_id="s").agents
    assert [p.agent_id for p in listed] == ["a", "b", "c"]
    a, b, c = listed
    assert (a.awaiting, a.open_conversations, a.effective_weight) == (5, 6, 5120 * 5 // 6)
    assert (b.awaiting, b.open_conversations, b.effective_weight) == (0, 0, 3072)
    assert (c.awaiting, c.open_conversations, c.effective_weight) == (0, 0, 0)


def test_agents_who_are_deleted_lose_their_presence(desk: Desk) -> None:
    desk.update("x", "a", ONLINE, awaiting=5)
    desk.apply(**document({"b": 3}))
    assert desk.engine.sessions() == []
    desk.apply(T0 + MINUTE, **document({"a": 5, "b": 3}))
    assert state(desk, "a") == (OFFLINE, 0, "", T0 + MINUTE)
    assert desk.presence("a").awaiting == 0


def test_conversations_of_a_deleted_agent_are_theirs_again_when_they_come_back(desk: Desk) -> None:
    desk.set_presence("a", ONLINE)
    desk.route("m")
    desk.apply(**document({"b": 3}))
    assert len(desk.state.conversations) == 1
    desk.apply(**document({"a": 5, "b": 3}))
    p = desk.presence("a")
    assert (p.awaiting, p.open_conversations) == (1, 1)
