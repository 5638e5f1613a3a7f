"""`python -m benchmarks`: each row fills its figures at a tiny size; the table is printed, recorded, written down."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from end_to_end.processes import PROJECT, environment
from model.cores import all_cores

ROWS = {
    # Those that need no more than a moment; the others start servers.
    "fast": ("engine", "growth", "journal"),
    "slow": (
        "unary",
        "hot-shop",
        "many-shops",
        "memory",
        "presence",
        "loop",
        "client",
        "sale-day",
        "simulate",
        "overload",
        "workers",
    ),
}

needs_rust = pytest.mark.skipif(
    "rust" not in {core.CORE for core in all_cores()}, reason="the rows are the Rust core's"
)


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=PROJECT, env=environment(COLUMNS="100"), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def test_every_row_is_measured_here():
    listed = benchmarks("--list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] != []
    names = {line.split()[0] for line in listed.stdout.splitlines()}
    assert names == {*ROWS["fast"], *ROWS["slow"]}


@needs_rust
@pytest.mark.parametrize(
    "row",
    [*ROWS["fast"], *(pytest.param(name, marks=pytest.mark.slow) for name in ROWS["slow"])],
)
def test_a_row_fills_its_figures(row: str):
    done = benchmarks("--row", row, "--scale", "0.001", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["figures"]
    for figure in measured["figures"]:
        assert math.isfinite(figure["value"]), figure
        assert figure["value"] >= 0, figure
    assert any(figure["goal"] is not None for figure in measured["figures"]) or row in (
        "client",
        "sale-day",
        "workers",
    )


@needs_rust
def test_the_table_stands_beside_the_goals():
    done = benchmarks("--only", "engine", "--scale", "0.001", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert "say nothing about the goals" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(" engine"))
    assert "≥ 2,000,000/s" in line


def test_figures_of_a_part_are_not_recorded():
    done = benchmarks("--only", "engine", "--scale", "0.5", "--record")
    assert done.returncode == 2
    assert "only figures of --scale 1 are kept" in done.stderr
