"""WatchShadow: reads the request, has insight follow the log beside the live shop, passes on what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.insight.errors import EngineRefused, ReportRefused
from fenliu.insight.jobs.jobs import Jobs
from fenliu.insight.reports.reports import Reports
from fenliu.insight.shadow.asking import asked
from fenliu.rpc.checks import MAX_MS, check_id, check_known, check_within, decoded
from fenliu.rpc.context import Context
from fenliu.rpc.errors import invalid
from fenliu.rpc.insight import find_shop
from fenliu.rpc.slow_readers import cut_off_when_slow
from fenliu.rpc.supposed_shops import findings, refused_shop
from fenliu.v1 import insight_pb2, types_pb2

_GO_ON = "the same since_ms gives the same again"
_FIELD = "candidate_shop"


class ShadowStreams:
    """The shadows of one server."""

    def __init__(
        self, dispatcher: Dispatching, reports: Reports, jobs: Jobs, *, slow_reader_ms: int
    ) -> None:
        self._dispatcher = dispatcher
        self._reports = reports
        self._jobs = jobs
        self._slow_reader_ms = slow_reader_ms

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.InsightService/WatchShadow": self.watch_shadow}

    async def watch_shadow(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """WatchShadow: until the client ends, the server drains, or the client does not read."""
        wanted = decoded(insight_pb2.WatchShadowRequest, request)
        if not wanted.HasField(_FIELD):
            raise invalid(_FIELD, "required")
        shop = wanted.candidate_shop
        check_id(f"{_FIELD}.shop_id", shop.shop_id)
        check_within("since_ms", wanted.since_ms, 0, MAX_MS)
        check_known("language", wanted.language, types_pb2.Language)
        at_ms = await find_shop(self._dispatcher, shop.shop_id, context)
        if wanted.since_ms:
            try:
                await self._reports.known_until(shop.shop_id, wanted.since_ms, MAX_MS, at_ms)
            except ReportRefused as error:  # it asks of a window
                raise invalid("since_ms", error.rule) from None
        first = insight_pb2.WatchShadowResponse(findings=findings(shop, wanted.language))
        told = first.SerializeToString()  # goes before the first message, and so becomes part of it
        with cut_off_when_slow(context, self._slow_reader_ms, _GO_ON) as offer:
            try:
                async with aclosing(self._jobs.stream("shadow", asked(wanted, at_ms))) as messages:
                    async for message in messages:
                        offer.begin()
                        yield told + message
                        offer.end()
                        told = b""
            except EngineRefused as error:
                raise refused_shop(error.status, shop, _FIELD, wanted.language) from None
