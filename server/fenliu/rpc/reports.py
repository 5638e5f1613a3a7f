"""GetReceptionReport: reads the request, asks insight, answers. Knows no KPI and reads no table."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from fenliu.dispatch import Dispatcher
from fenliu.engine import QueryKind
from fenliu.engine.ids import broken_id_rule
from fenliu.insight.reports.reports import Reports
from fenliu.rpc.context import Context, now_ms
from fenliu.rpc.errors import engine_refusal, invalid, malformed
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

MAX_SUBJECTS = 1_000
MAX_MS = 9_007_199_254_740_991


class ReportMethods:
    """The behaviours; built for one server."""

    def __init__(self, dispatcher: Dispatcher, reports: Reports) -> None:
        self._dispatcher = dispatcher
        self._reports = reports

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.InsightService/GetReceptionReport": self.get_reception_report}

    async def get_reception_report(self, request: bytes, context: Context) -> bytes:
        """GetReceptionReport."""
        wanted = insight_pb2.GetReceptionReportRequest()
        try:
            wanted.MergeFromString(request)
        except DecodeError:
            raise malformed(wanted.DESCRIPTOR.full_name) from None
        _check(wanted)
        # The shop must exist; and what is due by now is applied, so that it is in the log.
        given = now_ms(context)
        answer = await self._dispatcher.query(
            QueryKind.GET_SHOP,
            shop_pb2.GetShopRequest(shop_id=wanted.shop_id).SerializeToString(),
            now_ms=given,
        )
        if answer.code:
            raise engine_refusal(answer.body)
        clock = self._dispatcher.clock
        at_ms = clock.now_ms(given) if clock.runs or given is not None else 0
        response = await self._reports.report(wanted, at_ms)
        return response.SerializeToString()


def _check(wanted: insight_pb2.GetReceptionReportRequest) -> None:
    """What can be judged by looking at the request. Raises Refusal."""
    if (rule := broken_id_rule(wanted.shop_id)) is not None:
        raise invalid("shop_id", rule)
    if not wanted.HasField("window"):
        raise invalid("window", "required")
    for name in ("start_ms", "end_ms"):
        if not 0 <= getattr(wanted.window, name) <= MAX_MS:
            raise invalid(f"window.{name}", f"must be within 0..{MAX_MS}")
    if wanted.window.end_ms < wanted.window.start_ms:
        raise invalid("window.end_ms", "the window ends before it begins")
    if wanted.window.end_ms == wanted.window.start_ms:
        raise invalid("window.end_ms", "the window is empty: its end is not included")
    for name, known in (
        ("grain", insight_pb2.ReportGrain),
        ("subject", insight_pb2.ReportSubject),
        ("language", types_pb2.Language),
    ):
        if getattr(wanted, name) not in known.values():
            raise invalid(name, "unknown value")
    if len(wanted.subject_ids) > MAX_SUBJECTS:
        raise invalid("subject_ids", f"at most {MAX_SUBJECTS} elements")
    if wanted.subject_ids and wanted.subject == insight_pb2.REPORT_SUBJECT_SHOP:
        raise invalid("subject_ids", "only with AGENT or GROUP")
    for number, subject_id in enumerate(wanted.subject_ids):
        if (rule := broken_id_rule(subject_id)) is not None:
            raise invalid(f"subject_ids[{number}]", rule)
