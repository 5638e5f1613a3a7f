"""What a row of the table is, how it is printed beside its goal and the recorded figure, and where it is kept.

`recorded.json` has for each row the machine, the core, the date, the command and its figures. Knows no row.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from rich import box
from rich.console import Console
from rich.table import Table

RECORDED = Path(__file__).parent / "recorded.json"
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- recorded: written by --record -->", "<!-- recorded: end -->"


_MET = {True: "met", False: "missed", None: ""}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `goal` is what it is to reach; with `at_most` what it is not to exceed."""

    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None: there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


@dataclass(frozen=True, slots=True)
class Measured:
    """A row's figures, what else is worth a line, and what a picture is drawn from."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    series: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: 1 is the real thing, tests use next to nothing."""

    size: float = 1.0
    rounds: int = 5

    def of(self, count: float, least: int = 1) -> int:
        """So many of `count` things, at least `least`."""
        return max(least, round(count * self.size))

    def seconds(self, seconds: float, least: float = 0.2) -> float:
        """So long, at least `least`."""
        return max(least, seconds * self.size)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its name for `--only`, what it measures, and the function that does."""

    name: str
    what: str
    measure: Callable[[Scale], Measured]


class Missing(Exception):
    """A row cannot be measured here; the text says what to install or build."""


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "grpcio": grpc.__version__,
    }


def load_now() -> float:
    """How many processes want to run, on average over the last minute."""
    return os.getloadavg()[0]


def read_recorded(path: Path = RECORDED) -> dict[str, Any]:
    """What was recorded, by row; nothing when there is no file."""
    if not path.exists():
        return {}
    recorded: dict[str, Any] = json.loads(path.read_text())
    return recorded


def record(
    rows: Mapping[str, Measured], *, core: str, loads: Mapping[str, float], path: Path = RECORDED
) -> None:
    """Puts these rows in place of the recorded ones; the others stay."""
    recorded = read_recorded(path)
    here = machine()
    for name, measured in rows.items():
        recorded[name] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": here,
            "load_before": round(loads[name], 1),
            "core": core,
            "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
            "figures": {
                figure.name: {
                    "value": float(f"{figure.value:.4g}"),
                    "unit": figure.unit,
                    "goal": figure.goal,
                    "at_most": figure.at_most,
                }
                for figure in measured.figures
            },
            "notes": list(measured.notes),
        }
        if measured.series:
            recorded[name]["series"] = measured.series
    path.write_text(json.dumps(recorded, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def shown(value: float, unit: str = "") -> str:
    """A number as it is read: 312,000/s, 0.87 ×, 9.1 ms."""
    if unit.startswith("%"):
        text = f"{value:.1f}"
    elif abs(value) >= 10_000:
        text = f"{float(f'{value:.3g}'):,.0f}"
    elif abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{float(f'{value:.3g}'):g}"
    if not unit:
        return text
    return text + unit if unit.startswith(("/", "%")) else f"{text} {unit}"


def goal_of(goal: float | None, at_most: bool, unit: str) -> str:
    """The goal as it is read; nothing where there is none."""
    return "" if goal is None else f"{'≤' if at_most else '≥'} {shown(goal, unit)}"


def print_rows(rows: Iterable[tuple[Row, Measured]], recorded: Mapping[str, Any]) -> None:
    """Each figure beside its goal and the recorded one."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("row", no_wrap=True)
    table.add_column("figure", overflow="fold")
    for header in ("now", "goal", "", "recorded"):
        table.add_column(header, justify="right", no_wrap=True)
    notes: list[str] = []
    for row, measured in rows:
        before = recorded.get(row.name, {}).get("figures", {})
        for place, figure in enumerate(measured.figures):
            old = before.get(figure.name)
            table.add_row(
                row.name if place == 0 else "",
                figure.name,
                shown(figure.value, figure.unit),
                goal_of(figure.goal, figure.at_most, figure.unit),
                _MET[figure.met],
                shown(old["value"], old["unit"]) if old else "–",
            )
        notes += [f"{row.name}: {note}" for note in measured.notes]
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, highlight=False, markup=False)


def write_readme(rows: Iterable[Row], recorded: Mapping[str, Any], path: Path = README) -> None:
    """Puts the recorded figures into the page, between its two marks."""
    lines = ["| row | figure | goal | measured | |", "|---|---|---|---|---|"]
    sources: dict[str, list[str]] = {}
    for row in rows:
        kept = recorded.get(row.name)
        if kept is None:
            lines.append(f"| `{row.name}` | {row.what} | | not recorded | |")
            continue
        where = (
            f"{kept['date']}, {kept['core']} core, load before at most {kept['load_before']}:"
            f" `{kept['command']}`. " + ", ".join(f"{k} {v}" for k, v in kept["machine"].items())
        )
        sources.setdefault(where, []).append(row.name)
        for place, (name, values) in enumerate(kept["figures"].items()):
            figure = Figure(name, **values)
            lines.append(
                f"| {f'`{row.name}`' if place == 0 else ''} | {name}"
                f" | {goal_of(figure.goal, figure.at_most, figure.unit)}"
                f" | {shown(figure.value, figure.unit)}"
                f" | {_MET[figure.met]} |"
            )
    lines += ["", *(f"{', '.join(names)}: {where}" for where, names in sources.items())]
    head, _, rest = path.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{tail}")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
