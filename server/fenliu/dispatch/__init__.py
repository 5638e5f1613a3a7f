"""Dispatch: the only place where engine and journal meet. Decide, append, answer.

Knows what happens when, and what rests on what; knows no rule.
"""

from fenliu.dispatch.check import Checked, Problem, check, steps_of, storage_problem
from fenliu.dispatch.clock import Clock, TraceClock, WallClock
from fenliu.dispatch.dispatcher import Dispatcher, PendingBatch
from fenliu.dispatch.dispatching import (
    FAILED,
    SHOP_UNAVAILABLE,
    Answer,
    BatchAnswer,
    BatchToCome,
    Dispatching,
)
from fenliu.dispatch.errors import (
    ClockRefused,
    DeadlineGone,
    DispatchError,
    EngineFailure,
    JournalUnavailable,
    Overloaded,
    OwnerUnreachable,
)
from fenliu.dispatch.stored import Keeping

__all__ = [
    "FAILED",
    "SHOP_UNAVAILABLE",
    "Answer",
    "BatchAnswer",
    "BatchToCome",
    "Checked",
    "Clock",
    "ClockRefused",
    "DeadlineGone",
    "DispatchError",
    "Dispatcher",
    "Dispatching",
    "EngineFailure",
    "JournalUnavailable",
    "Keeping",
    "Overloaded",
    "OwnerUnreachable",
    "PendingBatch",
    "Problem",
    "TraceClock",
    "WallClock",
    "check",
    "steps_of",
    "storage_problem",
]
