"""A report as a picture: arrivals and load over time, and each agent's share against the weight."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from fenliu.cli.language import Words
from fenliu.cli.pictures import agent_names, drawn, legend_above, picture
from fenliu.traffic.shares import DEFAULT_WEIGHT
from fenliu.v1 import insight_pb2, shop_pb2

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHANGHAI = timezone(timedelta(hours=8))
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Day:
    """What is drawn."""

    over_time: insight_pb2.GetReceptionReportResponse
    """The shop's rows, by the hour or by the day."""
    agents: insight_pb2.GetReceptionReportResponse
    """The agents' rows over the whole window."""
    by_hour: bool


def draw(path: Path, day: Day, shop: shop_pb2.Shop) -> None:
    """Writes the PNG. Raises ClickException without matplotlib, OSError."""
    with picture(path, height=9) as (figure, chinese):
        arrivals, load, shares = figure.subplots(3)
        _over_time(arrivals, load, day, chinese=chinese)
        _shares(shares, day, shop, chinese=chinese)


def _over_time(arrivals: Axes, load: Axes, day: Day, *, chinese: bool) -> None:
    rows = day.over_time.rows
    pattern = "%H" if day.by_hour else "%m-%d"
    labels = [
        f"{datetime.fromtimestamp(row.window.start_ms // 1000, _SHANGHAI):{pattern}}"
        for row in rows
    ]
    places = range(len(rows))
    arrivals.bar(places, [_value(day.over_time, row, "consulted") for row in rows])
    arrivals.set_title(drawn(Words("咨询人数", "Buyers who asked"), chinese=chinese), loc="left")
    load.plot(
        places,
        [
            _value(day.over_time, row, "online_time") / (row.window.end_ms - row.window.start_ms)
            for row in rows
        ],
        drawstyle="steps-mid",
        marker=".",
        label=drawn(Words("在线客服数", "agents online"), chinese=chinese),
    )
    load.plot(
        places,
        [_per_hour(day.over_time, row) for row in rows],
        drawstyle="steps-mid",
        marker=".",
        label=drawn(
            Words("每位在线客服每小时接待", "received per agent and hour online"), chinese=chinese
        ),
    )
    load.set_title(drawn(Words("负荷", "Load"), chinese=chinese), loc="left")
    legend_above(load)
    step = max(1, len(rows) // 24)
    for axes in (arrivals, load):
        axes.set_xticks(list(places)[::step], labels[::step])
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.set_ylim(bottom=0)


def _shares(axes: Axes, day: Day, shop: shop_pb2.Shop, *, chinese: bool) -> None:
    """Of those who have a weight now or received somebody."""
    weights = {
        agent.agent_id: agent.weight if agent.HasField("weight") else DEFAULT_WEIGHT
        for agent in shop.agents
    }
    received = {row.subject_id: _value(day.agents, row, "received") for row in day.agents.rows}
    agents = sorted(set(weights) | {one for one, count in received.items() if count})
    places = range(len(agents))
    for offset, label, counts in (
        (-0.2, drawn(Words("接待份额", "share received"), chinese=chinese), received),
        (0.2, drawn(Words("权重份额", "share of weights"), chinese=chinese), weights),
    ):
        whole = sum(counts.get(agent, 0) for agent in agents) or 1
        heights = [100 * counts.get(agent, 0) / whole for agent in agents]
        axes.bar([place + offset for place in places], heights, width=0.4, label=label)
    names = agent_names(agents, shop, chinese=chinese)
    axes.set_xticks(list(places), names, rotation=45 if len(agents) > 8 else 0)
    axes.set_title(
        drawn(Words("份额与权重（%）", "Shares and weights (%)"), chinese=chinese), loc="left"
    )
    legend_above(axes)


def _value(
    response: insight_pb2.GetReceptionReportResponse, row: insight_pb2.ReportRow, name: str
) -> int:
    """A count or a sum of a row."""
    place = [column.name for column in response.columns].index(name)
    return row.kpis[place].numerator


def _per_hour(
    response: insight_pb2.GetReceptionReportResponse, row: insight_pb2.ReportRow
) -> float:
    online_ms = _value(response, row, "online_time")
    return _value(response, row, "received") * _HOUR_MS / online_ms if online_ms else 0.0
