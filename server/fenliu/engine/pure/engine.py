"""The engine's face and the life of a command (docs/engine.md section 1)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from heapq import heappop, heappush, heapreplace
from typing import Any, NamedTuple, TypeAlias, final

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind, QueryKind
from fenliu.engine.partitions import partition_of
from fenliu.engine.pure import (
    config,
    due,
    messages,
    presence,
    query,
    refusals,
    repeats,
    route,
    snapshot,
    validation,
    wire,
)
from fenliu.engine.pure.apply import apply_fact
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2

PartitionEntries: TypeAlias = tuple[int, int, bytes]
"""(partition, number of entries, the entries: each an encoded `Entry` behind its length as a varint)."""


class _Command(NamedTuple):
    kind: CommandKind
    message: type[Message]
    shop_id: Callable[[Any], str]
    validate: Callable[[Any], None]
    decide: Callable[[Turn, Any], Message | None]
    keeps_actor: bool = False

    @property
    def entry_field(self) -> str:
        """The command's field in `Entry`."""
        return engine_pb2.Entry.DESCRIPTOR.fields_by_number[self.kind].name


_of_itself = operator.attrgetter("shop_id")
_of_update = operator.attrgetter("update.shop_id")
_of_shop = operator.attrgetter("shop.shop_id")

_COMMANDS = {
    command.kind: command
    for command in (
        _Command(
            CommandKind.ROUTE,
            dispatch_pb2.RouteRequest,
            _of_itself,
            validation.route,
            route.decide_route,
        ),
        _Command(
            CommandKind.CLOSE_CONVERSATION,
            dispatch_pb2.CloseConversationRequest,
            _of_itself,
            validation.close_conversation,
            route.decide_close,
        ),
        _Command(
            CommandKind.MESSAGE,
            dispatch_pb2.MessageEvent,
            _of_itself,
            validation.message,
            messages.decide_message,
        ),
        _Command(
            CommandKind.UPDATE_PRESENCE,
            engine_pb2.UpdatePresence,
            _of_update,
            validation.update_presence,
            presence.decide_update,
        ),
        _Command(
            CommandKind.SET_PRESENCE,
            presence_pb2.SetPresenceRequest,
            _of_itself,
            validation.set_presence,
            presence.decide_set,
            keeps_actor=True,
        ),
        _Command(
            CommandKind.EXPIRE_SESSION,
            engine_pb2.ExpireSession,
            _of_itself,
            validation.expire_session,
            presence.decide_expire_session,
        ),
        _Command(
            CommandKind.APPLY_SHOP,
            shop_pb2.ApplyShopRequest,
            _of_shop,
            validation.apply_shop,
            config.decide_apply_shop,
            keeps_actor=True,
        ),
        _Command(
            CommandKind.SET_WEIGHTS,
            shop_pb2.SetWeightsRequest,
            _of_itself,
            validation.set_weights,
            config.decide_set_weights,
            keeps_actor=True,
        ),
        _Command(
            CommandKind.TICK,
            engine_pb2.Tick,
            _of_itself,
            validation.tick,
            lambda _turn, _command: None,  # what is due is applied before any command
        ),
    )
}


class _Batch(NamedTuple):
    name: str  # full name of the message
    items: str  # its field
    refused_tag: bytes  # of the Status in an element's result
    accepted_tag: bytes  # of the response in it; b"": the response is the result


_BATCHES = {
    CommandKind.ROUTE: _Batch("fenliu.v1.RouteBatchRequest", "requests", b"\x12", b"\x0a"),
    CommandKind.MESSAGE: _Batch("fenliu.v1.ReportMessagesBatchRequest", "events", b"\x1a", b""),
}


class _Query(NamedTuple):
    message: type[Message]
    validate: Callable[[Any], None]
    answer: Callable[[dict[str, Shop], Any], Message]
    of_one_shop: bool


_QUERIES = {
    QueryKind.GET_SHOP: _Query(
        shop_pb2.GetShopRequest, validation.get_shop, query.get_shop, of_one_shop=True
    ),
    QueryKind.LIST_SHOPS: _Query(
        shop_pb2.ListShopsRequest, validation.list_shops, query.list_shops, of_one_shop=False
    ),
    QueryKind.LIST_PRESENCE: _Query(
        presence_pb2.ListPresenceRequest,
        validation.list_presence,
        query.list_presence,
        of_one_shop=True,
    ),
}


@final
class Engine:
    """The state of many shops and every rule of dispatch: a pure state machine.

    Bytes are encoded protobuf messages. A status `code` is a canonical gRPC code; with a code other
    than 0 the reply is an encoded `google.rpc.Status`. Not to be shared between processes by fork.
    """

    def __init__(self, partitions: int) -> None:
        """An engine without shops. `partitions`: 1..65536, else ValueError."""
        if not 1 <= partitions <= 65_536:
            raise ValueError("partitions must be within 1..65536")
        self._partitions = partitions
        self._shops: dict[str, Shop] = {}
        # When to look at which shop: a heap with lazy deletion. An item counts if it is the shop's
        # in `_scheduled`; that is never later than what is really due.
        self._schedule: list[tuple[int, str]] = []
        self._scheduled: dict[str, int] = {}

    # --- Deciding ---

    def decide(
        self, kind: int, request: bytes, now_ms: int, actor: str = ""
    ) -> tuple[int, bytes, int, bytes]:
        """Decides one command at `now_ms` and changes the state accordingly.

        `kind` is a `CommandKind`. Returns (code, reply, partition, entry): `entry` is what to log,
        length-prefixed as in `PartitionEntries`, or b"" when there is nothing to log; `partition` is
        the shop's, or -1 when no shop id could be read. A refused command may still carry an entry:
        what was due by then. Raises ValueError for an unknown kind.
        """
        command = _COMMANDS[CommandKind(kind)]
        try:
            message = _decode(command.message, request)
        except Refusal as refusal:
            return refusal.code, refusal.status(), -1, b""
        return self._decide(command, message, now_ms, actor)

    def _decide(
        self, command: _Command, message: Message, now_ms: int, actor: str
    ) -> tuple[int, bytes, int, bytes]:
        shop_id = command.shop_id(message)
        partition = partition_of(shop_id, self._partitions) if shop_id else -1
        try:
            command.validate(message)
            shop = self._shops.get(shop_id)
            if shop is None:
                if command.kind != CommandKind.APPLY_SHOP:
                    raise Refusal("SHOP_NOT_FOUND", "shop_id")
                shop = Shop(shop_id, partition, now_ms)
        except Refusal as refusal:
            return refusal.code, refusal.status(), partition, b""

        turn = Turn(shop, max(now_ms, shop.last_now_ms), message)
        due.apply_due(turn)
        were_due = len(turn.facts)
        code, reply, new = 0, b"", False
        try:
            repeated = repeats.find(shop, command.kind, message, turn.now)
            if repeated is None:
                answer = command.decide(turn, message)
                reply = wire.encode(answer) if answer is not None else b""
                new = True
            else:
                reply = repeated
        except Refusal as refusal:
            code, reply = refusal.code, refusal.status()

        entry = engine_pb2.Entry(now_ms=turn.now, facts=turn.facts)
        if new and (len(turn.facts) > were_due or repeats.id_of(message)):
            if command.keeps_actor:
                entry.actor = actor
            getattr(entry, command.entry_field).CopyFrom(message)
            repeats.remember(shop, command.kind, message, reply, turn.now)
        elif turn.facts:
            entry.tick.shop_id = shop_id
        else:
            return code, reply, partition, b""
        shop.last_now_ms = turn.now
        self._keep(shop)
        return code, reply, partition, wire.delimited(wire.encode(entry))

    def decide_batch(
        self, kind: int, batch: bytes, now_ms: int, first: int = 0, count: int = 4096
    ) -> tuple[int, bytes, int, int, list[PartitionEntries]]:
        """Decides elements `first .. first + count` of a batch (ROUTE or MESSAGE), each by itself.

        Returns (code, results, total, batch_id, entries): `results` is a response's `results` field,
        encoded, for this slice (slices concatenate to the whole response); `total` the number of
        elements in the batch; `entries` by ascending partition. With a code other than 0 nothing was
        decided and `results` is the Status. Raises ValueError for another kind.
        """
        shape = _BATCHES.get(CommandKind(kind))
        if shape is None:
            raise ValueError(f"kind {kind} has no batches")
        try:
            validation.batch_size(shape.items, len(batch))
            try:
                items, batch_id = wire.split_batch(batch)
            except wire.MalformedError:
                raise refusals.malformed(shape.name) from None
            validation.batch_elements(shape.items, items)
        except Refusal as refusal:
            return refusal.code, refusal.status(), 0, 0, []
        results: list[bytes] = []
        entries = _EntriesByPartition()
        for item in items[first : first + count]:
            code, reply, partition, entry = self.decide(kind, item, now_ms)
            tag = shape.refused_tag if code else shape.accepted_tag
            result = tag + wire.delimited(reply) if tag else reply
            results.append(b"\x0a" + wire.delimited(result))
            entries.add(partition, entry)
        return 0, b"".join(results), len(items), batch_id, entries.listed()

    def tick(self, now_ms: int) -> list[PartitionEntries]:
        """Applies what is due by `now_ms` in every shop; entries by ascending partition, then shop id."""
        shops: list[Shop] = []
        while (due_ms := self.next_due()) is not None and due_ms <= now_ms:
            _, shop_id = heappop(self._schedule)
            del self._scheduled[shop_id]
            shops.append(self._shops[shop_id])
        entries = _EntriesByPartition()
        for shop in sorted(shops, key=lambda shop: shop.shop_id):
            message = engine_pb2.Tick(shop_id=shop.shop_id)
            _, _, partition, entry = self._decide(_COMMANDS[CommandKind.TICK], message, now_ms, "")
            entries.add(partition, entry)
        return entries.listed()

    def next_due(self) -> int | None:
        """The earliest due time of all shops, Unix ms; None when nothing will fall due."""
        while self._schedule:
            at_ms, shop_id = self._schedule[0]
            shop = self._shops.get(shop_id)
            if shop is None or self._scheduled.get(shop_id) != at_ms:
                heappop(self._schedule)
                continue
            due_ms = due.next_due(shop)
            if due_ms == at_ms:
                return at_ms
            if due_ms is None:
                heappop(self._schedule)
                del self._scheduled[shop_id]
            else:
                heapreplace(self._schedule, (due_ms, shop_id))
                self._scheduled[shop_id] = due_ms
        return None

    def query(self, kind: int, request: bytes) -> tuple[int, bytes, int]:
        """Answers a `QueryKind`: (code, reply, partition), partition -1 when it spans all shops or none.

        Raises ValueError for an unknown kind.
        """
        asked = _QUERIES[QueryKind(kind)]
        partition = -1
        try:
            message: Any = _decode(asked.message, request)
            if asked.of_one_shop and message.shop_id:
                partition = partition_of(message.shop_id, self._partitions)
            asked.validate(message)
            return 0, wire.encode(asked.answer(self._shops, message)), partition
        except Refusal as refusal:
            return refusal.code, refusal.status(), partition

    # --- The log ---

    def apply(self, entries: bytes) -> int:
        """Applies logged entries (concatenated, length-prefixed); returns how many.

        Raises ValueError when the bytes are no entries; those before the bad one are applied.
        """
        count = 0
        for data in _split_entries(entries):
            self._apply(_decode_entry(data))
            count += 1
        return count

    def _apply(self, entry: engine_pb2.Entry) -> None:
        command, message = _command_of(entry)
        shop_id = command.shop_id(message)
        shop = self._shops.get(shop_id)
        if shop is None:
            if not any(fact.HasField("shop_applied") for fact in entry.facts):
                raise ValueError("an entry of a shop that was never made")
            shop = Shop(shop_id, partition_of(shop_id, self._partitions), entry.now_ms)
        shop.last_now_ms = entry.now_ms
        for fact in entry.facts:
            apply_fact(shop, fact, entry.now_ms, message)
        if repeats.id_of(message):
            reply = _reply_of(message, entry.facts)
            repeats.remember(shop, command.kind, message, reply, entry.now_ms)
        self._keep(shop)

    def redecide(self, entry: bytes) -> tuple[int, bytes, int, bytes]:
        """Decides a logged entry's command again (one entry, length-prefixed); returns as `decide`."""
        data = list(_split_entries(entry))
        if len(data) != 1:
            raise ValueError("not one entry")
        logged = _decode_entry(data[0])
        command, message = _command_of(logged)
        return self._decide(command, message, logged.now_ms, logged.actor)

    # --- The state as a whole ---

    def shop_ids(self) -> list[str]:
        """All shops, by id bytes."""
        return sorted(self._shops)

    def sessions(self) -> list[tuple[str, str]]:
        """(session id, shop id) of every presence session that still has agents, sorted."""
        return sorted(
            (session_id, shop.shop_id)
            for shop in self._shops.values()
            for session_id in shop.sessions
        )

    def snapshot(self, shop_id: str) -> bytes:
        """The shop's canonical `ShopSnapshot`. Raises KeyError for an unknown shop."""
        return snapshot.take(self._shops[shop_id])

    def load_snapshot(self, snapshot: bytes) -> None:
        """Puts a shop in place as the snapshot says, replacing it. Raises ValueError for bad bytes."""
        self._keep(_load(snapshot, self._partitions))

    def state_hash(self) -> bytes:
        """32 bytes over the whole state; docs/engine.md section 10."""
        return snapshot.state_hash(self._shops)

    def take_partition(self, other: Engine, partition: int) -> None:
        """Replaces this engine's shops of `partition` by those of `other`, which loses them.

        Raises ValueError when the two do not have the same number of partitions.
        """
        if self._partitions != other._partitions:
            raise ValueError("the engines have different numbers of partitions")
        if other is self:
            return
        for shop in self._in(partition):
            self._lose(shop)
        for shop in other._in(partition):
            other._lose(shop)
            self._keep(shop)

    def _in(self, partition: int) -> list[Shop]:
        return [shop for shop in self._shops.values() if shop.partition == partition]

    def _lose(self, shop: Shop) -> None:
        del self._shops[shop.shop_id]
        self._scheduled.pop(shop.shop_id, None)

    def _keep(self, shop: Shop) -> None:
        """Holds the shop, new or changed, and sees to it that it is looked at in time."""
        self._shops[shop.shop_id] = shop
        at_ms = due.not_due_before(shop)
        if at_ms is None:
            return
        scheduled = self._scheduled.get(shop.shop_id)
        if scheduled is None or at_ms < scheduled:
            self._scheduled[shop.shop_id] = at_ms
            heappush(self._schedule, (at_ms, shop.shop_id))


class _EntriesByPartition:
    """Entries as they come, told apart by partition."""

    def __init__(self) -> None:
        self._entries: dict[int, list[bytes]] = {}

    def add(self, partition: int, entry: bytes) -> None:
        if entry:
            self._entries.setdefault(partition, []).append(entry)

    def listed(self) -> list[PartitionEntries]:
        return [
            (partition, len(entries), b"".join(entries))
            for partition, entries in sorted(self._entries.items())
        ]


def _decode(message_type: type[Message], data: bytes) -> Message:
    try:
        return wire.decode(message_type, data)
    except wire.MalformedError:
        raise refusals.malformed(message_type.DESCRIPTOR.full_name) from None
    except wire.NotUtf8Error as error:
        raise refusals.invalid(error.path, "must be UTF-8") from None


def _split_entries(entries: bytes) -> Iterable[bytes]:
    try:
        yield from wire.split_delimited(entries)
    except wire.MalformedError:
        raise ValueError("the entries break off") from None


def _decode_entry(data: bytes) -> engine_pb2.Entry:
    try:
        entry = wire.decode(engine_pb2.Entry, data)
    except (wire.MalformedError, wire.NotUtf8Error):
        raise ValueError("not an entry") from None
    if any(fact.WhichOneof("fact") is None for fact in entry.facts):
        raise ValueError("an entry with a fact of an unknown kind")
    return entry


def _command_of(entry: engine_pb2.Entry) -> tuple[_Command, Message]:
    name = entry.WhichOneof("command")
    if name is None:
        raise ValueError("an entry without a command")
    number = engine_pb2.Entry.DESCRIPTOR.fields_by_name[name].number
    return _COMMANDS[CommandKind(number)], getattr(entry, name)


def _reply_of(message: Message, facts: Iterable[engine_pb2.Fact]) -> bytes:
    """The reply that was given to a request with an id, from the facts it led to."""
    if isinstance(message, dispatch_pb2.CloseConversationRequest):
        closed = any(
            fact.conversation_closed.cause == engine_pb2.CLOSE_CAUSE_REQUEST for fact in facts
        )
        return wire.encode(route.close_response(message, already_closed=not closed))
    for fact in facts:
        if fact.HasField("decided"):
            return wire.encode(route.response(fact.decided))
    return b""


def _load(data: bytes, partitions: int) -> Shop:
    try:
        state = wire.decode(engine_pb2.ShopSnapshot, data)
    except (wire.MalformedError, wire.NotUtf8Error):
        raise ValueError("not a snapshot") from None
    return snapshot.load(state, partition_of(state.shop.shop_id, partitions))
