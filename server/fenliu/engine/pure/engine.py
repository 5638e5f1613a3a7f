"""The engine's face and the life of a command (docs/engine.md section 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind, QueryKind
from fenliu.engine.partitions import partition_of
from fenliu.engine.pure import due, query, refusals, repeats, snapshot, validation, wire
from fenliu.engine.pure.apply import apply_fact
from fenliu.engine.pure.batches import BATCHES
from fenliu.engine.pure.commands import COMMANDS, Command
from fenliu.engine.pure.deadlines import Deadlines
from fenliu.engine.pure.entries import (
    EntriesByPartition,
    PartitionEntries,
    command_of,
    decode_entry,
    reply_of,
    split_entries,
)
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.settle import settle
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import presence_pb2, shop_pb2


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
        self._due: Deadlines[str] = Deadlines()  # shop: when its next effect is due

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
        command = COMMANDS[CommandKind(kind)]
        try:
            message = _decode(command.message, request)
        except Refusal as refusal:
            return refusal.code, refusal.status(), -1, b""
        return self._decide(command, message, now_ms, actor)

    def _decide(
        self, command: Command, message: Message, now_ms: int, actor: str
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

        turn = Turn(shop, max(now_ms, shop.last_now_ms), message, actor)
        due.apply_due(turn)
        were_due = len(turn.facts)
        code, reply, new = 0, b"", False
        try:
            repeated = repeats.find(shop, command.kind, message, turn.now)
            if repeated is None:
                answer = command.decide(turn, message)
                settle(turn)
                if command.answer is not None:
                    answer = command.answer(turn, message)
                reply = wire.encode(answer) if answer is not None else b""
                new = True
            else:
                reply = repeated
        except Refusal as refusal:
            code, reply = refusal.code, refusal.status()

        entry = engine_pb2.Entry(now_ms=turn.now, facts=turn.facts)
        if new and (len(turn.facts) > were_due or repeats.id_of(command.kind, message)):
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
    ) -> tuple[int, bytes, int, int, list[PartitionEntries], int]:
        """Decides elements `first .. first + count` of a batch (ROUTE, MESSAGE or ORDER), each by itself.

        Returns (code, results, total, batch_id, entries): `results` is a response's `results` field,
        encoded, for this slice (slices concatenate to the whole response); `total` the number of
        elements in the batch; `entries` by ascending partition. With a code other than 0 nothing was
        decided and `results` is the Status. Raises ValueError for another kind.
        """
        shape = BATCHES.get(CommandKind(kind))
        if shape is None:
            raise ValueError(f"kind {kind} has no batches")
        try:
            items, batch_id = shape.split(batch)
        except Refusal as refusal:
            return refusal.code, refusal.status(), 0, 0, [], 0
        results: list[bytes] = []
        logged = EntriesByPartition()
        for item in items[first : first + count]:
            code, reply, partition, entry = self.decide(kind, item, now_ms)
            results.append(shape.result(code, reply))
            logged.add(partition, entry)
        return 0, b"".join(results), len(items), batch_id, logged.listed(), len(results)

    def tick(self, now_ms: int) -> list[PartitionEntries]:
        """Applies what is due by `now_ms` in every shop; entries by ascending partition, then shop id."""
        ticked: dict[str, tuple[int, bytes]] = {}
        while (first := self._due.first()) is not None and first[0] <= now_ms:
            message = engine_pb2.Tick(shop_id=first[1])
            command = COMMANDS[CommandKind.TICK]
            _, _, partition, entry = self._decide(command, message, now_ms, "")
            ticked[message.shop_id] = partition, entry
        logged = EntriesByPartition()
        for _, (partition, entry) in sorted(ticked.items()):
            logged.add(partition, entry)
        return logged.listed()

    def next_due(self) -> int | None:
        """The earliest due time of all shops, Unix ms; None when nothing will fall due."""
        first = self._due.first()
        return None if first is None else first[0]

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

    def apply(self, entries: bytes, start: int = 0, shop_id: str = "") -> tuple[int, int, bytes]:
        """Applies logged entries (concatenated, length-prefixed); returns how many.

        Raises ValueError when the bytes are no entries; those before the bad one are applied.
        """
        count = 0
        for data in split_entries(entries):
            self._apply(decode_entry(data))
            count += 1
        return count, len(entries), b""

    def _apply(self, entry: engine_pb2.Entry) -> None:
        command, message = command_of(entry)
        shop_id = command.shop_id(message)
        shop = self._shops.get(shop_id)
        if shop is None:
            if not any(fact.HasField("shop_applied") for fact in entry.facts):
                raise ValueError("an entry of a shop that was never made")
            shop = Shop(shop_id, partition_of(shop_id, self._partitions), entry.now_ms)
        shop.last_now_ms = entry.now_ms
        for fact in entry.facts:
            apply_fact(shop, fact, entry.now_ms, message)
        if repeats.id_of(command.kind, message):
            reply = reply_of(message, entry.facts)
            repeats.remember(shop, command.kind, message, reply, entry.now_ms)
        self._keep(shop)

    def redecide(self, entry: bytes) -> tuple[int, bytes, int, bytes]:
        """Decides a logged entry's command again (one entry, length-prefixed); returns as `decide`."""
        data = list(split_entries(entry))
        if len(data) != 1:
            raise ValueError("not one entry")
        logged = decode_entry(data[0])
        command, message = command_of(logged)
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
        """32 bytes over the whole state; docs/engine.md section 12."""
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
        self._due.set(shop.shop_id, None)

    def _keep(self, shop: Shop) -> None:
        """Holds the shop, new or changed, and knows when it is due."""
        self._shops[shop.shop_id] = shop
        first = due.next_due(shop)
        self._due.set(shop.shop_id, None if first is None else first.at_ms)


def _decode(message_type: type[Message], data: bytes) -> Message:
    try:
        return wire.decode(message_type, data)
    except wire.MalformedError:
        raise refusals.malformed(message_type.DESCRIPTOR.full_name) from None
    except wire.NotUtf8Error as error:
        raise refusals.invalid(error.path, "must be UTF-8") from None


def _load(data: bytes, partitions: int) -> Shop:
    try:
        state = wire.decode(engine_pb2.ShopSnapshot, data)
    except (wire.MalformedError, wire.NotUtf8Error):
        raise ValueError("not a snapshot") from None
    return snapshot.load(state, partition_of(state.shop.shop_id, partitions))
