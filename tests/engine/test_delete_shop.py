"""Deleting a shop, what stays of it, and making it again."""

from __future__ import annotations

import hashlib
from types import ModuleType

import pytest

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import shop_pb2
from model.wire import (
    AGENT,
    BUYER,
    HOUR,
    MINUTE,
    ONLINE,
    T0,
    Desk,
    document,
    request,
)

UNKNOWN = (5, "SHOP_NOT_FOUND", "shop_id", "unknown shop")
IN_USE = (9, "SHOP_IN_USE", "force", "conversations are open or buyers wait")
NOT_THE_OWNER = (7, "NOT_ALLOWED", "fenliu-actor", "only the owner deletes the shop")
SHOP_DELETED = 8


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """The shop of boss, with a and b at the desk; a may manage. At revision 1."""
    desk = Desk(core)
    desk.open(["a", "b"], owner="boss", managers=["a"])
    return desk


def test_a_shop_nobody_uses_is_deleted(desk: Desk) -> None:
    result = desk.delete(T0 + 5, actor="boss")
    assert result.ok == shop_pb2.DeleteShopResponse(etag="2")
    assert result.facts == [("shop_deleted", {"etag": "2"})]
    assert (result.logged.actor, result.logged.now_ms) == ("boss", T0 + 5)
    assert result.logged.delete_shop == shop_pb2.DeleteShopRequest(shop_id="s")


@pytest.mark.parametrize("actor", ["", "boss"])
def test_these_may(desk: Desk, actor: str) -> None:
    assert desk.delete(actor=actor).code == 0


@pytest.mark.parametrize("actor", ["a", "b", "stranger"])
def test_others_may_not_not_even_who_manages(desk: Desk, actor: str) -> None:
    before = desk.engine.state_hash()
    assert desk.delete(actor=actor, etag="9", force=True).refusal == NOT_THE_OWNER
    assert desk.engine.state_hash() == before


def test_without_an_owner_only_the_operator_may(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a"], managers=["a"])
    assert desk.delete(actor="a").refusal == NOT_THE_OWNER
    assert desk.delete().code == 0


def test_the_etag_must_be_the_stored_one(desk: Desk) -> None:
    desk.route("m")
    stale = (10, "STALE_ETAG", "etag", "stale: the shop is at 1")
    assert desk.delete(etag="2").refusal == stale
    assert desk.delete(etag="1").refusal == IN_USE
    assert desk.delete(etag="1", force=True).code == 0


def test_a_shop_in_use_is_not_deleted_without_force(desk: Desk) -> None:
    desk.route("m")
    assert desk.delete().refusal == IN_USE
    desk.close("c1")
    desk.apply(**document(["a"], {"g": []}))
    assert desk.route("n").said[0] == "POOLED"
    assert desk.delete().refusal == IN_USE
    desk.cancel("n")
    assert desk.delete().code == 0


def test_what_was_due_by_then_is_logged_though_the_deletion_is_refused(desk: Desk) -> None:
    desk.route("m")
    desk.route("n", T0 + 20 * MINUTE)
    result = desk.delete(T0 + 30 * MINUTE)
    assert result.refusal == IN_USE
    assert result.logged.WhichOneof("command") == "tick"
    assert [f["conversation"] for f in result.named("conversation_closed")] == [1]
    # And what is idle by then is in nobody's way.
    result = desk.delete(T0 + 50 * MINUTE)
    assert [name for name, _ in result.facts] == ["conversation_closed", "shop_deleted"]
    assert result.named("conversation_closed")[0]["cause"] == 1


def test_force_ends_conversations_and_cancels_who_waits_and_nobody_is_taken_for_them(
    core: ModuleType,
) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], caps={"a": 1, "b": 1}, queue_limit=5)
    for n, buyer in enumerate(("m2", "m1", "q2", "q1")):
        desk.route(buyer, T0 + n, priority=n)
    result = desk.delete(T0 + 10, force=True)
    closed = {"cause": SHOP_DELETED, "at_ms": T0 + 10}
    assert result.facts == [
        ("conversation_closed", {"conversation": 1, **closed}),
        ("conversation_closed", {"conversation": 2, **closed}),
        ("waiting_cancelled", {"buyer_id": "q2"}),
        ("waiting_cancelled", {"buyer_id": "q1"}),
        ("shop_deleted", {"etag": "2"}),
    ]


def test_who_waits_is_cancelled_in_order_of_arrival_and_of_decisions(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open({"a": 0})
    for buyer in ("z", "y", "x"):
        assert desk.route(buyer).said[0] == "POOLED"
    result = desk.delete(force=True)
    assert [f["buyer_id"] for f in result.named("waiting_cancelled")] == ["z", "y", "x"]


def test_only_its_numbers_stay_of_a_deleted_shop(desk: Desk) -> None:
    desk.message(AGENT, buyer_id="m", agent_id="a", event_id="e", sent_at_ms=1)
    desk.message(BUYER, buyer_id="m")
    desk.order("m", event_id="o")
    desk.route("n", T0 + 7, request_id="r")
    desk.delete(T0 + 9, force=True)
    assert desk.state == engine_pb2.ShopSnapshot(
        rules_version=desk.core.RULES_VERSION,
        shop=shop_pb2.Shop(shop_id="s", etag="2"),
        last_now_ms=T0 + 9,
        last_decision=1,
        last_conversation=2,
        deleted=True,
    )
    assert desk.engine.next_due() is None
    assert desk.engine.sessions() == []


def test_a_deleted_shop_does_not_exist(desk: Desk) -> None:
    desk.delete(T0 + 5)
    before = desk.engine.state_hash()
    for result in (
        desk.route("m"),
        desk.close("c1"),
        desk.message(BUYER, buyer_id="m"),
        desk.transfer("c1", agent_id="a"),
        desk.cancel("m"),
        desk.order("m"),
        desk.set_presence("a", ONLINE),
        desk.update("x", "a", ONLINE),
        desk.expire("x"),
        desk.tick_shop(T0 + HOUR),
        desk.set_weights({"a": 1}),
        desk.delete(actor="stranger", etag="9"),
    ):
        assert (result.refusal, result.entry) == (UNKNOWN, b""), result.name
    assert desk.refused_query("get_shop", shop_id="s") == UNKNOWN
    assert desk.refused_query("list_presence", shop_id="s") == UNKNOWN
    assert list(desk.query("list_shops").shops) == []
    assert desk.engine.tick(T0 + HOUR) == []
    assert desk.engine.state_hash() == before


def test_deleted_shops_are_listed_only_when_asked_for(desk: Desk) -> None:
    for desk.shop in ("t", "店", "a"):
        desk.apply(**document(["a"]))
    for desk.shop in ("t", "a"):
        desk.delete()
    assert desk.engine.shop_ids() == ["s", "店"]
    assert desk.engine.shop_ids(deleted=True) == ["a", "s", "t", "店"]
    page = desk.query("list_shops", page_size=1, page_token="a")
    assert ([s.shop_id for s in page.shops], page.next_page_token) == (["s"], "s")


def test_the_state_hash_has_deleted_shops_in_it(desk: Desk) -> None:
    desk.shop = "t"
    desk.apply(**document(["a"]))
    desk.delete()
    whole = hashlib.sha256()
    for shop_id in ("s", "t"):
        whole.update(hashlib.sha256(desk.engine.snapshot(shop_id)).digest())
    assert desk.engine.state_hash() == whole.digest()


def test_it_is_made_again_by_anybody_and_numbers_time_and_revisions_go_on(desk: Desk) -> None:
    desk.route("m", T0 + 9, request_id="r")
    desk.delete(T0 + 9, force=True)
    stale = (10, "STALE_ETAG", "shop.etag", "stale: there is no such shop")
    assert desk.apply(etag="2").refusal == stale
    # With the clock a little behind.
    made = desk.apply(T0, "stranger", owner_agent_id="boss", **document(["a", "c"]))
    assert made.ok.changed
    assert made.ok.shop.etag == "3"
    assert made.logged.now_ms == T0 + 9
    assert not desk.state.deleted
    assert [(a.agent_id, a.status, a.since_ms) for a in desk.state.agents] == [
        ("a", 3, T0 + 9),
        ("c", 3, T0 + 9),
    ]
    desk.set_presence("c", ONLINE)
    # What was remembered is forgotten: the same request is a new one, and m is nobody's.
    answer = desk.route("m", request_id="r")
    assert (answer.ok.decision_id, answer.ok.conversation_id) == ("d2", "c2")
    assert answer.said[1] == "WEIGHTED"
    # Conversations from before were issued, and are closed.
    assert desk.close("c1").ok.already_closed
    assert desk.close("c3").refusal[1] == "CONVERSATION_NOT_FOUND"


def test_a_late_word_to_a_conversation_from_before_finds_no_contact(desk: Desk) -> None:
    desk.route("m")
    desk.delete(force=True)
    desk.apply(**document(["a", "b"]))
    assert desk.message(AGENT, conversation_id="c1", agent_id="a").code == 0
    assert list(desk.state.contacts) == []


def test_making_it_again_is_no_change_of_windows(desk: Desk) -> None:
    desk.apply(**document(["a", "b"], sticky_window_ms=5))
    assert desk.state.contacts_since_ms > 0
    desk.delete(T0 + 5)
    assert desk.state.contacts_since_ms == 0
    desk.apply(T0 + HOUR, **document(["a", "b"], sticky_window_ms=9))
    assert desk.state.contacts_since_ms == 0


def test_the_log_and_a_snapshot_bring_a_deleted_shop_back_as_deleted(desk: Desk) -> None:
    desk.route("m")
    desk.delete(force=True)
    for again in (False, True):
        if again:
            desk.apply(**document(["a"]))
        follower, judge, loaded = (desk.core.Engine(desk.partitions) for _ in range(3))
        follower.apply(b"".join(desk.log))
        for entry in desk.log:
            assert judge.redecide(entry)[3] == entry
        loaded.load_snapshot(desk.engine.snapshot("s"))
        for engine in (follower, judge, loaded):
            assert engine.state_hash() == desk.engine.state_hash()
            assert engine.shop_ids() == desk.engine.shop_ids()
            assert engine.shop_ids(deleted=True) == ["s"]


def test_a_deleted_shop_moves_with_its_partition(desk: Desk) -> None:
    desk.delete()
    before, there = desk.engine.state_hash(), desk.core.Engine(desk.partitions)
    there.take_partition(desk.engine, desk.core.partition_of("s", desk.partitions))
    assert there.state_hash() == before
    assert desk.engine.shop_ids(deleted=True) == []


def test_the_shop_id_is_checked(desk: Desk) -> None:
    for bad, rule in (("", "required"), ("x" * 129, "at most 128 bytes")):
        result = desk.do("delete_shop", request("delete_shop", shop_id=bad))
        assert result.refusal == (3, "INVALID_FIELD", "shop_id", rule)
        assert result.entry == b""
