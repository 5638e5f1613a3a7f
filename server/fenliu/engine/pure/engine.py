"""The engine's face and the life of a command (docs/engine.md section 1)."""

from __future__ import annotations

from typing import final

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind, QueryKind
from fenliu.engine.pure import due, failing, needed, query, refusals, repeats, snapshot, wire
from fenliu.engine.pure import play as plays
from fenliu.engine.pure.apply import apply_fact
from fenliu.engine.pure.batches import BATCHES
from fenliu.engine.pure.commands import COMMANDS, Command
from fenliu.engine.pure.entries import (
    EntriesByPartition,
    PartitionEntries,
    command_of,
    decode_entry,
    reply_of,
    split_entries,
)
from fenliu.engine.pure.needed import BEHIND, NEEDS_CHUNKS
from fenliu.engine.pure.refusals import INTERNAL, Refusal
from fenliu.engine.pure.settle import settle
from fenliu.engine.pure.state import Shop
from fenliu.engine.pure.stored import CHUNK_ID_BYTES, Shops
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2


@final
class Engine:
    """The state of many shops and every rule of dispatch: a pure state machine.

    Bytes are encoded protobuf messages. A status `code` is a canonical gRPC code; with a code other
    than 0 the reply is an encoded `google.rpc.Status`. Not to be shared between processes by fork.

    A failure of its own while a shop is at work (a bug) fails that call, or that element of a batch, with code
    13, and that shop until `take_shop` or `take_partition` brings it anew: its commands and queries get
    code 14, others' go on (docs/engine.md section 15).
    """

    def __init__(self, partitions: int) -> None:
        """An engine without shops. `partitions`: 1..65536, else ValueError."""
        if not 1 <= partitions <= 65_536:
            raise ValueError("partitions must be within 1..65536")
        self._shops = Shops(partitions)
        self._facts_made = 0  # by the last command that was not refused before it came to its shop
        self._failures: list[tuple[str, str]] = []

    # --- Deciding ---

    def decide(
        self, kind: int, request: bytes, now_ms: int, actor: str = "", most_due: int = 0
    ) -> tuple[int, bytes, int, bytes]:
        """Decides one command at `now_ms` and changes the state accordingly.

        `kind` is a `CommandKind`. Returns (code, reply, partition, entry): `entry` is what to log,
        length-prefixed as in `PartitionEntries`, or b"" when there is nothing to log; `partition` is
        the shop's, or -1 when no shop id could be read. A refused command may still carry an entry:
        what was due by then. Code -1: nothing has happened, `reply` is the ids of the chunks it needs
        (docs/engine.md section 13). Code -2: nothing has happened, more than about `most_due` effects (0: any
        number) are due in the shop, whose id is the reply; a `tick` of it is to come first. Raises
        ValueError for an unknown kind.
        """
        command = COMMANDS[CommandKind(kind)]
        try:
            message = refusals.decode(command.message, request)
        except Refusal as refusal:
            return refusal.code, refusal.status(), -1, b""
        except Exception as error:
            return self._failed("", error)
        return self._decide(command, message, now_ms, actor, most_due)

    def _decide(
        self, command: Command, message: Message, now_ms: int, actor: str, most_due: int = 0
    ) -> tuple[int, bytes, int, bytes]:
        """As `decide`. If that fails, the shop has failed with it, and nothing is logged."""
        try:
            return self._decide_in_shop(command, message, now_ms, actor, most_due)
        except Exception as error:
            return self._failed(command.shop_id(message), error)

    def _decide_in_shop(
        self, command: Command, message: Message, now_ms: int, actor: str, most_due: int
    ) -> tuple[int, bytes, int, bytes]:
        shop_id = command.shop_id(message)
        partition = self._shops.partition_of(shop_id) if shop_id else -1
        try:
            command.validate(message)
            self._refuse_failed(shop_id)
            missing = needed.chunks(self._shops, command, message, ids=True)
            if missing:
                return NEEDS_CHUNKS, b"".join(missing), partition, b""
            shop = self._shops.find(shop_id)
            if shop is None or not shop.exists:
                if command.kind != CommandKind.APPLY_SHOP:
                    raise Refusal("SHOP_NOT_FOUND", "shop_id")
                shop = shop or self._shops.new(shop_id, now_ms)
        except Refusal as refusal:
            return refusal.code, refusal.status(), partition, b""

        turn = Turn(shop, max(now_ms, shop.last_now_ms), message, actor)
        if due.halfway(shop, turn.now, most_due) is not None:
            return BEHIND, shop_id.encode(), partition, b""
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

        self._facts_made = len(turn.facts)
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
        self._shops.keep(shop)
        return code, reply, partition, wire.delimited(wire.encode(entry))

    def decide_batch(
        self,
        kind: int,
        batch: bytes,
        now_ms: int,
        first: int = 0,
        count: int = 4096,
        most_due: int = 0,
    ) -> tuple[int, bytes, int, int, list[PartitionEntries], int]:
        """Decides elements `first .. first + count` of a batch (ROUTE, MESSAGE or ORDER), each by itself.

        Returns (code, results, total, batch_id, entries, decided): `results` is a response's `results`
        field, encoded, for the elements decided (slices concatenate to the whole response); `total` the
        number of elements in the batch; `entries` by ascending partition; `decided` how many elements of
        the slice were: fewer than asked when the next one needs chunks or a tick first. With a code other than
        0 nothing was decided; `results` is the Status, with code -1 the ids of the chunks that the slice needs,
        with code -2 the shop that has more than about `most_due` effects due. Raises ValueError for another kind.
        """
        shape = BATCHES.get(CommandKind(kind))
        if shape is None:
            raise ValueError(f"kind {kind} has no batches")
        try:
            items, batch_id = shape.split(batch)
        except Refusal as refusal:
            return refusal.code, refusal.status(), 0, 0, [], 0
        asked = items[first : first + count]
        results: list[bytes] = []
        logged = EntriesByPartition()
        for item in asked:
            code, reply, partition, entry = self.decide(kind, item, now_ms, most_due=most_due)
            if code == BEHIND and not results:
                return BEHIND, reply, len(items), batch_id, [], 0
            if code in (NEEDS_CHUNKS, BEHIND):
                break
            results.append(shape.result(code, reply))
            logged.add(partition, entry)
        if asked and not results:
            missing = self._missing_of_all(COMMANDS[CommandKind(kind)], asked)
            return NEEDS_CHUNKS, b"".join(missing), len(items), batch_id, [], 0
        return 0, b"".join(results), len(items), batch_id, logged.listed(), len(results)

    def _missing_of_all(self, command: Command, items: list[bytes]) -> list[bytes]:
        missing: dict[bytes, None] = {}
        for item in items:
            shop_id = ""
            try:
                message = refusals.decode(command.message, item)
                command.validate(message)
                shop_id = command.shop_id(message)
                self._refuse_failed(shop_id)
                more = needed.chunks(self._shops, command, message, ids=True)
            except Refusal:
                continue
            except Exception as error:
                self._fail(shop_id, error)
                continue
            missing.update(dict.fromkeys(more))
        return list(missing)

    def tick(self, now_ms: int, most_due: int = 0, shop_id: str = "") -> list[PartitionEntries]:
        """Applies what is due by `now_ms` in every shop; entries by ascending partition, then shop id.

        With a `shop_id` in that shop alone. At most about `most_due` effects (0: any number), the earliest first;
        `next_due` says whether there is more. A stored shop is passed over unless its head's chunks are there.
        """
        ticked: list[tuple[str, int, bytes]] = []
        if shop_id:
            ticked.append(self._tick(shop_id, now_ms, most_due))
        else:
            for stored in self._shops.loadable_due(now_ms):
                try:
                    self._shops.find(stored)
                except Exception as error:
                    self._fail(stored, error)
            facts = 0
            while (first := self._shops.first_due(now_ms)) is not None:
                ticked.append(self._tick(first, now_ms, most_due))
                facts += self._facts_made
                if most_due and facts >= most_due:
                    break
        logged = EntriesByPartition()
        for _, partition, entry in sorted(ticked, key=lambda one: one[0]):
            logged.add(partition, entry)
        return logged.listed()

    def _tick(self, shop_id: str, now_ms: int, most_due: int) -> tuple[str, int, bytes]:
        """One shop, up to a time by which no more than about `most_due` effects are due."""
        self._facts_made = 0
        try:
            shop = None if self._shops.missing_head(shop_id) else self._shops.find(shop_id)
            if shop is not None:
                end_ms = due.halfway(shop, max(now_ms, shop.last_now_ms), most_due)
                now_ms = now_ms if end_ms is None else end_ms
        except Exception as error:
            self._fail(shop_id, error)
        message = engine_pb2.Tick(shop_id=shop_id)
        _, _, partition, entry = self._decide(COMMANDS[CommandKind.TICK], message, now_ms, "")
        return shop_id, partition, entry

    def missing_due(self, now_ms: int) -> bytes:
        """Ids of chunks that `tick` would need for the earliest (at most 64) stored shops due by then."""
        return b"".join(self._shops.missing_due(now_ms))

    def next_due(self) -> int | None:
        """The earliest due time of all shops, Unix ms; None when nothing will fall due."""
        return self._shops.next_due()

    def query(self, kind: int, request: bytes) -> tuple[int, bytes, int]:
        """Answers a `QueryKind`: (code, reply, partition), partition -1 when it spans all shops or none.

        Code -1: `reply` is the ids of the chunks it needs. Raises ValueError for an unknown kind.
        """
        return query.answer(self._shops, QueryKind(kind), request, self._fail)

    # --- Failures: docs/engine.md section 15 ---

    def failures(self) -> list[tuple[str, str]]:
        """(shop id, what happened) of each failure since this was asked last; shop "": at none, by bytes alone."""
        told, self._failures = self._failures, []
        return told

    def _fail(self, shop_id: str, error: Exception) -> None:
        """The shop (if one was at work) is not used any more until it is brought anew."""
        if shop_id:
            self._shops.fail(shop_id)
        self._failures.append((shop_id, failing.what_happened(error)))

    def _failed(self, shop_id: str, error: Exception) -> tuple[int, bytes, int, bytes]:
        """What a command is answered that failed: at this shop, or at none."""
        self._fail(shop_id, error)
        partition = self._shops.partition_of(shop_id) if shop_id else -1
        return INTERNAL, Refusal("INTERNAL", "").status(), partition, b""

    def _refuse_failed(self, shop_id: str) -> None:
        if self._shops.has_failed(shop_id):
            raise Refusal("SHOP_UNAVAILABLE", "shop_id")

    # --- The log ---

    def apply(self, entries: bytes, start: int = 0, shop_id: str = "") -> tuple[int, int, bytes]:
        """Applies logged entries (concatenated, length-prefixed) from offset `start` on.

        With `shop_id` only that shop's; others are passed over. Returns (count, end, missing): how many
        were passed or applied, the offset behind the last of them, and the ids of chunks that the next
        one needs: b"" when all are done. Raises ValueError when the bytes are no entries, or contradict
        themselves; those before the bad one are applied, and the shop of one that contradicts itself has failed.
        """
        count, end = 0, start
        for data, behind in split_entries(entries, start):
            entry = decode_entry(data)
            command, message = command_of(entry)
            of = command.shop_id(message)
            if shop_id in ("", of):
                if self._shops.has_failed(of):
                    raise ValueError(f"an entry of {of}, which has failed")
                missing = needed.to_apply(self._shops, command, message, entry)
                if missing:
                    return count, end, b"".join(missing)
                shop = self._shop_of(entry, of)
                try:
                    self._apply(shop, entry, command, message)
                except Exception as error:
                    self._fail(of, error)
                    raise ValueError(f"an entry of {of} that contradicts itself") from error
            count, end = count + 1, behind
        return count, end, b""

    def _shop_of(self, entry: engine_pb2.Entry, shop_id: str) -> Shop:
        shop = self._shops.find(shop_id)
        if shop is None or not shop.exists:
            if not any(fact.HasField("shop_applied") for fact in entry.facts):
                raise ValueError("an entry of a shop that does not exist")
            shop = shop or self._shops.new(shop_id, entry.now_ms)
        return shop

    def _apply(
        self, shop: Shop, entry: engine_pb2.Entry, command: Command, message: Message
    ) -> None:
        shop.last_now_ms = entry.now_ms
        for fact in entry.facts:
            apply_fact(shop, fact, entry.now_ms, message)
        if repeats.id_of(command.kind, message):
            reply = reply_of(message, entry.facts)
            repeats.remember(shop, command.kind, message, reply, entry.now_ms)
        self._shops.keep(shop)

    def redecide(self, entry: bytes) -> tuple[int, bytes, int, bytes]:
        """Decides a logged entry's command again (one entry, length-prefixed); returns as `decide`."""
        found = list(split_entries(entry))
        if len(found) != 1:
            raise ValueError("not one entry")
        logged = decode_entry(found[0][0])
        command, message = command_of(logged)
        return self._decide(command, message, logged.now_ms, logged.actor)

    def play(self, script: bytes, playing: bytes) -> bytes:
        """Plays a script: concatenated, length-prefixed `ScriptEvent`s, or logged entries.

        `playing`: an encoded `Playing`. Returns an encoded `Played` (docs/engine.md section 14). The shop must
        be loaded. Raises ValueError for bytes that are none, and when chunks are missing; then the state is
        as far as the play came.
        """

        def find(shop_id: str) -> Shop | None:
            if self._shops.missing_head(shop_id):
                raise ValueError("the shop is not loaded")
            return self._shops.find(shop_id)

        def decide(
            kind: CommandKind, message: Message, now_ms: int
        ) -> tuple[int, bytes, int, bytes]:
            decided = self._decide(COMMANDS[kind], message, now_ms, "")
            if decided[0] == INTERNAL:
                raise ValueError("the engine failed at the shop")
            return decided

        return wire.encode(plays.play(script, playing, find, decide))

    # --- The state as a whole ---

    def shop_ids(self, *, deleted: bool = False) -> list[str]:
        """All shops, by id bytes; `deleted`: those that were deleted too."""
        return self._shops.ids(deleted=deleted)

    def sessions(self) -> list[tuple[str, str]]:
        """(session id, shop id) of every presence session that still has agents, sorted."""
        return self._shops.sessions()

    def snapshot(self, shop_id: str) -> bytes:
        """The canonical `ShopSnapshot` of a shop, also of a deleted one.

        Raises KeyError for an unknown shop, ValueError when `missing_of` names chunks.
        """
        missing = self._shops.missing_head(shop_id)
        if missing:
            raise ValueError("chunks of the shop are missing")
        shop = self._shops.find(shop_id)
        if shop is None:
            self._shops.check_not_failed(shop_id)
            raise KeyError(shop_id)
        return snapshot.take(shop)

    def load_snapshot(self, snapshot: bytes) -> None:
        """Puts a shop in place as the snapshot says, replacing it. Raises ValueError for bad bytes."""
        failing.reading("a snapshot", lambda: self._shops.put_snapshot(snapshot))

    def state_hash(self) -> bytes:
        """32 bytes over the whole state; docs/engine.md section 12. Raises ValueError as `snapshot`."""
        return snapshot.state_hash(map(self.snapshot, self._shops.ids(deleted=True)))

    def take_partition(self, other: Engine, partition: int) -> None:
        """Replaces this engine's shops of `partition` by those of `other`, which loses them.

        Raises ValueError when the two do not have the same number of partitions.
        """
        if self._shops.count != other._shops.count:
            raise ValueError("the engines have different numbers of partitions")
        if other is not self:
            self._shops.take(other._shops, partition)

    def take_shop(self, other: Engine, shop_id: str) -> None:
        """Replaces this engine's shop by that of `other`, which loses it; none there: there is no such shop.

        Not between a `rotate` of its partition and the `install` that follows. Raises as `take_partition`.
        """
        if self._shops.count != other._shops.count:
            raise ValueError("the engines have different numbers of partitions")
        if other is not self:
            self._shops.take_shop(other._shops, shop_id)

    # --- Stored state: docs/engine.md section 13 ---

    def load_manifest(self, manifest: bytes) -> int:
        """Puts an encoded `Manifest`'s shops in place of its partition's, stored; returns the partition.

        Raises ValueError for bytes that are no manifest, of another rules version, or of a partition
        that is not there.
        """
        return self._shops.load_manifest(manifest)

    def install(self, manifest: bytes) -> None:
        """Says where the partition, as it was at its last `rotate`, is stored now. Raises as `load_manifest`."""
        self._shops.install(manifest)

    def tidy(self) -> bool:
        """Frees some of what `install` dropped, a millisecond's worth; returns whether there is more.

        Until then it counts in `memory`, and calls may find there what they would need chunks for.
        """
        return False  # nothing waits to be freed here

    def rotate(self, partition: int) -> None:
        """Closes the recent generations of the partition's shops."""
        self._shops.rotate(partition)

    def put_chunk(self, chunk_id: bytes, content: bytes) -> None:
        """Hands in a chunk's content. Raises ValueError when the id has not 32 bytes."""
        self._shops.put_chunk(chunk_id, content)

    def put_filter(self, chunk_id: bytes, filter: bytes) -> None:
        """Needs none."""
        if len(chunk_id) != CHUNK_ID_BYTES or filter:
            raise ValueError("not a filter of this core's")

    def touched(self) -> list[str]:
        """Shops changed since `load_manifest`, or ever without one; sorted by id bytes."""
        return self._shops.touched()

    def flush(self, shop_id: str) -> tuple[bytes, bytes, list[bytes]]:
        """(StoredShop without places, head, contents of a segment's chunks) of a loaded shop.

        Raises KeyError for a shop that is unknown or not loaded.
        """
        return snapshot.flush(self._shops.loaded(shop_id))

    def missing_of(self, shop_id: str) -> bytes:
        """Ids of the chunks that `snapshot` of this shop needs. Raises KeyError for an unknown shop."""
        return b"".join(self._shops.missing_of(shop_id))

    def memory(self) -> int:
        """About how many bytes shops and chunks take."""
        return self._shops.memory()

    def shrink(self, limit: int) -> None:
        """Forgets chunks and unloads shops, those unused for the longest first, down to `limit` bytes."""
        self._shops.shrink(limit)
