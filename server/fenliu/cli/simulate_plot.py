"""A simulation as a picture: receptions and first responses of each, recorded beside simulated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fenliu.cli.language import Words
from fenliu.cli.pictures import drawable, drawn, picture
from fenliu.v1 import insight_pb2

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHARTS = (
    ("received", 1, Words("接待人数", "Received")),
    ("first_response", 1000, Words("首次响应时间（秒）", "First response (s)")),
)
_KNOWN = insight_pb2.KPI_STATE_KNOWN


def draw(path: Path, response: insight_pb2.SimulateResponse, names: Mapping[str, str]) -> None:
    """Writes the PNG: of each subject what it has over all windows. Raises ClickException, OSError."""
    with picture(path, height=7) as (figure, chinese):
        for axes, (name, scale, title) in zip(figure.subplots(len(_CHARTS)), _CHARTS, strict=True):
            _bars(axes, response, names, name, scale, chinese=chinese)
            axes.set_title(drawn(title, chinese=chinese))


def _bars(
    axes: Axes,
    response: insight_pb2.SimulateResponse,
    names: Mapping[str, str],
    name: str,
    scale: int,
    *,
    chinese: bool,
) -> None:
    place = [column.name for column in response.columns].index(name)
    rows = range(len(response.recorded))
    for offset, label, side in (
        (-0.2, Words("记录", "recorded"), response.recorded),
        (0.2, Words("模拟", "simulated"), response.simulated),
    ):
        heights = [_value(side[row].kpis[place], scale) for row in rows]
        axes.bar(
            [row + offset for row in rows], heights, width=0.4, label=drawn(label, chinese=chinese)
        )
    for row, intervals in enumerate(response.intervals):
        interval = intervals.kpis[place]
        if interval.HasField("low"):
            ends = [_value(interval.low, scale), _value(interval.high, scale)]
            axes.plot([row + 0.2] * 2, ends, color="black", marker="_")
    shown = [
        drawable(names.get(row.subject_id, row.subject_id), row.subject_id, chinese=chinese)
        for row in response.recorded
    ]
    axes.set_xticks(list(rows), shown, rotation=45 if len(shown) > 8 else 0)
    axes.legend()


def _value(kpi: insight_pb2.Kpi, scale: int) -> float:
    return kpi.numerator / (kpi.denominator * scale) if kpi.state == _KNOWN else 0.0
