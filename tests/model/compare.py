"""A shop's snapshot against what the naive model has or finds by scanning."""

from __future__ import annotations

import hashlib
from typing import Any

from google.protobuf.message import Message

from fenliu.engine.v1 import engine_pb2
from model.naive import NaiveModel
from model.shop import NaiveShop
from model.wire import COMMANDS, plain


def compare_snapshot(got: engine_pb2.ShopSnapshot, model: NaiveModel, shop_id: str) -> None:
    """Every field of a snapshot against what the model has or finds by scanning."""
    shop = model.shops[shop_id]
    now = shop.last_now
    assert got.rules_version >= 1
    assert got.shop == shop.document
    assert got.last_now_ms == now
    assert got.last_decision == shop.decisions
    assert got.last_conversation == shop.conversations_issued
    assert got.clamped_timestamps == shop.clamped
    assert got.contacts_since_ms == shop.contacts_since
    assert got.deleted == shop.deleted

    agents = sorted(shop.agents, key=str.encode)
    assert [plain(a) for a in got.agents] == [{"agent_id": a, **shop.agents[a]} for a in agents]
    by_number = sorted(shop.conversations, key=lambda c: c["conversation"])
    assert list(got.conversations) == [
        engine_pb2.ConversationState(**{**c, "inquiry": inquiry(c)}) for c in by_number
    ]
    contacts = [c for c in shop.contacts if shop.contact_exists(c, now)]
    assert [plain(c) for c in got.contacts] == [
        {
            "buyer_id": c["buyer_id"],
            "agent_id": c["agent_id"],
            "consulted_at_ms": c["at"],
            "conversation": c["conversation"],
        }
        for c in _by_bytes(contacts, "buyer_id")
    ]
    assert list(got.waiting) == [
        engine_pb2.WaitingState(**{**w, "inquiry": inquiry(w)})
        for w in _by_bytes(shop.waiting, "buyer_id")
    ]
    assert [(r.request_id, r.digest, r.at_ms, r.reply) for r in got.requests] == [
        (r["id"], digest(r["command"], r["body"]), r["at"], r["reply"].SerializeToString())
        for r in _by_bytes(shop.remembered("requests", now), "id")
    ]
    for kind in ("events", "order_events"):
        assert [(e.event_id, e.at_ms) for e in getattr(got, kind)] == [
            (e["id"], e["at"]) for e in _by_bytes(shop.remembered(kind, now), "id")
        ]
    assert {m.owner: m.accumulator for m in got.mixed} == {o: n for o, n in shop.mixed.items() if n}
    assert [m.owner for m in got.mixed] == sorted((m.owner for m in got.mixed), key=str.encode)
    assert list(got.slot_releases_ms) == shop.releases[-21:]
    compare_pools(got, shop)


def compare_pools(got: engine_pb2.ShopSnapshot, shop: NaiveShop) -> None:
    pools = sorted(shop.pools.items(), key=lambda p: [g.encode() for g in p[0]])
    assert [tuple(p.group_ids) for p in got.pools] == [p for p, _ in pools]
    for pool, (_, state) in zip(got.pools, pools, strict=True):
        assert len(pool.virtual_time) == 16
        assert int.from_bytes(pool.virtual_time, "big") == state["V"]
        members = [
            (m.agent_id, int.from_bytes(m.eligible_at, "big"), m.weight, m.available)
            for m in pool.members
        ]
        assert members == [
            (a, m["e"], m["w"], m["available"])
            for a, m in sorted(state["members"].items(), key=lambda m: m[0].encode())
        ]


def inquiry(holder: dict[str, Any]) -> engine_pb2.Inquiry | None:
    """Of a conversation or an entry; absent when nothing but the buyer is known."""
    made = engine_pb2.Inquiry(**holder["inquiry"])
    return made if made != engine_pb2.Inquiry() else None


def digest(command: str, body: Message) -> bytes:
    """What is remembered of a request: engine.md section 1."""
    data = bytes([COMMANDS[command][0]]) + body.SerializeToString(deterministic=True)
    return hashlib.sha256(data).digest()[:16]


def _by_bytes(values: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return sorted(values, key=lambda value: value[name].encode())
