"""WatchLoad: what screens show is what the state, the log and the reports say, at once and as it changes."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from google.protobuf import proto

from fenliu.app import App
from fenliu.client import FenliuClient, FenliuError
from fenliu.config import ServerConfig
from fenliu.engine import load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.reports.load import LoadTables
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2, types_pb2
from support.reporting import report
from support.scene import DAY, HOUR, MIDNIGHT, MINUTE, SECOND, Scene, agent, group, serving

LOAD = "/fenliu.v1.InsightService/WatchLoad"
Load = insight_pb2.WatchLoadResponse


class Screen:
    """A stream of WatchLoad."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.seen: list[Load] = []

    def next(self) -> Load:
        self.seen.append(next(self.call))
        return self.seen[-1]

    def until(self, what: Any) -> Load:
        """The first message of which this holds."""
        while not what(self.next()):
            pass
        return self.seen[-1]


@contextmanager
def watching(scene: Scene, **asked: Any) -> Iterator[Screen]:
    request = insight_pb2.WatchLoadRequest(shop_id=scene.shop_id, **asked)
    stream = scene.server.channel.unary_stream(LOAD, response_deserializer=Load.FromString)
    call = stream(request.SerializeToString(), timeout=30)
    try:
        yield Screen(call)
    finally:
        call.cancel()


def caught_up(scene: Scene) -> Load:
    """The first message in which everything logged so far is known."""
    report(scene)  # waits for the tables
    with watching(scene) as screen:
        return screen.next()


def state_of(scene: Scene) -> engine_pb2.ShopSnapshot:
    """The shop as its log makes it."""
    engine = load_core().engine(1)
    buffer = BytesIO()
    for entry in scene.entries():
        proto.serialize_length_prefixed(entry, buffer)
    engine.apply(buffer.getvalue())
    return engine_pb2.ShopSnapshot.FromString(engine.snapshot(scene.shop_id))


def arrivals(scene: Scene, until_ms: int) -> int:
    count = 0
    for entry in scene.entries():
        for fact in entry.facts:
            asked_on = (types_pb2.REASON_OPEN_CONVERSATION, types_pb2.REASON_STILL_WAITING)
            own = entry.HasField("route") and fact.HasField("decided") and not fact.decided.buyer_id
            if own and fact.decided.reason not in asked_on:
                count += until_ms - MINUTE < entry.now_ms <= until_ms
    return count


def ordered(scene: Scene, start_ms: int) -> Counter[str]:
    """Buyers with an order made since then, by whom is credited; "": the shop. Conversations as the log has them."""
    opened: list[tuple[int, int, str, str]] = []
    made: dict[str, tuple[str, int]] = {}
    for entry in scene.entries():
        for fact in entry.facts:
            decided = fact.decided
            known = {one[1] for one in opened}
            if decided.outcome == types_pb2.OUTCOME_AGENT and decided.conversation not in known:
                buyer = decided.buyer_id or getattr(entry.route, "buyer_id", "")
                at_ms = decided.at_ms or entry.now_ms
                opened.append((at_ms, decided.conversation, buyer, decided.agent_id))
            if fact.HasField("order_noted"):
                order = entry.order
                if order.type != dispatch_pb2.ORDER_EVENT_TYPE_REFUNDED:
                    made.setdefault(order.order_id, (order.buyer_id, fact.order_noted.at_ms))
    credited: dict[str, set[str]] = {}
    for buyer, at_ms in made.values():
        before = [one for one in opened if one[2] == buyer and at_ms - 72 * HOUR <= one[0] <= at_ms]
        if at_ms >= start_ms and before:
            for whom in (max(before)[3], ""):
                credited.setdefault(whom, set()).add(buyer)
    return Counter({whom: len(buyers) for whom, buyers in credited.items()})


def test_what_is_shown_is_the_state_the_log_and_the_report(scene: Scene):
    scene.opens(
        [agent("a", cap=3), agent("b", cap=3, weight=2), agent("c", cap=4)],
        [
            group("presale", "a", "b"),
            group("after", "c", intents=["refund"], when_unavailable="UNAVAILABLE_POLICY_OFFLINE"),
        ],
        owner="boss",
        queue_limit=3,
        queue_timeout_ms=5 * MINUTE,
        reply_timeout_ms=20 * MINUTE,
        idle_close_ms=40 * MINUTE,
    )  # fmt: skip
    rng = random.Random(11)
    seen = Counter[str]()
    for number in range(160):
        scene.after(rng.randrange(MINUTE))
        buyer = f"buyer-{rng.randrange(60)}"
        answer = scene.route(buyer, intent=rng.choice(["", "", "refund"]))
        if answer.agent_id and rng.random() < 0.4:
            scene.replies(buyer)
        if answer.agent_id and rng.random() < 0.3:
            scene.says(buyer)
        if answer.agent_id == "a" and rng.random() < 0.5:
            scene.transfer(answer, agent_id="c", allow_offline=True)
        if answer.outcome == types_pb2.OUTCOME_QUEUED and rng.random() < 0.3:
            scene.cancel(buyer)
        if rng.random() < 0.3:
            kind = rng.choice(["CREATED", "PAID"])
            scene.orders(
                dispatch_pb2.OrderEvent(
                    shop_id=scene.shop_id, buyer_id=buyer, order_id=f"o{number}",
                    type=f"ORDER_EVENT_TYPE_{kind}", amount_cents=100, items=1,
                )
            )  # fmt: skip
        if number in (50, 120):
            scene.offline("c")
        if number == 90:
            scene.online("c")
        if number % 8 == 7:
            presence = scene.agents()
            shown = caught_up(scene)
            assert [one.agent_id for one in shown.agents] == ["a", "b", "c"]
            for one in shown.agents:
                now = presence[one.agent_id]
                for name in (
                    "status",
                    "since_ms",
                    "awaiting",
                    "open_conversations",
                    "effective_weight",
                ):
                    assert getattr(one, name) == getattr(now, name)
            waiting = Counter(one.outcome for one in state_of(scene).waiting)
            assert shown.queued == waiting[types_pb2.OUTCOME_QUEUED]
            assert shown.pooled == waiting[types_pb2.OUTCOME_POOLED]
            assert shown.left_messages == waiting[types_pb2.OUTCOME_LEFT_MESSAGE]
            first = [
                one.since_ms
                for one in state_of(scene).waiting
                if one.outcome == types_pb2.OUTCOME_QUEUED
            ]
            assert shown.queued_since_ms == min(first, default=0)
            assert shown.at_ms == shown.figures_as_of_ms == scene.entries()[-1].now_ms
            assert shown.arrivals_last_minute == arrivals(scene, shown.at_ms)
            midnight = shown.at_ms - (shown.at_ms - MIDNIGHT) % DAY
            told = {who: kpis for (who, _), kpis in report(scene, midnight, midnight + DAY).items()}
            whole = report(scene, midnight, midnight + DAY, by="SHOP")[scene.shop_id, midnight]
            made = ordered(scene, midnight)
            for who, today, kpis in (
                ("", shown.today, whole),
                *((one.agent_id, one.today, told[one.agent_id]) for one in shown.agents),
            ):
                assert today.consulted == kpis["consulted"], who
                assert today.received == kpis["received"], who
                assert today.paid == kpis["sales_buyers"], who
                assert today.ordered == made[who], who
            seen += Counter(
                queued=shown.queued, pooled=shown.pooled, left=shown.left_messages,
                arrivals=shown.arrivals_last_minute, ordered=shown.today.ordered, paid=shown.today.paid,
            )  # fmt: skip
    assert all(seen[what] for what in list(seen)), seen


def test_a_day_is_over_at_midnight(scene: Scene):
    scene.opens(["a"])
    scene.route("b1")
    scene.says("b1")
    assert caught_up(scene).agents[0].today.received == 1
    scene.after(DAY)
    scene.route("b2")
    shown = caught_up(scene)
    assert (shown.today.received, shown.arrivals_last_minute) == (0, 1)  # b2 has not written yet


def test_it_comes_at_once_and_then_on_change_at_most_every_second(scene: Scene):
    scene.opens(["a"])
    with watching(scene) as screen, watching(scene) as other:
        began = time.monotonic()
        assert [one.agent_id for one in screen.next().agents] == ["a"]
        assert time.monotonic() - began < 5
        arrived = []
        for number in range(3):
            scene.route(f"b{number}")
            screen.until(lambda one, n=number + 1: one.agents[0].open_conversations == n)
            arrived.append(time.monotonic())
        assert all(late - soon > 0.5 for soon, late in pairwise(arrived))
        time.sleep(2.5)  # Nothing changes: nothing is sent.
        scene.after(SECOND).offline("a")
        for one in (screen, other):
            offline = one.until(
                lambda one: one.agents[0].status == types_pb2.PRESENCE_STATUS_OFFLINE
            )
            assert (offline.agents[0].since_ms, offline.arrivals_last_minute) == (scene.now, 3)
    for seen in (screen.seen, other.seen):
        for one in seen:
            one.at_ms = one.figures_as_of_ms = 0
        assert all(one != following for one, following in pairwise(seen))


def test_a_deleted_shop_ends_the_watching(scene: Scene):
    scene.opens(["a"])
    with watching(scene, interval_ms=60_000) as screen:
        screen.next()
        request = shop_pb2.DeleteShopRequest(shop_id=scene.shop_id)
        scene.call("ShopService/DeleteShop", request, shop_pb2.DeleteShopResponse)
        with pytest.raises(grpc.RpcError) as caught:
            screen.next()
    error = FenliuError.from_rpc(caught.value)  # type: ignore[arg-type]
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "SHOP_NOT_FOUND")


@pytest.mark.parametrize(
    ("asked", "reason", "field"),
    [
        ({"shop_id": "nowhere"}, "SHOP_NOT_FOUND", "shop_id"),
        ({"shop_id": ""}, "INVALID_FIELD", "shop_id"),
        ({"interval_ms": 999}, "INVALID_FIELD", "interval_ms"),
        ({"interval_ms": 60_001}, "INVALID_FIELD", "interval_ms"),
    ],
)
def test_what_cannot_be_watched_is_said(
    scene: Scene, asked: dict[str, Any], reason: str, field: str
):
    other = Scene(scene.opens(["a"]).server)
    other.shop_id = asked.get("shop_id", scene.shop_id)
    options = {name: value for name, value in asked.items() if name != "shop_id"}
    with watching(other, **options) as screen, pytest.raises(grpc.RpcError) as caught:
        screen.next()
    error = FenliuError.from_rpc(caught.value)  # type: ignore[arg-type]
    assert (error.reason, error.field) == (reason, field)


def test_a_restart_changes_nothing_that_is_shown(core: ModuleType, tmp_path: Path):
    with serving(core, tmp_path / "data") as server:
        scene = Scene(server).opens([agent("a", cap=1)], queue_limit=2)
        for buyer in ("b1", "b2", "b3", "b4"):
            scene.route(buyer)
            if buyer == "b1":
                scene.says(buyer)
        before = caught_up(scene)
        assert (before.queued, before.pooled, before.today.received) == (2, 1, 1)
    with serving(core, tmp_path / "data") as server:
        assert caught_up(scene.again(server)) == before


async def test_many_watchers_are_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    looks = 0
    look = LoadTables.look

    async def counted(*given: Any) -> Any:
        nonlocal looks
        looks += 1
        return await look(*given)

    monkeypatch.setattr(LoadTables, "look", counted)
    app = App(ServerConfig(listen="127.0.0.1:0", data=tmp_path / "data", grace_ms=500))
    address = await app.start()
    async with FenliuClient(address) as client:
        await client.apply_shop(shop_pb2.Shop(shop_id="s", agents=[shop_pb2.Agent(agent_id="a")]))
        streams = [client.watch_load("s") for _ in range(50)]
        began = time.monotonic()
        firsts = await asyncio.gather(*map(anext, streams))
        assert len({one.SerializeToString() for one in firsts}) <= 2
        online = presence_pb2.SetPresenceRequest(
            shop_id="s", agent_id="a", status=types_pb2.PRESENCE_STATUS_ONLINE
        )
        await client.set_presence(online)
        seconds = await asyncio.gather(*map(anext, streams))
        passed = time.monotonic() - began
        assert all(one.agents[0].agent_id == "a" for one in seconds)
        assert looks <= passed + 2
        # The server drains: all are told.
        stopping = asyncio.create_task(app.stop())
        for stream in streams:
            with pytest.raises(FenliuError) as caught:
                while True:
                    await anext(stream)
            assert caught.value.reason in ("DRAINING", "")
            assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        await stopping


@pytest.mark.slow
async def test_who_does_not_read_is_cut_off_and_holds_up_nobody(tmp_path: Path):
    config = ServerConfig(
        listen="127.0.0.1:0", data=tmp_path / "data", grace_ms=500, slow_reader_ms=1_500
    )
    app = App(config)
    address = await app.start()
    agents = [f"{'x' * 100}{number}" for number in range(4_000)]
    small = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
    async with (
        FenliuClient(address) as client,
        grpc.aio.insecure_channel(address, small) as channel,
    ):
        await client.apply_shop(
            shop_pb2.Shop(shop_id="s", agents=[shop_pb2.Agent(agent_id=one) for one in agents])
        )
        slow = channel.unary_stream(LOAD)(
            insight_pb2.WatchLoadRequest(shop_id="s").SerializeToString()
        )
        await slow.read()
        reader = client.watch_load("s")
        await anext(reader)
        for one in agents[:6]:
            status = presence_pb2.SetPresenceRequest(
                shop_id="s", agent_id=one, status=types_pb2.PRESENCE_STATUS_ONLINE
            )
            await client.set_presence(status)
            async with asyncio.timeout(10):
                await anext(reader)  # goes on as ever
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while await slow.read() is not grpc.aio.EOF:
                pass
        assert FenliuError.from_rpc(caught.value).reason == "SLOW_READER"
    await app.stop()
