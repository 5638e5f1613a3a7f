"""A shop's recorded window: how the shop stood when it began, and every command since, ready to be played again.

From the log alone. What hangs on who had a buyer then (which conversation, which agent answered, when) is
taken out of the commands: an answer keeps how long it took, a message whose conversation it was about
(docs/engine.md section 14). Reads and decodes a window once; for a process of its own, not the event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fenliu.engine import Core, partition_of
from fenliu.engine.answers import conversation_number
from fenliu.engine.pure.narrow import narrowed
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of
from fenliu.insight.errors import ReportRefused
from fenliu.insight.reports.windows import said
from fenliu.journal import CorruptSnapshot, Reader, Record
from fenliu.recovery import manifest_before, records
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2

Progress = Callable[[int, int], None]
"""Told how much of how much is done; may raise to give up."""

MOST_EVENTS = 3_000_000
"""Of a window: what a process may have in memory."""
RECORDS_A_STEP = 8
"""Progress is told after so many records."""

_SHORT = [
    bytes((value,)) if value < 0x80 else bytes((value & 0x7F | 0x80, value >> 7))
    for value in range(0x4000)
]
"""The varints of up to two bytes, which most are."""
_CONFIGURES = ("apply_shop", "set_weights")
_AGENT = types_pb2.OUTCOME_AGENT
_ROBOT = types_pb2.OUTCOME_ROBOT
_LEFT = types_pb2.OUTCOME_LEFT_MESSAGE
_BY_AGENTS = (types_pb2.SENDER_AGENT, types_pb2.SENDER_AUTO_REPLY)
_WITH_NOBODY_THERE = (types_pb2.REASON_OFFLINE_PROXY, types_pb2.REASON_OFFLINE_OWNER)
_GOES_ON = (types_pb2.REASON_OPEN_CONVERSATION, types_pb2.REASON_STILL_WAITING)


class Event(NamedTuple):
    """A command of the window."""

    at_ms: int
    body: bytes
    """The `ScriptEvent` without its time, encoded."""
    buyer_id: str = ""
    """Whose it is; empty: no buyer's, or not to be bound."""
    begins: bool = False
    """A buyer's arrival: an inquiry that found the buyer neither with an agent nor waiting."""
    agent_id: str = ""
    """Whose presence it is, or whose first word to a buyer."""
    document: int = 0
    """The place among the recording's documents of the one that it puts in place, from 1; 0: none."""
    answer: bool = False
    by_agent: bool = False
    """An answer that an agent gave in person."""
    ends_round: bool = False
    """Such a one by the buyer's own agent, and not one more after another."""


class Span(NamedTuple):
    """An agent's status for a while, within the window."""

    start_ms: int
    end_ms: int
    status: types_pb2.PresenceStatus


class Returning(NamedTuple):
    """A buyer who went to the recent contact."""

    at_ms: int
    agent_id: str
    buyer_id: str


@dataclass(slots=True)
class Recording:
    """A window of a shop. Times are Unix milliseconds; the end is not included."""

    shop_id: str
    start_ms: int
    end_ms: int
    """Not later than what is known: one after `as_of_ms` at most."""
    as_of_ms: int
    partitions: int
    start: bytes = b""
    """The shop's `ShopSnapshot` as the window began, with the contacts of just those who come; b"": no shop."""
    contacts: dict[str, engine_pb2.ContactState] = field(default_factory=dict)
    """By buyer: the contacts in `start`."""
    documents: list[tuple[int, shop_pb2.Shop]] = field(default_factory=list)
    """The shop's document from a time on; the first from the start on, if the shop was there."""
    starts_with_document: bool = False
    events: list[Event] = field(default_factory=list)
    presence: dict[str, list[Span]] = field(default_factory=dict)
    """Of each agent who was not OFFLINE all the time."""
    receptions: Counter[str] = field(default_factory=Counter)
    """By agent, as docs/kpis.md counts them."""
    reasons: dict[str, Counter[types_pb2.Reason]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    """Why agents received; first words are under UNSPECIFIED."""
    left_messages: Counter[str] = field(default_factory=Counter)
    """By agent: inquiries left as a message with the proxy or the owner."""
    returning: list[Returning] = field(default_factory=list)
    delays_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """How long each agent took to end rounds."""


def record(
    reader: Reader,
    core: Core,
    shop_id: str,
    start_ms: int,
    end_ms: int,
    *,
    now_ms: int = 0,
    orders: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Recording:
    """Reads a window. `now_ms`: the time it is; 0: that of the shop's last entry.

    Without `orders` those are left out. Raises ReportRefused for a window of which nothing can be said,
    CorruptRecord (DroppedRecord: it is just being dropped), CorruptSnapshot, StorageError.
    """
    partition = partition_of(shop_id, reader.partitions)
    base = _base(reader, partition, shop_id, start_ms)
    heads = reader.heads([partition])
    last_seq = heads[partition].seq if partition in heads else 0
    begin = _find_start(reader, core, shop_id, partition, base, start_ms, end_ms, last_seq)
    if begin.seen_ms == 0 and not begin.entries and not base:
        raise ReportRefused("shop_id", "nothing of this shop is kept")
    if begin.first_ms and begin.first_ms >= end_ms:
        raise ReportRefused(
            "window.end_ms",
            f"before the shop came to be, which was at {said(begin.first_ms)}",
        )
    manifest, made = manifest_before(reader, core, shop_id, begin.seq, begin.earlier)
    head, place = _head_of(manifest, made, reader)
    tape = _Tape(shop_id, start_ms, head, orders=orders)
    done = 0
    if begin.entries:
        for found in records(reader, core, partition, begin.seq):
            if found.seq == begin.seq or _names(found, shop_id):
                skip = begin.entries - 1 if found.seq == begin.seq else 0
                if not tape.take(_own(found, shop_id), skip, end_ms):
                    break
            done += 1
            if done % RECORDS_A_STEP == 0:
                progress(done, last_seq - begin.seq + 1)
            if found.seq >= last_seq:
                break
    as_of_ms = max(now_ms, tape.last_ms, begin.seen_ms)
    if start_ms > as_of_ms:
        raise ReportRefused("window.start_ms", f"in the future: it is {said(as_of_ms)} now")
    recording = tape.recording(min(end_ms, as_of_ms + 1), as_of_ms, reader.partitions)
    if place is not None:

        def fetch(ids: list[bytes]) -> dict[bytes, bytes]:
            here = {one: made[one] for one in ids if one in made}
            return here | reader.chunks(None, [one for one in ids if one not in here])

        snapshot = narrowed(place, tape.buyers(), fetch)
        recording.start = snapshot.SerializeToString(deterministic=True)
        recording.contacts = {one.buyer_id: one for one in snapshot.contacts}
    return recording


# --- Where it begins -----------------------------------------------------------------------------


def _base(reader: Reader, partition: int, shop_id: str, start_ms: int) -> int:
    """The last snapshot that has the shop as it was before the window; 0: the log's beginning serves."""
    snapshots = [head.seq for head in reader.manifests(partition)]
    later = bisect_left(
        snapshots, start_ms, key=lambda seq: _last_of(reader, partition, seq, shop_id)
    )
    if later:
        return snapshots[later - 1]
    if reader.starts([partition]).get(partition, 1) > 1:
        kept_ms = _last_of(reader, partition, snapshots[0], shop_id) if snapshots else 0
        raise ReportRefused(
            "window.start_ms", f"before what is kept, which begins at {said(kept_ms)}"
        )
    return 0


def _last_of(reader: Reader, partition: int, seq: int, shop_id: str) -> int:
    """The shop's last time in a snapshot; below all times if it has no such shop."""
    stored = reader.manifest(partition, seq)
    if stored is None or stored.seq != seq:
        raise CorruptSnapshot(partition, seq, "dropped meanwhile")
    shops = engine_pb2.Manifest.FromString(stored.content).shops
    return next((shop.last_now_ms for shop in shops if shop.shop_id == shop_id), -1)


class _Begin(NamedTuple):
    seq: int
    """The record with the window's first entry; if there is none, behind the last record."""
    entries: int
    """How many of the shop's entries in it come up to that one, itself included; 0: there is none."""
    earlier: bytes
    """Those before it, each behind its length."""
    seen_ms: int
    """The time of the last entry before the window; 0: none was seen."""
    first_ms: int
    """The time of the shop's first entry ever; 0: not known."""


def _find_start(
    reader: Reader,
    core: Core,
    shop_id: str,
    partition: int,
    base: int,
    start_ms: int,
    end_ms: int,
    last_seq: int,
) -> _Begin:
    seen_ms = first_ms = 0
    for found in records(reader, core, partition, base + 1):
        if found.seq > last_seq:
            break
        if not _names(found, shop_id):
            continue
        earlier: list[bytes] = []
        for entry in _own(found, shop_id):
            at_ms = _time_of(entry)
            if not base and not first_ms:
                first_ms = at_ms
            if at_ms >= start_ms:
                return _Begin(
                    found.seq,
                    len(earlier) + 1,
                    b"".join(_varint(len(one)) + one for one in earlier),
                    seen_ms,
                    first_ms,
                )
            earlier.append(entry)
            seen_ms = at_ms
    return _Begin(last_seq + 1, 0, b"", seen_ms, first_ms)


def _head_of(
    manifest: bytes, made: dict[bytes, bytes], reader: Reader
) -> tuple[engine_pb2.ShopSnapshot | None, engine_pb2.StoredShop | None]:
    shops = engine_pb2.Manifest.FromString(manifest).shops
    if not shops:
        return None, None
    (place,) = shops
    stored = reader.chunks(None, [one for one in place.head if one not in made]) | made
    return (
        engine_pb2.ShopSnapshot.FromString(b"".join(stored[one] for one in place.head)),
        place,
    )


# --- Entries as they lie ---------------------------------------------------------------------------


def _names(found: Record, shop_id: str) -> bool:
    return _name(shop_id) in found.entries


def _name(shop_id: str) -> bytes:
    """As the id stands in every command of the shop, behind its length."""
    return engine_pb2.Tick(shop_id=shop_id).SerializeToString()[1:]


def _own(found: Record, shop_id: str) -> Iterator[bytes]:
    """The shop's entries in a record, and now and then one that only mentions its name."""
    data = found.entries
    named = _name(shop_id)
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 0x80:
            length &= 0x7F
            shift = 7
            while data[at] >= 0x80:
                length |= (data[at] & 0x7F) << shift
                shift += 7
                at += 1
            length |= data[at] << shift
            at += 1
        entry = data[at : at + length]
        at += length
        if named in entry:
            yield entry


def _time_of(entry: bytes) -> int:
    """The entry's `now_ms`, which is its first field."""
    if not entry or entry[0] != 0x08:
        return 0
    value = shift = 0
    for byte in entry[1:11]:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value


def _varint(value: int) -> bytes:
    if value < 0x4000:
        return _SHORT[value]
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


# --- What is taken down ------------------------------------------------------------------------------


class _Has(NamedTuple):
    """Who has a buyer; as the engine's play sees it."""

    outcome: int = 0
    agent_id: str = ""
    conversation: int = 0


_NOBODY = _Has()


class _Buyer:
    """What has become of a buyer so far."""

    __slots__ = ("answered", "bases", "conversations", "has")

    def __init__(self, has: _Has, start_ms: int) -> None:
        self.has = has
        self.conversations = [has.conversation] if has.conversation else []
        # What an answer now would have come after: the last event, then each time the buyer was moved.
        self.bases = [] if has is _NOBODY else [start_ms]
        self.answered = False  # The last event was an answer in person.

    def happened(self, at_ms: int, *, answered: bool) -> None:
        self.answered = answered
        self.bases = [] if self.has is _NOBODY else [at_ms]

    def has_now(self, has: _Has, at_ms: int) -> None:
        if has == self.has:
            return
        if has.conversation and has.conversation not in self.conversations[-1:]:
            self.conversations.append(has.conversation)
        if has is not _NOBODY:
            if self.has is _NOBODY and self.bases:
                self.bases[-1] = at_ms
            else:
                self.bases.append(at_ms)
        self.has = has

    def from_end(self, conversation: int) -> int:
        """1: it is the last one; 0: none that is known."""
        for place, number in enumerate(reversed(self.conversations), 1):
            if number == conversation:
                return place
        return 0


class _Tape:
    """Takes a shop's entries down, one after the other."""

    def __init__(
        self,
        shop_id: str,
        start_ms: int,
        head: engine_pb2.ShopSnapshot | None,
        *,
        orders: bool,
    ) -> None:
        self._orders = orders
        self._start_ms = start_ms
        self._buyers: dict[str, _Buyer] = {}
        self._buyer_of: dict[int, str] = {}  # by conversation
        self._last_conversation = head.last_conversation if head is not None else 0
        self._statuses: dict[str, tuple[int, types_pb2.PresenceStatus]] = {}
        self.last_ms = 0
        self._made = Recording(shop_id, start_ms, 0, 0, 0)
        if head is not None:
            self._begin(head)

    def _begin(self, head: engine_pb2.ShopSnapshot) -> None:
        if head.shop.etag and not head.deleted:
            self._made.documents.append((self._start_ms, head.shop))
            self._made.starts_with_document = True
        for agent in head.agents:
            self._statuses[agent.agent_id] = self._start_ms, agent.status
        for entry in head.waiting:
            has = _Has(_LEFT, entry.agent_id) if entry.agent_id else _NOBODY
            self._buyers[entry.buyer_id] = _Buyer(has, self._start_ms)
        for open_ in head.conversations:
            has = _Has(
                _ROBOT if open_.robot else _AGENT,
                "" if open_.robot else open_.agent_id,
                open_.conversation,
            )
            self._buyers[open_.buyer_id] = _Buyer(has, self._start_ms)
            self._buyer_of[open_.conversation] = open_.buyer_id

    def buyers(self) -> set[str]:
        """Whose contacts may matter."""
        return set(self._buyers)

    def recording(self, end_ms: int, as_of_ms: int, partitions: int) -> Recording:
        made = self._made
        made.end_ms, made.as_of_ms, made.partitions = end_ms, as_of_ms, partitions
        for agent_id, (since_ms, status) in self._statuses.items():
            self._span(agent_id, since_ms, end_ms, status)
        return made

    def take(self, entries: Iterator[bytes], skip: int, end_ms: int) -> bool:
        """Takes a record's entries down, the first `skip` left out; whether the window goes on behind it."""
        for place, data in enumerate(entries):
            if place < skip:
                continue
            entry = engine_pb2.Entry.FromString(data)
            if command_of(entry).shop_id != self._made.shop_id:
                continue
            self.last_ms = entry.now_ms
            if entry.now_ms >= end_ms:
                # What fell due before the window ended may only be told by what came first after it.
                self._due(entry.facts, end_ms)
                return False
            self._take(entry)
        return True

    def _take(self, entry: engine_pb2.Entry) -> None:
        now_ms = entry.now_ms
        facts = list(entry.facts)
        name = entry.WhichOneof("command") or ""
        command = command_of(entry)
        named_buyer: str = getattr(command, "buyer_id", "")
        for field_ in ("now_ms", "actor", "facts"):  # what stays is the event's command
            entry.ClearField(field_)
        self._due(facts, now_ms + 1)
        event: Event | None
        if name in ("route", "cancel_inquiry"):
            event = self._of_buyer(entry, now_ms, facts, name, named_buyer)
        elif name == "message":
            event = self._message(entry, now_ms, facts, command)
        elif name in ("close_conversation", "transfer"):
            event = self._about_conversation(entry, now_ms, name, command)
        elif name == "tick" or (name == "order" and not self._orders):
            event = None
        else:
            body = entry.SerializeToString()
            event = Event(now_ms, body, agent_id=self._presence_of(name, command))
        self._facts(facts, now_ms, named_buyer)
        if event is None:
            return
        if name in _CONFIGURES and any(
            fact.HasField("shop_applied") or fact.HasField("weights_set") for fact in facts
        ):
            event = event._replace(document=len(self._made.documents))
        if event.buyer_id:
            self._buyer(event.buyer_id).happened(now_ms, answered=event.by_agent)
        if len(self._made.events) >= MOST_EVENTS:
            rule = f"more than {MOST_EVENTS} commands lie in the window: ask for a shorter one"
            raise ReportRefused("window.end_ms", rule)
        self._made.events.append(event)

    @staticmethod
    def _presence_of(name: str, command: Any) -> str:
        return command.agent_id if name in ("update_presence", "set_presence") else ""

    def _buyer(self, buyer_id: str) -> _Buyer:
        buyer = self._buyers.get(buyer_id)
        if buyer is None:
            buyer = self._buyers[buyer_id] = _Buyer(_NOBODY, self._start_ms)
        return buyer

    # --- Commands ---

    def _of_buyer(
        self,
        entry: engine_pb2.Entry,
        now_ms: int,
        facts: Sequence[engine_pb2.Fact],
        name: str,
        buyer_id: str,
    ) -> Event:
        begins = name == "route" and any(
            fact.HasField("decided")
            and not fact.decided.buyer_id
            and fact.decided.reason not in _GOES_ON
            for fact in facts
        )
        command = getattr(entry, name)
        command.ClearField("buyer_id")
        command.ClearField("request_id")
        self._buyer(buyer_id)
        tail = _buyer_field(buyer_id) + (b"\xb8\x01\x01" if begins else b"")
        return Event(now_ms, entry.SerializeToString() + tail, buyer_id, begins)

    def _message(
        self,
        entry: engine_pb2.Entry,
        now_ms: int,
        facts: Sequence[engine_pb2.Fact],
        message: dispatch_pb2.MessageEvent,
    ) -> Event:
        noted = next(fact.message_noted for fact in facts if fact.HasField("message_noted"))
        buyer_id = noted.buyer_id or message.buyer_id or self._buyer_of.get(noted.conversation, "")
        named = conversation_number(message.conversation_id)
        if not buyer_id and named:
            buyer_id = self._buyer_of.get(named, "")
        message.ClearField("event_id")
        if not buyer_id:  # about what ended before the window: as it stands
            return Event(now_ms, entry.SerializeToString())
        buyer = self._buyer(buyer_id)
        sent_after_ms = message.sent_at_ms - now_ms if message.sent_at_ms else 0
        target = named or (0 if noted.opened else noted.conversation)
        from_end = buyer.from_end(target) if target else 0
        by_agent = message.sender in _BY_AGENTS
        has = buyer.has
        answers_left = noted.opened and has.outcome == _LEFT and has.agent_id == noted.agent_id
        if answers_left:
            answer, from_end = True, 1
        elif noted.opened or message.sender == types_pb2.SENDER_BUYER or from_end != 1:
            answer = False
        else:
            answer = has.outcome == _AGENT or (has.outcome == _ROBOT and not by_agent)
        if answer and by_agent:
            if noted.agent_id in ("", has.agent_id):
                message.ClearField("agent_id")
            else:
                message.agent_id = noted.agent_id
        elif by_agent and noted.agent_id:
            message.agent_id = noted.agent_id
        if answer or named == 0 or from_end:
            message.ClearField("conversation_id")
        if not answer and not named:
            from_end = 0  # by the buyer alone, as it was
        message.ClearField("buyer_id")
        message.ClearField("sent_at_ms")
        tail = _buyer_field(buyer_id)
        in_person = answer and message.sender == types_pb2.SENDER_AGENT
        ends_round = in_person and not message.agent_id and not buyer.answered
        if answer:
            tail += self._delays(buyer, now_ms)
            if ends_round:
                self._made.delays_ms[has.agent_id].append(now_ms - buyer.bases[-1])
        if from_end:
            tail += b"\xb0\x01" + _varint(from_end)
        if sent_after_ms:
            zigzag = sent_after_ms << 1 if sent_after_ms >= 0 else (-sent_after_ms << 1) - 1
            tail += b"\xd0\x01" + _varint(zigzag)
        return Event(
            now_ms,
            entry.SerializeToString() + tail,
            buyer_id,
            agent_id=noted.agent_id if noted.opened and not answer else "",
            answer=answer,
            by_agent=in_person,
            ends_round=ends_round,
        )

    def _about_conversation(
        self, entry: engine_pb2.Entry, now_ms: int, name: str, command: Any
    ) -> Event:
        number = conversation_number(command.conversation_id)
        buyer_id = self._buyer_of.get(number, "")
        request = getattr(entry, name)
        request.ClearField("request_id")
        if not buyer_id:
            return Event(now_ms, entry.SerializeToString())
        buyer = self._buyer(buyer_id)
        from_end = buyer.from_end(number)
        request.ClearField("conversation_id")
        tail = _buyer_field(buyer_id)
        answer = from_end == 1 and buyer.has.conversation == number
        if answer:
            tail += self._delays(buyer, now_ms)
        tail += b"\xb0\x01" + _varint(from_end)
        return Event(now_ms, entry.SerializeToString() + tail, buyer_id, answer=answer)

    @staticmethod
    def _delays(buyer: _Buyer, now_ms: int) -> bytes:
        packed = b"".join(_varint(now_ms - base) for base in buyer.bases)
        return b"\xaa\x01" + _varint(len(packed)) + packed

    # --- What came of them ---

    def _due(self, facts: Sequence[engine_pb2.Fact], before_ms: int) -> None:
        """What fell due before the command."""
        for fact in facts:
            if fact.HasField("decided") and fact.decided.at_ms and fact.decided.at_ms < before_ms:
                self._decided(fact.decided, fact.decided.at_ms, fact.decided.buyer_id)

    def _facts(self, facts: Sequence[engine_pb2.Fact], now_ms: int, named_buyer: str) -> None:
        for fact in facts:
            match fact.WhichOneof("fact"):
                case "decided" if not fact.decided.at_ms:
                    buyer_id = fact.decided.buyer_id or named_buyer
                    self._decided(fact.decided, now_ms, buyer_id)
                case "message_noted" if fact.message_noted.opened:
                    noted = fact.message_noted
                    buyer_id = noted.buyer_id or named_buyer
                    self._received(noted.agent_id, types_pb2.REASON_UNSPECIFIED, now_ms)
                    self._opened(noted.conversation, buyer_id)
                    has = _Has(_AGENT, noted.agent_id, noted.conversation)
                    self._buyer(buyer_id).has_now(has, now_ms)
                case "waiting_cancelled":
                    buyer_id = fact.waiting_cancelled.buyer_id or named_buyer
                    self._buyer(buyer_id).has_now(_NOBODY, now_ms)
                case "presence_changed":
                    changed = fact.presence_changed
                    self._status(changed.agent_id, changed.status, now_ms)
                case "shop_applied":
                    self._applied(fact.shop_applied.shop, now_ms)
                case "weights_set":
                    self._weights(fact.weights_set, now_ms)
                case "shop_deleted":
                    self._applied(shop_pb2.Shop(shop_id=self._made.shop_id), now_ms)
                    self._made.documents.pop()

    def _decided(self, decided: engine_pb2.Decided, at_ms: int, buyer_id: str) -> None:
        opens = decided.conversation > self._last_conversation
        if opens:
            self._opened(decided.conversation, buyer_id)
        outcome = decided.outcome
        has = _NOBODY
        if outcome in (_AGENT, _ROBOT):
            agent_id = decided.agent_id if outcome == _AGENT else ""
            has = _Has(outcome, agent_id, decided.conversation)
        elif outcome == _LEFT and decided.agent_id:
            has = _Has(_LEFT, decided.agent_id)
            if decided.reason in _WITH_NOBODY_THERE and at_ms >= self._start_ms:
                self._made.left_messages[decided.agent_id] += 1
        self._buyer(buyer_id).has_now(has, at_ms)
        if opens and outcome == _AGENT:
            self._received(decided.agent_id, decided.reason, at_ms)
            if decided.reason == types_pb2.REASON_RECENT_CONTACT and at_ms >= self._start_ms:
                self._made.returning.append(Returning(at_ms, decided.agent_id, buyer_id))

    def _opened(self, conversation: int, buyer_id: str) -> None:
        self._last_conversation = conversation
        self._buyer_of[conversation] = buyer_id

    def _received(self, agent_id: str, reason: types_pb2.Reason, at_ms: int) -> None:
        if at_ms >= self._start_ms:
            self._made.receptions[agent_id] += 1
            self._made.reasons[agent_id][reason] += 1

    def _status(self, agent_id: str, status: types_pb2.PresenceStatus, at_ms: int) -> None:
        since_ms, before = self._statuses.get(agent_id, (at_ms, types_pb2.PRESENCE_STATUS_OFFLINE))
        if before != status:
            self._span(agent_id, since_ms, at_ms, before)
            since_ms = at_ms
        self._statuses[agent_id] = since_ms, status

    def _span(
        self, agent_id: str, start_ms: int, end_ms: int, status: types_pb2.PresenceStatus
    ) -> None:
        there = status in (types_pb2.PRESENCE_STATUS_ONLINE, types_pb2.PRESENCE_STATUS_SUSPENDED)
        if there and start_ms < end_ms:
            spans = self._made.presence.setdefault(agent_id, [])
            spans.append(Span(start_ms, end_ms, status))

    def _applied(self, document: shop_pb2.Shop, at_ms: int) -> None:
        kept = {agent.agent_id for agent in document.agents}
        for agent_id in self._statuses.keys() - kept:
            self._status(agent_id, types_pb2.PRESENCE_STATUS_OFFLINE, at_ms)
        self._made.documents.append((at_ms, document))

    def _weights(self, weights_set: engine_pb2.WeightsSet, at_ms: int) -> None:
        document = shop_pb2.Shop()
        document.CopyFrom(self._made.documents[-1][1])
        weights = {one.agent_id: one.weight for one in weights_set.weights}
        for agent in document.agents:
            agent.weight = weights.get(agent.agent_id, agent.weight)
        document.etag = weights_set.etag
        self._made.documents.append((at_ms, document))


def _buyer_field(buyer_id: str) -> bytes:
    encoded = buyer_id.encode()
    return b"\xa2\x01" + _varint(len(encoded)) + encoded
