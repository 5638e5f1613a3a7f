"""Engines of every core and the naive model, driven side by side and compared after every step.

Beside each core's own engine run two more of the same core: a follower that only ever applies the
log, and a second judge that decides the log's commands again. With `stored`, each of the three has a
double whose state lies elsewhere (storage.py) and must say the same.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import google_crc32c
from google.protobuf.message import Message

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, types_pb2
from model.compare import compare_snapshot
from model.naive import Answer, NaiveModel
from model.storage import PartitionEntries, Storage
from model.wire import (
    COMMANDS,
    QUERIES,
    Result,
    batch_bytes,
    parse_entry,
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


def partition(shop_id: str, partitions: int) -> int:
    return int(google_crc32c.value(shop_id.encode())) % partitions


class Lockstep:
    """Raises AssertionError at the first difference.

    `steps` counts the commands compared, `seen` what they came to: ("reason", "WEIGHTED"), ("cause",
    "IDLE"), ("fact", "decided"), ("refusal", "HOP_LIMIT") and so on.
    """

    def __init__(
        self, cores: Sequence[ModuleType], partitions: int = 4, *, stored: bool = False
    ) -> None:
        assert cores
        self.partitions = partitions
        self.names = [core.CORE for core in cores]
        self.names += [f"{name}, stored," for name in self.names]
        self.cores = list(cores)
        self.engines = [core.Engine(partitions) for core in cores]
        self.followers = [core.Engine(partitions) for core in cores]
        self.judges = [core.Engine(partitions) for core in cores]
        self.storage = Storage(cores if stored else [], partitions)
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
        results = [Result(name, *e.decide(kind, body, now, actor)) for e in self._deciding()]
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
            answers = [e.decide_batch(kind, data, now, first, step) for e in self._deciding()]
            self._same(answers, f"{name} batch {data.hex()} from {first} at {now}")
            code, results, total, echoed, entries, decided = answers[0]
            assert (code, total, echoed) == (0, len(items), batch_id)
            assert decided == len(items[first : first + step])
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
        answers = [e.tick(now) for e in self._deciding()]
        self._same(answers, f"tick at {now}")
        expected = []
        for shop_id in sorted(self.model.existing(), key=str.encode):
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
        answers = [e.query(QUERIES[name][0], message.SerializeToString()) for e in self._deciding()]
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
        for engine in (*self._plain(), *self.storage.everyone()):
            assert engine.shop_ids() == sorted(self.model.existing(), key=str.encode)
            assert engine.shop_ids(deleted=True) == sorted(self.model.shops, key=str.encode)
            assert engine.sessions() == self.model.sessions()
            hashes.append(engine.state_hash())
        for shop_id in self.model.shops:
            snapshot = self.check_shop(shop_id)
            assert all(e.snapshot(shop_id) == snapshot for e in self.storage.everyone())
        assert all(state == hashes[0] for state in hashes)

    def check_shop(self, shop_id: str) -> bytes:
        """Compares one shop's snapshot on all engines that have it in memory, and with the model."""
        snapshots = [e.snapshot(shop_id) for e in self._plain()]
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
            for shop_id in self.engines[i].shop_ids(deleted=True):
                fresh.load_snapshot(self.engines[i].snapshot(shop_id))
            assert fresh.state_hash() == self.engines[i].state_hash()
            self.engines[i] = fresh
        self._compare_outlook()

    def rotate(self, partition_: int) -> None:
        """Rotates the stored engines; what `Storage.store` stores next is the state as it is now."""
        mine = [i for i in self.model.shops if partition(i, self.partitions) == partition_]
        snapshots = {i: self.engines[0].snapshot(i) for i in mine}
        self.storage.rotate(partition_, snapshots, {i: self.model.next_due(i) for i in mine})

    def _deciding(self) -> list[Any]:
        return [*self.engines, *self.storage.engines]

    def _plain(self) -> list[Any]:
        return [*self.engines, *self.followers, *self.judges]

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
        for engine in (*self._plain(), *self.storage.everyone()):
            assert engine.next_due() == due

    def _follow(self, entry: bytes, own: Result | None) -> None:
        """`own`: the result the entry must reproduce, when it is the command's own entry."""
        for follower in (*self.followers, *self.storage.followers):
            assert follower.apply(entry) == (1, len(entry), b"")
        for judge in (*self.judges, *self.storage.judges):
            code, reply, _, again = judge.redecide(entry)
            assert again == entry, self._said(parse_entry(again), parse_entry(entry))
            if own:
                assert (code, reply) == (own.code, own.reply)
        if self.storage.cores:
            parsed = parse_entry(entry)
            message = getattr(parsed, str(parsed.WhichOneof("command")))
            self.storage.log[partition(_shop_of(message), self.partitions)].append(entry)

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
        return str(message.update.shop_id)
    shop_id: str = message.shop.shop_id if hasattr(message, "shop") else message.shop_id
    return shop_id
