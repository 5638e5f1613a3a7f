"""Playing scripts: when answers come, to whom they are bound, what is supposed; the same bytes of both cores."""

from __future__ import annotations

from random import Random
from types import ModuleType
from typing import Any

import pytest

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import shop_pb2
from model import commands
from model.cores import both_cores
from model.wire import (
    AGENT,
    BUYER,
    COMMANDS,
    HOUR,
    MINUTE,
    OFFLINE,
    ONLINE,
    SECOND,
    T0,
    Desk,
    document,
    parse_entry,
    split_entries,
    varint,
)

END = T0 + 24 * HOUR


def event(at: int, name: str = "", buyer: str = "", *more: Any, **fields: Any) -> bytes:
    """An event of a script; `fields` with a leading underscore are the event's own."""
    own = {key[1:]: fields.pop(key) for key in list(fields) if key.startswith("_")}
    made = engine_pb2.ScriptEvent(now_ms=at, buyer_id=buyer, **own)
    if name:
        command = getattr(made, name)
        command.SetInParent()
        if name not in ("apply_shop", "update_presence"):
            command.shop_id = "s"
        for key, value in fields.items():
            setattr(command, key, value)
    body = made.SerializeToString()
    return varint(len(body)) + body


def played(desk: Desk, *events: bytes, **playing: Any) -> engine_pb2.Played:
    how = engine_pb2.Playing(**{"shop_id": "s", "start_ms": T0, "end_ms": END, **playing})
    how.want_entries = True
    return engine_pb2.Played.FromString(desk.engine.play(b"".join(events), how.SerializeToString()))


def entries(result: engine_pb2.Played) -> list[engine_pb2.Entry]:
    return [parse_entry(entry) for entry in split_entries(result.entries)]


def messages(result: engine_pb2.Played) -> list[tuple[int, int, str]]:
    """(time, conversation, author) of each message that was noted."""
    return [
        (one.now_ms, fact.message_noted.conversation, fact.message_noted.agent_id)
        for one in entries(result)
        for fact in one.facts
        if fact.HasField("message_noted")
    ]


def receptions(result: engine_pb2.Played) -> dict[str, int]:
    return {one.agent_id: one.receptions for one in result.agents}


@pytest.fixture
def desk(core: ModuleType) -> Desk:
    """Agents a and b of equal weight, at the desk."""
    desk = Desk(core)
    desk.open(["a", "b"])
    return desk


def test_a_log_is_a_script_and_gives_the_same_log(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"])
    for number in range(6):
        desk.route(f"m{number}", T0 + number * MINUTE)
        desk.message(AGENT, T0 + number * MINUTE + SECOND, buyer_id=f"m{number}", agent_id="")
    again = Desk(core)
    result = played(again, *desk.log, end_ms=T0 + 6 * MINUTE)
    assert result.entries == b"".join(desk.log)
    assert again.engine.state_hash() == desk.engine.state_hash()
    assert (receptions(result), result.decisions) == ({"a": 3, "b": 3}, 6)
    assert (result.happened, result.refused) == (len(desk.log), 0)


def test_an_answer_comes_so_long_after_what_it_answers_from_whoever_has_the_buyer(
    desk: Desk,
) -> None:
    result = played(
        desk,
        event(T0 + 10, "route", "m", _begins=True),
        event(T0 + 5000, "message", "m", sender=AGENT, _delays_ms=[700], _conversation=1),
        event(T0 + 5001, "message", "m", sender=BUYER, _conversation=1),
        event(T0 + 9000, "message", "m", sender=AGENT, _delays_ms=[2000], _conversation=1),
        event(T0 + 9001, "close_conversation", "m", _delays_ms=[30], _conversation=1),
    )
    assert messages(result) == [(T0 + 710, 1, "a"), (T0 + 5001, 1, ""), (T0 + 7001, 1, "a")]
    assert entries(result)[-1].now_ms == T0 + 7031
    assert entries(result)[-1].facts[0].conversation_closed.conversation == 1


def test_an_answer_waits_until_somebody_has_the_buyer(desk: Desk) -> None:
    for agent in "ab":
        desk.set_presence(agent, OFFLINE)
    result = played(
        desk,
        event(T0, "route", "m", _begins=True),
        event(T0 + 100, "message", "m", sender=AGENT, _delays_ms=[100], _conversation=1),
        event(T0 + HOUR, "set_presence", agent_id="b", status=ONLINE),
    )
    assert messages(result) == [(T0 + HOUR + 100, 1, "b")]
    assert receptions(result) == {"b": 1}


def test_a_buyer_who_is_moved_is_answered_as_after_the_move(core: ModuleType) -> None:
    desk = Desk(core)
    desk.open(["a", "b"], reply_timeout_ms=MINUTE)
    answer = {"sender": AGENT, "_delays_ms": [MINUTE + 500, 500], "_conversation": 1}
    result = played(desk, event(T0, "route", "m"), event(T0 + 1, "message", "m", **answer))
    assert messages(result) == [(T0 + MINUTE + 500, 2, "b")]
    assert receptions(result) == {"a": 1, "b": 1}
    # Nobody else there: the agent who has the buyer answers after the whole time.
    desk = Desk(core)
    desk.open(["a"], reply_timeout_ms=MINUTE)
    result = played(desk, event(T0, "route", "m"), event(T0 + 1, "message", "m", **answer))
    assert messages(result) == [(T0 + MINUTE + 500, 1, "a")]


def test_answers_to_what_was_before_lapse_when_the_buyer_asks_anew(desk: Desk) -> None:
    result = played(
        desk,
        event(T0, "route", "m", _begins=True),
        event(T0 + 1, "message", "m", sender=AGENT, _delays_ms=[3 * HOUR], _conversation=1),
        event(T0 + HOUR, "route", "m", _begins=True),
        event(T0 + HOUR + 1, "message", "m", sender=AGENT, _delays_ms=[7], _conversation=1),
    )
    assert messages(result) == [(T0 + HOUR + 7, 2, "a")]


def test_who_was_left_the_message_answers_it_with_a_first_word(core: ModuleType) -> None:
    desk = Desk(core)
    desk.apply(owner_agent_id="o", **document(["a", "o"], {"g": ["a"]}, offline_target=3))
    result = played(
        desk,
        event(T0, "route", "m", _begins=True),
        event(T0 + 9, "message", "m", sender=AGENT, _delays_ms=[HOUR], _conversation=1),
    )
    assert messages(result) == [(T0 + HOUR, 1, "o")]
    assert receptions(result) == {"o": 1}


def test_an_answer_in_a_conversation_that_has_ended_is_its_agents(desk: Desk) -> None:
    late = {"sender": AGENT, "_delays_ms": [HOUR], "_conversation": 1}
    result = played(desk, event(T0, "route", "m"), event(T0 + 1, "message", "m", **late))
    assert messages(result) == [(T0 + HOUR, 1, "a")]
    assert receptions(result) == {"a": 1}


def test_messages_find_earlier_conversations_by_how_far_back_they_are(desk: Desk) -> None:
    result = played(
        desk,
        event(T0, "route", "m"),
        event(T0 + 1, "close_conversation", "m", _conversation=1),
        event(T0 + 2, "route", "m"),
        event(T0 + 3, "message", "m", sender=AGENT, agent_id="a", _conversation=2),
        event(T0 + 4, "message", "m", sender=AGENT, agent_id="a", _conversation=3),
    )
    # Of the third from the end there is none: it keeps the id it has, none, so the open one.
    assert messages(result) == [(T0 + 3, 1, "a"), (T0 + 4, 2, "a")]


def test_an_agents_own_delays_are_drawn_where_they_are_given(desk: Desk) -> None:
    answer = {"sender": AGENT, "_delays_ms": [9], "_conversation": 1, "_draw": 5}
    delays = [engine_pb2.AgentDelays(agent_id="a", delays_ms=[100, 200, 300])]
    result = played(
        desk,
        event(T0, "route", "m"),
        event(T0, "route", "n"),
        event(T0, "message", "m", **answer),
        event(T0, "message", "n", **answer),
        delays=delays,
    )
    assert messages(result) == [(T0 + 9, 2, "b"), (T0 + 300, 1, "a")]


def test_a_message_was_sent_so_long_after_or_before_it_comes(desk: Desk) -> None:
    word = {"sender": BUYER, "_conversation": 1}
    result = played(
        desk,
        event(T0, "route", "m"),
        event(T0 + MINUTE, "message", "m", _sent_after_ms=-SECOND, **word),
        event(T0 + MINUTE, "message", "m", _sent_after_ms=SECOND, **word),
    )
    noted = [one.facts[0].message_noted.at_ms for one in entries(result)[1:3]]
    assert noted == [T0 + MINUTE - SECOND, T0 + MINUTE + SECOND]


def test_what_falls_due_happens_at_its_time(desk: Desk) -> None:
    result = played(
        desk, event(T0, "route", "m"), event(T0 + 5 * HOUR, "route", "n"), end_ms=T0 + 5 * HOUR
    )
    assert [one.now_ms for one in entries(result)] == [T0, T0 + HOUR // 2]
    assert (result.happened, result.decisions) == (1, 1)


def test_receptions_count_from_the_start_on(desk: Desk) -> None:
    result = played(desk, event(T0, "route", "m"), event(T0 + 1, "route", "n"), start_ms=T0 + 1)
    assert (receptions(result), result.decisions) == ({"b": 1}, 1)


def test_kinds_left_out_do_not_happen_and_hold_up_nothing(desk: Desk) -> None:
    result = played(
        desk,
        event(T0, "route", "m"),
        event(T0 + 1, "message", "m", sender=BUYER),
        event(T0 + 2, "close_conversation", "m", _delays_ms=[50], _conversation=1),
        without=[engine_pb2.COMMAND_KIND_MESSAGE],
    )
    assert [one.now_ms for one in entries(result)] == [T0, T0 + 50]


def test_documents_take_the_place_of_configuration(desk: Desk) -> None:
    changed = shop_pb2.Shop(shop_id="s", etag="9", **document({"a": 0, "b": 5}))
    result = played(
        desk,
        event(T0, _document=1),
        *(event(T0 + number, "route", f"m{number}") for number in range(4)),
        documents=[changed],
    )
    assert receptions(result) == {"b": 4}


def test_a_shop_may_be_made_and_deleted_meanwhile(core: ModuleType) -> None:
    desk = Desk(core)
    made = shop_pb2.Shop(shop_id="s", **document(["a"]))
    result = played(
        desk,
        event(T0, _document=1),
        event(T0 + 1, "set_presence", agent_id="a", status=ONLINE),
        event(T0 + 2, "route", "m"),
        event(T0 + 3, "delete_shop"),
        event(T0 + 4, "route", "n"),
        event(T0 + 5, _document=1),
        documents=[made],
        agent_ids=["a"],
    )
    assert (receptions(result), result.happened, result.refused) == ({"a": 1}, 6, 1)
    assert desk.engine.shop_ids() == ["s"]


def test_step_3_passes_over_those_it_is_supposed_to(core: ModuleType) -> None:
    for without, expected, met in ((False, {"a": 3}, 2), (True, {"a": 1, "b": 2}, 0)):
        desk = Desk(core)
        desk.open(["a", "b"])
        events = []
        for number in range(3):
            at = T0 + number * MINUTE
            events += [
                event(at, "route", "m"),
                event(at + 1, "close_conversation", "m", _delays_ms=[1], _conversation=1),
            ]
        result = played(desk, *events, agent_ids=["a"], without_contacts=without)
        assert (receptions(result), result.contacts_met) == (expected, met)


def test_the_busy_are_weighed_as_if_they_were_not(core: ModuleType) -> None:
    for never_busy, expected in ((False, {"a": 2, "b": 6}), (True, {"a": 4, "b": 4})):
        desk = Desk(core)
        desk.open(["a", "b"], busy_threshold=0)
        for _ in range(2):
            desk.set_presence("a", ONLINE, awaiting=5)
        events = []
        for number in range(8):
            at = T0 + number * SECOND
            events += [
                event(at, "route", f"m{number}"),
                event(at, "set_presence", agent_id="a", status=ONLINE, awaiting=3),
                event(at, "set_presence", agent_id="b", status=ONLINE, awaiting=0),
            ]
        result = played(desk, *events, agent_ids=["a"], never_busy=never_busy)
        assert receptions(result) == expected
        assert result.busy_met
        # Nothing is supposed any more behind it.
        weights = {one: desk.presence(one).effective_weight for one in "ab"}
        assert weights == {"a": 5 * 1024 // 4, "b": 5 * 1024}


@pytest.mark.parametrize(
    "script",
    [
        b"\x05ab",
        b"\x03\x08\xff\xff",
        event(T0 + 1, "tick") + event(T0, "tick"),
        event(T0, _document=1),
        b"\x04\xa2\x01\x01\xff",
    ],
    ids=["breaks off", "no number", "back in time", "no such document", "not UTF-8"],
)
def test_what_is_no_script_is_refused(desk: Desk, script: bytes) -> None:
    with pytest.raises(ValueError):
        played(desk, script)


def test_what_says_not_how_to_play_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError):
        desk.engine.play(b"", b"\x08\x01")


def any_event(rng: Random, at: int, issued: int) -> bytes:
    """A command of any kind, made a buyer's with some odds."""
    name, message, _ = commands.any_command(rng, issued, [], at)
    made = engine_pb2.ScriptEvent(now_ms=at)
    getattr(made, name).CopyFrom(message)
    if name in ("route", "message", "close_conversation", "transfer", "cancel_inquiry"):
        made.buyer_id = rng.choice([*commands.BUYERS, ""])
        made.begins = rng.randrange(4) == 0
        made.conversation = rng.choice([0, 0, 1, 1, 1, 2])
        made.sent_after_ms = rng.choice([0, -5, 70_000])
        made.draw = rng.choice([0, 0, 3, 8])
        if name in ("message", "close_conversation", "transfer") and rng.randrange(3):
            for _ in range(rng.randrange(1, 4)):
                made.delays_ms.append(rng.choice([0, 1, 900, 30_000, HOUR]))
    body = made.SerializeToString()
    return varint(len(body)) + body


@pytest.mark.parametrize("seed", range(6))
def test_the_cores_play_random_scripts_alike(seed: int) -> None:
    rng = Random(seed)
    cores = both_cores()
    shop = commands.SHOPS[0]
    kind = COMMANDS["apply_shop"][0]
    engines: list[Any] = [core.Engine(4) for core in cores]
    first = commands.made_again(rng, shop).SerializeToString()
    for engine in engines:
        engine.decide(kind, first, T0)
    for _ in range(6):
        at, script = T0, []
        for _ in range(250):
            at += rng.choice([0, 1, 400, 5_000, 60_000])
            made = event(at, _document=1) if rng.randrange(60) == 0 else any_event(rng, at, 40)
            script.append(made)
        playing = engine_pb2.Playing(
            shop_id=shop,
            start_ms=T0 + 1,
            end_ms=at - 1000,
            agent_ids=commands.subset(rng, commands.AGENTS),
            without_contacts=rng.randrange(2) == 0,
            never_busy=rng.randrange(2) == 0,
            want_entries=True,
            delays=[engine_pb2.AgentDelays(agent_id="a", delays_ms=[5, 50_000])],
            without=rng.choice([[], [engine_pb2.COMMAND_KIND_TRANSFER]]),
            documents=[commands.document(rng, shop)],
        )
        playing.documents[0].etag = "7"
        how = playing.SerializeToString()
        results = [engine.play(b"".join(script), how) for engine in engines]
        assert results[0] == results[1]
        assert engines[0].state_hash() == engines[1].state_hash()
        assert engine_pb2.Played.FromString(results[0]).happened > 100
