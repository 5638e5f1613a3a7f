"""When the engine itself fails at a shop (docs/engine.md section 15): that call, that shop, and nothing else."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2

from fenliu.engine import CommandKind, QueryKind
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2
from model.cores import both_cores
from support.harm import harm

NOW = 1_717_207_200_000
FAILS = NOW + 60_000
"""From then on."""
PARTITIONS = 8
SHOPS = ("s", "t", "u")
INTERNAL, UNAVAILABLE = 13, 14
ROUTE = CommandKind.ROUTE


def route(buyer: str, shop: str, **fields: Any) -> bytes:
    return dispatch_pb2.RouteRequest(shop_id=shop, buyer_id=buyer, **fields).SerializeToString()


def status(body: bytes) -> tuple[int, str, str, int]:
    """Code, reason, message, and when to try again, ms."""
    parsed = status_pb2.Status.FromString(body)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in parsed.details:
        assert detail.Unpack(info) or detail.Unpack(retry)
    return parsed.code, info.reason, parsed.message, retry.retry_delay.ToMilliseconds()


FAILED = (INTERNAL, "INTERNAL", "the engine failed", 0)
NOT_NOW = (
    UNAVAILABLE,
    "SHOP_UNAVAILABLE",
    "shop_id: is being read back after a failure",
    500,
)


class World:
    """An engine with shops, and what it has logged."""

    def __init__(self, core: ModuleType) -> None:
        self.engine = core.Engine(PARTITIONS)
        self.core = core
        self.log = b""
        for shop in SHOPS:
            self.decide(
                CommandKind.APPLY_SHOP,
                shop_pb2.ApplyShopRequest(
                    shop=shop_pb2.Shop(
                        shop_id=shop,
                        agents=[shop_pb2.Agent(agent_id="a"), shop_pb2.Agent(agent_id="b")],
                        groups=[shop_pb2.Group(group_id="g", agent_ids=["a", "b"])],
                    )
                ).SerializeToString(),
            )
            update = presence_pb2.PresenceUpdate(
                update_id="u", shop_id=shop, agent_id="a", status=types_pb2.PRESENCE_STATUS_ONLINE
            )
            self.decide(
                CommandKind.UPDATE_PRESENCE,
                engine_pb2.UpdatePresence(session_id="x", update=update).SerializeToString(),
            )
            self.decide(ROUTE, route("before", shop, request_id="r"))

    def decide(self, kind: int, request: bytes, now: int = NOW) -> bytes:
        code, body, _, entry = self.engine.decide(kind, request, now)
        assert code == 0
        self.log += entry
        return body

    def replayed(self, shop: str = "") -> Any:
        engine = self.core.Engine(PARTITIONS)
        engine.apply(self.log, 0, shop)
        return engine


@pytest.fixture
def world(core: ModuleType) -> World:
    return World(core)


def test_a_failure_fails_the_call_and_the_shop_and_nothing_else(world: World) -> None:
    engine = world.engine
    harm(engine, "s", FAILS)
    partition = engine.decide(ROUTE, route("", "s"), NOW)[2]
    code, body, its_partition, entry = engine.decide(ROUTE, route("x", "s"), FAILS)
    assert (code, its_partition, entry) == (INTERNAL, partition, b"")
    assert status(body) == FAILED
    ((shop, what),) = engine.failures()
    assert shop == "s"
    assert what
    assert engine.failures() == []
    for kind, request in (
        (ROUTE, route("x", "s")),
        (CommandKind.TICK, engine_pb2.Tick(shop_id="s").SerializeToString()),
        (
            CommandKind.APPLY_SHOP,
            shop_pb2.ApplyShopRequest(shop=shop_pb2.Shop(shop_id="s")).SerializeToString(),
        ),
    ):
        code, body, its_partition, entry = engine.decide(kind, request, FAILS)
        assert (code, its_partition, entry) == (UNAVAILABLE, partition, b"")
        assert status(body) == NOT_NOW
    # What is wrong with a request is said as always.
    assert engine.decide(ROUTE, route("", "s"), FAILS)[0] == 3
    for shop in ("t", "u"):
        world.decide(ROUTE, route("x", shop), FAILS)
    assert engine.failures() == []
    fresh = world.replayed()
    for shop in ("t", "u"):
        assert engine.snapshot(shop) == fresh.snapshot(shop)


def test_an_element_of_a_batch_fails_alone(world: World) -> None:
    harm(world.engine, "s", FAILS)
    items = [route(f"b{n}", shop) for n, shop in enumerate(("t", "s", "u", "s", "t"))]
    batch = dispatch_pb2.RouteBatchRequest(
        requests=[dispatch_pb2.RouteRequest.FromString(item) for item in items]
    ).SerializeToString()
    code, body, total, _, entries, decided = world.engine.decide_batch(ROUTE, batch, FAILS)
    assert (code, total, decided) == (0, 5, 5)
    results = dispatch_pb2.RouteBatchResponse.FromString(body).results
    assert [result.HasField("response") for result in results] == [True, False, True, False, True]
    assert status(results[1].status.SerializeToString()) == FAILED
    assert status(results[3].status.SerializeToString()) == NOT_NOW
    assert sum(count for _, count, _ in entries) == 3
    for _, _, logged in entries:
        world.log += logged
    fresh = world.replayed()
    for shop in ("t", "u"):
        assert world.engine.snapshot(shop) == fresh.snapshot(shop)


def test_a_tick_that_fails_at_one_shop_ticks_the_others_and_comes_to_an_end(world: World) -> None:
    engine = world.engine
    harm(engine, "s", FAILS)
    long_after = NOW + 3_600_000
    entries = engine.tick(long_after)
    assert sum(count for _, count, _ in entries) == 2
    assert [shop for shop, _ in engine.failures()] == ["s"]
    assert engine.next_due() is None
    assert engine.tick(long_after) == []
    assert engine.missing_due(long_after) == b""


def test_what_is_asked_about_a_failed_shop(world: World) -> None:
    engine = world.engine
    harm(engine, "s", FAILS)
    sessions = engine.sessions()
    engine.decide(ROUTE, route("x", "s"), FAILS)
    get_shop = shop_pb2.GetShopRequest(shop_id="s").SerializeToString()
    for kind in (QueryKind.GET_SHOP, QueryKind.LIST_PRESENCE):
        code, body, partition = engine.query(kind, get_shop)
        assert (code, status(body)) == (UNAVAILABLE, NOT_NOW)
        assert partition >= 0
    code, body, _ = engine.query(QueryKind.LIST_SHOPS, b"")
    listed = shop_pb2.ListShopsResponse.FromString(body).shops
    assert code == 0
    assert [shop.shop_id for shop in listed] == list(SHOPS)
    assert listed[0] == shop_pb2.ShopSummary(shop_id="s")
    assert listed[1].agents == 2
    assert engine.shop_ids() == list(SHOPS)
    # Whose lease runs out while the shop is away must be known.
    assert engine.sessions() == sessions
    for asked in (engine.snapshot, engine.missing_of, engine.flush):
        with pytest.raises(ValueError, match="failed"):
            asked("s")
    with pytest.raises(ValueError, match="failed"):
        engine.state_hash()
    with pytest.raises(ValueError, match="failed"):
        engine.apply(world.log, 0, "s")


@pytest.mark.parametrize("whole", [False, True])
def test_a_shop_brought_anew_is_as_if_nothing_had_happened(world: World, whole: bool) -> None:
    engine = world.engine
    harm(engine, "s", FAILS)
    assert engine.decide(ROUTE, route("x", "s"), FAILS)[0] == INTERNAL
    if whole:
        partition = engine.decide(ROUTE, route("x", "s"), FAILS)[2]
        engine.take_partition(world.replayed(), partition)
    else:
        engine.take_shop(world.replayed("s"), "s")
    repeated = world.decide(ROUTE, route("before", "s", request_id="r"), FAILS)
    assert dispatch_pb2.RouteResponse.FromString(repeated).conversation_id == "c1"
    world.decide(ROUTE, route("x", "s"), FAILS)
    fresh = world.replayed()
    assert engine.state_hash() == fresh.state_hash()
    assert engine.next_due() == fresh.next_due()
    assert engine.sessions() == fresh.sessions()
    assert engine.touched() == list(SHOPS)


def test_a_shop_that_failed_at_its_making_is_none_when_brought_anew(core: ModuleType) -> None:
    """Where nothing of a shop is logged, the other engine has none."""
    world = World(core)
    harm(world.engine, "s", FAILS)
    world.engine.decide(ROUTE, route("x", "s"), FAILS)
    world.engine.take_shop(core.Engine(PARTITIONS), "s")
    assert world.engine.shop_ids() == ["t", "u"]
    code, body, _, _ = world.engine.decide(ROUTE, route("x", "s"), FAILS)
    assert (code, status(body)[1]) == (5, "SHOP_NOT_FOUND")


def test_engines_of_other_partitions_give_no_shop(world: World) -> None:
    with pytest.raises(ValueError, match="partitions"):
        world.engine.take_shop(world.core.Engine(PARTITIONS + 1), "s")


def test_a_taken_shop_is_stored_and_forgotten_as_any_other(core: ModuleType) -> None:
    """Its generations fit those of the engine that has rotated meanwhile."""
    world = World(core)
    one = core.Engine(1)
    one.apply(world.log)
    for _ in range(3):
        one.rotate(0)
    log = world.log
    harm(one, "s", FAILS)
    assert one.decide(ROUTE, route("x", "s"), FAILS)[0] == INTERNAL
    other = core.Engine(1)
    other.apply(log, 0, "s")
    one.take_shop(other, "s")
    _, _, _, entry = one.decide(ROUTE, route("y", "s", request_id="new"), FAILS)
    log += entry
    one.rotate(0)
    _, _, _, entry = one.decide(ROUTE, route("z", "s", request_id="last"), FAILS)
    log += entry
    kept = core.Engine(1)
    kept.apply(log)
    assert one.state_hash() == kept.state_hash()
    repeated = one.decide(ROUTE, route("y", "s", request_id="new"), FAILS)
    assert repeated[3] == b""
    assert repeated[1] == kept.decide(ROUTE, route("y", "s", request_id="new"), FAILS)[1]


def test_a_script_is_not_played_on_beyond_a_failure(world: World) -> None:
    engine = world.engine
    harm(engine, "s", FAILS)
    event = engine_pb2.ScriptEvent(
        now_ms=FAILS + 1, route=dispatch_pb2.RouteRequest(shop_id="s", buyer_id="x")
    ).SerializeToString()
    playing = engine_pb2.Playing(shop_id="s", start_ms=NOW, end_ms=FAILS + 10)
    with pytest.raises(ValueError, match="failed"):
        engine.play(bytes([len(event)]) + event, playing.SerializeToString())


def delimited(entry: engine_pb2.Entry) -> bytes:
    body = entry.SerializeToString()
    return bytes([len(body)]) + body


def test_an_entry_with_a_shop_that_names_an_unknown_agent_is_refused(world: World) -> None:
    engine = world.engine
    before = engine.snapshot("s")
    for document in (
        shop_pb2.Shop(shop_id="s", groups=[shop_pb2.Group(group_id="g", agent_ids=["who"])]),
        shop_pb2.Shop(
            shop_id="s",
            settings=shop_pb2.ShopSettings(
                buyer_agents=[shop_pb2.BuyerAgent(buyer_id="x", agent_id="who")]
            ),
        ),
    ):
        entry = engine_pb2.Entry(now_ms=NOW, tick=engine_pb2.Tick(shop_id="s"))
        entry.facts.add().shop_applied.shop.CopyFrom(document)
        with pytest.raises(ValueError, match="unknown agent"):
            engine.apply(delimited(entry))
    assert engine.failures() == []
    assert engine.snapshot("s") == before


def test_an_entry_that_contradicts_itself_is_refused_and_fails_its_shop(world: World) -> None:
    """The last one closes the second open conversation of a buyer who is gone, and decides about nobody."""
    engine = world.engine
    shop = shop_pb2.Shop(shop_id="v", agents=[shop_pb2.Agent(agent_id="a")])
    world.decide(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop).SerializeToString())
    entries = [engine_pb2.Entry(now_ms=NOW, tick=engine_pb2.Tick(shop_id="v")) for _ in range(3)]
    for number in (1, 2):
        entries[0].facts.add().decided.CopyFrom(
            engine_pb2.Decided(
                decision=number,
                outcome=types_pb2.OUTCOME_ROBOT,
                conversation=number,
                agent_id="r",
                buyer_id="x",
            )
        )
        entries[number].facts.add().conversation_closed.conversation = number
    entries[2].facts.add().decided.decision = 3
    log = b"".join(map(delimited, entries))
    with pytest.raises(ValueError, match="contradicts itself"):
        engine.apply(log)
    assert [shop for shop, _ in engine.failures()] == ["v"]
    assert engine.decide(ROUTE, route("x", "v"), NOW)[0] == UNAVAILABLE
    world.decide(ROUTE, route("x", "t"), NOW)


def test_both_cores_say_the_same_of_a_failure() -> None:
    said = []
    for core in both_cores():
        engine = World(core).engine
        harm(engine, "s", FAILS)
        answers = [engine.decide(ROUTE, route("x", "s"), FAILS) for _ in range(2)]
        answers.append(engine.query(QueryKind.LIST_SHOPS, b""))
        said.append((answers, engine.next_due(), engine.shop_ids(), engine.sessions()))
    assert said[0] == said[1]
