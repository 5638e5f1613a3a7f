"""Writes the golden vectors under tests/golden from the Python core.

Each step is also judged by the naive model while it is recorded, so that a vector is never only what
the core happened to say. Both cores are tested against the files: by pytest and by `cargo test`.

    python scripts/generate_golden.py          writes the files
    python scripts/generate_golden.py --check  exit status 1 when they would change
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "server"), str(ROOT / "tests")]

from google.protobuf.message import Message  # noqa: E402

import fenliu.engine.pure as core  # noqa: E402
from fenliu.engine.v1 import engine_pb2  # noqa: E402
from fenliu.v1 import presence_pb2, shop_pb2  # noqa: E402
from model import commands  # noqa: E402
from model.lockstep import Lockstep  # noqa: E402
from model.recording import Tape  # noqa: E402
from model.storage import Disk, Storage  # noqa: E402
from model.walks import store_something  # noqa: E402
from model.wire import (  # noqa: E402
    AGENT,
    AUTO_REPLY,
    BUYER,
    COMMANDS,
    DAY,
    HOUR,
    MINUTE,
    OFFLINE,
    ONLINE,
    QUERIES,
    ROBOT,
    SUSPENDED,
    T0,
    document,
    request,
)

GOLDEN = ROOT / "tests" / "golden"
STORED = "stored-"
"""Topics of this prefix are recorded with an engine whose state is stored."""


class Recorder:
    """Drives the core and the model side by side and writes down each call."""

    def __init__(self, name: str, partitions: int = 16, *, stored: bool = False) -> None:
        self.name, self.partitions = name, partitions
        self.pair = Lockstep([core], partitions)
        self.tape = Tape()
        if stored:
            engine = self.tape.engine
            self.pair.storage = Storage([self.tape], partitions, alone=True, engine=engine)
        else:
            self.pair.engines[0] = self.tape.engine(core, partitions, Disk())
        self.shop, self.now = "s", T0

    @property
    def steps(self) -> list[dict[str, Any]]:
        return self.tape.steps

    def vector(self) -> dict[str, Any]:
        self.pair.check()
        engine, storage = self.pair.engines[0], self.pair.storage
        chunks = storage.disks[0].chunks if storage.disks else {}
        return {
            "name": self.name,
            "partitions": self.partitions,
            "steps": self.steps,
            "chunks": [chunks[i].hex() for i in sorted(chunks)],
            "main": storage.engines[0].number if storage.engines else 0,
            "next_due": engine.next_due(),
            "shop_ids": engine.shop_ids(),
            "snapshots": {i: engine.snapshot(i).hex() for i in engine.shop_ids(deleted=True)},
            "state_hash": engine.state_hash().hex(),
        }

    # Calls

    def do(self, name: str, message: Message, actor: str = "") -> Any:
        return self.pair.do(name, message, self.now, actor)

    def raw(self, name: str, body: bytes) -> None:
        """For bodies the model cannot read: none of them may change anything."""
        result = self.pair.raw(name, body, self.now)
        assert result.code == 3
        assert result.entry == b""

    def batch(self, name: str, items: list[Any], step: int = 4096, batch_id: int = 0) -> None:
        self.pair.batch(name, items, self.now, step, batch_id)

    def refused_batch(self, name: str, data: bytes) -> None:
        answer = self.pair.engines[0].decide_batch(COMMANDS[name][0], data, self.now)
        assert answer[0] == 3

    def tick(self) -> None:
        self.pair.tick(self.now)

    def query(self, name: str, **fields: Any) -> None:
        self.pair.query(name, QUERIES[name][1](**fields))

    # Commands by name, for the shop of the moment

    def apply(self, actor: str = "", **shop: Any) -> Any:
        made = shop_pb2.Shop(**{"shop_id": self.shop, **shop})
        return self.do("apply_shop", shop_pb2.ApplyShopRequest(shop=made), actor)

    def route(self, buyer: str, **fields: Any) -> Any:
        return self.do("route", request("route", shop_id=self.shop, buyer_id=buyer, **fields))

    def close(self, conversation: str, **fields: Any) -> Any:
        fields = {"shop_id": self.shop, "conversation_id": conversation, **fields}
        return self.do("close_conversation", request("close_conversation", **fields))

    def message(self, sender: int, **fields: Any) -> Any:
        return self.do("message", request("message", shop_id=self.shop, sender=sender, **fields))

    def set(self, agent: str, status: int, actor: str = "", **fields: Any) -> Any:
        fields = {"shop_id": self.shop, "agent_id": agent, "status": status, **fields}
        return self.do("set_presence", request("set_presence", **fields), actor)

    def update(self, session: str, agent: str, status: int, **fields: Any) -> Any:
        update = presence_pb2.PresenceUpdate(
            update_id="u", shop_id=self.shop, agent_id=agent, status=status, **fields
        )
        message = engine_pb2.UpdatePresence(session_id=session, update=update)
        return self.do("update_presence", message)

    def expire(self, session: str) -> Any:
        return self.do(
            "expire_session", engine_pb2.ExpireSession(shop_id=self.shop, session_id=session)
        )

    def transfer(self, conversation: str, **fields: Any) -> Any:
        fields = {"shop_id": self.shop, "conversation_id": conversation, **fields}
        return self.do("transfer", request("transfer", **fields))

    def cancel(self, buyer: str, **fields: Any) -> Any:
        fields = {"shop_id": self.shop, "buyer_id": buyer, **fields}
        return self.do("cancel_inquiry", request("cancel_inquiry", **fields))

    def order(self, buyer: str, **fields: Any) -> Any:
        base = {"shop_id": self.shop, "buyer_id": buyer, "order_id": "o", "type": 1}
        return self.do("order", request("order", **{**base, **fields}))

    def delete(self, etag: str = "", actor: str = "", *, force: bool = False) -> Any:
        message = shop_pb2.DeleteShopRequest(shop_id=self.shop, etag=etag, force=force)
        return self.do("delete_shop", message, actor)

    def tick_shop(self) -> Any:
        return self.do("tick", engine_pb2.Tick(shop_id=self.shop))

    def weights(self, etag: str = "", actor: str = "", **weights: int) -> Any:
        message = shop_pb2.SetWeightsRequest(shop_id=self.shop, etag=etag)
        for agent_id, weight in weights.items():
            message.weights.add(agent_id=agent_id, weight=weight)
        return self.do("set_weights", message, actor)

    def change(self, agents: Any, groups: Any = None, **more: Any) -> Any:
        owner = more.pop("owner", "")
        actor = more.pop("actor", "")
        return self.apply(actor, owner_agent_id=owner, **document(agents, groups, **more))

    def open(self, agents: Any, groups: Any = None, **more: Any) -> None:
        self.change(agents, groups, **more)
        for agent in agents:
            self.set(agent, ONLINE)


# --- topics ---------------------------------------------------------------------------------------


def selection(r: Recorder) -> None:
    """Weighted picks: 5:3, one of ten beside ten of one, busy agents, comings and goings."""
    r.open({"a": 5, "b": 3})
    for n in range(16):
        c = r.route(f"m{n}").ok.conversation_id
        r.message(AGENT, conversation_id=c)
    r.weights(a=10, b=1)
    for n in range(16, 24):
        r.route(f"m{n}")
    r.set("a", SUSPENDED)
    r.route("x1")
    r.route("x2")
    r.set("a", ONLINE)
    for n in range(24, 30):
        r.route(f"m{n}", exclude_agent_ids=["b"] if n % 3 == 0 else [])
    r.shop = "ten"
    r.open({"big": 10, **{f"s{i}": 1 for i in range(10)}}, idle_close_ms=0)
    for n in range(22):
        c = r.route(f"m{n}").ok.conversation_id
        r.message(AGENT, conversation_id=c)
    r.shop = "even"
    r.open({"a": 100, "b": 1, "c": 0, "é": 7}, selection_mode=2, busy_threshold=1)
    for n in range(12):
        r.route(f"m{n}")
        if n % 4 == 0:
            r.set("b", ONLINE, awaiting=n)
    r.query("list_presence", shop_id="even")


def route(r: Recorder) -> None:
    """Every step of a decision."""
    groups = {"p": ["a"], "i": ["b", "d"], "z": ["c", "a"]}
    bound = {
        "p": {"product_ids": ["1"], "order_statuses": [2, 4]},
        "i": {"product_ids": ["1"], "intents": ["refund"]},
        "z": {"page_sources": ["cart"]},
    }
    shop = document(
        {"a": 5, "b": 3, "c": 1, "d": 0},
        groups,
        caps={"c": 1},
        bindings=bound,
        priorities={"p": 1},
        offline_target=2,
        buyer_agents=[{"buyer_id": "vip", "agent_id": "d"}],
    )
    r.apply(owner_agent_id="boss", **shop)
    r.route("early")
    r.route("early", handoff=True, priority=9)
    for agent in "abcd":
        r.set(agent, ONLINE)
    for n, fields in enumerate(
        [
            {},
            {"product_id": "1"},
            {"product_id": "1", "intent": "refund"},
            {"product_id": "1", "intent": "other"},
            {"intent": "refund", "order_status": 2},
            {"order_status": 4},
            {"order_status": 1},
            {"page_source": "cart"},
            {"page_source": "cart"},
            {"page_source": "cart", "exclude_agent_ids": ["a", "c"]},
            {"dedicated_agent_id": "d"},
            {"dedicated_agent_id": "nobody"},
        ]
    ):
        r.route(f"m{n}", **fields)
    r.route("vip")
    r.route("vip", exclude_agent_ids=["d"])
    r.route("early")
    r.route("m0")
    r.close("c1")
    r.close("c1")
    r.route("m0", request_id="r1")
    r.route("m0", request_id="r1")
    r.route("m0", request_id="r1", priority=1)
    r.close("c2", request_id="r1")
    r.set("a", SUSPENDED)
    r.route("m1")
    r.set("a", OFFLINE)
    r.route("m1")
    r.now += DAY
    r.route("m1", request_id="r1")
    r.route("m0", request_id="r1")
    r.now += 1
    r.route("m0", request_id="r1")
    for agent in "abcd":
        r.set(agent, OFFLINE)
    for n in range(3):
        r.route(f"night{n}")
    r.apply(owner_agent_id="boss", **{**shop, "settings": shop_pb2.ShopSettings(offline_target=3)})
    r.route("night3")
    r.apply(**{**shop, "settings": shop_pb2.ShopSettings(offline_target=2, proxy_agent_id="px")})
    r.route("night4")
    r.apply(**{**shop, "settings": shop_pb2.ShopSettings(offline_target=3)})
    r.route("night5")
    r.set("d", ONLINE)
    r.route("night6")
    r.route("night0")
    r.apply(**document(["a"]))
    r.route("m1")
    r.query("list_presence", shop_id="s")


def contacts(r: Recorder) -> None:
    """Recent contacts and the edges of their windows."""
    r.open({"a": 5, "b": 0})
    r.route("m")
    r.close("c1")
    r.weights(a=0, b=5)
    for status, window in ((ONLINE, 72 * HOUR), (SUSPENDED, 24 * HOUR)):
        r.set("a", status)
        r.now += window
        r.route("m")
        r.close(f"c{r.pair.model.shops['s'].conversations_issued}")
    r.now += 24 * HOUR + 1
    r.route("m")
    r.set("a", ONLINE)
    r.message(AGENT, buyer_id="m", agent_id="a")
    r.message(AGENT, buyer_id="m", agent_id="a", sent_at_ms=r.now - 10)
    r.message(BUYER, buyer_id="m", sent_at_ms=r.now - MINUTE)
    r.apply(**document({"a": 0, "b": 5}, sticky_window_ms=1000, sticky_suspended_window_ms=500))
    r.now += 1000
    r.route("m")
    r.close("c4")
    r.now += 1001
    r.apply(**document({"a": 0, "b": 5}, sticky_window_ms=DAY))
    r.route("m")
    r.apply(**document({"a": 0, "b": 5}, sticky_window_ms=0, sticky_suspended_window_ms=0))
    r.now += 1
    r.tick_shop()
    r.route("m")


def messages(r: Recorder) -> None:
    """Message events: awaiting, first words, clamping, repeats, closed conversations."""
    r.open(["a", "b"], {"x": ["a"], "y": ["a", "b"]}, priorities={"x": 1})
    r.route("m")
    r.message(BUYER, conversation_id="c1", event_id="e1")
    r.message(BUYER, conversation_id="c1", event_id="e1")
    r.message(AGENT, conversation_id="c99", event_id="e1")
    r.message(ROBOT, buyer_id="m", agent_id="nobody")
    r.message(AUTO_REPLY, buyer_id="m", agent_id="b")
    r.set("a", ONLINE, awaiting=9)
    r.message(AGENT, buyer_id="m", agent_id="b")
    r.query("list_presence", shop_id="s")
    r.message(AGENT, conversation_id="c1")
    r.query("list_presence", shop_id="s")
    for sent in (1, r.now - 5 * MINUTE, r.now + 5 * MINUTE + 1, 9007199254740991):
        r.message(BUYER, buyer_id="m", sent_at_ms=sent)
    r.message(AGENT, buyer_id="n", agent_id="a")
    r.message(AGENT, buyer_id="o", agent_id="b", sent_at_ms=r.now - 1)
    r.message(AGENT, buyer_id="p")
    r.message(AUTO_REPLY, buyer_id="p")
    r.message(BUYER, buyer_id="p")
    r.message(AGENT, buyer_id="p", agent_id="nobody")
    r.message(BUYER, conversation_id="c1", buyer_id="other")
    r.message(BUYER, conversation_id="c01")
    r.close("c2", request_id="q")
    r.close("c2", request_id="q")
    r.now += HOUR // 4
    r.message(AGENT, conversation_id="c2", agent_id="a")
    r.message(AGENT, conversation_id="c2", agent_id="b")
    r.message(AGENT, conversation_id="c2")
    r.close("c4")
    r.now += DAY
    r.message(BUYER, conversation_id="c2", event_id="e1")


def due(r: Recorder) -> None:
    """Idle closes: by ticks, by other commands, by refused ones."""
    for r.shop in ("s", "店", "t", "u"):
        r.open(["a", "b"])
        for n in range(4):
            r.now += n
            r.route(f"m{n}")
    r.shop = "s"
    r.now += 30 * MINUTE - 15
    r.tick()
    r.now += 5
    r.tick()
    r.route("m3", dedicated_agent_id="nobody")
    r.close("c4")
    r.now += 8
    r.route("m9")
    r.shop = "t"
    r.set("a", ONLINE)
    r.apply(**document(["a", "b"], idle_close_ms=HOUR))
    r.now -= HOUR
    r.route("m9")
    r.now += 2 * HOUR
    r.tick_shop()
    r.tick()
    r.shop = "u"
    r.apply(**document(["a", "b"], idle_close_ms=0))
    r.route("m9")
    r.now += 100 * DAY
    r.tick()


def presence(r: Recorder) -> None:
    """Sessions, managers, leases."""
    r.apply(**document({"a": 5, "b": 3, "c": 0}))
    r.update("x", "a", ONLINE)
    r.update("x", "a", ONLINE)
    r.update("x", "b", ONLINE, awaiting=7)
    r.update("x", "b", ONLINE, awaiting=7)
    r.now += 5
    r.update("y", "b", ONLINE)
    r.set("c", SUSPENDED, "boss", awaiting=0)
    r.set("c", SUSPENDED, "boss")
    r.set("a", ONLINE, "boss")
    r.update("x", "a", OFFLINE)
    r.update("x", "c", SUSPENDED)
    r.query("list_presence", shop_id="s")
    r.now += 30_000
    r.expire("x")
    r.expire("x")
    r.update("x", "nobody", ONLINE)
    r.set("nobody", ONLINE)
    r.apply(**document({"a": 5, "c": 0}))
    r.apply(**document({"a": 5, "b": 3, "c": 0}))
    r.query("list_presence", shop_id="s")


def shops(r: Recorder) -> None:
    """Documents, etags, weights, and the queries."""
    r.apply("boss", display_name="空店")
    r.apply("boss", display_name="空店", etag="1")
    r.apply(display_name="空店", etag="2")
    r.shop = "new"
    r.apply(etag="1")
    r.shop = "店"
    ids = ["é", "b", "\U0001f600", "a", "Z", "\uffee", "ab"]
    bindings = shop_pb2.Bindings(
        product_ids=ids, intents=ids, page_sources=ids, order_statuses=[6, 1, 3]
    )
    r.apply(
        "owner",
        owner_agent_id="boss",
        display_name="演示店",
        agents=[shop_pb2.Agent(agent_id=i, display_name=i, cap=n) for n, i in enumerate(ids)],
        groups=[
            shop_pb2.Group(group_id=i, agent_ids=ids[n:], priority=n, bindings=bindings)
            for n, i in enumerate(ids)
        ],
        settings=shop_pb2.ShopSettings(
            busy_threshold=0,
            selection_mode=2,
            binding_precedence=[4, 2],
            offline_target=2,
            proxy_agent_id="px",
            robot_percent=50,
            max_hops=0,
            idle_close_ms=0,
            slow_count=1000,
            buyer_agents=[shop_pb2.BuyerAgent(buyer_id=i, agent_id="a") for i in ids],
        ),
    )
    stored = r.pair.model.shops["店"].document
    r.do("apply_shop", shop_pb2.ApplyShopRequest(shop=stored))
    r.weights(a=0, b=5, Z=100)
    r.weights(etag="1", a=1)
    r.weights(etag="2", a=0)
    r.weights(etag="2", a=1, nobody=1)
    r.weights(etag="2", a=1)
    for fields in ({}, {"page_size": 1}, {"page_size": 1, "page_token": "s"}, {"page_size": -1}):
        r.query("list_shops", **fields)
    for shop_id in ("s", "店", "nowhere", ""):
        r.query("get_shop", shop_id=shop_id)
        r.query("list_presence", shop_id=shop_id)


def refusals(r: Recorder) -> None:
    """Refused commands: decoding, validation of each kind, documents spoiled one rule at a time."""
    r.open(["a"])
    for name in COMMANDS:
        for body in (b"\x0a\x05s", b"\x08\x01", b"\x00", b"\x0f", b"\xff" * 11, b"\x0a\x01\xff"):
            if not (body == b"\x0a\x01\xff" and name == "apply_shop"):
                r.raw(name, body)
    r.raw("apply_shop", b"\x0a\x07\x32\x05\x2a\x03\x0a\x01\xff")
    r.raw("update_presence", b"\x12\x03\x1a\x01\x80")
    for bad in commands.NO_IDS:
        r.route(bad)
        r.route("m", request_id=bad)
        r.close(bad)
        r.message(BUYER, buyer_id=bad)
        r.update(bad, "a", ONLINE)
        r.set(bad, ONLINE)
        r.expire(bad)
        r.transfer(bad, agent_id="a")
        r.transfer("c1", agent_id=bad)
        r.transfer("c1", group_id=bad)
        r.cancel(bad)
        r.order("m", order_id=bad)
    for never in ("c0", "c01", "c", "d1", "c１", "c99", "c18446744073709551617"):
        r.close(never)
    r.message(0, buyer_id="m")
    r.message(5, buyer_id="m")
    r.message(BUYER, buyer_id="m", sent_at_ms=-1)
    r.route("m", order_status=7)
    r.route("m", priority=10)
    r.route("m", exclude_agent_ids=["a", ""])
    r.set("a", 4)
    r.set("a", ONLINE, awaiting=1_000_001)
    r.weights()
    r.weights(a=101)
    r.transfer("c1")
    r.transfer("c1", agent_id="a", reason="x" * 1025)
    for fields in ({"type": 0}, {"type": 4}, {"amount_cents": -1}, {"items": -1}):
        r.order("m", **fields)
    r.order("m", occurred_at_ms=-1)
    rng = Random(20240601)
    while len(r.steps) < 420:
        made = document(["a", "b"], {"g": ["a"], "h": ["b"]})
        spoiled = shop_pb2.Shop(shop_id="s", **made)
        commands.spoil(rng, spoiled)
        message = shop_pb2.ApplyShopRequest(shop=spoiled)
        r.do("apply_shop", message)


def robots(r: Recorder) -> None:
    """Reception modes of shop and groups, policies, handoff, and the robot's own conversations."""
    r.open(["a", "b"], robot_id="robot", reception_mode=3, robot_percent=30)
    for n in range(11):
        r.route(f"m{n}", product_id="p" if n % 2 else "")
    r.route("m3")
    r.route("m3", handoff=True)
    r.change(["a", "b"], robot_id="robot", reception_mode=3, robot_percent=31)
    r.route("n0")
    for status in (SUSPENDED, OFFLINE):
        r.set("a", status)
        r.set("b", status)
        r.route(f"n{status}")
        r.route(f"h{status}", handoff=True)
    r.message(BUYER, buyer_id="n3")
    r.message(AGENT, buyer_id="n3", agent_id="b")
    r.message(AGENT, buyer_id="h3")
    r.set("a", ONLINE)
    r.now += 31 * MINUTE
    r.tick()
    r.shop = "groups"
    groups = {"p": ["a"], "q": ["b"], "r": ["a", "b"]}
    more: dict[str, Any] = {
        "bindings": {g: {"intents": [g]} for g in groups},
        "policies": {"p": 3, "q": 4},
        "modes": {"q": (3, 60), "r": (2, 0)},
        "reception_scope": 2,
    }
    r.open(["a", "b"], groups, robot_id="机器人", **more)
    for n, intent in enumerate("pqrqrqp"):
        r.route(f"m{n}", intent=intent)
    r.set("a", OFFLINE)
    r.route("x1", intent="p")
    r.route("x2", intent="p", handoff=True)
    r.route("x1", handoff=True, intent="q")
    r.change(["a", "b"], groups, **more)
    r.route("x2")
    r.route("m2")
    r.set("b", SUSPENDED)
    r.route("m4", handoff=True)
    r.set("b", ONLINE)


def volumes(r: Recorder) -> None:
    """Caps, hourly and daily limits, their resets, and what counts."""
    r.open(["a", "b", "é"], caps={"a": 2}, hourly={"b": 2, "é": 1}, daily={"é": 2}, idle_close_ms=0)
    for n in range(7):
        r.now += MINUTE
        r.route(f"m{n}")
    r.query("list_presence", shop_id="s")
    r.transfer("c1", agent_id="b")
    r.transfer("c2", group_id="g")
    r.now += HOUR
    r.tick_shop()
    r.query("list_presence", shop_id="s")
    for n in range(7, 12):
        r.route(f"m{n}")
    r.change(["a", "b", "é"], caps={"a": 2}, hourly={"b": 9}, daily={"é": 1}, idle_close_ms=0)
    r.now += 14 * HOUR
    r.set("b", ONLINE, awaiting=0)
    r.tick()
    r.change(["a", "b"], hourly={"b": 1}, idle_close_ms=0)
    r.route("z")
    r.route("y")


def queue(r: Recorder) -> None:
    """Entering, places and estimates, leaving by priority, timeouts, policies, cancelling."""
    more: dict[str, Any] = {"caps": {"a": 1, "b": 1}, "queue_limit": 4, "idle_close_ms": HOUR}
    r.open(["a", "b"], {"g": ["a"], "h": ["b"]}, **more)
    for n, priority in enumerate((0, 0, 0, 9, 1, 1, 0)):
        r.now += 100
        r.route(f"m{n}", priority=priority, intent=str(n))
    r.route("m4")
    r.now += 5000
    r.close("c1")
    r.route("m5", priority=9)
    r.cancel("m5", request_id="r")
    r.cancel("m5", request_id="r")
    r.cancel("m6", request_id="r")
    r.cancel("nobody")
    r.now += 3000
    r.message(AGENT, buyer_id="m1")
    r.close("c2")
    r.route("w1", exclude_agent_ids=["a", "b"])
    r.route("w2")
    r.set("b", OFFLINE)
    r.route("w3")
    r.now += 10 * MINUTE
    r.tick()
    r.route("w3")
    more["policies"] = {"g": 2, "h": 4}
    more["bindings"] = {"g": {"intents": ["g"]}, "h": {"intents": ["h"]}}
    r.change(["a", "b"], {"g": ["a"], "h": ["b"]}, **more)
    r.route("v1", intent="g")
    r.route("v2", intent="h")
    r.route("v1", intent="h")
    r.set("a", OFFLINE)
    r.now += 10 * MINUTE
    r.tick_shop()
    r.set("a", ONLINE)
    r.set("b", ONLINE)
    r.now += 2 * HOUR
    r.tick()


def pool(r: Recorder) -> None:
    """Leaving the pool: online, reply, close, weights, settings; known buyers first; charged."""
    r.change({"a": 5, "b": 3, "c": 0}, {"g": ["a", "b", "c"], "h": ["b"]}, busy_threshold=2)
    r.message(AGENT, buyer_id="known", agent_id="a")
    r.close("c1")
    for n in range(9):
        r.route(f"m{n}", product_id="p" if n % 2 else "", exclude_agent_ids=["b"] * (n == 3))
    r.route("known")
    r.route("ded", dedicated_agent_id="c")
    r.update("x", "b", ONLINE)
    r.update("x", "a", ONLINE)
    r.message(AGENT, buyer_id="known")
    r.close("c2")
    r.set("c", SUSPENDED)
    r.set("c", ONLINE)
    r.weights(a=0, b=0, c=1)
    settings: dict[str, Any] = {"busy_threshold": 3, "charge_sticky": True}
    r.change({"a": 5, "b": 3, "c": 1}, {"g": ["a", "b", "c"], "h": ["b"]}, **settings)
    r.query("list_presence", shop_id="s")
    r.set("a", OFFLINE)
    r.message(BUYER, buyer_id="known")
    r.now += 31 * MINUTE
    r.tick()
    for n in range(4):
        r.route(f"m{n}")
    r.now += HOUR
    r.route("x1", dedicated_agent_id="b")
    r.shop = "night"
    r.change(["a"], offline_target=3, owner="boss")
    r.route("m1")
    r.set("a", ONLINE)
    r.route("m1")


def transfers(r: Recorder) -> None:
    """To agents and groups, present and away; hops; every refusal."""
    r.open({"a": 5, "b": 5, "c": 0}, {"g": ["a", "b"], "h": ["b"], "e": []}, idle_close_ms=0)
    r.route("m", product_id="p", exclude_agent_ids=["z"])
    r.transfer("c1", agent_id="a")
    r.transfer("c1", agent_id="nobody")
    r.transfer("c1", group_id="nowhere")
    r.transfer("c9", agent_id="b")
    r.transfer("c1", group_id="e")
    r.transfer("c1", agent_id="c", reason="换货", request_id="r")
    r.transfer("c1", agent_id="c", reason="换货", request_id="r")
    r.transfer("c1", agent_id="c", request_id="r")
    r.transfer("c1", agent_id="b")
    r.transfer("c2", group_id="h")
    r.transfer("c3", group_id="h")
    r.transfer("c3", group_id="h", allow_offline=True)
    r.route("m")
    r.set("b", OFFLINE)
    r.route("n")
    r.transfer("c5", agent_id="b")
    r.transfer("c5", agent_id="b", allow_offline=True)
    r.route("o")
    r.transfer("c6", group_id="h", allow_offline=True)
    r.set("a", SUSPENDED)
    r.route("n")
    r.set("b", ONLINE, awaiting=4)
    r.set("b", ONLINE, awaiting=0)
    r.route("long")
    number = r.pair.model.shops["s"].conversations_issued
    for n in range(11):
        r.transfer(f"c{number + n}", agent_id="abc"[n % 3])
    r.shop = "robot"
    r.change(["a", "b"], robot_id="robot")
    r.route("m")
    r.transfer("c1", agent_id="b", allow_offline=True)
    r.route("n")
    r.transfer("c2", group_id="g", allow_offline=True)
    r.set("b", ONLINE)


def timeouts(r: Recorder) -> None:
    """Reply timeouts, chains of them, and the order of what is due together."""
    settings: dict[str, Any] = {"reply_timeout_ms": MINUTE, "idle_close_ms": 5 * MINUTE}
    r.open(["a", "b", "c"], {"g": ["a", "b"], "h": ["c"]}, **settings)
    for n in range(4):
        r.now += 10
        r.route(f"m{n}", priority=n, exclude_agent_ids=["b"] * (n == 2))
    r.message(AGENT, conversation_id="c2")
    r.message(AUTO_REPLY, conversation_id="c3")
    r.now += MINUTE - 5
    r.tick_shop()
    r.now += MINUTE
    r.route("m0", dedicated_agent_id="nobody")
    r.now += 10 * MINUTE
    r.tick()
    r.shop = "full"
    settings = {
        "reply_timeout_ms": HOUR,
        "queue_timeout_ms": HOUR,
        "idle_close_ms": HOUR,
        "queue_limit": 5,
        "max_hops": 1,
        "hourly": {"a": 1, "b": 1},
    }
    r.now = T0 + DAY
    r.open(["a", "b"], **settings)
    for n in range(5):
        r.route(f"m{n}")
    r.message(AGENT, buyer_id="m0")
    r.now += HOUR
    r.tick()
    r.change(["a", "b"], **{**settings, "idle_close_ms": MINUTE, "reply_timeout_ms": 1000})
    r.tick()
    r.now += DAY
    r.tick()


def permissions(r: Recorder) -> None:
    """Who may change a shop, and who may grant."""
    r.change(["a", "b"], managers=["a"], owner="boss", actor="anybody")
    for actor in ("", "boss", "a", "b", "stranger"):
        r.change(["a", "b"], managers=["a"], owner="boss", actor=actor, busy_threshold=len(actor))
        r.weights(actor=actor, b=len(actor))
    for more in (
        {"managers": []},
        {"managers": ["a", "b"]},
        {"managers": ["a"], "owner": "a"},
        {"managers": ["a"], "owner": "boss", "robot_id": "r"},
    ):
        r.change(["a", "b"], actor="a", **{"owner": "boss", **more})
    r.change(["b"], owner="boss", actor="a")
    r.change(["b"], owner="boss", actor="boss")
    r.change(["a", "b"], owner="boss", actor="a")
    r.weights(actor="boss", etag="1", b=1)
    r.weights(actor="b", etag="1", b=1)
    r.shop = "orphan"
    r.change(["a"])
    r.change(["a"], owner="boss", actor="boss")
    r.change(["a"], owner="boss")


def deleting(r: Recorder) -> None:
    """Deleting a shop: who may, in use, by force; made again; what stays."""
    r.delete()
    r.open(["a", "b"], owner="boss", managers=["a"], caps={"a": 1, "b": 1}, queue_limit=3)
    for actor in ("a", "stranger"):
        r.delete("9", actor)
    for n in range(4):
        r.now += 1
        r.route(f"m{n}", request_id=f"r{n}", priority=n)
    r.message(BUYER, buyer_id="m0", event_id="e")
    r.order("m0", event_id="e")
    r.delete("2", "boss")
    r.delete("1", "boss")
    r.now += 31 * MINUTE
    r.delete()
    r.route("m5")
    r.shop = "t"
    r.open(["a"])
    r.delete("1")
    r.shop = "s"
    r.now += 1
    r.delete(actor="boss", force=True)
    r.delete(force=True)
    r.route("m5")
    r.message(AGENT, conversation_id="c1")
    r.tick()
    for fields in ({}, {"page_size": 1}):
        r.query("list_shops", **fields)
    r.query("get_shop", shop_id="s")
    r.query("list_presence", shop_id="t")
    r.apply(etag="2")
    r.now -= HOUR
    r.change(["b", "c"], owner="c", actor="anybody", sticky_window_ms=5)
    r.set("b", ONLINE)
    r.route("m0", request_id="r0")
    r.message(AGENT, conversation_id="c1", agent_id="b", event_id="e")
    r.close("c1")
    r.close("c9")
    r.delete(actor="boss")
    r.delete(actor="c", force=True)


def shortened(r: Recorder) -> None:
    """Times made shorter: what is due before the last command happens at its time, in order."""
    long: dict[str, Any] = {
        "caps": {"a": 1, "b": 1},
        "queue_limit": 9,
        "idle_close_ms": DAY,
        "queue_timeout_ms": DAY,
        "sticky_window_ms": DAY,
    }
    for r.shop in ("s", "t"):
        r.open(["a", "b", "c"], {"g": ["a", "b"], "h": ["c"]}, **long)
        for n in range(6):
            r.now += 10
            r.route(f"m{n}", exclude_agent_ids=["c"] * (n > 1))
        r.message(AGENT, conversation_id="c1")
        r.close("c2")
    r.now += HOUR
    r.shop = "s"
    r.change(
        ["a", "b", "c"],
        {"g": ["a", "b"], "h": ["c"]},
        **{**long, "idle_close_ms": HOUR - 30, "queue_timeout_ms": HOUR - 5},
        reply_timeout_ms=MINUTE,
    )
    r.tick_shop()
    r.now += 7
    r.route("m1")
    r.shop = "t"
    r.change(
        ["a", "b", "c"],
        {"g": ["a", "b"], "h": ["c"]},
        **{**long, "sticky_window_ms": MINUTE, "idle_close_ms": 1, "queue_timeout_ms": 1},
        sticky_suspended_window_ms=0,
        robot_id="robot",
        hourly={"c": 1},
    )
    r.route("m1")
    r.change(["a", "b", "c"], {"g": ["a", "b"], "h": ["c"]}, **long)
    r.now += 5
    r.tick()
    r.route("m1")


def stored(r: Recorder) -> None:
    """Every key that is stored, asked for from chunks; generations, merging, deleted shops."""
    storage, rng, partition = r.pair.storage, Random(1), core.partition_of("s", r.partitions)

    def store() -> None:
        r.pair.rotate(partition)
        storage.store(partition, rng)
        storage.install(partition)
        storage.shrink()

    r.open(["a", "b"], {"g": ["a"], "h": ["b"]}, sticky_suspended_window_ms=1000)
    for n in range(4):
        r.now += 1
        r.route(f"m{n}", request_id=f"r{n}")
        r.message(BUYER, buyer_id=f"m{n}", event_id=f"e{n}")
        r.order(f"m{n}", event_id=f"e{n}")
    r.close("c1", request_id="close")
    r.close("c2")
    store()
    r.query("get_shop", shop_id="s")
    store()
    r.query("list_presence", shop_id="s")
    r.query("list_shops")
    r.route("m0", request_id="r0")
    r.route("m0", priority=11)
    r.close("c1", request_id="close")
    r.close("c2", request_id="close")
    r.message(AGENT, conversation_id="c2", event_id="e9")
    r.message(AGENT, conversation_id="c2", agent_id="a", event_id="e3")
    r.now += 5
    r.message(AGENT, conversation_id="c2", agent_id="b", event_id="e4")
    r.order("m9", event_id="e0")
    store()
    r.batch("route", [request("route", shop_id="s", buyer_id=f"m{n}") for n in range(9)], 5)
    r.pair.rotate(partition)
    r.close("c3")
    r.close("c4")
    r.pair.rotate(partition)
    r.route("m2")
    storage.store(partition, rng)
    r.now += 1
    r.route("m3")
    storage.install(partition)
    storage.shrink()
    r.now += 30 * MINUTE
    store()
    r.tick()
    r.now += DAY
    r.route("m0", request_id="r0")
    store()
    r.change(["a", "b"], {"g": ["a", "b"]}, sticky_window_ms=HOUR, sticky_suspended_window_ms=0)
    r.change(["a", "b"], {"g": ["a", "b"]})
    store()
    r.route("m1")
    storage.start_again()
    r.route("m2")
    r.pair.rotate(partition)
    r.delete(force=True)
    r.change(["a"])
    storage.store(partition, rng)
    storage.install(partition)
    storage.shrink()
    r.set("a", ONLINE)
    r.route("m1", request_id="r1")
    r.message(AGENT, conversation_id="c1", agent_id="a", event_id="e1")
    r.delete(force=True)
    store()
    r.route("m1")
    storage.partition_again(partition)
    r.change(["a"])


def orders(r: Recorder) -> None:
    """Order events: times, repeats, and the memory apart from messages'."""
    r.open(["a"])
    r.order("m", amount_cents=1999, items=2)
    for at in (1, r.now + 5 * MINUTE, r.now + DAY):
        r.order("m", type=2, occurred_at_ms=at, event_id=f"e{at}")
        r.order("n", type=3, occurred_at_ms=at, event_id=f"e{at}")
    r.message(BUYER, buyer_id="m", event_id="e1")
    r.now += DAY
    r.order("m", event_id="e1")
    r.now += 1
    r.order("m", event_id="e1")
    r.tick()


def batches(r: Recorder) -> None:
    """Batches of inquiries, orders and messages, in slices and with bad elements."""
    for r.shop in ("s", "店", "t"):
        r.open(["a", "b", "c"])
    rng = Random(7)
    items: list[Any] = [commands.route(rng) for _ in range(24)]
    r.batch("route", items, 5, 1)
    items[3] = b"\x0a\x05s"
    items[4] = b"\x0f"
    r.batch("route", items, 4096, 2**64 - 1)
    r.batch("route", [], 4096)
    r.now += 31 * MINUTE
    items = [commands.message(rng, 6, r.now) for _ in range(24)]
    items[7] = b"\x08\x01"
    r.batch("message", items, 7)
    items = [commands.order(rng, r.now) for _ in range(12)]
    items[2] = b"\x0a\x05s"
    r.batch("order", items, 5)
    for name in ("route", "message", "order"):
        for data in (b"\x0a\x05s", b"\x08\x01", b"\x12\x00", b"\x0a\x00" * 4097):
            r.refused_batch(name, data)


def walk(seed: int, steps: int = 260) -> Callable[[Recorder], None]:
    """A random walk through everything."""

    def run(r: Recorder) -> None:
        rng = Random(seed)
        for shop_id in commands.SHOPS[:2]:
            made = commands.document(rng, shop_id)
            r.do("apply_shop", shop_pb2.ApplyShopRequest(shop=made), "boss")
            r.shop = shop_id
            for agent in made.agents[:4]:
                r.update("x", agent.agent_id, ONLINE)
        for _ in range(steps):
            _random_step(r, rng)
            if r.pair.storage.engines and rng.randrange(4) == 0:
                store_something(r.pair, rng)

    run.__doc__ = f"A random walk through everything, seed {seed}."
    return run


def _random_step(r: Recorder, rng: Random) -> None:
    shops = r.pair.model.shops
    issued = shops[commands.SHOPS[0]].conversations_issued
    r.now += rng.choice(commands.JUMPS)
    gone = [shop_id for shop_id, shop in shops.items() if not shop.exists]
    turn = rng.randrange(40)
    if turn == 0:
        r.tick()
    elif turn == 1:
        r.query("list_presence", shop_id=commands.shop_id(rng))
    elif turn == 2:
        r.batch("route", [commands.route(rng) for _ in range(4)], 3)
    elif turn == 3:
        r.batch("order", [commands.order(rng, r.now) for _ in range(3)], 2)
    elif gone and turn < 10:
        r.do("apply_shop", commands.made_again(rng, gone[0]))
    else:
        etags = [shop.document.etag for shop in shops.values()]
        r.do(*commands.any_command(rng, issued, etags, r.now))


TOPICS: dict[str, Callable[[Recorder], None]] = {
    "selection": selection,
    "route": route,
    "contacts": contacts,
    "messages": messages,
    "due": due,
    "presence": presence,
    "shops": shops,
    "robots": robots,
    "volumes": volumes,
    "queue": queue,
    "pool": pool,
    "transfers": transfers,
    "timeouts": timeouts,
    "permissions": permissions,
    "deleting": deleting,
    "shortened": shortened,
    "orders": orders,
    "refusals": refusals,
    "batches": batches,
    "walk-1": walk(1),
    "walk-2": walk(2),
    "walk-3": walk(3),
    "stored-all": stored,
    "stored-walk": walk(4, 120),
}


def generate(topic: str) -> str:
    """The file of one topic: one step a line."""
    stored = topic.startswith(STORED)
    recorder = Recorder(topic, 2 if stored else 16, stored=stored)
    TOPICS[topic](recorder)
    vector = recorder.vector()
    steps = ",\n".join(json.dumps(step, ensure_ascii=False) for step in vector.pop("steps"))
    head = json.dumps({"name": vector.pop("name"), "partitions": vector.pop("partitions")})
    tail = json.dumps(vector, ensure_ascii=False, indent=1)
    return f'{head[:-1]}, "steps": [\n{steps}\n],\n{tail[2:]}\n'


def main() -> int:
    stale = []
    GOLDEN.mkdir(exist_ok=True)
    for topic in TOPICS:
        path, text = GOLDEN / f"{topic}.json", generate(topic)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    print("changed: " + ", ".join(stale) if stale else "nothing changed")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
