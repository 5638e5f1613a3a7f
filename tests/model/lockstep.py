"""Engines of every core and the naive model, driven side by side and compared after every step.

Beside each core's own engine run two more of the same core: a follower that only ever applies the
log, and a second judge that decides the log's commands again.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import google_crc32c
from google.protobuf.message import Message

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2
from model.naive import Answer, NaiveModel
from model.shop import NaiveShop
from model.wire import (
    COMMANDS,
    QUERIES,
    Result,
    batch_bytes,
    parse_entry,
    plain,
    plain_facts,
    refusal_of,
    split_entries,
    status_bytes,
)

BATCHES: dict[str, type[Message]] = {
    "route": dispatch_pb2.RouteBatchResponse,
    "message": dispatch_pb2.ReportMessagesBatchResponse,
    "order": dispatch_pb2.ReportOrdersResponse,
}

PartitionEntries = list[tuple[int, int, bytes]]


def partition(shop_id: str, partitions: int) -> int:
    return int(google_crc32c.value(shop_id.encode())) % partitions


class Lockstep:
    """Raises AssertionError at the first difference.

    `steps` counts the commands compared, `seen` what they came to: ("reason", "WEIGHTED"), ("cause",
    "IDLE"), ("fact", "decided"), ("refusal", "HOP_LIMIT") and so on.
    """

    def __init__(self, cores: Sequence[ModuleType], partitions: int = 4) -> None:
        assert cores
        self.partitions = partitions
        self.names = [core.CORE for core in cores]
        self.cores = list(cores)
        self.engines = [core.Engine(partitions) for core in cores]
        self.followers = [core.Engine(partitions) for core in cores]
        self.judges = [core.Engine(partitions) for core in cores]
        self.model = NaiveModel()
        self.steps = 0
        self.seen: Counter[tuple[str, str]] = Counter()

    # Commands

    def do(self, name: str, message: Message, now: int, actor: str = "") -> Result:
        """Decides a command whose body the model can read, too."""
        body = message.SerializeToString(deterministic=True)
        result = self.raw(name, body, now, actor)
        answer = self.model.decide(name, message, now, actor)
        self._compare(name, message, answer, result)
        self._compare_outlook()
        return result

    def raw(self, name: str, body: bytes, now: int, actor: str = "") -> Result:
        """Decides any bytes on all engines; bodies that the model cannot read change nothing."""
        self.steps += 1
        kind = COMMANDS[name][0]
        results = [Result(name, *e.decide(kind, body, now, actor)) for e in self.engines]
        self._same(results, f"{name} {body.hex()} at {now}")
        result = results[0]
        if result.entry:
            self._follow(result.entry, result if self._is_own(name, result.entry) else None)
        return result

    def malformed(self, name: str, body: bytes, now: int) -> Result:
        """As `raw` for a body that is no such message: refused, and nothing is logged."""
        result = self.raw(name, body, now)
        rule = f"not a {COMMANDS[name][1].DESCRIPTOR.full_name}"
        self.seen["refusal", "MALFORMED_MESSAGE"] += 1
        assert result.refusal == (3, "MALFORMED_MESSAGE", "", rule)
        assert (result.partition, result.entry) == (-1, b"")
        return result

    def batch(
        self, name: str, items: Sequence[Message | bytes], now: int, step: int, batch_id: int = 0
    ) -> list[tuple[bytes, int, Any]]:
        """Decides a batch in slices of `step`; elements given as bytes are no messages.

        Returns (the whole batch, first, what decide_batch returned) for each slice.
        """
        bodies = [
            item if isinstance(item, bytes) else item.SerializeToString(deterministic=True)
            for item in items
        ]
        data = batch_bytes(bodies, batch_id)
        kind = COMMANDS[name][0]
        whole, slices = b"", []
        for first in range(0, max(len(items), 1), step):
            answers = [e.decide_batch(kind, data, now, first, step) for e in self.engines]
            self._same(answers, f"{name} batch {data.hex()} from {first} at {now}")
            code, results, total, echoed, entries = answers[0]
            assert (code, total, echoed) == (0, len(items), batch_id)
            whole += results
            slices.append((data, first, answers[0]))
            part = BATCHES[name].FromString(results).results  # type: ignore[attr-defined]
            expected = self._model_batch(name, items[first : first + step], part, now)
            self._compare_partition_entries(entries, expected)
            self.steps += len(part)
        parsed = BATCHES[name].FromString(whole)
        assert parsed.SerializeToString(deterministic=True) == whole
        assert len(parsed.results) == len(items)  # type: ignore[attr-defined]
        self._compare_outlook()
        return slices

    def _model_batch(
        self, name: str, items: Sequence[Message | bytes], results: Any, now: int
    ) -> list[tuple[int, Answer, Message]]:
        assert len(items) == len(results)
        logged = []
        for item, got in zip(items, results, strict=True):
            if isinstance(item, bytes):
                assert refusal_of(got.status)[1] == "MALFORMED_MESSAGE"
                continue
            answer = self.model.decide(name, item, now)
            if answer.refusal:
                self.seen["refusal", answer.refusal[1]] += 1
                assert got.HasField("status")
                assert refusal_of(got.status) == answer.refusal
            elif name == "route":
                assert got.response == answer.reply
            else:
                assert got == answer.reply
            if answer.logged:
                shop = item.shop_id  # type: ignore[attr-defined]
                logged.append((partition(shop, self.partitions), answer, item))
        return logged

    def tick(self, now: int) -> PartitionEntries:
        self.steps += 1
        answers = [e.tick(now) for e in self.engines]
        self._same(answers, f"tick at {now}")
        expected = []
        for shop_id in sorted(self.model.shops, key=str.encode):
            message = engine_pb2.Tick(shop_id=shop_id)
            answer = self.model.decide("tick", message, now)
            if answer.logged:
                expected.append((partition(shop_id, self.partitions), answer, message))
        self._compare_partition_entries(answers[0], expected)
        self._compare_outlook()
        entries: PartitionEntries = answers[0]
        return entries

    def query(self, name: str, message: Message) -> tuple[int, bytes, int]:
        self.steps += 1
        answers = [e.query(QUERIES[name][0], message.SerializeToString()) for e in self.engines]
        self._same(answers, f"{name} {message}")
        code, reply, part = answers[0]
        if code == 0 and name == "list_presence":
            shop_id = message.shop_id  # type: ignore[attr-defined]
            expected = self.model.list_presence(shop_id)
            assert reply == expected.SerializeToString(deterministic=True), self._said(
                QUERIES[name][2].FromString(reply), expected
            )
            assert part == partition(shop_id, self.partitions)
        if code == 0 and name == "list_shops":
            size, token = message.page_size, message.page_token  # type: ignore[attr-defined]
            assert QUERIES[name][2].FromString(reply) == self.model.list_shops(size, token)
            assert part == -1
        return code, reply, part

    # Comparing

    def check(self) -> None:
        """Compares the whole state of every engine with each other and with the model."""
        hashes = []
        for engine in (*self.engines, *self.followers, *self.judges):
            assert engine.shop_ids() == sorted(self.model.shops, key=str.encode)
            assert engine.sessions() == self.model.sessions()
            hashes.append(engine.state_hash())
        for shop_id in self.model.shops:
            self.check_shop(shop_id)
        self._same(hashes, "state hash")

    def check_shop(self, shop_id: str) -> bytes:
        """Compares one shop's snapshot on all engines, and with the model."""
        everyone = (*self.engines, *self.followers, *self.judges)
        snapshots = [e.snapshot(shop_id) for e in everyone]
        for snapshot in snapshots[1:]:
            assert snapshot == snapshots[0], self._said(
                engine_pb2.ShopSnapshot.FromString(snapshot),
                engine_pb2.ShopSnapshot.FromString(snapshots[0]),
            )
        parsed = engine_pb2.ShopSnapshot.FromString(snapshots[0])
        assert parsed.SerializeToString(deterministic=True) == snapshots[0]
        compare_snapshot(parsed, self.model, shop_id)
        first: bytes = snapshots[0]
        return first

    def reload(self) -> None:
        """Replaces the engines by new ones that know only the snapshots."""
        for i, core in enumerate(self.cores):
            fresh = core.Engine(self.partitions)
            for shop_id in self.engines[i].shop_ids():
                fresh.load_snapshot(self.engines[i].snapshot(shop_id))
            assert fresh.state_hash() == self.engines[i].state_hash()
            self.engines[i] = fresh
        self._compare_outlook()

    def _compare(self, name: str, message: Message, answer: Answer, result: Result) -> None:
        case = f"{name} {message} gave {result}, the model {answer}"
        if answer.refusal:
            self.seen["refusal", answer.refusal[1]] += 1
            assert result.code, case
            assert result.refusal == answer.refusal, case
            assert result.reply == status_bytes(answer.refusal), case
        else:
            assert result.code == 0, (result.refusal, case)
            expected = b"" if answer.reply is None else answer.reply.SerializeToString()
            assert result.reply == expected, case
        if answer.logged is None:
            assert result.entry == b"", case
        else:
            self._compare_entry(result.entry, answer, message)

    def _compare_entry(self, data: bytes, answer: Answer, message: Message) -> None:
        entry, logged = parse_entry(data), answer.logged
        assert logged is not None
        assert (entry.now_ms, entry.actor) == (logged.now_ms, logged.actor)
        facts = plain_facts(entry)
        assert [f for f, _ in facts] == [f for f, _ in logged.facts], (facts, logged)
        assert facts == logged.facts, message
        for name, fact in facts:
            self._note(name, fact)
        assert entry.WhichOneof("command") == logged.command
        command = getattr(entry, logged.command)
        if logged.command == "tick" and not isinstance(message, engine_pb2.Tick):
            message = engine_pb2.Tick(shop_id=_shop_of(message))
        assert command == message

    def _note(self, name: str, fact: dict[str, Any]) -> None:
        self.seen["fact", name] += 1
        if name == "conversation_closed":
            cause = engine_pb2.CloseCause.Name(fact["cause"])
            self.seen["cause", cause.removeprefix("CLOSE_CAUSE_")] += 1
        if name == "decided":
            outcome = types_pb2.Outcome.Name(fact["outcome"]).removeprefix("OUTCOME_")
            reason = types_pb2.Reason.Name(fact["reason"]).removeprefix("REASON_")
            self.seen["outcome", outcome] += 1
            self.seen["reason", reason] += 1
            self.seen["decided", f"{reason} {outcome}"] += 1
            for what in ("charged", "pool_entry", "at_ms", "estimated_wait_ms"):
                self.seen["with", what] += bool(fact[what])

    def _compare_partition_entries(
        self, entries: PartitionEntries, expected: list[tuple[int, Answer, Message]]
    ) -> None:
        expected = sorted(expected, key=lambda e: e[0])  # stable: order within a partition stays
        got = []
        assert [p for p, _, _ in entries] == sorted({p for p, _, _ in entries})
        for number, count, data in entries:
            parts = split_entries(data)
            assert len(parts) == count
            got += [(number, part) for part in parts]
        assert len(got) == len(expected)
        for (number, data), (wanted, answer, message) in zip(got, expected, strict=True):
            assert number == wanted
            self._compare_entry(data, answer, message)
            self._follow(data, None)

    def _compare_outlook(self) -> None:
        due = self.model.next_due()
        for engine in (*self.engines, *self.followers, *self.judges):
            assert engine.next_due() == due

    def _follow(self, entry: bytes, own: Result | None) -> None:
        """`own`: the result the entry must reproduce, when it is the command's own entry."""
        for follower in self.followers:
            assert follower.apply(entry) == 1
        for judge in self.judges:
            code, reply, _, again = judge.redecide(entry)
            assert again == entry, self._said(parse_entry(again), parse_entry(entry))
            if own:
                assert (code, reply) == (own.code, own.reply)

    @staticmethod
    def _is_own(name: str, entry: bytes) -> bool:
        return name == "tick" or parse_entry(entry).WhichOneof("command") != "tick"

    def _same(self, answers: Sequence[Any], what: str) -> None:
        for name, answer in zip(self.names, answers, strict=False):
            assert answer == answers[0], f"{self.names[0]} and {name} differ on {what}"
        assert all(a == answers[0] for a in answers), f"engines differ on {what}"

    @staticmethod
    def _said(got: Any, expected: Any) -> str:
        """Where two messages differ."""
        lines = str(expected).splitlines(), str(got).splitlines()
        return "\n".join(difflib.unified_diff(*lines, "expected", "got", n=8, lineterm=""))


def _shop_of(message: Any) -> str:
    if isinstance(message, engine_pb2.UpdatePresence):
        return message.update.shop_id
    shop_id: str = message.shop.shop_id if hasattr(message, "shop") else message.shop_id
    return shop_id


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
