"""What is recorded: a file of figures, and the table of benchmarks/README.md made of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from end_to_end.processes import PROJECT

sys.path.append(str(PROJECT))

from benchmarks import overload
from benchmarks.rows import ROWS
from benchmarks.table import (
    BEGIN,
    END,
    README,
    Figure,
    Measured,
    Row,
    Scale,
    read_recorded,
    record,
    shown,
    write_readme,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (312_345, "/s", "312,000/s"),
        (2_470.4, "/s", "2,470/s"),
        (0.8666, "×", "0.867 ×"),
        (9.14, "ms", "9.14 ms"),
        (4.26, "% core", "4.3% core"),
        (12, "", "12"),
    ],
)
def test_numbers_read_well(value: float, unit: str, text: str):
    assert shown(value, unit) == text


def test_goals_are_reached_or_not():
    assert Figure("a", 3, goal=2).met is True
    assert Figure("a", 1, goal=2).met is False
    assert Figure("a", 1, goal=2, at_most=True).met is True
    assert Figure("a", 3, goal=2, at_most=True).met is False
    assert Figure("a", 3).met is None


def measured(value: float) -> Measured:
    return Measured((Figure("throughput", value, "/s", 2_000), Figure("share", 0.5, "×")))


def test_a_row_is_recorded_and_the_others_stay(tmp_path: Path):
    path = tmp_path / "recorded.json"
    record({"a": measured(1_000), "b": measured(5)}, core="rust", loads={"a": 0, "b": 1}, path=path)
    record({"a": measured(3_000)}, core="python", loads={"a": 0.25}, path=path)
    kept = read_recorded(path)
    assert kept["a"]["figures"]["throughput"]["value"] == 3_000
    assert kept["a"]["core"] == "python"
    assert kept["b"]["figures"]["throughput"]["value"] == 5
    assert {"date", "machine", "command", "load_before"} <= set(kept["a"])


def test_the_page_has_the_recorded_figures_and_keeps_its_words(tmp_path: Path):
    path, page = tmp_path / "recorded.json", tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    record({"a": measured(3_000)}, core="rust", loads={"a": 0}, path=path)
    rows = [Row(name, f"what {name} is", lambda _: measured(0)) for name in ("a", "b")]
    write_readme(rows, read_recorded(path), page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `a` | throughput | ≥ 2,000/s | 3,000/s | met |" in text
    assert "|  | share |  | 0.5 × |  |" in text
    assert "| `b` | what b is | | not recorded | |" in text


def test_the_page_says_of_every_row_what_bounds_it():
    text = README.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    bounds = text.split("## What bounds each row")[1].split("\n## ")[0]
    assert [name for name in ROWS if f"`{name}`" not in bounds] == []


def test_the_page_is_as_recorded(tmp_path: Path):
    page = tmp_path / "README.md"
    page.write_text(README.read_text())
    write_readme(ROWS.values(), read_recorded(), page)
    assert page.read_text() == README.read_text()


def test_the_picture_of_overload_is_drawn_from_what_is_recorded(tmp_path: Path):
    line = [
        [load, load * 1000, min(load, 1) * 1000, 0, 0.01, 0.1, 0.001] for load in overload.LOADS
    ]
    line[-1][4] = line[-1][5] = None  # nothing was answered in time
    names = ("client", "protected", "unprotected")
    overload.draw(
        {"capacity": 1000, "peak": 1000, "points": dict.fromkeys(names, line)}, tmp_path / "a.png"
    )
    assert 10_000 < (tmp_path / "a.png").stat().st_size < 200_000


def test_a_scale_leaves_something_to_measure():
    assert Scale(0.001).of(10) == 1
    assert Scale(0.001).of(10_000, 64) == 64
    assert Scale().of(10) == 10
