"""GetReceptionReport: reads the request, asks insight, answers. Knows no KPI and reads no table."""

from __future__ import annotations

from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.insight.reports.reports import Reports
from fenliu.rpc.checks import check_id, check_known, check_shop_and_window, decoded
from fenliu.rpc.context import Context
from fenliu.rpc.errors import invalid
from fenliu.rpc.insight import find_shop
from fenliu.v1 import insight_pb2, types_pb2

MAX_SUBJECTS = 1_000


class ReportMethods:
    """The behaviours; built for one server."""

    def __init__(self, dispatcher: Dispatching, reports: Reports) -> None:
        self._dispatcher = dispatcher
        self._reports = reports

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.InsightService/GetReceptionReport": self.get_reception_report}

    async def get_reception_report(self, request: bytes, context: Context) -> bytes:
        """GetReceptionReport."""
        wanted = decoded(insight_pb2.GetReceptionReportRequest, request)
        _check(wanted)
        at_ms = await find_shop(self._dispatcher, wanted.shop_id, context)
        return await self._reports.report(wanted, at_ms, time_s=context.time_remaining())


def _check(wanted: insight_pb2.GetReceptionReportRequest) -> None:
    """What can be judged by looking at the request. Raises Refusal."""
    check_shop_and_window(wanted)
    check_known("grain", wanted.grain, insight_pb2.ReportGrain)
    check_known("subject", wanted.subject, insight_pb2.ReportSubject)
    check_known("language", wanted.language, types_pb2.Language)
    if len(wanted.subject_ids) > MAX_SUBJECTS:
        raise invalid("subject_ids", f"at most {MAX_SUBJECTS} elements")
    if wanted.subject_ids and wanted.subject == insight_pb2.REPORT_SUBJECT_SHOP:
        raise invalid("subject_ids", "only with AGENT or GROUP")
    for number, subject_id in enumerate(wanted.subject_ids):
        check_id(f"subject_ids[{number}]", subject_id)
