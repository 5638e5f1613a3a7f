"""A plan as a job (insight/jobs): reads the tables, searches, answers with one message."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Callable
from contextlib import closing

from fenliu.insight.errors import ReportRefused, ReportsBehind
from fenliu.insight.reports.schema import FILE, open_for_reading
from fenliu.insight.reports.windows import known_until
from fenliu.insight.staffing.plan import Asked, model_for, plan
from fenliu.insight.staffing.recorded import Hours, Recorded, arrivals_of, recorded
from fenliu.insight.staffing.wording import Needed, assumptions, guidance
from fenliu.journal import SqliteReader
from fenliu.v1 import insight_pb2

TARGET_PERCENT = 80
TARGET_MS = 30_000
MOST_AGENTS = 200
_RETRY_MS = 2_000
_HOURS = 24


def asked(request: insight_pb2.PlanStaffingRequest, now_ms: int) -> bytes:
    """What the job is given. `now_ms`: the time it is; 0: that of the shop's last log entry."""
    return now_ms.to_bytes(8, "big") + request.SerializeToString()


def run(reader: SqliteReader, given: bytes, emit: Callable[[bytes], None]) -> None:
    """Sends the PlanStaffingResponse. Raises ReportRefused, ReportsBehind."""
    now_ms = int.from_bytes(given[:8], "big")
    request = insight_pb2.PlanStaffingRequest.FromString(given[8:])
    connection = open_for_reading(reader.directory / FILE, reader.data_id)
    if connection is None:
        raise ReportsBehind("they are being made anew", _RETRY_MS)
    with closing(connection):
        try:
            response = answer(connection, request, now_ms)
        except sqlite3.Error as error:
            raise ReportsBehind("the tables cannot be read", _RETRY_MS) from error
    emit(response.SerializeToString())


def answer(
    connection: sqlite3.Connection, request: insight_pb2.PlanStaffingRequest, now_ms: int
) -> insight_pb2.PlanStaffingResponse:
    """The plan. Raises ReportRefused, sqlite3.Error."""
    shop_id, window = request.shop_id, request.window
    as_of_ms = known_until(connection, shop_id, window.start_ms, window.end_ms, now_ms)
    known = recorded(connection, shop_id, window, as_of_ms)
    multiplier = request.multiplier_percent or 100
    arrivals = {hour: count * multiplier / 100 for hour, count in known.hours.arrivals.items()}
    shaped = request.HasField("shape_window")
    if shaped:
        arrivals = _shaped(connection, request, now_ms, known.hours, multiplier)
    patience_ms = float(request.patience_ms) if request.patience_ms else known.patience_ms
    concurrency = request.concurrency or 1
    model = model_for(request.model, concurrency, patience_ms)
    wanted = Asked(
        target=(request.target_percent or TARGET_PERCENT) / 100,
        target_ms=request.target_ms or TARGET_MS,
        concurrency=concurrency,
        most_agents=request.most_agents or MOST_AGENTS,
        model=model,
        patience_ms=None if model == insight_pb2.STAFFING_MODEL_ERLANG_C else patience_ms,
        seed=request.seed,
    )
    hours = plan(wanted, known, arrivals)
    needed = Needed(
        arrivals=sum(arrivals.values()),
        agent_hours=float(sum(one.agents for one in hours)),
        peak_agents=max(one.agents for one in hours),
    )
    verdict, text = guidance(needed, request.language)
    return insight_pb2.PlanStaffingResponse(
        hours=[
            insight_pb2.StaffingHour(
                hour=one.hour,
                arrivals=one.arrivals,
                agents=one.agents,
                reached_percent=100 * one.reached,
                reached_half_width_percent=100 * one.half_width,
                occupancy_percent=100 * one.occupancy,
                mean_wait_ms=one.mean_wait_ms,
                abandoned_percent=100 * one.abandoned,
                recorded_arrivals=known.hours.arrivals.get(one.hour, 0.0),
                recorded_agents=known.hours.online.get(one.hour, 0.0),
            )
            for one in hours
        ],
        model=model,
        arrivals=needed.arrivals,
        agent_hours=needed.agent_hours,
        peak_agents=needed.peak_agents,
        people=needed.people,
        guidance=verdict,
        guidance_text=text,
        assumptions=assumptions(
            wanted,
            known,
            multiplier_percent=multiplier,
            shaped=shaped,
            patience_given=bool(request.patience_ms),
            language=request.language,
        ),
        handling_ms=_handling_ms(known),
        patience_ms=wanted.patience_ms or 0.0,
        as_of_ms=as_of_ms,
    )


def _handling_ms(known: Recorded) -> float:
    return statistics.fmean(takes for takes, _ in known.handling.with_buyers(1))


def _shaped(
    connection: sqlite3.Connection,
    request: insight_pb2.PlanStaffingRequest,
    now_ms: int,
    recorded_hours: Hours,
    multiplier: int,
) -> dict[int, float]:
    """The window's day, multiplied, in the shape of the other one's."""
    shape_window = request.shape_window
    try:
        as_of_ms = known_until(
            connection, request.shop_id, shape_window.start_ms, shape_window.end_ms, now_ms
        )
    except ReportRefused as error:
        raise ReportRefused(f"shape_{error.field}", error.rule) from None
    for field, hours in (
        ("window", recorded_hours.arrivals),
        ("shape_window", shape := arrivals_of(connection, request.shop_id, shape_window, as_of_ms)),
    ):
        if len(hours) < _HOURS:
            rule = f"only {len(hours)} hours of the day are in it: a day in the shape of another needs all"
            raise ReportRefused(field, rule)
    whole = sum(recorded_hours.arrivals.values()) * multiplier / 100
    return {hour: whole * count / sum(shape.values()) for hour, count in shape.items()}
