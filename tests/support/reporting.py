"""Reception reports as tests read them: asked over gRPC, told as plain figures."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from fenliu.v1 import insight_pb2
from support.scene import DAY, MIDNIGHT, Scene

UNDEFINED = "undefined"

Value = Fraction | str | int
"""A known figure, UNDEFINED, or "from" and when it will be known."""
Told = dict[tuple[str, int], dict[str, Any]]
"""By subject id and the beginning of the row's window, by KPI."""


def request(
    shop_id: str,
    start_ms: int,
    end_ms: int,
    by: str = "AGENT",
    grain: str = "WINDOW",
    **fields: Any,
) -> insight_pb2.GetReceptionReportRequest:
    return insight_pb2.GetReceptionReportRequest(
        shop_id=shop_id,
        window=insight_pb2.Window(start_ms=start_ms, end_ms=end_ms),
        subject=f"REPORT_SUBJECT_{by}",
        grain=f"REPORT_GRAIN_{grain}",
        **fields,
    )


def told(response: insight_pb2.GetReceptionReportResponse) -> Told:
    names = [column.name for column in response.columns]
    rows = {}
    for row in response.rows:
        assert [kpi.name for kpi in row.kpis] == names
        key = (row.subject_id, row.window.start_ms)
        assert key not in rows
        rows[key] = {kpi.name: value(kpi) for kpi in row.kpis}
    return rows


def value(kpi: insight_pb2.Kpi) -> Any:
    match kpi.state:
        case insight_pb2.KPI_STATE_KNOWN:
            assert kpi.known_at_ms == 0
            return Fraction(kpi.numerator, kpi.denominator)
        case insight_pb2.KPI_STATE_UNDEFINED:
            assert (kpi.denominator, kpi.known_at_ms) == (0, 0)
            return UNDEFINED
        case _:
            assert (kpi.numerator, kpi.denominator) == (0, 0)
            return f"from {kpi.known_at_ms}"


def report(
    scene: Scene, start_ms: int = MIDNIGHT, end_ms: int = MIDNIGHT + DAY, **asked: Any
) -> Told:
    """As `request`; the whole of the scene's first day unless said otherwise."""
    response = scene.call(
        "InsightService/GetReceptionReport",
        request(scene.shop_id, start_ms, end_ms, **asked),
        insight_pb2.GetReceptionReportResponse,
    )
    return told(response)


def row(scene: Scene, subject_id: str, **asked: Any) -> dict[str, Any]:
    """The one row of a subject over a whole window."""
    (only,) = [
        kpis for (subject, _), kpis in report(scene, **asked).items() if subject == subject_id
    ]
    return only
