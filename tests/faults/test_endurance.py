"""A short form of the endurance run."""

from __future__ import annotations

import pytest

from faults.endurance import judged, piece
from fenliu.engine import load_core

pytestmark = pytest.mark.faults


async def test_memory_files_and_threads_do_not_grow_under_mixed_load(tmp_path):
    found = await piece(tmp_path, 60, load_core().name)
    judged(found)
    assert found["acknowledged"] > 1000
