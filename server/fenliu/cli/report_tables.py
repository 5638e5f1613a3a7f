"""Reports as tables that fit a terminal, and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from rich.console import Console
from rich.markup import escape

from fenliu.cli.language import Words, words
from fenliu.cli.tables import print_prose, slim_table
from fenliu.cli.windows import SHANGHAI, heading, minute
from fenliu.v1 import insight_pb2, shop_pb2

_UNDEFINED, _LATER = "–", "…"
# Tables of few columns each, one below the other; what is in none of them comes last.
_SECTIONS = (
    ("consulted", "filtered", "received", "unreplied", "presale_inquirers"),
    (
        "answer_ratio",
        "reply_rate",
        "first_response",
        "average_response",
        "prompt_rate",
        "slow_responses",
    ),
    (
        "online_time",
        "suspended_time",
        "handling_time",
        "next_day_conversion",
        "final_conversion",
    ),
    ("sales_amount", "sales_items", "sales_buyers", "amount_per_buyer", "items_per_buyer"),
)
CSV_UNITS = {
    insight_pb2.KPI_UNIT_MILLISECONDS: Words("（秒）", " (s)"),
    insight_pb2.KPI_UNIT_CENTS: Words("（元）", " (yuan)"),
}


def show(
    response: insight_pb2.GetReceptionReportResponse,
    names: Mapping[str, str],
    shop: shop_pb2.Shop,
    request: insight_pb2.GetReceptionReportRequest,
) -> None:
    """On standard output, one table for each kind of KPI."""
    print_prose(heading(shop, request.window), style="bold")
    if not response.rows:
        print_prose(words("这段时间店铺里没有人。", "Nobody was in the shop in this time."))
        return
    timed = request.grain in (insight_pb2.REPORT_GRAIN_HOUR, insight_pb2.REPORT_GRAIN_DAY)
    columns = {column.name: place for place, column in enumerate(response.columns)}
    rest = tuple(name for name in columns if not any(name in one for one in _SECTIONS))
    for section in (*_SECTIONS, rest) if rest else _SECTIONS:
        places = [columns[name] for name in section]
        _show_section(response, names, places, request.shop_id, timed=timed)
    later = sorted(
        {
            kpi.known_at_ms
            for row in response.rows
            for kpi in row.kpis
            if kpi.state == insight_pb2.KPI_STATE_NOT_YET_KNOWN
        }
    )
    if later:
        last = minute(later[-1])
        print_prose(
            words(
                f"「…」现在还不能知道，{last} 起全部可知。",
                f"…: not yet known; all known from {last}.",
            )
        )


def _show_section(
    response: insight_pb2.GetReceptionReportResponse,
    names: Mapping[str, str],
    places: list[int],
    shop_id: str,
    *,
    timed: bool,
) -> None:
    table = slim_table("")
    if timed:
        table.add_column(words("时间", "Time"), no_wrap=True)
    named = not timed or any(row.subject_id != shop_id for row in response.rows)
    if named:
        table.add_column("", overflow="fold")
    for place in places:
        table.add_column(response.columns[place].title, justify="right", overflow="fold")
    for row in response.rows:
        cells = [cell(response.columns[place], row.kpis[place]) for place in places]
        name = escape(names.get(row.subject_id, row.subject_id))
        first = [minute(row.window.start_ms)[5:]] * timed + [name] * named
        table.add_row(*first, *cells)
    Console().print(table)


def as_csv(response: insight_pb2.GetReceptionReportResponse, names: Mapping[str, str]) -> str:
    """A line for each row; seconds and yuan as decimals, what has no figure as a word."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(
        [
            words("编号", "id"),
            words("名称", "name"),
            words("开始", "from"),
            words("结束", "to"),
            *(f"{one.title}{CSV_UNITS.get(one.unit, '')}" for one in response.columns),
        ]
    )
    for row in response.rows:
        writer.writerow(
            [
                row.subject_id,
                names.get(row.subject_id, row.subject_id),
                second(row.window.start_ms),
                second(row.window.end_ms),
                *map(plain, response.columns, row.kpis),
            ]
        )
    return file.getvalue()


def plain(column: insight_pb2.KpiColumn, kpi: insight_pb2.Kpi) -> str:
    """For spreadsheets: seconds and yuan as decimals, what has no figure as a word."""
    if kpi.state == insight_pb2.KPI_STATE_UNDEFINED:
        return words("无定义", "undefined")
    if kpi.state == insight_pb2.KPI_STATE_NOT_YET_KNOWN:
        return words("尚不可知", "not yet known")
    return plain_number(column, kpi.numerator, kpi.denominator)


def plain_number(column: insight_pb2.KpiColumn, numerator: int, denominator: int) -> str:
    """A figure that is known, likewise."""
    scale = {
        insight_pb2.KPI_UNIT_MILLISECONDS: 1000,
        insight_pb2.KPI_UNIT_CENTS: 100,
    }.get(column.unit, 1)
    value = Decimal(numerator) / (denominator * scale)
    return f"{rounded(value, 6):f}".rstrip("0").rstrip(".") if value else "0"


def cell(column: insight_pb2.KpiColumn, kpi: insight_pb2.Kpi) -> str:
    """For people: percent, hours and minutes, two decimals; a sign for what has no figure."""
    if kpi.state == insight_pb2.KPI_STATE_UNDEFINED:
        return _UNDEFINED
    if kpi.state == insight_pb2.KPI_STATE_NOT_YET_KNOWN:
        return _LATER
    return number(column, kpi.numerator, kpi.denominator)


def number(column: insight_pb2.KpiColumn, numerator: int, denominator: int) -> str:
    """A figure that is known, for people; a duration may not be below 0."""
    value = Decimal(numerator) / denominator
    match column.unit:
        case insight_pb2.KPI_UNIT_RATIO:
            return f"{rounded(100 * value, 1):f}%"
        case insight_pb2.KPI_UNIT_MILLISECONDS:
            return duration(int(rounded(value / 1000, 0)))
        case insight_pb2.KPI_UNIT_CENTS:
            return f"{rounded(value / 100, 2):,f}"
        case _:
            return str(numerator) if denominator == 1 else f"{rounded(value, 2):f}"


def duration(seconds: int) -> str:
    """7:05 minutes, or 12:07:05 hours."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def rounded(value: Decimal, places: int) -> Decimal:
    """To so many places, halves away from 0."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def second(at_ms: int) -> str:
    """A moment to the second."""
    return f"{datetime.fromtimestamp(at_ms // 1000, SHANGHAI):%Y-%m-%d %H:%M:%S}"
