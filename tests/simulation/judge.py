"""Holds what was acknowledged, and every decision, against what is on the disk.

Two judges: plain properties that follow from the log and the answers alone, and the naive model, which decides
every logged command once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from fenliu.engine import Core, Engine
from fenliu.engine.v1 import engine_pb2
from fenliu.journal.record import chain
from fenliu.recovery import combined, replay, shop_hashes
from fenliu.v1 import types_pb2
from model.compare import compare_snapshot
from model.naive import NaiveModel
from model.wire import plain_facts
from simulation.disk import Disk
from simulation.script import Call

REMEMBERED = ("route", "close_conversation", "transfer", "cancel_inquiry")
"""Commands whose request ids are remembered: a repeat gets the same answer."""
UNDER_CAP = (
    types_pb2.REASON_WEIGHTED,
    types_pb2.REASON_SPILLED,
)
"""Reasons for which a new buyer is given to somebody who must have room."""

Key = tuple[str, str]
"""(kind of id, id)."""


def key_of(name: str, message: Any) -> Key | None:
    """By what an entry is known to be that of a call; None: by nothing."""
    if name in REMEMBERED and message.request_id:
        return "request", message.request_id
    if name in ("message", "order") and message.event_id:
        return name, message.event_id
    return None


@dataclass
class Acknowledged:
    """What clients sent and were told."""

    order: dict[tuple[str, str], list[Key]] = field(default_factory=lambda: defaultdict(list))
    """What was sent about a buyer of a shop, in this order, each first to be answered or given up."""
    replies: dict[Key, bytes] = field(default_factory=dict)
    """The answers to what is remembered."""
    events: set[Key] = field(default_factory=set)
    etags: set[tuple[str, str]] = field(default_factory=set)
    """(shop id, etag) of configuration that was acknowledged."""
    bodies: dict[Key, bytes] = field(default_factory=dict)

    def sent(self, call: Call) -> None:
        for index, message in enumerate(call.messages):
            key = key_of(call.name, message)
            if key is not None and key not in self.bodies:
                self.bodies[key] = call.bodies[index]
                self.order[_shop_of(call.name, message), call.buyers[index]].append(key)

    def answered(self, call: Call, index: int, code: int, body: bytes) -> None:
        if code != 0:
            return
        message = call.messages[index]
        key = key_of(call.name, message)
        if key is None:
            if call.name in ("apply_shop", "set_weights"):
                etag = _etag(call.name, body)
                self.etags.add((_shop_of(call.name, message), etag))
        elif call.name in REMEMBERED:
            first = self.replies.setdefault(key, body)
            assert first == body, f"{key}: answered {first!r}, and when repeated {body!r}"
        else:
            self.events.add(key)


def _etag(name: str, body: bytes) -> str:
    from model.wire import COMMANDS

    reply: Any = COMMANDS[name][2]
    answer = reply.FromString(body)
    etag: str = answer.shop.etag if name == "apply_shop" else answer.etag
    return etag


def _shop_of(name: str, message: Any) -> str:
    if name == "apply_shop":
        return str(message.shop.shop_id)
    return str(message.update.shop_id if name == "update_presence" else message.shop_id)


def entries_of(disk: Disk) -> dict[int, list[tuple[bytes, engine_pb2.Entry]]]:
    """All entries by partition, in order, as bytes behind their length and parsed; records are checked."""
    found: dict[int, list[tuple[bytes, engine_pb2.Entry]]] = {}
    for partition, log in sorted(disk.logs.items()):
        rows = ((i, *row) for i, row in enumerate(log, 1))
        mine = found[partition] = []
        for record in chain(rows, partition, 1):
            mine += split_entries(record.entries)
    return found


def split_entries(data: bytes) -> list[tuple[bytes, engine_pb2.Entry]]:
    entries, at = [], 0
    while at < len(data):
        start, length, shift = at, 0, 0
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        at += length
        entries.append((data[start:at], engine_pb2.Entry.FromString(data[at - length : at])))
    return entries


def check_durable(disk: Disk, acknowledged: Acknowledged) -> None:
    """Whatever was acknowledged up to now is on the disk, once."""
    logged: Counter[Key] = Counter()
    etags = set()
    for entries in entries_of(disk).values():
        for _, entry in entries:
            name = entry.WhichOneof("command")
            assert name is not None
            key = key_of(name, getattr(entry, name))
            if key is not None:
                logged[key] += 1
            etags |= _etags_in(entry)
    lost = [key for key in (*acknowledged.replies, *acknowledged.events) if not logged[key]]
    assert not lost, f"acknowledged and lost: {lost}"
    assert not (gone := acknowledged.etags - etags), f"acknowledged and lost: {gone}"
    doubled = [key for key, count in logged.items() if count > 1]
    assert not doubled, f"done more than once: {doubled}"


def _etags_in(entry: engine_pb2.Entry) -> set[tuple[str, str]]:
    found = set()
    for fact in entry.facts:
        if fact.HasField("shop_applied"):
            found.add((fact.shop_applied.shop.shop_id, fact.shop_applied.shop.etag))
        elif fact.HasField("weights_set"):
            found.add((entry.set_weights.shop_id, fact.weights_set.etag))
    return found


def judge(
    disk: Disk, core: Core, acknowledged: Acknowledged, running: Engine, partitions: int
) -> None:
    """The whole log against the answers, the running state, a replay, and the naive model."""
    check_durable(disk, acknowledged)
    log = entries_of(disk)
    handle = disk.open(None)
    try:
        model, replies, again = _decide_again(log, core, partitions)
        for key, reply in acknowledged.replies.items():
            assert replies[key] == reply, (
                f"{key}: answered {reply!r}, decided again {replies[key]!r}"
            )
        replayed = replay(handle, core)[0].state_hash()
        assert replayed == again.state_hash(), "replaying the facts and deciding again differ"
        hashes = shop_hashes(handle, running)
        assert combined(hashes) == replayed, "the running state is not what the log gives"
        for shop_id in model.shops:
            snapshot = engine_pb2.ShopSnapshot.FromString(again.snapshot(shop_id))
            compare_snapshot(snapshot, model, shop_id)
    finally:
        disk.handles.remove(handle)
    everything = [entry for entries in log.values() for _, entry in entries]
    check_order(everything, acknowledged)
    for shop_id in model.shops:
        check_handlers([entry for entry in everything if _shop_of_entry(entry) == shop_id])


def _decide_again(
    log: dict[int, list[tuple[bytes, engine_pb2.Entry]]], core: Core, partitions: int
) -> tuple[NaiveModel, dict[Key, bytes], Engine]:
    model = NaiveModel()
    engine = core.engine(partitions)
    replies = {}
    for entries in log.values():
        for data, entry in entries:
            name = entry.WhichOneof("command")
            assert name is not None
            command = getattr(entry, name)
            answer = model.decide(name, command, entry.now_ms, entry.actor)
            case = f"{name} {command}"
            assert answer.refusal is None, f"{case}: {answer.refusal}"
            assert answer.logged is not None, f"{case}: changes nothing, and was logged"
            assert answer.logged.facts == plain_facts(entry), case
            assert (answer.logged.command, answer.logged.now_ms) == (name, entry.now_ms), case
            code, reply, _, decided = engine.redecide(data)
            assert (code, decided) == (0, data), f"{case}: decided otherwise"
            assert reply == (b"" if answer.reply is None else answer.reply.SerializeToString())
            key = key_of(name, command)
            if key is not None:
                replies[key] = reply
    return model, replies, engine


def _shop_of_entry(entry: engine_pb2.Entry) -> str:
    name = entry.WhichOneof("command")
    assert name is not None
    return _shop_of(name, getattr(entry, name))


def check_order(log: list[engine_pb2.Entry], acknowledged: Acknowledged) -> None:
    """What a client sent about a buyer, one after the other, is in the log in that order."""
    places = {}
    for place, entry in enumerate(log):
        name = entry.WhichOneof("command")
        assert name is not None
        key = key_of(name, getattr(entry, name))
        if key is not None:
            places[key] = place
    for buyer, keys in acknowledged.order.items():
        found = [places[key] for key in keys if key in places]
        assert found == sorted(found), f"{buyer}: {keys} stand in the log at {found}"


def check_handlers(log: list[engine_pb2.Entry]) -> None:
    """One shop's log: each inquiry has one handler, each buyer one conversation, and caps hold."""
    caps: dict[str, int] = {}
    open_: dict[int, tuple[str, str]] = {}
    held: Counter[str] = Counter()
    talks: Counter[str] = Counter()
    last_decision = 0
    for entry in log:
        name = entry.WhichOneof("command")
        assert name is not None
        command = getattr(entry, name)
        buyer = getattr(command, "buyer_id", "")
        own = 0
        for fact in entry.facts:
            which = fact.WhichOneof("fact")
            if which == "shop_applied":
                caps = {a.agent_id: a.cap for a in fact.shop_applied.shop.agents}
            elif which == "conversation_closed":
                whose, agent = open_.pop(fact.conversation_closed.conversation)
                talks[whose] -= 1
                held[agent] -= 1
            elif which == "message_noted" and fact.message_noted.opened:
                who = fact.message_noted.buyer_id or buyer
                number = fact.message_noted.conversation
                open_[number] = (who, fact.message_noted.agent_id)
                talks[who] += 1
                held[fact.message_noted.agent_id] += 1
                assert talks[who] == 1, f"{who} has {talks[who]} conversations"
            elif which == "decided":
                d = fact.decided
                assert d.decision == last_decision + 1, "a decision's number is doubled or left out"
                last_decision = d.decision
                own += not d.buyer_id and name == "route"
                who = d.buyer_id or buyer
                if d.conversation and d.conversation not in open_:
                    agent = d.agent_id if d.outcome == types_pb2.OUTCOME_AGENT else ""
                    open_[d.conversation] = (who, agent)
                    talks[who] += 1
                    held[agent] += 1
                    assert talks[who] == 1, f"{who} has {talks[who]} conversations"
                    if d.reason in UNDER_CAP and caps.get(agent):
                        assert held[agent] <= caps[agent], f"{agent} holds more than its cap"
        if name == "route":
            assert own == 1, f"{command.request_id}: {own} decisions"
