"""A day on a server that is killed three times: nothing acknowledged is lost, doubled or changed.

The server is a process, the client is `fenliu replay` with the patience to find it again; SIGKILL comes
after random numbers of acknowledged answers. FENLIU_KILL_SEED repeats a run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from types import ModuleType

import pytest

from end_to_end.days import (
    KILLS,
    TRACES,
    Days,
    Played,
    core_named,
    decisions_of,
    other_than,
    shop_of,
)
from end_to_end.processes import fenliu
from fenliu.journal import SqliteReader
from fenliu.recovery import replay, state_hash, verify
from model.cores import CORES

pytestmark = pytest.mark.slow


@pytest.fixture(params=TRACES)
def trace(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def day(core: ModuleType, trace: str, days: Days) -> Played:
    played = days.killed(core.CORE, trace)
    print(f"FENLIU_KILL_SEED={played.kill_seed}, killed at answers {played.killed_at}")
    return played


def test_the_replay_goes_through_and_every_buyer_is_answered_once(day: Played):
    assert (day.exit_code, day.report.get("failures")) == (0, [])
    assert len(day.killed_at) == KILLS
    assert sorted(day.killed_at) == day.killed_at
    assert day.killed_at[-1] < len(day.acks)
    assert day.report["decisions"] == len(day.asked)
    assert Counter(day.acked("route")) == Counter(day.asked)


def test_each_acknowledged_inquiry_is_in_the_log_once_with_the_answer_that_was_given(day: Played):
    logged = [
        ((entry.route.shop_id, entry.route.request_id), decided)
        for _, entry in day.log
        if entry.HasField("route")
        for decided in decisions_of(entry)
    ]
    assert Counter(key for key, _ in logged) == Counter(day.acked("route"))
    for key, decided in logged:
        answer = day.answers[key]
        assert answer.decision_id == f"d{decided.decision}"
        assert answer.conversation_id == (
            f"c{decided.conversation}" if decided.conversation else ""
        )
        assert (answer.outcome, answer.reason) == (decided.outcome, decided.reason)
        assert (answer.agent_id, answer.group_id) == (decided.agent_id, decided.group_id)


def test_each_acknowledged_message_is_in_the_log_once(day: Played):
    logged = [
        (entry.message.shop_id, entry.message.event_id)
        for _, entry in day.log
        if entry.HasField("message")
    ]
    assert Counter(logged) == Counter(day.acked("message"))


def test_no_decision_number_is_doubled_or_left_out(day: Played):
    numbers: dict[str, list[int]] = defaultdict(list)
    for _, entry in day.log:
        numbers[shop_of(entry)] += [decided.decision for decided in decisions_of(entry)]
    # One for each inquiry, and those by which waiting buyers left the pool.
    asked = [one for _, entry in day.log for one in decisions_of(entry) if not one.buyer_id]
    assert len(asked) == len(day.asked)
    for shop_id, found in numbers.items():
        assert found == list(range(1, len(found) + 1)), shop_id


def test_the_running_state_is_that_of_the_log_replayed_on_the_other_core(day: Played):
    other = other_than(day.core).name
    assert fenliu("state-hash", "--data", day.data, "--core", other).strip() == day.state_hash


def test_the_starts_rested_on_snapshots_that_give_the_same_state(day: Played):
    reader = SqliteReader(day.data)
    made = [reader.manifests(partition) for partition in reader.heads()]
    assert sum(map(len, made)) > len(made) // 2
    assert state_hash(reader, core_named(day.core))[0].hex() == day.state_hash
    whole, _ = replay(reader, core_named(day.core))
    assert whole.state_hash().hex() == day.state_hash


@pytest.mark.parametrize("verifier", CORES)
def test_deciding_the_log_again_gives_every_entry_byte_for_byte(day: Played, verifier: str):
    verified = verify(SqliteReader(day.data), core_named(verifier))
    assert verified.differences == []
    assert verified.entries == len(day.log)


def test_the_other_core_gives_exactly_the_answers_that_were_acknowledged(day: Played):
    engine = other_than(day.core).engine(day.partitions)
    given = {}
    for data, entry in day.log:
        code, reply, _, _ = engine.redecide(data)
        assert code == 0
        if entry.HasField("route"):
            given[entry.route.shop_id, entry.route.request_id] = reply
    acknowledged = {
        key: answer.SerializeToString(deterministic=True) for key, answer in day.answers.items()
    }
    assert given == acknowledged


def test_the_kills_leave_no_trace_in_log_or_state(day: Played, trace: str, days: Days):
    whole = days.undisturbed(day.core, trace)
    assert day.log_by_shop == whole.log_by_shop
    assert day.state_hash == whole.state_hash
