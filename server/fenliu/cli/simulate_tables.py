"""A simulation as a table that fits a terminal, with what it takes for granted, and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.markup import escape

from fenliu.cli.language import words
from fenliu.cli.report_tables import (
    CSV_UNITS,
    cell,
    number,
    plain,
    plain_number,
    second,
)
from fenliu.cli.supposed import print_lint, print_supposed
from fenliu.cli.tables import print_prose, slim_table
from fenliu.cli.windows import heading, minute
from fenliu.v1 import insight_pb2, shop_pb2

_SHOWN = ("received", "first_response", "prompt_rate")
_KNOWN = insight_pb2.KPI_STATE_KNOWN


def show(
    response: insight_pb2.SimulateResponse,
    names: Mapping[str, str],
    shop: shop_pb2.Shop,
    request: insight_pb2.SimulateRequest,
    kpis: Sequence[str],
) -> None:
    """On standard output."""
    places = _places(response, kpis or _SHOWN)
    print_prose(heading(shop, request.window), style="bold")
    if request.HasField("changed_shop"):
        before = shop_pb2.Shop()
        before.CopyFrom(shop)
        before.ClearField("etag")
        print_supposed(before, request.changed_shop)
        print_lint(response.findings)
    timed = request.grain in (insight_pb2.REPORT_GRAIN_HOUR, insight_pb2.REPORT_GRAIN_DAY)
    for place in places:
        _show_kpi(response, names, place, timed=timed)
    _print_decisions(response, max(1, request.repetitions))
    for sentence in response.assumptions:
        print_prose(f"· {sentence}")


def _places(response: insight_pb2.SimulateResponse, kpis: Sequence[str]) -> list[int]:
    columns = [column.name for column in response.columns]
    for name in kpis:
        if name not in columns:
            known = ", ".join(columns)
            raise click.UsageError(
                words(f"没有指标 {name}；有：{known}", f"no figure {name}; there are: {known}")
            )
    return [columns.index(name) for name in kpis]


def _show_kpi(
    response: insight_pb2.SimulateResponse, names: Mapping[str, str], place: int, *, timed: bool
) -> None:
    column = response.columns[place]
    table = slim_table(escape(column.title))
    if timed:
        table.add_column(words("时间", "Time"), no_wrap=True)
    table.add_column("", overflow="fold")
    for title in (
        words("记录", "Recorded"),
        words("模拟", "Simulated"),
        words("相差", "Difference"),
    ):
        table.add_column(title, justify="right")
    if response.intervals:
        table.add_column(words("十次有九次", "9 of 10 times"), justify="right")
    for row, (recorded, simulated, difference) in enumerate(
        zip(response.recorded, response.simulated, response.differences, strict=True)
    ):
        cells = [
            cell(column, recorded.kpis[place]),
            cell(column, simulated.kpis[place]),
            _signed(column, difference.kpis[place]),
        ]
        if response.intervals:
            cells.append(_interval(column, response.intervals[row].kpis[place]))
        name = escape(names.get(recorded.subject_id, recorded.subject_id))
        table.add_row(*[minute(recorded.window.start_ms)[5:]] * timed, name, *cells)
    Console().print(table)


def _signed(column: insight_pb2.KpiColumn, difference: insight_pb2.KpiDifference) -> str:
    """With its sign; no difference is none to look at."""
    if difference.state != _KNOWN:
        return ""
    if difference.numerator == 0:
        return "0"
    sign = "+" if difference.numerator > 0 else "−"
    return sign + number(column, abs(difference.numerator), difference.denominator)


def _interval(column: insight_pb2.KpiColumn, interval: insight_pb2.KpiInterval) -> str:
    if not interval.HasField("low"):
        return ""
    return f"{cell(column, interval.low)} – {cell(column, interval.high)}"


def _print_decisions(response: insight_pb2.SimulateResponse, repetitions: int) -> None:
    counts = response.decisions
    whole, same, other = counts.inquiries, counts.same, counts.other_receiver
    rest = whole - same - other
    if repetitions > 1:
        print_prose(words(f"{repetitions} 次重复合计：", f"Over all {repetitions} repetitions:"))
    text = words(
        f"{whole} 次咨询：{same} 次结果相同，{other} 次换了接待方",
        f"{whole} inquiries: {same} decided the same, {other} with another receiver",
    )
    if rest:
        text += words(f"，{rest} 次只是理由或组不同", f", {rest} only by another group or reason")
    print_prose(text + words("。", "."))


def as_csv(response: insight_pb2.SimulateResponse, names: Mapping[str, str]) -> str:
    """A line for each figure of each row."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(
        [
            words("编号", "id"),
            words("名称", "name"),
            words("开始", "from"),
            words("结束", "to"),
            words("指标", "figure"),
            words("记录", "recorded"),
            words("模拟", "simulated"),
            words("相差", "difference"),
            words("5% 分位", "5th percentile"),
            words("95% 分位", "95th percentile"),
        ]
    )
    for row, recorded in enumerate(response.recorded):
        subject_id = recorded.subject_id
        first = [
            subject_id,
            names.get(subject_id, subject_id),
            second(recorded.window.start_ms),
            second(recorded.window.end_ms),
        ]
        for place, column in enumerate(response.columns):
            difference = response.differences[row].kpis[place]
            known = difference.state == _KNOWN
            low = high = ""
            if response.intervals:
                interval = response.intervals[row].kpis[place]
                if interval.HasField("low"):
                    low, high = plain(column, interval.low), plain(column, interval.high)
            writer.writerow(
                [
                    *first,
                    f"{column.title}{CSV_UNITS.get(column.unit, '')}",
                    plain(column, recorded.kpis[place]),
                    plain(column, response.simulated[row].kpis[place]),
                    plain_number(column, difference.numerator, difference.denominator)
                    if known
                    else "",
                    low,
                    high,
                ]
            )
    return file.getvalue()
