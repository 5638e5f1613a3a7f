"""Reports of the same window beside each other: means and intervals over repetitions, and differences.

Exact: integers and fractions. Knows what a report is, and nothing of how it was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from fenliu.insight.reports.kpis import KPIS, KpiDefinition, kpis_of
from fenliu.v1 import insight_pb2

LOW_PERCENT, HIGH_PERCENT = 5, 95
"""Between these lie nine of ten repetitions."""

_KNOWN = insight_pb2.KPI_STATE_KNOWN
_LATER = insight_pb2.KPI_STATE_NOT_YET_KNOWN
_UNDEFINED = insight_pb2.KPI_STATE_UNDEFINED
_LARGEST = 2**63 - 1

Key = tuple[str, int, int]
"""Subject, and the beginning and the end of a row's window."""
Kpis = Sequence[insight_pb2.Kpi]


def compare(
    recorded: insight_pb2.GetReceptionReportResponse,
    simulated: Sequence[insight_pb2.GetReceptionReportResponse],
) -> insight_pb2.SimulateResponse:
    """The rows of both, their differences, and with several repetitions the intervals.

    All are reports of the same window, grain and kind of subject, as of the same time. A subject that only some
    of them have counts as one with no figures in the others.
    """
    real = _by_key(recorded)
    played = [_by_key(one) for one in simulated]
    keys = sorted(
        {key for rows in (real, *played) for key in rows}, key=lambda key: (key[1], key[0].encode())
    )
    response = insight_pb2.SimulateResponse(columns=recorded.columns, as_of_ms=recorded.as_of_ms)
    for key in keys:
        nothing = kpis_of({}, key[2], recorded.as_of_ms)
        ours = real.get(key, nothing)
        theirs = [rows.get(key, nothing) for rows in played]
        together = [_together(*one) for one in zip(KPIS, *theirs, strict=True)]
        subject_id, window = key[0], insight_pb2.Window(start_ms=key[1], end_ms=key[2])
        response.recorded.add(subject_id=subject_id, window=window, kpis=ours)
        response.simulated.add(subject_id=subject_id, window=window, kpis=together)
        response.differences.add(
            subject_id=subject_id,
            window=window,
            kpis=[_difference(*both) for both in zip(together, ours, strict=True)],
        )
        if len(played) > 1:
            response.intervals.add(
                subject_id=subject_id,
                window=window,
                kpis=[_interval(one) for one in zip(*theirs, strict=True)],
            )
    return response


def _by_key(report: insight_pb2.GetReceptionReportResponse) -> Mapping[Key, Kpis]:
    return {
        (row.subject_id, row.window.start_ms, row.window.end_ms): row.kpis for row in report.rows
    }


def _together(definition: KpiDefinition, *repetitions: insight_pb2.Kpi) -> insight_pb2.Kpi:
    """A count's mean; a ratio of all repetitions' sums."""
    first = repetitions[0]
    if len(repetitions) == 1 or first.state == _LATER:
        return first
    numerator = sum(one.numerator for one in repetitions)
    denominator = len(repetitions)
    if definition.denominator:
        denominator = sum(one.denominator for one in repetitions)
    return insight_pb2.Kpi(
        name=first.name,
        state=_KNOWN if denominator else _UNDEFINED,
        numerator=numerator if denominator else 0,
        denominator=denominator,
    )


def _difference(simulated: insight_pb2.Kpi, recorded: insight_pb2.Kpi) -> insight_pb2.KpiDifference:
    difference = insight_pb2.KpiDifference(name=recorded.name, state=_KNOWN)
    for kpi in (simulated, recorded):
        if kpi.state != _KNOWN:
            difference.state = kpi.state
            return difference
    exact = _value(simulated) - _value(recorded)
    if exact.denominator > _LARGEST or abs(exact.numerator) > _LARGEST:
        exact = Fraction(round(exact))  # what the fields do not hold
    difference.numerator, difference.denominator = exact.numerator, exact.denominator
    return difference


def _interval(repetitions: Kpis) -> insight_pb2.KpiInterval:
    """Nearest rank: both ends are figures that came out."""
    found = sorted((one for one in repetitions if one.state == _KNOWN), key=_value)
    interval = insight_pb2.KpiInterval(name=repetitions[0].name)
    if found:
        low, high = (-(-percent * len(found) // 100) for percent in (LOW_PERCENT, HIGH_PERCENT))
        interval.low.CopyFrom(found[low - 1])
        interval.high.CopyFrom(found[high - 1])
    return interval


def _value(kpi: insight_pb2.Kpi) -> Fraction:
    return Fraction(kpi.numerator, kpi.denominator)
