"""`FenliuClient`: one typed coroutine for each method of the API that is built.

Every method raises `FenliuError`. With patience, unary calls that could not be served are sent again,
unchanged, until the patience is used up; ids are filled in first so that nothing happens twice.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from fenliu.client.errors import FenliuError
from fenliu.client.retry import pause_s, retried
from fenliu.v1 import dispatch_pb2, insight_pb2, operator_pb2, presence_pb2, shop_pb2

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)

_DISPATCH = "/fenliu.v1.DispatchService/"
_PRESENCE = "/fenliu.v1.PresenceService/"
_SHOP = "/fenliu.v1.ShopService/"
_INSIGHT = "/fenliu.v1.InsightService/"
_OPERATOR = "/fenliu.v1.OperatorService/"

_CHANNEL_OPTIONS = (
    # A restarted server is noticed within a second instead of gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


class FenliuClient:
    """A connection to one server; an async context manager.

    `actor` (printable ASCII, else ValueError) goes with every call as who acts. `patience_s` is how
    long, in seconds, one unary call keeps trying while the server is away or overloaded; 0 tries
    once. `timeout_s` bounds each try.
    `now_ms` of a method is the recorded time, Unix milliseconds, for a server on the trace clock.
    """

    def __init__(
        self, target: str, *, actor: str = "", patience_s: float = 0.0, timeout_s: float = 30.0
    ) -> None:
        if not (actor.isascii() and actor.isprintable()):
            raise ValueError("actor must be printable ASCII: metadata carries nothing else")
        self.target = target
        self._actor = actor
        self._patience_s = patience_s
        self._timeout_s = timeout_s
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self.target, options=_CHANNEL_OPTIONS)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and every call on it."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    # DispatchService

    async def route(
        self, request: dispatch_pb2.RouteRequest, *, now_ms: int | None = None
    ) -> dispatch_pb2.RouteResponse:
        """Decides one inquiry."""
        request = self._with_id(request, "request_id")
        return await self._unary(_DISPATCH + "Route", request, dispatch_pb2.RouteResponse, now_ms)

    async def route_batch(
        self, requests: Iterable[dispatch_pb2.RouteRequest], *, now_ms: int | None = None
    ) -> list[dispatch_pb2.RouteResult]:
        """Decides many; each result carries its response or its own refusal, in order."""
        batch = dispatch_pb2.RouteBatchRequest(
            requests=[self._with_id(request, "request_id") for request in requests]
        )
        response = await self._unary(
            _DISPATCH + "RouteBatch", batch, dispatch_pb2.RouteBatchResponse, now_ms
        )
        return list(response.results)

    def route_stream(
        self,
        batches: AsyncIterator[dispatch_pb2.RouteStreamRequest],
        *,
        now_ms: int | None = None,
    ) -> AsyncIterator[dispatch_pb2.RouteStreamResponse]:
        """Batches in, answers out in the order sent; many may be under way. Not retried."""
        return self._stream(
            _DISPATCH + "RouteStream",
            batches,
            dispatch_pb2.RouteStreamRequest,
            dispatch_pb2.RouteStreamResponse,
            now_ms,
        )

    async def transfer(
        self, request: dispatch_pb2.TransferRequest, *, now_ms: int | None = None
    ) -> dispatch_pb2.TransferResponse:
        """Hands an open conversation to another agent or group."""
        request = self._with_id(request, "request_id")
        return await self._unary(
            _DISPATCH + "Transfer", request, dispatch_pb2.TransferResponse, now_ms
        )

    async def close_conversation(
        self, request: dispatch_pb2.CloseConversationRequest, *, now_ms: int | None = None
    ) -> dispatch_pb2.CloseConversationResponse:
        """Ends a conversation."""
        request = self._with_id(request, "request_id")
        return await self._unary(
            _DISPATCH + "CloseConversation",
            request,
            dispatch_pb2.CloseConversationResponse,
            now_ms,
        )

    async def cancel_inquiry(
        self, request: dispatch_pb2.CancelInquiryRequest, *, now_ms: int | None = None
    ) -> dispatch_pb2.CancelInquiryResponse:
        """Takes a buyer out of the queue or the pool; says whether the buyer was in one."""
        request = self._with_id(request, "request_id")
        return await self._unary(
            _DISPATCH + "CancelInquiry", request, dispatch_pb2.CancelInquiryResponse, now_ms
        )

    async def report_messages(
        self,
        batches: AsyncIterator[dispatch_pb2.ReportMessagesRequest],
        *,
        now_ms: int | None = None,
    ) -> dispatch_pb2.ReportMessagesResponse:
        """Reports batches of message events as they come; one answer counts them. Not retried."""
        call = self._connected().stream_unary(
            _DISPATCH + "ReportMessages",
            request_serializer=dispatch_pb2.ReportMessagesRequest.SerializeToString,
            response_deserializer=dispatch_pb2.ReportMessagesResponse.FromString,
        )
        try:
            return await call(batches, metadata=self._metadata(now_ms))
        except grpc.aio.AioRpcError as error:
            raise FenliuError.from_rpc(error) from None

    async def report_messages_batch(
        self, events: Iterable[dispatch_pb2.MessageEvent], *, now_ms: int | None = None
    ) -> list[dispatch_pb2.MessageResult]:
        """Reports message events; each result says whether that one was taken, in order."""
        batch = dispatch_pb2.ReportMessagesBatchRequest(
            events=[self._with_id(event, "event_id") for event in events]
        )
        response = await self._unary(
            _DISPATCH + "ReportMessagesBatch",
            batch,
            dispatch_pb2.ReportMessagesBatchResponse,
            now_ms,
        )
        return list(response.results)

    async def report_orders(
        self, orders: Iterable[dispatch_pb2.OrderEvent], *, now_ms: int | None = None
    ) -> list[dispatch_pb2.OrderResult]:
        """Reports order events; each result says whether that one was taken, in order."""
        batch = dispatch_pb2.ReportOrdersRequest(
            orders=[self._with_id(order, "event_id") for order in orders]
        )
        response = await self._unary(
            _DISPATCH + "ReportOrders", batch, dispatch_pb2.ReportOrdersResponse, now_ms
        )
        return list(response.results)

    async def watch_assignments(
        self, shop_id: str = "", *, resume_token: str = ""
    ) -> AsyncIterator[dispatch_pb2.WatchAssignmentsResponse]:
        """Follows who gets which buyer, in one shop or (empty) in all; without an end.

        Begins right after the message that had `resume_token`, empty: now. Messages without a buyer
        only have a token: the first one, and one whenever the stream was resumed, which with patience
        happens by itself while the server is away.
        """
        patience = _Patience(self._patience_s)
        while True:
            request = dispatch_pb2.WatchAssignmentsRequest(
                shop_id=shop_id, resume_token=resume_token
            )
            call = self._connected().unary_stream(
                _DISPATCH + "WatchAssignments",
                request_serializer=dispatch_pb2.WatchAssignmentsRequest.SerializeToString,
                response_deserializer=dispatch_pb2.WatchAssignmentsResponse.FromString,
            )(request, metadata=self._metadata(None))
            try:
                async for message in call:
                    resume_token = message.resume_token
                    patience.renew()
                    yield message
                return
            except grpc.aio.AioRpcError as rpc_error:
                error = FenliuError.from_rpc(rpc_error)
            finally:
                call.cancel()  # The caller stopped listening; after the end this does nothing.
            await patience.wait(error)

    # PresenceService

    def stream_presence(
        self,
        requests: AsyncIterator[presence_pb2.StreamPresenceRequest],
        *,
        now_ms: int | None = None,
    ) -> AsyncIterator[presence_pb2.StreamPresenceResponse]:
        """One presence session: `hello` first, then updates and heartbeats. Not retried."""
        return self._stream(
            _PRESENCE + "StreamPresence",
            requests,
            presence_pb2.StreamPresenceRequest,
            presence_pb2.StreamPresenceResponse,
            now_ms,
        )

    async def set_presence(
        self, request: presence_pb2.SetPresenceRequest, *, now_ms: int | None = None
    ) -> presence_pb2.AgentPresence:
        """Sets an agent's state as a manager does; it holds without a lease."""
        response = await self._unary(
            _PRESENCE + "SetPresence", request, presence_pb2.SetPresenceResponse, now_ms
        )
        return response.presence

    async def list_presence(
        self, shop_id: str, *, now_ms: int | None = None
    ) -> list[presence_pb2.AgentPresence]:
        """The state of a shop's agents, by agent id."""
        request = presence_pb2.ListPresenceRequest(shop_id=shop_id)
        response = await self._unary(
            _PRESENCE + "ListPresence", request, presence_pb2.ListPresenceResponse, now_ms
        )
        return list(response.agents)

    # ShopService

    async def apply_shop(
        self, shop: shop_pb2.Shop, *, now_ms: int | None = None
    ) -> shop_pb2.ApplyShopResponse:
        """Makes the shop exactly as the document says."""
        request = shop_pb2.ApplyShopRequest(shop=shop)
        return await self._unary(_SHOP + "ApplyShop", request, shop_pb2.ApplyShopResponse, now_ms)

    async def get_shop(self, shop_id: str, *, now_ms: int | None = None) -> shop_pb2.Shop:
        """The stored document, every default filled in."""
        request = shop_pb2.GetShopRequest(shop_id=shop_id)
        response = await self._unary(_SHOP + "GetShop", request, shop_pb2.GetShopResponse, now_ms)
        return response.shop

    async def list_shops(self, *, now_ms: int | None = None) -> list[shop_pb2.ShopSummary]:
        """All shops by id, read page by page."""
        shops: list[shop_pb2.ShopSummary] = []
        request = shop_pb2.ListShopsRequest(page_size=1000)
        while True:
            page = await self._unary(
                _SHOP + "ListShops", request, shop_pb2.ListShopsResponse, now_ms
            )
            shops += page.shops
            if not page.next_page_token:
                return shops
            request.page_token = page.next_page_token

    async def delete_shop(
        self, shop_id: str, *, etag: str = "", force: bool = False, now_ms: int | None = None
    ) -> str:
        """Deletes a shop; gives the change's id in its history, with which it can be undone.

        With `etag` only that version. Without `force` a shop with open conversations or waiting
        buyers is refused (SHOP_IN_USE).
        """
        request = shop_pb2.DeleteShopRequest(shop_id=shop_id, etag=etag, force=force)
        response = await self._unary(
            _SHOP + "DeleteShop", request, shop_pb2.DeleteShopResponse, now_ms
        )
        return response.etag

    async def set_weights(
        self, request: shop_pb2.SetWeightsRequest, *, now_ms: int | None = None
    ) -> shop_pb2.SetWeightsResponse:
        """Sets many agents' weights, all or none."""
        return await self._unary(_SHOP + "SetWeights", request, shop_pb2.SetWeightsResponse, now_ms)

    async def update_shop(
        self,
        shop: shop_pb2.Shop,
        paths: Iterable[str] = (),
        *,
        now_ms: int | None = None,
    ) -> shop_pb2.Shop:
        """Changes these fields, such as "settings.busy_threshold"; none: those that are set."""
        request = shop_pb2.UpdateShopRequest(shop=shop, update_mask=FieldMask(paths=paths))
        response = await self._unary(
            _SHOP + "UpdateShop", request, shop_pb2.UpdateShopResponse, now_ms
        )
        return response.shop

    async def create_agent(
        self, request: shop_pb2.CreateAgentRequest, *, now_ms: int | None = None
    ) -> shop_pb2.CreateAgentResponse:
        """Adds an agent to a shop."""
        return await self._unary(
            _SHOP + "CreateAgent", request, shop_pb2.CreateAgentResponse, now_ms
        )

    async def get_agent(
        self, shop_id: str, agent_id: str, *, now_ms: int | None = None
    ) -> shop_pb2.Agent:
        """An agent as stored."""
        request = shop_pb2.GetAgentRequest(shop_id=shop_id, agent_id=agent_id)
        response = await self._unary(_SHOP + "GetAgent", request, shop_pb2.GetAgentResponse, now_ms)
        return response.agent

    async def list_agents(self, shop_id: str, *, now_ms: int | None = None) -> list[shop_pb2.Agent]:
        """A shop's agents by id, read page by page."""
        agents: list[shop_pb2.Agent] = []
        request = shop_pb2.ListAgentsRequest(shop_id=shop_id, page_size=1000)
        while True:
            page = await self._unary(
                _SHOP + "ListAgents", request, shop_pb2.ListAgentsResponse, now_ms
            )
            agents += page.agents
            if not page.next_page_token:
                return agents
            request.page_token = page.next_page_token

    async def update_agent(
        self, request: shop_pb2.UpdateAgentRequest, *, now_ms: int | None = None
    ) -> shop_pb2.UpdateAgentResponse:
        """Changes the fields of the mask; without one those that are set."""
        return await self._unary(
            _SHOP + "UpdateAgent", request, shop_pb2.UpdateAgentResponse, now_ms
        )

    async def delete_agent(
        self, shop_id: str, agent_id: str, *, etag: str = "", now_ms: int | None = None
    ) -> str:
        """Takes an agent out of a shop; gives the shop's etag after."""
        request = shop_pb2.DeleteAgentRequest(shop_id=shop_id, agent_id=agent_id, etag=etag)
        response = await self._unary(
            _SHOP + "DeleteAgent", request, shop_pb2.DeleteAgentResponse, now_ms
        )
        return response.etag

    async def create_group(
        self, request: shop_pb2.CreateGroupRequest, *, now_ms: int | None = None
    ) -> shop_pb2.CreateGroupResponse:
        """Adds a group to a shop."""
        return await self._unary(
            _SHOP + "CreateGroup", request, shop_pb2.CreateGroupResponse, now_ms
        )

    async def get_group(
        self, shop_id: str, group_id: str, *, now_ms: int | None = None
    ) -> shop_pb2.Group:
        """A group as stored."""
        request = shop_pb2.GetGroupRequest(shop_id=shop_id, group_id=group_id)
        response = await self._unary(_SHOP + "GetGroup", request, shop_pb2.GetGroupResponse, now_ms)
        return response.group

    async def list_groups(self, shop_id: str, *, now_ms: int | None = None) -> list[shop_pb2.Group]:
        """A shop's groups by id, read page by page."""
        groups: list[shop_pb2.Group] = []
        request = shop_pb2.ListGroupsRequest(shop_id=shop_id, page_size=1000)
        while True:
            page = await self._unary(
                _SHOP + "ListGroups", request, shop_pb2.ListGroupsResponse, now_ms
            )
            groups += page.groups
            if not page.next_page_token:
                return groups
            request.page_token = page.next_page_token

    async def update_group(
        self, request: shop_pb2.UpdateGroupRequest, *, now_ms: int | None = None
    ) -> shop_pb2.UpdateGroupResponse:
        """Changes the fields of the mask; without one those that are set."""
        return await self._unary(
            _SHOP + "UpdateGroup", request, shop_pb2.UpdateGroupResponse, now_ms
        )

    async def delete_group(
        self, shop_id: str, group_id: str, *, etag: str = "", now_ms: int | None = None
    ) -> str:
        """Takes a group out of a shop; gives the shop's etag after."""
        request = shop_pb2.DeleteGroupRequest(shop_id=shop_id, group_id=group_id, etag=etag)
        response = await self._unary(
            _SHOP + "DeleteGroup", request, shop_pb2.DeleteGroupResponse, now_ms
        )
        return response.etag

    async def audit_entries(
        self, shop_id: str, *, page_size: int = 0
    ) -> AsyncIterator[shop_pb2.AuditEntry]:
        """A shop's changes, newest first, read page by page as they are asked for."""
        request = shop_pb2.ListAuditEntriesRequest(shop_id=shop_id, page_size=page_size)
        while True:
            page = await self._unary(
                _SHOP + "ListAuditEntries", request, shop_pb2.ListAuditEntriesResponse, None
            )
            for entry in page.entries:
                yield entry
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def undo_change(
        self, shop_id: str, change_id: str, *, etag: str = "", now_ms: int | None = None
    ) -> shop_pb2.Shop:
        """Makes the shop as it was before its last change, which must be this one."""
        request = shop_pb2.UndoChangeRequest(shop_id=shop_id, change_id=change_id, etag=etag)
        response = await self._unary(
            _SHOP + "UndoChange", request, shop_pb2.UndoChangeResponse, now_ms
        )
        return response.shop

    async def lint_shop(self, target: str | shop_pb2.Shop) -> list[shop_pb2.LintFinding]:
        """What is valid but cannot work as meant: in a stored shop, by id, or in a document."""
        if isinstance(target, str):
            request = shop_pb2.LintShopRequest(shop_id=target)
        else:
            request = shop_pb2.LintShopRequest(shop=target)
        response = await self._unary(_SHOP + "LintShop", request, shop_pb2.LintShopResponse, None)
        return list(response.findings)

    # InsightService

    async def explain_decision(
        self, request: insight_pb2.ExplainDecisionRequest
    ) -> insight_pb2.ExplainDecisionResponse:
        """Every step of a decision and how each agent stood, in words."""
        return await self._unary(
            _INSIGHT + "ExplainDecision", request, insight_pb2.ExplainDecisionResponse, None
        )

    async def get_reception_report(
        self, request: insight_pb2.GetReceptionReportRequest, *, now_ms: int | None = None
    ) -> insight_pb2.GetReceptionReportResponse:
        """The KPIs of a shop's agents or groups, or its own, in a window of time."""
        return await self._unary(
            _INSIGHT + "GetReceptionReport", request, insight_pb2.GetReceptionReportResponse, now_ms
        )

    async def list_decisions(
        self, request: insight_pb2.ListDecisionsRequest
    ) -> AsyncIterator[insight_pb2.RouteResponseRecord]:
        """The decisions asked for, in the order they were made, read page by page as they are asked for."""
        asked = insight_pb2.ListDecisionsRequest()
        asked.CopyFrom(request)
        while True:
            page = await self._unary(
                _INSIGHT + "ListDecisions", asked, insight_pb2.ListDecisionsResponse, None
            )
            for decision in page.decisions:
                yield decision
            if not page.next_page_token:
                return
            asked.page_token = page.next_page_token

    async def summarize_decisions(
        self, request: insight_pb2.SummarizeDecisionsRequest
    ) -> insight_pb2.SummarizeDecisionsResponse:
        """How many decisions of each kind there were, and some of them drawn at random."""
        return await self._unary(
            _INSIGHT + "SummarizeDecisions", request, insight_pb2.SummarizeDecisionsResponse, None
        )

    async def simulate(
        self,
        request: insight_pb2.SimulateRequest,
        on_progress: Callable[[insight_pb2.SimulateProgress], None] | None = None,
        *,
        now_ms: int | None = None,
    ) -> insight_pb2.SimulateResponse:
        """A window played again under another configuration; takes as long as it takes.

        `on_progress` is told now and then how far it is.
        """
        asked = insight_pb2.SimulateStreamRequest(simulate=request)
        answer = insight_pb2.SimulateStreamResponse
        result: insight_pb2.SimulateResponse = await self._last_step(
            "SimulateStream", asked, answer, on_progress, now_ms
        )
        return result

    async def diagnose_imbalance(
        self,
        request: insight_pb2.DiagnoseImbalanceRequest,
        on_progress: Callable[[insight_pb2.DiagnoseImbalanceProgress], None] | None = None,
        *,
        now_ms: int | None = None,
    ) -> insight_pb2.DiagnoseImbalanceResponse:
        """Why an agent received more than another, cause by cause; takes as long as it takes.

        `on_progress` is told now and then how far it is.
        """
        asked = insight_pb2.DiagnoseImbalanceStreamRequest(diagnose=request)
        answer = insight_pb2.DiagnoseImbalanceStreamResponse
        result: insight_pb2.DiagnoseImbalanceResponse = await self._last_step(
            "DiagnoseImbalanceStream", asked, answer, on_progress, now_ms
        )
        return result

    async def _last_step(
        self,
        method: str,
        request: Message,
        answer: Any,
        on_progress: Callable[[Any], None] | None,
        now_ms: int | None,
    ) -> Any:
        """The result that a stream of steps ends with; each before it is its progress."""
        patience = _Patience(self._patience_s)
        while True:
            call = self._connected().unary_stream(
                _INSIGHT + method,
                request_serializer=type(request).SerializeToString,
                response_deserializer=answer.FromString,
            )(request, metadata=self._metadata(now_ms))
            try:
                async for step in call:
                    if step.HasField("result"):
                        return step.result
                    if on_progress is not None:
                        on_progress(step.progress)
                raise FenliuError(grpc.StatusCode.INTERNAL, "the stream ended without a result")
            except grpc.aio.AioRpcError as rpc_error:
                error = FenliuError.from_rpc(rpc_error)
            finally:
                call.cancel()  # The caller stopped listening; after the end this does nothing.
            await patience.wait(error)

    async def watch_shadow(
        self, request: insight_pb2.WatchShadowRequest
    ) -> AsyncIterator[insight_pb2.WatchShadowResponse]:
        """What a candidate configuration decides otherwise than the live shop; without an end.

        With patience it begins anew where it began when the server was away; what was told before is not told
        again, but the sums are those since the beginning.
        """
        patience = _Patience(self._patience_s)
        told = 0
        asked = insight_pb2.WatchShadowRequest()
        asked.CopyFrom(request)
        while True:
            call = self._connected().unary_stream(
                _INSIGHT + "WatchShadow",
                request_serializer=insight_pb2.WatchShadowRequest.SerializeToString,
                response_deserializer=insight_pb2.WatchShadowResponse.FromString,
            )(asked, metadata=self._metadata(None))
            known = told
            try:
                async for message in call:
                    asked.since_ms = asked.since_ms or message.sums.since_ms
                    patience.renew()
                    again = min(known, len(message.differences))
                    known -= again
                    told += len(message.differences) - again
                    del message.differences[:again]
                    yield message
                return
            except grpc.aio.AioRpcError as rpc_error:
                error = FenliuError.from_rpc(rpc_error)
            finally:
                call.cancel()  # The caller stopped listening; after the end this does nothing.
            await patience.wait(error)

    async def watch_load(
        self, shop_id: str, *, interval_ms: int = 0
    ) -> AsyncIterator[insight_pb2.WatchLoadResponse]:
        """A shop's load: at once, then whenever it has changed, at most every `interval_ms`; without an end.

        With patience the watching is begun again while the server is away.
        """
        request = insight_pb2.WatchLoadRequest(shop_id=shop_id, interval_ms=interval_ms)
        patience = _Patience(self._patience_s)
        while True:
            call = self._connected().unary_stream(
                _INSIGHT + "WatchLoad",
                request_serializer=insight_pb2.WatchLoadRequest.SerializeToString,
                response_deserializer=insight_pb2.WatchLoadResponse.FromString,
            )(request, metadata=self._metadata(None))
            try:
                async for message in call:
                    patience.renew()
                    yield message
                return
            except grpc.aio.AioRpcError as rpc_error:
                error = FenliuError.from_rpc(rpc_error)
            finally:
                call.cancel()
            await patience.wait(error)

    async def plan_staffing(
        self, request: insight_pb2.PlanStaffingRequest
    ) -> insight_pb2.PlanStaffingResponse:
        """How many agents each hour of a day needs."""
        return await self._unary(
            _INSIGHT + "PlanStaffing", request, insight_pb2.PlanStaffingResponse, None
        )

    # OperatorService

    async def get_server_info(self) -> operator_pb2.GetServerInfoResponse:
        """What this server is: version, core, clock, partitions."""
        return await self._unary(
            _OPERATOR + "GetServerInfo",
            operator_pb2.GetServerInfoRequest(),
            operator_pb2.GetServerInfoResponse,
            None,
        )

    async def get_state_hash(self) -> operator_pb2.GetStateHashResponse:
        """A hash over the server's whole state."""
        return await self._unary(
            _OPERATOR + "GetStateHash",
            operator_pb2.GetStateHashRequest(),
            operator_pb2.GetStateHashResponse,
            None,
        )

    # How calls are made

    async def _unary(
        self, method: str, request: Message, response: type[_Response], now_ms: int | None
    ) -> _Response:
        call = self._connected().unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        metadata = self._metadata(now_ms)
        patience = _Patience(self._patience_s)
        while True:
            try:
                return await call(request, metadata=metadata, timeout=self._timeout_s)
            except grpc.aio.AioRpcError as rpc_error:
                error = FenliuError.from_rpc(rpc_error)
            await patience.wait(error)

    async def _stream(
        self,
        method: str,
        requests: AsyncIterator[_Request],
        request: type[_Request],
        response: type[_Response],
        now_ms: int | None,
    ) -> AsyncIterator[_Response]:
        call = self._connected().stream_stream(
            method,
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )(requests, metadata=self._metadata(now_ms))
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise FenliuError.from_rpc(error) from None
        finally:
            call.cancel()  # The caller stopped listening; after the end this does nothing.

    def _connected(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise RuntimeError("the client is not open: use it in an `async with`")
        return self._channel

    def _metadata(self, now_ms: int | None) -> tuple[tuple[str, str], ...]:
        metadata: tuple[tuple[str, str], ...] = ()
        if self._actor:
            metadata += (("fenliu-actor", self._actor),)
        if now_ms is not None:
            metadata += (("fenliu-now-ms", str(now_ms)),)
        return metadata

    def _with_id(self, message: _Request, field: str) -> _Request:
        """The message with an id of its own, where a retry could otherwise happen twice."""
        if self._patience_s <= 0 or getattr(message, field):
            return message
        copy = type(message)()
        copy.CopyFrom(message)
        setattr(copy, field, uuid.uuid4().hex)
        return copy


class _Patience:
    """How long to go on trying, and the pauses between."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._clock = asyncio.get_running_loop().time
        self.renew()

    def renew(self) -> None:
        """Something got through: all patience is there again."""
        self._give_up_at = self._clock() + self._patience_s
        self._tries = 0

    async def wait(self, error: FenliuError) -> None:
        """Waits until it is time to try again; raises `error` when that cannot help or lasts too long."""
        if not retried(error):
            raise error
        self._tries += 1
        wait_s = pause_s(self._tries, error.pushback_ms)
        if self._clock() + wait_s > self._give_up_at:
            raise error
        await asyncio.sleep(wait_s)
