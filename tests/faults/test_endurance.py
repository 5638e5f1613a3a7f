"""A short form of the endurance run, and that its judgement sees what it is there to see."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from faults.endurance import ALLOWED_KIB, grown, judged, piece
from faults.hostile import methods
from fenliu.engine import load_core

RATE = 300.0
LEAK = """
import sys, threading, time

def leak():
    kept = []
    while True:
        time.sleep(0.05)
        kept.append(b"x" * {each})

if "serve" in sys.orig_argv:
    threading.Thread(target=leak, daemon=True).start()
"""


@pytest.mark.faults
async def test_memory_files_and_threads_do_not_grow_under_mixed_load(tmp_path: Path):
    found = await piece(tmp_path, 40, load_core().name, RATE)
    judged(found)
    assert found["calls"] > 40 * RATE / 4
    assert found["audited"] > 50
    answered = {said.split()[0] for said in found["codes"] if said.endswith(" OK")}
    streams = {"WatchAssignments", "StreamPresence", "RouteStream", "ReportMessages"}
    seldom = {"RouteBatch", "Transfer", "SetWeights", "DeleteShop", "ReportOrders", "ListDecisions"}
    assert answered >= streams | seldom
    assert answered & {method.rpartition("/")[2] for method in methods()}


@pytest.mark.faults
async def test_a_server_that_leaks_is_found_out(tmp_path: Path):
    leaking = tmp_path / "leaking"
    leaking.mkdir()
    (leaking / "sitecustomize.py").write_text(LEAK.format(each=2**18))  # 5 MiB a second
    path = os.pathsep.join((str(leaking), os.environ.get("PYTHONPATH", "")))
    found = await piece(tmp_path, 16, load_core().name, RATE, PYTHONPATH=path)
    with pytest.raises(AssertionError, match="server_kib"):
        judged(found)


def hour(rng: Random, leaked_mib: float) -> list[float]:
    """Samples of an hour in which memory wanders, has peaks, and leaks so much in all."""
    wander, values = 0.0, []
    for n in range(1700):
        wander = 0.98 * wander + rng.gauss(0, 300)
        peak = 40_000 if rng.randrange(30) == 0 else 0
        values.append(200_000 + wander + peak + leaked_mib * 1024 * n / 1700)
    return values


def whole(**grown_by: float) -> dict[str, Any]:
    names = ("server_kib", "reports_kib", "files", "threads", "processes")
    return {name: {"grown": grown_by.get(name, 0)} for name in names} | {"wal_kib": {"last": 0}}


def test_an_hour_tells_a_leak_of_32_mib_from_none():
    for seed in range(20):
        judged(whole(server_kib=grown(hour(Random(seed), 0))))
        for where in ("server_kib", "reports_kib"):
            leaked = grown(hour(Random(seed), 32))
            assert leaked > ALLOWED_KIB
            with pytest.raises(AssertionError, match=where):
                judged(whole(**{where: leaked}))


def test_files_threads_and_processes_that_pile_up_are_found_out():
    for name, pieces in (("files", 17), ("threads", 9), ("processes", 3)):
        with pytest.raises(AssertionError, match=name):
            judged(whole(**{name: pieces}))
