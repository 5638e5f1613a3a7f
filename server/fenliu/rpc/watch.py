"""WatchAssignments: the life of a watcher's stream, from its token to its end.

A message is made when the one before has gone out, so a slow reader holds up nobody but itself; one
that reads nothing for too long is cut off. What an event is, and where it stands, is insight's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fenliu.dispatch import Dispatching
from fenliu.engine import QueryKind
from fenliu.insight.watch import AssignmentWatch
from fenliu.rpc.checks import decoded
from fenliu.rpc.context import Context
from fenliu.rpc.errors import draining, engine_refusal
from fenliu.rpc.slow_readers import cut_off_when_slow
from fenliu.v1 import dispatch_pb2, shop_pb2

_GO_ON = "the last message's resume_token goes on behind it"


class WatchStreams:
    """The watchers of this process."""

    def __init__(
        self, dispatcher: Dispatching, watch: AssignmentWatch, *, slow_reader_ms: int
    ) -> None:
        self._dispatcher = dispatcher
        self._watch = watch
        self._slow_reader_ms = slow_reader_ms
        self._draining = False

    def handlers(self) -> dict[str, Any]:
        """The behaviours, by method path."""
        return {"/fenliu.v1.DispatchService/WatchAssignments": self.watch_assignments}

    def drain(self) -> None:
        """Ends every stream with UNAVAILABLE, after the message it is at."""
        self._draining = True
        self._watch.stop()

    async def watch_assignments(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Events until the client ends, the server drains, or the client does not read."""
        wanted = decoded(dispatch_pb2.WatchAssignmentsRequest, request)
        if wanted.shop_id:
            await self._find(wanted.shop_id)
        with cut_off_when_slow(context, self._slow_reader_ms, _GO_ON) as offer:
            async for event in self._watch.watch(wanted.shop_id, wanted.resume_token):
                offer.begin()
                yield event.SerializeToString()
                offer.end()
                if self._draining:
                    break
        raise draining()

    async def _find(self, shop_id: str) -> None:
        """Refuses, as the engine does, a shop that is none."""
        answer = await self._dispatcher.query(
            QueryKind.GET_SHOP, shop_pb2.GetShopRequest(shop_id=shop_id).SerializeToString()
        )
        if answer.code:
            raise engine_refusal(answer.body)
