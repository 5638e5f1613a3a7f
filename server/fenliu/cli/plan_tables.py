"""A staffing plan as a table that fits a terminal, as CSV for spreadsheets and as a picture. Asks no server."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from rich.console import Console
from rich.text import Text

from fenliu.cli.language import Words, words
from fenliu.cli.pictures import drawn, legend_above, picture
from fenliu.cli.tables import print_prose, slim_table
from fenliu.cli.windows import heading
from fenliu.cli.wrapping import wrap
from fenliu.v1 import insight_pb2, shop_pb2

_MODELS = {
    insight_pb2.STAFFING_MODEL_ERLANG_C: Words("Erlang C 公式", "Erlang C"),
    insight_pb2.STAFFING_MODEL_ERLANG_A: Words("Erlang A 公式", "Erlang A"),
    insight_pb2.STAFFING_MODEL_SIMULATION: Words("模拟", "simulation"),
}

_ITEM = 4
"""Columns in front of an item's text."""


def show(
    response: insight_pb2.PlanStaffingResponse,
    shop: shop_pb2.Shop,
    request: insight_pb2.PlanStaffingRequest,
) -> None:
    """On standard output: the target, a row for each hour, the guidance, what is taken for granted."""
    print_prose(heading(shop, request.window), style="bold")
    percent, seconds = request.target_percent, request.target_ms / 1000
    at_once, model = request.concurrency, _MODELS[response.model]
    print_prose(
        words(
            f"目标：{percent}% 的首次响应在 {seconds:g} 秒内；每位客服同时接待 {at_once} 位；{model}。",
            f"Target: {percent}% of first replies within {seconds:g} s; {at_once} at once per agent; {model}.",
        )
    )
    table = slim_table("")
    for title in (
        words("时段", "Hour"),
        words("来客", "Buyers"),
        words("客服", "Agents"),
        words("录得在线", "Then online"),
        words("达标", "In time"),
        words("占用", "Occupied"),
        words("平均等待", "Mean wait"),
        words("放弃", "Give up"),
    ):
        table.add_column(title, justify="right")
    for hour in response.hours:
        come = hour.agents > 0
        table.add_row(
            _hour(hour.hour),
            _count(hour.arrivals),
            str(hour.agents),
            f"{hour.recorded_agents:.1f}",
            _reached(hour) if come else "–",
            f"{hour.occupancy_percent:.0f}%" if come else "–",
            words(f"{hour.mean_wait_ms / 1000:.1f} 秒", f"{hour.mean_wait_ms / 1000:.1f} s")
            if come
            else "–",
            f"{hour.abandoned_percent:.1f}%" if come else "–",
        )
    Console().print(table)
    print_prose(response.guidance_text)
    Console().print()
    print_prose(words("前提：", "Taken for granted:"))
    for sentence in response.assumptions:
        _print_item(sentence)


def _print_item(text: str) -> None:
    """Behind a mark, its other lines in line with the first."""
    console = Console(highlight=False)
    mark = words("· ", "- ")
    for number, line in enumerate(wrap(text, console.width - _ITEM)):
        console.print(Text(f"{'' if number else mark:>{_ITEM}}{line}"), soft_wrap=True)


def as_csv(response: insight_pb2.PlanStaffingResponse) -> str:
    """A line for each hour."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(
        [
            words("时段", "hour"),
            words("来客", "buyers"),
            words("客服", "agents"),
            words("录得来客", "recorded buyers"),
            words("录得在线客服", "recorded agents online"),
            words("达标（%）", "in time (%)"),
            words("达标误差（%）", "in time, half width (%)"),
            words("占用（%）", "occupied (%)"),
            words("平均等待（秒）", "mean wait (s)"),
            words("放弃（%）", "give up (%)"),
        ]
    )
    for hour in response.hours:
        writer.writerow(
            [
                _hour(hour.hour),
                f"{hour.arrivals:.2f}",
                hour.agents,
                f"{hour.recorded_arrivals:.2f}",
                f"{hour.recorded_agents:.2f}",
                f"{hour.reached_percent:.2f}",
                f"{hour.reached_half_width_percent:.2f}",
                f"{hour.occupancy_percent:.2f}",
                f"{hour.mean_wait_ms / 1000:.3f}",
                f"{hour.abandoned_percent:.2f}",
            ]
        )
    return file.getvalue()


def draw(path: Path, response: insight_pb2.PlanStaffingResponse) -> None:
    """A PNG: arrivals as bars; agents needed, and those online then, as steps. Raises as `picture`."""
    with picture(path, height=5) as (figure, chinese):
        arrivals = figure.subplots()
        agents = arrivals.twinx()
        hours = {hour.hour: hour for hour in response.hours}
        places = list(hours)
        bars = arrivals.bar(
            places,
            [hour.arrivals for hour in response.hours],
            color="#c8d6e5",
            label=drawn(Words("来客（左轴）", "buyers (left)"), chinese=chinese),
        )
        span = range(min(places), max(places) + 1)
        edges = [place - 0.5 for place in (*span, span.stop)]
        needed = [float(hours[place].agents) if place in hours else math.nan for place in span]
        online = [hours[place].recorded_agents if place in hours else math.nan for place in span]
        steps = [
            agents.stairs(
                figures, edges, baseline=None, color=color, linestyle=style, linewidth=2,
                label=drawn(label, chinese=chinese),
            )
            for label, figures, color, style in (
                (Words("所需客服（右轴）", "agents needed (right)"), needed, "#d35400", "-"),
                (Words("录得在线客服（右轴）", "agents online then (right)"), online, "#2c3e50", ":"),
            )
        ]  # fmt: skip
        arrivals.set_title(
            drawn(
                Words("各小时的来客和所需客服", "Buyers and the agents they need, by hour"),
                chinese=chinese,
            ),
            loc="left",
        )
        arrivals.set_xticks(places, [f"{place:02}" for place in places])
        for axes in (arrivals, agents):
            axes.set_ylim(bottom=0)
        agents.locator_params(axis="y", integer=True)
        legend_above(arrivals, [bars, *steps])


def _hour(hour: int) -> str:
    return f"{hour:02}:00"


def _count(count: float) -> str:
    return f"{count:.0f}" if count >= 10 or count == int(count) else f"{count:.1f}"


def _reached(hour: insight_pb2.StaffingHour) -> str:
    if hour.reached_half_width_percent:
        return f"{hour.reached_percent:.1f} ± {hour.reached_half_width_percent:.1f}%"
    return f"{hour.reached_percent:.1f}%"
