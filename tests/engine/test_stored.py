"""Stored state through the engine's face: chunks, what a call needs, generations, memory."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from types import ModuleType
from typing import Any

import pytest

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, shop_pb2
from model import commands
from model.wire import AGENT, BUYER, COMMANDS, DAY, HOUR, ONLINE, T0, Desk, batch_bytes, document

ROUTE, MESSAGE, DELETE = 4, 6, 16
NEEDS_CHUNKS = -1
MAX_CHUNK, MAX_HEAD = 65_536, 1_048_576

Entry = tuple[bytes, int, bytes]
"""(key, time, value)."""


# --- Chunks, written and read by the letter of docs/formats.md ------------------------------------


def chunk(entries: Iterable[Entry]) -> bytes:
    entries = list(entries)
    packed = [struct.pack(">H", len(k)) + k + struct.pack(">q", t) + v for k, t, v in entries]
    at, offsets = 12 + 4 * len(entries), b""
    for one in packed:
        offsets += struct.pack(">I", at)
        at += len(one)
    return (
        struct.pack(">Iq", len(entries), max(t for _, t, _ in entries)) + offsets + b"".join(packed)
    )


def entries_of(chunks: Sequence[bytes]) -> list[Entry]:
    found = []
    for content in chunks:
        count, newest = struct.unpack_from(">Iq", content)
        ends = [*struct.unpack_from(f">{count}I", content, 12), len(content)]
        times = []
        for i in range(count):
            (length,) = struct.unpack_from(">H", content, ends[i])
            key = content[ends[i] + 2 : ends[i] + 2 + length]
            (at,) = struct.unpack_from(">q", content, ends[i] + 2 + length)
            times.append(at)
            found.append((key, at, content[ends[i] + 10 + length : ends[i + 1]]))
        assert newest == max(times)
    return found


def split_ids(ids: bytes) -> list[bytes]:
    found = [ids[i : i + 32] for i in range(0, len(ids), 32)]
    assert len(set(found)) == len(found)
    return found


def merged(core: ModuleType, *sources: list[bytes], **more: Any) -> list[Entry]:
    fields: dict[str, Any] = {
        "first": b"", "end": b"", "now_ms": T0, "contact_lifetime_ms": DAY, "contacts_since_ms": 0
    } | more  # fmt: skip
    return entries_of(core.merge_chunks(list(sources), *fields.values()))


class Shelf:
    """Where a partition's chunks and manifest lie; an engine of one partition beside it."""

    def __init__(self, core: ModuleType) -> None:
        self.core = core
        self.chunks: dict[bytes, bytes] = {}
        self.manifest = engine_pb2.Manifest(rules_version=core.RULES_VERSION)

    def put(self, content: bytes) -> bytes:
        name = hashlib.sha256(content).digest()
        self.chunks[name] = content
        return name

    def write(self, engine: Any) -> None:
        """Makes the manifest of an engine that has just been rotated."""
        places = {shop.shop_id: shop for shop in self.manifest.shops}
        for shop_id in engine.shop_ids(deleted=True):
            try:
                stored, head, contents = engine.flush(shop_id)
            except KeyError:
                continue  # not loaded: as it was
            place = engine_pb2.StoredShop.FromString(stored)
            assert (len(place.head), len(place.segments)) == (0, 0)
            for at in range(0, len(head), MAX_HEAD):
                place.head.append(self.put(head[at : at + MAX_HEAD]))
            if contents:
                segment = place.segments.add()
                for content in contents:
                    [first, *_] = entries_of([content])
                    (newest,) = struct.unpack_from(">q", content, 4)
                    segment.chunks.add(
                        id=self.put(content),
                        first_key=first[0],
                        newest_ms=newest,
                        size=len(content),
                    )
            if not place.fresh:
                place.segments.extend(places[shop_id].segments)
            place.fresh = False
            places[shop_id] = place
        del self.manifest.shops[:]
        self.manifest.shops.extend(places[shop_id] for shop_id in sorted(places))

    def write_copy(self, engine: Any) -> None:
        """Makes the manifest of an engine that stays as it is."""
        copy = self.core.Engine(1)
        for shop_id in engine.shop_ids(deleted=True):
            copy.load_snapshot(engine.snapshot(shop_id))
        self.write(copy)

    def store(self, engine: Any) -> None:
        """Rotates, writes and installs."""
        engine.rotate(0)
        self.write(engine)
        engine.install(self.encoded)

    @property
    def encoded(self) -> bytes:
        return self.manifest.SerializeToString(deterministic=True)

    def reader(self) -> Any:
        """A new engine that knows the manifest and has no chunk."""
        engine = self.core.Engine(1)
        assert engine.load_manifest(self.encoded) == 0
        return engine

    def hand_in(self, engine: Any, ids: bytes) -> list[bytes]:
        names = split_ids(ids)
        for name in names:
            engine.put_chunk(name, self.chunks[name])
        return names

    def call(self, engine: Any, method: str, *args: Any) -> Any:
        """A call, with what it needs handed in."""
        while (answer := getattr(engine, method)(*args))[0] == NEEDS_CHUNKS:
            assert self.hand_in(engine, answer[1])
        return answer

    def snapshot(self, engine: Any, shop_id: str = "s") -> bytes:
        self.hand_in(engine, engine.missing_of(shop_id))
        self.hand_in(engine, engine.missing_of(shop_id))
        snapshot: bytes = engine.snapshot(shop_id)
        return snapshot

    @property
    def place(self) -> engine_pb2.StoredShop:
        """Of the only shop."""
        [shop] = self.manifest.shops
        return shop


def with_contacts(core: ModuleType, count: int, **settings: Any) -> Desk:
    """A shop whose buyers b00000, b00001 and so on consulted agent a, each in its conversation."""
    desk = Desk(core, partitions=1)
    desk.open(["a", "b"], **settings)
    state = desk.state
    state.last_conversation = count
    for i in range(count):
        state.contacts.add(
            buyer_id=f"b{i:05}", agent_id="a", consulted_at_ms=T0, conversation=i + 1
        )
    desk.engine.load_snapshot(state.SerializeToString(deterministic=True))
    return desk


def route(buyer: str, **fields: Any) -> bytes:
    return dispatch_pb2.RouteRequest(shop_id="s", buyer_id=buyer, **fields).SerializeToString()


def message(sender: int, **fields: Any) -> bytes:
    event = dispatch_pb2.MessageEvent(shop_id="s", sender=sender, **fields)  # type: ignore[arg-type]
    return event.SerializeToString()


def delete(engine: Any, shop_id: str = "s", now: int = T0) -> bytes:
    request = shop_pb2.DeleteShopRequest(shop_id=shop_id, force=True)
    code, _, _, entry = engine.decide(DELETE, request.SerializeToString(), now)
    assert code == 0
    return bytes(entry)


# --- Segments -------------------------------------------------------------------------------------


def test_a_chunk_ends_before_the_entry_that_would_make_it_too_big(core: ModuleType) -> None:
    rng = Random(1)
    entries = [(b"r%05d" % i, T0, rng.randbytes(rng.randrange(3000))) for i in range(300)]
    chunks = core.merge_chunks([[chunk([e]) for e in entries]], b"", b"", T0, 0, 0)
    assert entries_of(chunks) == entries
    assert len(chunks) > 5
    for content, following in pairwise(chunks):
        [key, _, value], *_ = entries_of([following])
        assert len(content) <= MAX_CHUNK < len(content) + 4 + 10 + len(key) + len(value)


def test_a_chunk_may_be_exactly_as_big_as_allowed(core: ModuleType) -> None:
    rest = MAX_CHUNK - 12 - 2 * (4 + 10 + 2)
    fits = [(b"ra", T0, b"x" * 100), (b"rb", T0, b"y" * (rest - 100))]
    over = [fits[0], (b"rb", T0, b"y" * (rest - 99))]
    assert core.merge_chunks([[chunk(fits)]], b"", b"", T0, 0, 0) == [chunk(fits)]
    assert core.merge_chunks([[chunk(over)]], b"", b"", T0, 0, 0) == [chunk([e]) for e in over]


def test_an_entry_too_big_for_any_chunk_has_one_of_its_own(core: ModuleType) -> None:
    entries = [(b"r%d" % i, T0, bytes(size)) for i, size in enumerate([10, 70_000, 10, 10])]
    chunks = core.merge_chunks([[chunk(entries)]], b"", b"", T0, 0, 0)
    assert chunks == [chunk(entries[:1]), chunk(entries[1:2]), chunk(entries[2:])]


def test_merging_keeps_the_newest_source_and_drops_what_has_expired(core: ModuleType) -> None:
    newer = [(b"bx", T0 - DAY, b"new"), (b"ez", T0 - DAY - 1, b""), (b"rq", T0, b"new")]
    older = [
        (b"bx", T0 - 5, b"old"),
        (b"by", T0 - DAY - 1, b""),
        (b"ez", T0, b""),
        (b"oz", T0, b""),
    ]
    made = merged(core, [chunk(newer)], [chunk(older)])
    # What has expired in the newer source hides what the older one has under the same key.
    assert made == [newer[0], older[3], newer[2]]
    assert merged(core) == []
    assert merged(core, [chunk(older[1:2])]) == []


def test_contacts_and_ids_expire_each_in_its_own_way(core: ModuleType) -> None:
    entries = [(kind + b"k", T0 - 2 * DAY, b"v") for kind in (b"b", b"c", b"e", b"o", b"r")]
    assert merged(core, [chunk(entries)], contact_lifetime_ms=2 * DAY) == entries[:2]
    limits = {"contact_lifetime_ms": 2 * DAY, "contacts_since_ms": T0 - 2 * DAY}
    assert merged(core, [chunk(entries)], **limits) == entries[:2]
    limits["contacts_since_ms"] += 1
    assert merged(core, [chunk(entries)], **limits) == []
    assert merged(core, [chunk(entries)], now_ms=T0 - DAY, contact_lifetime_ms=0) == entries[2:]


def test_merging_by_ranges_gives_the_same_entries(core: ModuleType) -> None:
    rng = Random(2)
    sources = [
        [chunk([(b"e%03d" % i, T0 - rank, b"") for i in sorted(rng.sample(range(500), 200))])]
        for rank in range(3)
    ]
    whole = merged(core, *sources)
    cuts = [b"", b"e100", b"e1005", b"e300", b""]
    parts = [merged(core, *sources, first=first, end=end) for first, end in pairwise(cuts)]
    assert [e for part in parts for e in part] == whole
    assert all(b"e100" <= key < b"e1005" for key, _, _ in parts[1])


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x00" * 12,
        chunk([(b"ea", T0, b"")])[:-1],
        chunk([(b"eb", T0, b""), (b"ea", T0, b"")]),
        chunk([(b"ea", T0, b""), (b"ea", T0, b"")]),
        struct.pack(">Iq", 2**32 - 1, T0) + b"\x00" * 40,
    ],
)
def test_what_is_no_segment_is_not_merged(core: ModuleType, bad: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        core.merge_chunks([[chunk([(b"ea", T0, b"")])], [bad]], b"", b"", T0, 0, 0)


def test_chunks_of_one_segment_ascend(core: ModuleType) -> None:
    one, two = chunk([(b"ea", T0, b"")]), chunk([(b"eb", T0, b"")])
    assert len(merged(core, [one, two])) == 2
    with pytest.raises(ValueError, match=r".+"):
        merged(core, [two, one])


# --- Storing and looking up -----------------------------------------------------------------------


def test_what_is_stored_can_be_read_back(core: ModuleType) -> None:
    desk = with_contacts(core, 3000)
    desk.route("b00007", T0 + 1, request_id="q")
    desk.message(BUYER, T0 + 2, buyer_id="b00009", event_id="e")
    desk.order("b00008", T0 + 2, event_id="e")
    before = desk.engine.snapshot("s")
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    [segment] = shelf.place.segments
    entries = entries_of([shelf.chunks[ref.id] for ref in segment.chunks])
    assert len(segment.chunks) > 1
    assert [key for key, _, _ in entries] == sorted({key for key, _, _ in entries})
    assert {key[:1] for key, _, _ in entries} == {b"b", b"c", b"e", b"o", b"r"}
    head = b"".join(shelf.chunks[name] for name in shelf.place.head)
    assert [c.buyer_id for c in engine_pb2.ShopSnapshot.FromString(head).contacts] == ["b00007"]

    reader = shelf.reader()
    assert shelf.snapshot(reader) == before
    assert reader.state_hash() == desk.engine.state_hash()
    assert reader.next_due() == desk.engine.next_due()


def test_an_inquiry_of_a_stored_shop_asks_for_its_head_and_then_for_one_chunk(
    core: ModuleType,
) -> None:
    desk = with_contacts(core, 3000)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    body = route("b02345")
    code, ids, partition, entry = reader.decide(ROUTE, body, T0 + 5)
    assert (code, partition, entry) == (NEEDS_CHUNKS, 0, b"")
    assert split_ids(ids) == list(shelf.place.head)
    shelf.hand_in(reader, ids)
    code, ids, _, entry = reader.decide(ROUTE, body, T0 + 5)
    assert (code, entry) == (NEEDS_CHUNKS, b"")
    [asked] = shelf.hand_in(reader, ids)
    assert b"bb02345" in [key for key, _, _ in entries_of([shelf.chunks[asked]])]
    answer = reader.decide(ROUTE, body, T0 + 5)
    assert answer == desk.engine.decide(ROUTE, body, T0 + 5)
    assert dispatch_pb2.RouteResponse.FromString(answer[1]).reason == 2  # RECENT_CONTACT


def test_every_buyer_is_found_and_no_other(core: ModuleType) -> None:
    desk = with_contacts(core, 2500)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    for i in (*range(0, 2500, 97), 2499):
        for buyer, known in ((f"b{i:05}", True), (f"b{i:05}x", False), (f"a{i}", False)):
            _, reply, _, _ = shelf.call(reader, "decide", ROUTE, route(buyer), T0 + 5)
            reason = dispatch_pb2.RouteResponse.FromString(reply).reason
            assert (reason == 2) == known, buyer


def test_a_bad_request_and_an_unknown_shop_need_nothing(core: ModuleType) -> None:
    shelf = Shelf(core)
    shelf.write_copy(with_contacts(core, 1).engine)
    reader = shelf.reader()
    assert reader.decide(ROUTE, route(""), T0)[0] == 3
    assert reader.decide(ROUTE, b"\xff", T0)[0] == 3
    elsewhere = dispatch_pb2.RouteRequest(shop_id="t", buyer_id="x").SerializeToString()
    assert reader.decide(ROUTE, elsewhere, T0)[0] == 5
    assert reader.query(1, b"")[0] == 3


def test_a_live_buyers_contact_is_known(core: ModuleType) -> None:
    desk = with_contacts(core, 10)
    desk.route("b00003", T0 + 1)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    shelf.hand_in(reader, reader.decide(ROUTE, route("b00003"), T0 + 2)[1])
    assert reader.decide(ROUTE, route("b00003"), T0 + 2)[0] == 0
    assert reader.decide(ROUTE, route("b00004"), T0 + 2)[0] == NEEDS_CHUNKS


def test_a_late_word_asks_for_the_conversation_and_then_for_its_buyer(core: ModuleType) -> None:
    desk = with_contacts(core, 3000)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    body = message(AGENT, conversation_id="c42", agent_id="a", event_id="e")
    asked = []
    while (answer := reader.decide(MESSAGE, body, T0 + HOUR))[0] == NEEDS_CHUNKS:
        asked.append(shelf.hand_in(reader, answer[1]))
    keys = [
        [key for name in names for key, _, _ in entries_of([shelf.chunks[name]])]
        for names in asked[1:]
    ]
    assert b"c" + (42).to_bytes(8, "big") in keys[0]
    assert any(b"bb00041" in named for named in keys)
    assert answer == desk.engine.decide(MESSAGE, body, T0 + HOUR)
    contacts = engine_pb2.ShopSnapshot.FromString(shelf.snapshot(reader)).contacts
    assert [c.consulted_at_ms for c in contacts if c.buyer_id == "b00041"] == [T0 + HOUR]
    # What the shop has learned since is found before what is stored.
    assert reader.decide(MESSAGE, body, T0 + HOUR)[0] == 0
    shelf.store(reader)
    again = shelf.reader()
    assert shelf.snapshot(again) == shelf.snapshot(reader)
    assert len(shelf.place.segments) == 2


def test_chunks_of_older_segments_are_named_up_to_the_first_that_has_the_key(
    core: ModuleType,
) -> None:
    desk = with_contacts(core, 1)
    shelf = Shelf(core)
    shelf.store(desk.engine)
    for word in (1, 2):
        body = message(AGENT, conversation_id="c1", agent_id="a")
        shelf.call(desk.engine, "decide", MESSAGE, body, T0 + word * HOUR)
        shelf.store(desk.engine)
    newest_first = [segment.chunks[0].id for segment in shelf.place.segments]
    assert len(newest_first) == 3
    for there, named in ((None, [0, 1, 2]), (0, []), (1, [0]), (2, [0, 1])):
        reader = shelf.reader()
        shelf.hand_in(reader, b"".join(shelf.place.head))
        if there is not None:
            shelf.hand_in(reader, newest_first[there])
        code, ids, _, _ = reader.decide(ROUTE, route("b00000"), T0 + 3 * HOUR)
        wanted = [newest_first[i] for i in named]
        assert split_ids(ids if code == NEEDS_CHUNKS else b"") == wanted


@pytest.mark.parametrize(("after", "needed"), [(2 * DAY, True), (2 * DAY + 1, False)])
def test_a_snapshot_needs_no_chunk_in_which_all_has_expired(
    core: ModuleType, after: int, needed: bool
) -> None:
    desk = with_contacts(core, 3000, sticky_window_ms=2 * DAY)
    desk.order("x", T0, event_id="e")
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    shelf.hand_in(reader, b"".join(shelf.place.head))
    tick = engine_pb2.Tick(shop_id="s").SerializeToString()
    weights = shop_pb2.SetWeightsRequest(shop_id="s")
    weights.weights.add(agent_id="a", weight=9)
    for kind, body in ((12, tick), (11, weights.SerializeToString())):
        answer = reader.decide(kind, body, T0 + after)
        assert answer == desk.engine.decide(kind, body, T0 + after)
    assert (reader.missing_of("s") != b"") == needed
    assert shelf.snapshot(reader) == desk.engine.snapshot("s")


def test_repeats_are_told_from_what_is_stored(core: ModuleType) -> None:
    desk = with_contacts(core, 3)
    first = desk.route("x", T0 + 1, request_id="q")
    desk.message(BUYER, T0 + 2, buyer_id="y", event_id="e")
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    answer = shelf.call(reader, "decide", ROUTE, route("x", request_id="q"), T0 + 3)
    assert answer == (0, first.reply, 0, b"")
    assert shelf.call(reader, "decide", ROUTE, route("z", request_id="q"), T0 + 3)[0] == 3
    body = message(BUYER, buyer_id="y", event_id="e")
    _, reply, _, entry = shelf.call(reader, "decide", MESSAGE, body, T0 + 3)
    assert dispatch_pb2.MessageResult.FromString(reply).duplicate
    assert entry == b""


def test_with_filters_less_is_asked_for_and_the_same_is_answered(core: ModuleType) -> None:
    desk = with_contacts(core, 2000)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    plain, filtered = shelf.reader(), shelf.reader()
    assert len(shelf.chunks) > 2
    head = set(shelf.place.head)
    for name, content in shelf.chunks.items():
        if name not in head and (made := core.filter_of(content)):
            filtered.put_filter(name, made)
    asked = [0, 0]
    for number in range(0, 4000, 7):  # half of them are buyers who have a contact
        body = route(f"b{number:05}", request_id=f"q{number}")
        answers = []
        for place, engine in enumerate((plain, filtered)):
            while (answer := engine.decide(ROUTE, body, T0 + number))[0] == NEEDS_CHUNKS:
                asked[place] += len(shelf.hand_in(engine, answer[1]))
            answers.append(answer)
            engine.shrink(0)
        assert answers[0] == answers[1]
    assert shelf.snapshot(plain) == shelf.snapshot(filtered)
    assert asked[1] <= asked[0]


def test_filters_that_are_none_are_refused(core: ModuleType) -> None:
    for content in (b"", b"\xff" * 40, bytes(4)):
        with pytest.raises(ValueError, match=r".+"):
            core.filter_of(content)
    engine = core.Engine(1)
    for name, of in ((bytes(31), b""), (bytes(32), bytes(63)), (bytes(32), bytes(65))):
        with pytest.raises(ValueError, match=r".+"):
            engine.put_filter(name, of)


def test_a_chunks_id_has_32_bytes(core: ModuleType) -> None:
    for name in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match=r".+"):
            core.Engine(1).put_chunk(name, b"")


def test_a_manifest_must_be_one(core: ModuleType) -> None:
    version = core.RULES_VERSION
    for bad in (
        b"\xff",
        engine_pb2.Manifest(rules_version=version + 1).SerializeToString(),
        engine_pb2.Manifest(rules_version=version, partition=2).SerializeToString(),
    ):
        for call in ("load_manifest", "install"):
            with pytest.raises(ValueError, match=r".+"):
                getattr(core.Engine(2), call)(bad)
    good = engine_pb2.Manifest(rules_version=version, partition=1).SerializeToString()
    assert core.Engine(2).load_manifest(good) == 1


# --- Batches, the log, what is due ----------------------------------------------------------------


def test_a_batch_stops_at_what_needs_something_and_names_all_when_that_is_the_first(
    core: ModuleType,
) -> None:
    desk = with_contacts(core, 3000)
    desk.route("b00003", T0 + 1)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    shelf.hand_in(reader, b"".join(shelf.place.head))
    items = [route("b00003"), b"\xff", route("b00003"), route("b00000"), route("b02999")]
    batch = batch_bytes(items, batch_id=7)
    whole = desk.engine.decide_batch(ROUTE, batch, T0 + 2)
    assert whole[5] == 5

    first = reader.decide_batch(ROUTE, batch, T0 + 2)
    assert (first[0], first[2], first[3], first[5]) == (0, 5, 7, 3)
    code, ids, total, batch_id, entries, decided = reader.decide_batch(ROUTE, batch, T0 + 2, 3)
    assert (code, total, batch_id, entries, decided) == (NEEDS_CHUNKS, 5, 7, [], 0)
    assert len(split_ids(ids)) == 2
    shelf.hand_in(reader, ids)
    rest = reader.decide_batch(ROUTE, batch, T0 + 2, 3)
    assert (rest[0], rest[5]) == (0, 2)
    assert first[1] + rest[1] == whole[1]
    assert first[4][0][2] + rest[4][0][2] == whole[4][0][2]
    assert reader.decide_batch(ROUTE, batch, T0 + 2, 5) == (0, b"", 5, 7, [], 0)


def test_applying_stops_at_what_needs_something_and_goes_on(core: ModuleType) -> None:
    desk = with_contacts(core, 3000)
    desk.route("b00003", T0 + 1)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    logged = [
        desk.route("b00003", T0 + 2, request_id="q").entry,  # live; ids are not asked for
        desk.route("b00000", T0 + 2).entry,  # an agent's: the contact is replaced in any case
        desk.message(AGENT, T0 + 2, conversation_id="c2", event_id="late").entry,
        desk.close("c3001", T0 + 3).entry,
    ]
    log = b"".join(logged)
    reader = shelf.reader()
    count, end, missing = reader.apply(log)
    assert (count, end, split_ids(missing)) == (0, 0, list(shelf.place.head))
    shelf.hand_in(reader, missing)
    count, end, missing = reader.apply(log)
    assert (count, end) == (2, len(logged[0] + logged[1]))
    applied = 0
    while missing:
        shelf.hand_in(reader, missing)
        count, end, missing = reader.apply(log, end)
        applied += count
    assert (applied, end) == (2, len(log))
    assert shelf.snapshot(reader) == desk.engine.snapshot("s")
    assert reader.apply(log, len(log)) == (0, len(log), b"")


def test_one_shop_alone_can_be_applied(core: ModuleType) -> None:
    one, two = Desk(core, partitions=1, shop="s"), Desk(core, partitions=1, shop="t")
    two.engine = one.engine
    for desk in (one, two):
        desk.open(["a"])
    log = b"".join(entry for pair in zip(one.log, two.log, strict=True) for entry in pair)
    engine = core.Engine(1)
    assert engine.apply(log, 0, "t") == (4, len(log), b"")
    assert engine.shop_ids() == ["t"]
    assert engine.snapshot("t") == one.engine.snapshot("t")


def test_what_is_due_in_a_stored_shop_waits_for_its_head(core: ModuleType) -> None:
    desk = with_contacts(core, 5, idle_close_ms=1000)
    desk.route("b00001", T0 + 1)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    reader = shelf.reader()
    assert reader.next_due() == T0 + 1001
    assert reader.missing_due(T0 + 1000) == b""
    assert reader.tick(T0 + 5000) == []
    assert reader.next_due() == T0 + 1001
    assert shelf.hand_in(reader, reader.missing_due(T0 + 5000)) == list(shelf.place.head)
    assert reader.tick(T0 + 5000) == desk.engine.tick(T0 + 5000) != []
    assert reader.next_due() is None
    assert reader.missing_due(T0 + 5000) == b""


def test_at_most_64_stored_shops_are_named_as_due_the_earliest_first(core: ModuleType) -> None:
    engine = core.Engine(1)
    for i in range(70):
        desk = Desk(core, partitions=1, shop=f"s{i:02}")
        desk.engine = engine
        desk.open(["a"], idle_close_ms=1000, now=T0)
        desk.route("x", T0 + 100 - i)
    shelf = Shelf(core)
    shelf.write_copy(engine)
    reader = shelf.reader()
    heads = [shop.head[0] for shop in shelf.manifest.shops]
    assert set(split_ids(reader.missing_due(T0 + HOUR))) == set(heads[6:])
    assert set(split_ids(reader.missing_due(T0 + 1032))) == set(heads[68:])


def test_lists_of_shops_and_sessions_know_stored_shops(core: ModuleType) -> None:
    engine = core.Engine(1)
    for name in ("s", "t", "u"):
        desk = Desk(core, partitions=1, shop=name)
        desk.engine = engine
        desk.open(["a"])
        desk.update(f"of {name}", "a", ONLINE)
    delete(engine, "t")
    shelf = Shelf(core)
    shelf.write_copy(engine)
    reader = shelf.reader()
    assert reader.shop_ids() == engine.shop_ids() == ["s", "u"]
    assert reader.shop_ids(deleted=True) == ["s", "t", "u"]
    assert reader.sessions() == engine.sessions() == [("of s", "s"), ("of u", "u")]
    assert reader.touched() == []
    page = shop_pb2.ListShopsRequest(page_size=1).SerializeToString()
    code, ids, partition = reader.query(2, page)
    assert (code, partition, len(split_ids(ids))) == (NEEDS_CHUNKS, -1, 1)
    shelf.hand_in(reader, ids)
    assert reader.query(2, page) == engine.query(2, page)
    everything = shop_pb2.ListShopsRequest().SerializeToString()
    assert shelf.call(reader, "query", 2, everything) == engine.query(2, everything)
    of_u = shop_pb2.GetShopRequest(shop_id="u").SerializeToString()
    assert shelf.call(shelf.reader(), "query", 1, of_u) == engine.query(1, of_u)


# --- Generations and memory -----------------------------------------------------------------------


def test_what_is_learned_after_the_rotation_outlives_installing(core: ModuleType) -> None:
    desk = with_contacts(core, 5)
    shelf = Shelf(core)
    desk.engine.rotate(0)
    shelf.write(desk.engine)
    desk.message(BUYER, T0 + 1, buyer_id="y", event_id="later")
    desk.route("b00004", T0 + 1, request_id="later")
    before = desk.engine.snapshot("s")
    desk.engine.install(shelf.encoded)
    assert shelf.snapshot(desk.engine) == before
    _, _, contents = desk.engine.flush("s")
    assert [key for key, _, _ in entries_of(contents)] == [b"elater", b"rlater"]


def test_what_is_stored_may_be_freed_a_little_at_a_time(core: ModuleType) -> None:
    desk = with_contacts(core, 6000)
    engine, shelf = desk.engine, Shelf(core)
    before, full = engine.snapshot("s"), engine.memory()
    shelf.store(engine)
    assert engine.flush("s")[2] == [], "it is not learned again"
    # Meanwhile some come again: whether found in memory or fetched, they are known.
    again = shelf.call(engine, "decide", ROUTE, route("b00007"), T0 + 1)
    more, calls = engine.tidy(), 1
    while more:
        shelf.call(engine, "decide", ROUTE, route(f"b{100 + calls:05}"), T0 + 1)
        assert engine.flush("s")[2] == []
        more, calls = engine.tidy(), calls + 1
    assert calls <= 10
    assert engine.tidy() is False
    assert engine.memory() < full / 2
    plain = core.Engine(1)
    plain.load_snapshot(before)
    assert plain.decide(ROUTE, route("b00007"), T0 + 1) == again
    for call in range(1, calls):
        plain.decide(ROUTE, route(f"b{100 + call:05}"), T0 + 1)
    assert shelf.snapshot(engine) == plain.snapshot("s")


def test_only_contacts_that_count_are_stored_in_segments(core: ModuleType) -> None:
    desk = with_contacts(core, 0)
    for buyer in ("x", "y"):
        for visit in (1, 2):
            conversation = desk.route(buyer, T0 + visit).ok.conversation_id
            desk.close(conversation, T0 + visit)
    desk.route("y", T0 + 3)
    _, _, contents = desk.engine.flush("s")
    keys = [key for key, _, _ in entries_of(contents)]
    assert keys == [b"bx", b"c" + (2).to_bytes(8, "big")]  # y is live, and c1 is no contact's


def test_a_shop_made_after_the_rotation_keeps_what_it_knows(core: ModuleType) -> None:
    desk = with_contacts(core, 5)
    shelf = Shelf(core)
    desk.engine.rotate(0)
    shelf.write(desk.engine)
    late = Desk(core, partitions=1, shop="late")
    late.engine = desk.engine
    late.open(["a"])
    late.route("x", T0, request_id="q")
    desk.engine.install(shelf.encoded)
    assert late.route("x", T0, request_id="q").entry == b""
    stored = engine_pb2.StoredShop.FromString(desk.engine.flush("late")[0])
    assert stored.fresh
    assert not engine_pb2.StoredShop.FromString(desk.engine.flush("s")[0]).fresh
    assert desk.engine.touched() == ["late", "s"]


def test_shrinking_lets_go_only_what_is_stored_as_it_is(core: ModuleType) -> None:
    desk = with_contacts(core, 3000)
    engine = desk.engine
    before, full = engine.snapshot("s"), engine.memory()
    engine.shrink(0)
    assert engine.snapshot("s") == before  # nothing is stored yet
    shelf = Shelf(core)
    engine.rotate(0)
    shelf.write(engine)
    engine.shrink(0)
    assert engine.snapshot("s") == before  # not installed
    engine.install(shelf.encoded)
    desk.set_weights({"a": 7}, T0 + 1)
    engine.shrink(0)
    assert len(engine.flush("s")) == 3  # changed since
    shelf.store(engine)
    engine.shrink(0)
    with pytest.raises(KeyError):
        engine.flush("s")
    assert engine.memory() < full / 10
    assert desk.set_weights({"a": 7}, T0 + 2).code == NEEDS_CHUNKS
    shelf.snapshot(engine)
    assert engine.memory() > full / 10
    engine.shrink(engine.memory())
    engine.snapshot("s")
    engine.shrink(0)
    with pytest.raises(ValueError, match=r".+"):
        engine.snapshot("s")
    with pytest.raises(ValueError, match=r".+"):
        engine.state_hash()
    assert split_ids(engine.missing_of("s"))
    with pytest.raises(KeyError):
        engine.missing_of("nowhere")


def test_what_was_used_last_stays_longest(core: ModuleType) -> None:
    engine = core.Engine(1)
    desks = {}
    for name in ("s", "t", "u"):
        desks[name] = Desk(core, partitions=1, shop=name)
        desks[name].engine = engine
        desks[name].open(["a"])
    shelf = Shelf(core)
    shelf.store(engine)
    for name in ("u", "s", "t"):
        assert desks[name].tick_shop(T0).entry == b""
    engine.shrink(engine.memory() - 1)
    loaded = []
    for name in ("s", "t", "u"):
        try:
            engine.flush(name)
            loaded.append(name)
        except KeyError:
            pass
    assert loaded == ["s", "t"]


def test_an_engine_that_nobody_rotates_frees_what_has_expired(core: ModuleType) -> None:
    desk = with_contacts(core, 0, sticky_window_ms=HOUR, sticky_suspended_window_ms=0)
    sizes = []
    for day in range(8):
        for i in range(1500):
            desk.order("x", T0 + day * 2 * DAY, event_id=f"{day}-{i}")
        sizes.append(desk.engine.memory())
    assert max(sizes) < 4 * sizes[0]


# --- Deleted shops --------------------------------------------------------------------------------


def test_segments_from_before_a_deletion_do_not_count(core: ModuleType) -> None:
    desk = with_contacts(core, 5)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    log = [delete(desk.engine, now=T0 + 1)]
    assert desk.apply(T0 + 2, **document(["a", "b"])).code == 0
    desk.set_presence("a", ONLINE, T0 + 2)
    assert desk.route("b00001", T0 + 3).said[1] == "WEIGHTED"
    log += desk.log[-3:]
    reader = shelf.reader()
    shelf.hand_in(reader, reader.apply(b"".join(log))[2])
    assert reader.apply(b"".join(log)) == (len(log), len(b"".join(log)), b"")
    assert reader.missing_of("s") == b""
    assert reader.snapshot("s") == desk.engine.snapshot("s")
    assert engine_pb2.StoredShop.FromString(reader.flush("s")[0]).fresh
    shelf.store(desk.engine)
    assert len(shelf.place.segments) == 0  # the only contact is a live buyer's


def test_a_shop_deleted_after_the_rotation_takes_no_segments(core: ModuleType) -> None:
    desk = with_contacts(core, 5)
    shelf = Shelf(core)
    desk.engine.rotate(0)
    shelf.write(desk.engine)
    delete(desk.engine, now=T0 + 1)
    assert desk.apply(T0 + 2, **document(["a", "b"])).code == 0
    before = desk.engine.snapshot("s")
    desk.engine.install(shelf.encoded)
    assert desk.engine.snapshot("s") == before
    assert engine_pb2.ShopSnapshot.FromString(before).last_conversation == 5
    assert engine_pb2.StoredShop.FromString(desk.engine.flush("s")[0]).fresh
    shelf.store(desk.engine)
    assert shelf.snapshot(shelf.reader()) == before


def test_a_stored_deleted_shop_goes_on_with_its_numbers(core: ModuleType) -> None:
    desk = with_contacts(core, 5)
    delete(desk.engine, now=T0 + 1)
    shelf = Shelf(core)
    shelf.write_copy(desk.engine)
    assert shelf.place.deleted
    reader = shelf.reader()
    assert reader.shop_ids() == []
    assert shelf.call(reader, "decide", ROUTE, route("x"), T0 + 2)[0] == 5
    request = shop_pb2.ApplyShopRequest(shop=shop_pb2.Shop(shop_id="s", **document(["a"])))
    body = request.SerializeToString()
    answer = shelf.call(reader, "decide", 10, body, T0)
    assert answer == desk.engine.decide(10, body, T0)
    reply = shop_pb2.ApplyShopResponse.FromString(answer[1])
    assert (reply.shop.etag, reply.changed) == ("3", True)


# --- Whatever is stored, the answers are the same -------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_storing_changes_no_answer_entry_or_snapshot(core: ModuleType, seed: int) -> None:
    rng, now, issued = Random(seed), T0, 0
    plain, stored = core.Engine(1), core.Engine(1)
    shelf = Shelf(core)
    for number in range(500):
        if number < 2:
            shop = commands.document(rng, commands.SHOPS[number])
            name, request, actor = "apply_shop", shop_pb2.ApplyShopRequest(shop=shop), ""
        else:
            name, request, actor = commands.any_command(rng, issued, [], now)  # type: ignore[assignment]
        now += rng.choice(commands.JUMPS)
        kind, body = COMMANDS[name][0], request.SerializeToString(deterministic=True)
        if rng.randrange(100) == 0:
            doomed = shop_pb2.DeleteShopRequest(shop_id=commands.shop_id(rng), force=True)
            kind, body = DELETE, doomed.SerializeToString()
        answer = plain.decide(kind, body, now, actor)
        assert shelf.call(stored, "decide", kind, body, now, actor) == answer, (number, name)
        if name == "route" and answer[0] == 0 and kind == ROUTE:
            reply = dispatch_pb2.RouteResponse.FromString(answer[1])
            issued = int(reply.conversation_id[1:] or issued)
        match rng.randrange(30):
            case 0 | 1:
                shelf.store(stored)
            case 2 | 3 | 4:
                stored.shrink(0)
            case 5:
                shelf.store(stored)
                stored = shelf.reader()
            case 6:
                stored.rotate(0)
            case 7:
                while stored.missing_due(now):
                    shelf.hand_in(stored, stored.missing_due(now))
                assert stored.tick(now) == plain.tick(now)
        assert stored.next_due() == plain.next_due()
        assert stored.sessions() == plain.sessions()
        if number % 25 == 0:
            for shop_id in plain.shop_ids(deleted=True):
                assert shelf.snapshot(stored, shop_id) == plain.snapshot(shop_id)
    for shop_id in plain.shop_ids(deleted=True):
        shelf.snapshot(stored, shop_id)
    assert stored.state_hash() == plain.state_hash()
