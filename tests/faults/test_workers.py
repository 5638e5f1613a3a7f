"""SIGKILL of the supervisor and of workers of `fenliu serve --workers 2`, at random under load."""

from __future__ import annotations

import pytest

from faults.kills import kill_again_and_again
from fenliu.engine import load_core

pytestmark = pytest.mark.faults


async def test_workers_and_their_supervisor_killed_at_random_nothing_is_lost_or_doubled(tmp_path):
    done, book = await kill_again_and_again(tmp_path, 10, load_core().name, seed=3, workers=2)
    assert done == 10
    assert len(book) > 100
