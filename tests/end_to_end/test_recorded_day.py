"""Whole days, undisturbed: both cores end in the same state, and the naive model would have decided the same."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import pytest

from end_to_end.days import TRACES, Days
from end_to_end.judge import judge
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import types_pb2
from model.cores import CORES

pytestmark = pytest.mark.slow


@pytest.fixture(params=TRACES)
def trace(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_every_buyer_is_answered_without_errors(core: ModuleType, trace: str, days: Days):
    day = days.undisturbed(core.CORE, trace)
    assert (day.exit_code, day.report.get("failures")) == (0, [])
    assert Counter(day.acked("route")) == Counter(day.asked)
    replies = len(day.rows) - len(day.asked)
    assert len(day.acked("message")) == (
        len(day.asked) + replies - day.report["replies_without_conversation"]
    )


def test_both_cores_end_in_the_same_state_by_the_same_log(trace: str, days: Days):
    python, rust = (days.undisturbed(name, trace) for name in CORES)
    assert python.state_hash == rust.state_hash
    assert python.answers == rust.answers
    assert python.log_by_shop == rust.log_by_shop


def test_two_workers_give_the_same_answers_by_the_same_log(
    core: ModuleType, trace: str, days: Days
):
    alone, shared = days.undisturbed(core.CORE, trace), days.shared(core.CORE, trace)
    assert (shared.exit_code, shared.report.get("failures")) == (0, [])
    assert shared.answers == alone.answers
    assert shared.log_by_shop == alone.log_by_shop
    assert shared.state_hash == alone.state_hash


def test_the_naive_model_makes_every_decision_of_the_day(trace: str, days: Days):
    """Both cores' logs are the same (above), so one of them is judged."""
    day = days.undisturbed("python", trace)
    assert judge(day.log, day.partitions) == day.answers


def test_the_generated_day_comes_by_the_rules_it_was_made_for(days: Days):
    day = days.undisturbed("python", "generated")
    assert 1_400 <= len(day.rows) <= 1_700
    reasons = {answer.reason for answer in day.answers.values()}
    assert reasons == {
        types_pb2.REASON_OPEN_CONVERSATION,
        types_pb2.REASON_RECENT_CONTACT,
        types_pb2.REASON_WEIGHTED,
        types_pb2.REASON_OFFLINE_POOL,
        types_pb2.REASON_STILL_WAITING,
    }
    causes = {
        fact.conversation_closed.cause
        for _, entry in day.log
        for fact in entry.facts
        if fact.HasField("conversation_closed")
    }
    assert engine_pb2.CLOSE_CAUSE_IDLE in causes
