"""Random walks with stored state beside state in memory: on no core may it make a difference."""

from __future__ import annotations

import pytest

from model.walks import StoredWalk, long_walk, walk


def test_what_is_stored_makes_no_difference_on_short_walks() -> None:
    assert walk(StoredWalk, 6, 25, derandomize=True) >= 100


@pytest.mark.parametrize("seed", range(8))
def test_what_is_stored_makes_no_difference_on_a_walk(seed: int) -> None:
    pair = long_walk(seed, 400, stored=True)
    assert any(disk.manifests for disk in pair.storage.disks)


@pytest.mark.slow
def test_what_is_stored_makes_no_difference_on_long_walks() -> None:
    assert walk(StoredWalk, 60, 50, derandomize=False) > 0
    for seed in range(100, 140):
        long_walk(seed, 400, stored=True)
