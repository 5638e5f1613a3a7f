"""A short form of the fuzzing of the engine's face."""

from __future__ import annotations

import pytest

from faults.fuzz import STEPS, run
from model.cores import all_cores, both_cores


def test_damaged_bytes_at_any_entry_of_an_engine_are_answered_or_refused():
    fastest = all_cores()[-1:]
    assert sum(run(seed, fastest) for seed in range(20)) > 20 * STEPS


@pytest.mark.faults
def test_both_cores_say_the_same_to_damaged_bytes():
    assert sum(run(seed, both_cores()) for seed in range(60)) > 60 * STEPS
