"""Whole runs from seeds: what was promised is kept whatever fails, and what breaks a promise is caught."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from fenliu.dispatch import Dispatcher
from fenliu.engine import Core, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.journal.together import Together
from model.cores import both_cores
from simulation.world import Plan, Run, simulate

CAUGHT_WITHIN = 200
"""Seeds."""


def run(seed: int, core: Core, **options: Any) -> Run:
    try:
        return simulate(Plan(seed, core, **options))
    except AssertionError as error:
        again = f"make simulate SEEDS=1 FIRST={seed} CORE={core.name}"
        raise AssertionError(f"{error}\nagain: {again}") from error


def runs(core: ModuleType, seeds: range) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        seen.update(run(seed, load_core(core.CORE)).seen)
    return seen


def test_every_promise_is_kept_whatever_fails(core: ModuleType):
    seen = runs(core, range(40) if core.CORE == "rust" else range(1000, 1012))
    assert seen["acknowledged"] > 50 * 12


@pytest.mark.slow
def test_every_promise_is_kept_in_hundreds_of_runs_and_everything_happens_in_them(core: ModuleType):
    seen = runs(core, range(100, 400) if core.CORE == "rust" else range(1100, 1150))
    expected = {
        "killed", "killed in a thread", "power cut", "two writers", "conflict", "snapshots", "repeated",
        "read", "refused", "acknowledged", "ConnectionLost", "JournalUnavailable", "error before",
        "error unsynced", "error after", "error in reading", "written, not synced, and read", "workers",
        "writer killed", "partitions together",
    }  # fmt: skip
    if core.CORE == "rust":
        expected.add("synced by nobody and lost")
    assert {what for what in expected if not seen[what]} == set()


def test_a_seed_is_a_whole_run_the_same_each_time_and_on_both_cores():
    both_cores()
    seeds = (1, 2, 3, 5, 8)
    assert {run(seed, load_core("rust")).seen["workers"] for seed in seeds} == {0, 1}
    for seed in seeds:
        on_rust = run(seed, load_core("rust"))
        assert run(seed, load_core("rust")) == on_rust
        if not on_rust.seen["snapshots"]:  # what takes memory is the cores' own business
            assert run(seed, load_core("python")) == on_rust


# The tests of the tests: what breaks a promise on purpose is caught, soon.


def caught(core: Core, by: str, first: int = 0, **options: Any) -> None:
    """`by`: what the judges must say, as a regular expression."""
    for seed in range(first, first + CAUGHT_WITHIN):
        try:
            simulate(Plan(seed, core, load_core(core.name), **options))
        except AssertionError as error:
            if re.search(by, str(error)):
                return
    raise AssertionError(f"{CAUGHT_WITHIN} runs have not found it")


def test_acknowledging_before_the_commit_is_caught(core: ModuleType):
    def break_it(dispatcher: Dispatcher) -> None:
        dispatcher._commits.wait_for = lambda partition, answers: None  # type: ignore[method-assign]

    caught(load_core(core.CORE), "acknowledged and lost", sabotage=break_it)


class Broken:
    """An engine of either core with a fault of its own in replaying."""

    def __init__(self, engine: Any, apply: Callable[[Any, bytes, int], Any]) -> None:
        self._engine = engine
        self._apply = apply

    def apply(self, entries: bytes, start: int = 0, shop_id: str = "") -> Any:
        answer = self._engine.apply(entries, start, shop_id)
        self._apply(self._engine, entries, start)
        return answer

    def take_partition(self, other: Any, partition: int) -> None:
        self._engine.take_partition(other._engine, partition)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def test_a_writer_that_says_done_to_workers_when_it_failed_is_caught(core, monkeypatch):
    real = Together._committed

    def committed(self: Together, taken: Any, result: Any) -> None:
        if result.exception() is None:
            real(self, taken, result)
            return
        self._commit()
        for group, reply in taken:
            reply([append.expected_seq + 1 for append in group], None)

    monkeypatch.setattr(Together, "_committed", committed)
    # Not every run has workers; and those before this seed first go on for long without an end.
    caught(load_core(core.CORE), "acknowledged and lost", first=23)


def broken(core: ModuleType, apply: Callable[[Any, bytes, int], Any]) -> Core:
    good = load_core(core.CORE)
    return dataclasses.replace(
        good, engine=lambda partitions: Broken(good.engine(partitions), apply)
    )


def test_applying_twice_on_replay_is_caught(core: ModuleType):
    def twice(engine: Any, entries: bytes, start: int) -> None:
        engine.apply(entries, start)

    caught(broken(core, twice), "the running state is not what the log gives")


def test_a_dropped_dedupe_entry_is_caught(core: ModuleType):
    def forget(engine: Any, entries: bytes, start: int) -> None:
        for shop_id in engine.shop_ids():
            if engine.missing_of(shop_id):
                return
            snapshot = engine_pb2.ShopSnapshot.FromString(engine.snapshot(shop_id))
            if len(snapshot.requests) > 1:
                del snapshot.requests[len(snapshot.requests) // 2]
                engine.load_snapshot(snapshot.SerializeToString(deterministic=True))

    # By what clients see; the state hash finds it, too.
    caught(broken(core, forget), "and when repeated|done more than once")
