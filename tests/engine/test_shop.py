"""Documents: their resolved form, etags, changes of weights, and the queries that show them."""

from __future__ import annotations

from types import ModuleType

import pytest

from fenliu.v1 import shop_pb2
from model.wire import MINUTE, ONLINE, T0, Desk, document


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    return Desk(core)


def test_every_default_is_filled_in(desk: Desk) -> None:
    result = desk.apply(
        agents=[shop_pb2.Agent(agent_id="a")], groups=[shop_pb2.Group(group_id="g")]
    )
    assert result.ok.changed
    assert result.ok.shop == shop_pb2.Shop(
        shop_id="s",
        settings=shop_pb2.ShopSettings(
            busy_threshold=4,
            selection_mode=shop_pb2.SELECTION_MODE_WEIGHTED,
            sticky_window_ms=259200000,
            sticky_suspended_window_ms=86400000,
            binding_precedence=[1, 2, 3, 4],
            reception_mode=shop_pb2.RECEPTION_MODE_HUMAN_FIRST,
            reception_scope=shop_pb2.RECEPTION_SCOPE_SHOP,
            offline_target=shop_pb2.OFFLINE_TARGET_POOL,
            queue_timeout_ms=600000,
            max_hops=3,
            idle_close_ms=1800000,
            timestamp_skew_ms=300000,
            longest_wait_ms=600000,
            slow_gap_ms=120000,
            slow_count=3,
        ),
        agents=[shop_pb2.Agent(agent_id="a", weight=5)],
        groups=[
            shop_pb2.Group(
                group_id="g",
                bindings=shop_pb2.Bindings(),
                when_unavailable=shop_pb2.UNAVAILABLE_POLICY_SPILL,
                reception_mode=shop_pb2.RECEPTION_MODE_HUMAN_FIRST,
            )
        ],
        etag="1",
    )


def test_zero_is_not_absent(desk: Desk) -> None:
    zeros = dict.fromkeys(
        (
            "busy_threshold",
            "sticky_window_ms",
            "sticky_suspended_window_ms",
            "queue_timeout_ms",
            "max_hops",
            "idle_close_ms",
            "timestamp_skew_ms",
            "longest_wait_ms",
            "slow_gap_ms",
            "slow_count",
        ),
        0,
    )
    shop = desk.apply(
        agents=[shop_pb2.Agent(agent_id="a", weight=0)], settings=shop_pb2.ShopSettings(**zeros)
    ).ok.shop
    for name in zeros:
        assert shop.settings.HasField(name)
        assert getattr(shop.settings, name) == 0
    assert shop.agents[0].HasField("weight")
    assert shop.agents[0].weight == 0


def test_everything_is_sorted_by_bytes(desk: Desk) -> None:
    ids = ["é", "b", "\U0001f600", "a", "Z", "\uffee", "ab"]
    ordered = ["Z", "a", "ab", "b", "é", "\uffee", "\U0001f600"]
    bindings = shop_pb2.Bindings(
        product_ids=ids, intents=ids, page_sources=ids, order_statuses=[6, 1, 3]
    )
    shop = desk.apply(
        agents=[shop_pb2.Agent(agent_id=i) for i in ids],
        groups=[shop_pb2.Group(group_id=i, agent_ids=ids, bindings=bindings) for i in ids],
        settings=shop_pb2.ShopSettings(
            buyer_agents=[shop_pb2.BuyerAgent(buyer_id=i, agent_id="a") for i in ids],
            binding_precedence=[4, 2],
        ),
    ).ok.shop
    assert [a.agent_id for a in shop.agents] == ordered
    assert [g.group_id for g in shop.groups] == ordered
    for group in shop.groups:
        assert list(group.agent_ids) == ordered
        assert list(group.bindings.product_ids) == ordered
        assert list(group.bindings.intents) == ordered
        assert list(group.bindings.page_sources) == ordered
        assert list(group.bindings.order_statuses) == [1, 3, 6]
    assert [p.buyer_id for p in shop.settings.buyer_agents] == ordered
    # The precedence is an order, not a set.
    assert list(shop.settings.binding_precedence) == [4, 2]


def test_applying_again_changes_nothing_whatever_form_it_has(desk: Desk) -> None:
    shop = document({"a": 5, "b": 3}, {"h": ["b", "a"], "g": ["a"]})
    first = desk.apply(**shop)
    before = desk.engine.state_hash()
    again = desk.apply(T0 + 5, **shop)
    assert (again.ok.changed, again.entry) == (False, b"")
    assert again.ok.shop == first.ok.shop
    resolved = shop_pb2.ApplyShopRequest(shop=first.ok.shop)
    assert not desk.do("apply_shop", resolved).ok.changed
    assert desk.engine.state_hash() == before


def test_each_change_is_a_revision(desk: Desk) -> None:
    assert desk.apply(display_name="1").ok.shop.etag == "1"
    assert desk.apply(display_name="2", etag="1").ok.shop.etag == "2"
    assert desk.apply(display_name="2", etag="2").ok.shop.etag == "2"
    assert desk.apply(display_name="3").ok.shop.etag == "3"
    stale = (10, "STALE_ETAG", "shop.etag", "stale: the shop is at 3")
    assert desk.apply(display_name="3", etag="2").refusal == stale
    assert desk.apply(display_name="4", etag="2").refusal == stale


def test_who_changed_the_configuration_is_logged(desk: Desk) -> None:
    result = desk.apply(actor="boss", **document(["a"]))
    entry = result.logged
    assert (entry.actor, entry.now_ms) == ("boss", T0)
    assert entry.facts[0].shop_applied.shop == result.ok.shop
    # The command is logged as it was given, not as it is stored.
    assert entry.apply_shop.shop.etag == ""


def test_a_new_shop_takes_the_time_given(desk: Desk) -> None:
    desk.apply(5)
    assert desk.state.last_now_ms == 5


def test_weights_are_set_all_or_none(desk: Desk) -> None:
    desk.apply(**document({"a": 5, "b": 3, "c": 1}))
    before = desk.engine.state_hash()
    assert desk.set_weights({"a": 7, "nobody": 1}).refusal[1] == "AGENT_NOT_FOUND"
    assert desk.engine.state_hash() == before
    result = desk.set_weights({"c": 0, "b": 3, "a": 7}, T0 + 5)
    assert result.ok.etag == "2"
    assert result.facts == [("weights_set", {"weights": [("a", 7), ("c", 0)], "etag": "2"})]
    shop = desk.query("get_shop", shop_id="s").shop
    assert {a.agent_id: a.weight for a in shop.agents} == {"a": 7, "b": 3, "c": 0}
    assert shop.etag == "2"


def test_the_same_weights_change_nothing(desk: Desk) -> None:
    desk.apply(**document({"a": 5, "b": 3}))
    result = desk.set_weights({"b": 3}, T0 + 5, etag="1")
    assert (result.ok.etag, result.entry) == ("1", b"")


def test_a_document_and_weights_share_their_revisions(desk: Desk) -> None:
    desk.apply(**document({"a": 5}))
    desk.set_weights({"a": 6})
    assert desk.set_weights({"a": 7}, etag="1").refusal[3] == "stale: the shop is at 2"
    assert desk.apply(**document({"a": 6}), etag="2").ok.changed is False
    assert desk.apply(**document({"a": 7}), etag="2").ok.shop.etag == "3"


def test_conversations_contacts_and_waiting_survive_the_deletion_of_agents(desk: Desk) -> None:
    desk.apply(**document({"a": 5, "b": 5}, caps={"a": 1}))
    desk.set_presence("a", ONLINE)
    desk.route("m")
    desk.route("n")
    desk.apply(T0 + MINUTE, **document({"b": 5}))
    assert [c.agent_id for c in desk.state.conversations] == ["a"]
    assert [c.agent_id for c in desk.state.contacts] == ["a"]
    assert [w.buyer_id for w in desk.state.waiting] == ["n"]


# --- queries --------------------------------------------------------------------------------------


def test_a_shop_is_shown_as_it_is_stored(desk: Desk) -> None:
    stored = desk.apply(**document(["b", "a"])).ok.shop
    assert desk.query("get_shop", shop_id="s").shop == stored
    code, _, partition = desk.engine.query(1, b"\x0a\x01s")
    assert (code, partition) == (0, desk.core.partition_of("s", desk.partitions))


def test_queries_refuse_as_commands_do(desk: Desk) -> None:
    for name in ("get_shop", "list_presence"):
        unknown = (5, "SHOP_NOT_FOUND", "shop_id", "unknown shop")
        assert desk.refused_query(name, shop_id="s") == unknown
        required = (3, "INVALID_FIELD", "shop_id", "required")
        assert desk.refused_query(name) == required
        assert desk.refused_query(name, shop_id="\n")[3] == "no control characters"
    for size in (-1, 1001):
        expected = (3, "INVALID_FIELD", "page_size", "must be within 0..1000")
        assert desk.refused_query("list_shops", page_size=size) == expected
    for token, rule in (("x" * 129, "at most 128 bytes"), ("\n", "no control characters")):
        expected = (3, "INVALID_FIELD", "page_token", rule)
        assert desk.refused_query("list_shops", page_token=token) == expected


def test_shops_are_listed_by_id_page_by_page(desk: Desk) -> None:
    ids = ["店", "b", "é", "a", "Z"]
    for desk.shop in ids:
        desk.apply(display_name=f"shop {desk.shop}", **document(["a", "b"], {"g": ["a"]}))
    ordered = ["Z", "a", "b", "é", "店"]
    assert desk.engine.shop_ids() == ordered
    whole = desk.query("list_shops")
    assert [s.shop_id for s in whole.shops] == ordered
    assert whole.next_page_token == ""
    first = whole.shops[0]
    assert (first.display_name, first.agents, first.groups, first.etag) == ("shop Z", 2, 1, "1")
    seen, token = [], ""
    while True:
        page = desk.query("list_shops", page_size=2, page_token=token)
        seen.append([s.shop_id for s in page.shops])
        token = page.next_page_token
        if not token:
            break
    assert seen == [["Z", "a"], ["b", "é"], ["店"]]
    # A full last page is the last; a token need not be a shop that exists.
    assert desk.query("list_shops", page_size=5).next_page_token == ""
    assert [s.shop_id for s in desk.query("list_shops", page_token="aa").shops] == ["b", "é", "店"]
    assert desk.engine.query(2, b"")[2] == -1


def test_a_page_has_a_hundred_shops_unless_told(desk: Desk) -> None:
    for n in range(101):
        desk.shop = f"{n:03}"
        desk.apply()
    page = desk.query("list_shops")
    assert (len(page.shops), page.next_page_token) == (100, "099")
    assert len(desk.query("list_shops", page_size=1000).shops) == 101


def test_queries_change_nothing_and_apply_nothing_that_is_due(desk: Desk) -> None:
    desk.apply(**document(["a"], idle_close_ms=1))
    desk.set_presence("a", ONLINE)
    desk.route("m")
    before = desk.engine.state_hash()
    assert desk.presence("a").open_conversations == 1
    desk.query("get_shop", shop_id="s")
    desk.query("list_shops")
    assert desk.engine.state_hash() == before
