"""Dispatch: the only place where engine and journal meet. Decide, append, answer.

Knows what happens when, and what rests on what; knows no rule.
"""

from fenliu.dispatch.check import Checked, Problem, check, steps_of, storage_problem
from fenliu.dispatch.clock import Clock, TraceClock, WallClock
from fenliu.dispatch.dispatcher import Answer, BatchAnswer, Dispatcher, PendingBatch
from fenliu.dispatch.errors import (
    ClockRefused,
    DispatchError,
    EngineFailure,
    JournalUnavailable,
    Overloaded,
)
from fenliu.recovery import Difference, Replayed, Verified, replay, verify

__all__ = [
    "Answer",
    "BatchAnswer",
    "Checked",
    "Clock",
    "ClockRefused",
    "Difference",
    "DispatchError",
    "Dispatcher",
    "EngineFailure",
    "JournalUnavailable",
    "Overloaded",
    "PendingBatch",
    "Problem",
    "Replayed",
    "TraceClock",
    "Verified",
    "WallClock",
    "check",
    "replay",
    "steps_of",
    "storage_problem",
    "verify",
]
