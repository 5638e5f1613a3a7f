"""Many decisions: as tables that fit a terminal, as CSV for spreadsheets, as JSON. Asks no server."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from fenliu.cli.language import words
from fenliu.cli.names import outcome_name, reason_name
from fenliu.cli.options import as_dict
from fenliu.cli.tables import print_prose, slim_table
from fenliu.cli.windows import SHANGHAI
from fenliu.cli.wrapping import wrap
from fenliu.v1 import insight_pb2, types_pb2


@dataclass(slots=True)
class Found:
    """What there is to show."""

    summary: insight_pb2.SummarizeDecisionsResponse
    listed: Sequence[insight_pb2.RouteResponseRecord]
    """The sample, or the first ones."""
    sampled: bool
    texts: Mapping[str, str] = field(default_factory=dict)
    """The explanation of a decision in a sentence or two, or why there is none, by decision id."""


def show(found: Found, title: str, names: Mapping[str, str]) -> None:
    """On standard output: how many of each kind, then those listed. `names`: of agents, by id."""
    print_prose(title, style="bold")
    total = found.summary.decisions
    print_prose(words(f"{total} 个决定。", f"{total} decisions."))
    if not total:
        return
    _show_counts(found.summary, names)
    shown = len(found.listed)
    if not shown:
        return
    if found.sampled:
        print_prose(words(f"随机抽出 {shown} 个：", f"{shown} of them, drawn at random:"))
    elif shown < total:
        print_prose(words(f"最早的 {shown} 个：", f"The first {shown}:"))
    if found.texts:
        _show_texts(found)
    else:
        _show_list(found.listed, names)


def _show_counts(summary: insight_pb2.SummarizeDecisionsResponse, names: Mapping[str, str]) -> None:
    table = slim_table("")
    table.add_column(words("客服", "Agent"), overflow="fold")
    table.add_column(words("结果", "Outcome"))
    table.add_column(words("原因", "Reason"))
    table.add_column(words("决定", "Decisions"), justify="right")
    table.add_column(words("占比", "Share"), justify="right")
    for one in sorted(summary.counts, key=lambda one: -one.decisions):
        table.add_row(
            escape(names.get(one.agent_id, one.agent_id) or "–"),
            outcome_name(one.outcome),
            reason_name(one.reason),
            str(one.decisions),
            f"{100 * one.decisions / summary.decisions:.1f}%",
        )
    Console().print(table)


def _show_list(
    decisions: Iterable[insight_pb2.RouteResponseRecord], names: Mapping[str, str]
) -> None:
    table = slim_table("")
    table.add_column(words("时间", "Time"), no_wrap=True)
    table.add_column(words("决定", "Decision"), no_wrap=True)
    table.add_column(words("买家", "Buyer"), overflow="fold")
    table.add_column(words("给谁", "Given to"), overflow="fold")
    table.add_column(words("原因", "Reason"))
    for one in decisions:
        whom = names.get(one.agent_id, one.agent_id) or outcome_name(one.outcome)
        table.add_row(
            _said(one.decided_at_ms)[5:],
            one.decision_id,
            escape(one.buyer_id),
            escape(whom),
            reason_name(one.reason),
        )
    Console().print(table)


def _show_texts(found: Found) -> None:
    console = Console(highlight=False)
    for one in found.listed:
        console.print()
        console.print(Text(f"{one.decision_id}  {_said(one.decided_at_ms)}", "bold"))
        console.print(Text("\n".join(wrap(found.texts[one.decision_id], console.width))))


def print_csv(decisions: Iterable[insight_pb2.RouteResponseRecord], found: Found) -> None:
    """A line for each decision, as it comes."""
    head = [
        words("时间", "time"),
        words("决定", "decision"),
        words("买家", "buyer"),
        words("结果", "outcome"),
        words("客服", "agent"),
        words("分流组", "group"),
        words("原因", "reason"),
        words("会话", "conversation"),
    ]
    if found.texts:
        head.append(words("说明", "explanation"))
    click.echo("\ufeff" + _line(head), nl=False)
    for one in decisions:
        cells = [
            _said(one.decided_at_ms),
            one.decision_id,
            one.buyer_id,
            types_pb2.Outcome.Name(one.outcome).removeprefix("OUTCOME_"),
            one.agent_id,
            one.group_id,
            types_pb2.Reason.Name(one.reason).removeprefix("REASON_"),
            one.conversation_id,
        ]
        if found.texts:
            cells.append(found.texts[one.decision_id])
        click.echo(_line(cells), nl=False)


def as_json(found: Found) -> dict[str, Any]:
    """The summary, and each decision listed, with its explanation in words where there is one."""
    listed = [
        as_dict(one) | ({"text": found.texts[one.decision_id]} if found.texts else {})
        for one in found.listed
    ]
    summary = as_dict(found.summary)
    del summary["sample"]
    return summary | {"listed": listed}


def _line(cells: Iterable[str]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file).writerow(cells)
    return file.getvalue()


def _said(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, SHANGHAI):%Y-%m-%d %H:%M:%S}"
