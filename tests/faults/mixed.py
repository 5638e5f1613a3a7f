"""All that gateways, agents and managers do, mixed, at a bounded rate, for hours.

Beside `Traffic`'s buyers: transfers, orders, presence, streams that come and go, settings, reports, nonsense. What
is answered otherwise than by the table ends the run, as does a buyer who was told two things.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

import grpc
import grpc.aio

from faults.hostile import bodies, in_the_table, methods
from faults.traffic import AGENTS, ALONE, ROUTE, Book, Traffic, shop_of
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2

SHOPS = tuple(f"shop-{number}" for number in range(12))
PATIENCE_S = 60.0
"""Of who asks for what takes long; nobody waits for ever."""
STREAMS_S = 10.0
"""How long a stream stays at most."""
IDLE_CLOSE_MS = 10_000
"""Short, so that what is open and what waits for it is soon as much as it will ever be."""
BUYERS = 2_000
"""Of each shop."""
REPORT_MS = 600_000
"""What reports look back on."""

Once = Callable[[Random], Awaitable[None]]


class Mixed(Traffic):
    """Buyers, and everybody else; `codes`: how often each method was answered how."""

    def __init__(self, address: str, book: Book, rng: Random, *, rate: float) -> None:
        super().__init__(address, book, rng, shops=SHOPS, rate=rate)
        self.codes: Counter[tuple[str, str]] = Counter()
        self._began_ms = time.time_ns() // 1_000_000
        self._number = time.time_ns()

    def shop(self, shop_id: str) -> shop_pb2.Shop:
        shop = shop_of(shop_id)
        shop.settings.idle_close_ms = IDLE_CLOSE_MS
        return shop

    def begin(self) -> None:
        super().begin()
        self._tasks += [
            asyncio.create_task(self._again(pause_s, once), name=once.__name__)
            for pause_s, once in (
                (0.1, self._batch),
                (0.2, self._orders),
                (0.3, self._presence),
                (0.5, self._presence_stream),
                (0.5, self._presence_stream),
                (0.3, self._route_stream),
                (0.5, self._message_stream),
                (0.5, self._watch),
                (0.5, self._watch),
                (1.0, self._settings),
                (1.0, self._connection),
                (2.0, self._nonsense),
                (2.0, self._look_back),
                (60.0, self._job),
            )
        ]

    async def _again(self, pause_s: float, once: Once) -> None:
        rng = Random(self._rng.random())
        while not self._stopping:
            await once(rng)
            end = time.monotonic() + pause_s * 2 * rng.random()
            while not self._stopping and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110 - it tells the time
                await asyncio.sleep(min(left, 0.5))

    # Calls

    def _counted(self, method: str, code: grpc.StatusCode, said: str = "") -> None:
        self.codes[method.rpartition("/")[2], code.name] += 1
        assert in_the_table(method, code), f"{method}: {code.name} {said}"

    async def _say(self, method: str, request: Any) -> bytes | None:
        """One call; None: it was refused."""
        body = request if isinstance(request, bytes) else request.SerializeToString()
        await self.turn()
        path = method if method.startswith("/") else f"/fenliu.v1.{method}"
        try:
            answer: bytes = await self.channel.unary_unary(path)(body, timeout=PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            self._counted(method, error.code(), str(error.details()))
            return None
        self._counted(method, grpc.StatusCode.OK)
        return answer

    def _new(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self._number}"

    async def _batch(self, rng: Random) -> None:
        """Inquiries together, and what their conversations come to."""
        shop_id = rng.choice(self.shops)
        batch = dispatch_pb2.RouteBatchRequest(
            requests=[self._inquiry(rng, shop_id) for _ in range(rng.randrange(1, 8))]
        )
        body = await self._say("DispatchService/RouteBatch", batch)
        if body is None:
            return
        for result in dispatch_pb2.RouteBatchResponse.FromString(body).results:
            conversation_id = result.response.conversation_id
            if not conversation_id:
                continue
            turn = rng.randrange(8)
            if turn == 0:
                transfer = dispatch_pb2.TransferRequest(
                    shop_id=shop_id, conversation_id=conversation_id, request_id=self._new("t")
                )
                if rng.randrange(2):
                    transfer.agent_id = rng.choice(AGENTS)
                else:
                    transfer.group_id = "g"
                await self._say("DispatchService/Transfer", transfer)
            elif turn < 7:  # the others are left to idle_close
                close = dispatch_pb2.CloseConversationRequest(
                    shop_id=shop_id, conversation_id=conversation_id
                )
                await self._say("DispatchService/CloseConversation", close)

    def _inquiry(self, rng: Random, shop_id: str) -> dispatch_pb2.RouteRequest:
        return dispatch_pb2.RouteRequest(
            shop_id=shop_id,
            buyer_id=f"other-{rng.randrange(BUYERS)}",
            request_id=self._new("r"),
            priority=rng.randrange(10),
            product_id=rng.choice(("", "p1", "p2")),
            handoff=rng.randrange(10) == 0,
        )

    async def _orders(self, rng: Random) -> None:
        orders = [
            dispatch_pb2.OrderEvent(
                shop_id=rng.choice(self.shops),
                buyer_id=f"other-{rng.randrange(BUYERS)}",
                order_id=f"o{rng.randrange(10_000)}",
                type=rng.randrange(1, 4),  # type: ignore[arg-type]
                amount_cents=rng.randrange(100_000),
                items=1,
                event_id=self._new("e"),
            )
            for _ in range(rng.randrange(1, 5))
        ]
        await self._say(
            "DispatchService/ReportOrders", dispatch_pb2.ReportOrdersRequest(orders=orders)
        )
        cancel = dispatch_pb2.CancelInquiryRequest(
            shop_id=rng.choice(self.shops), buyer_id=f"other-{rng.randrange(BUYERS)}"
        )
        await self._say("DispatchService/CancelInquiry", cancel)

    async def _presence(self, rng: Random) -> None:
        """Mostly ONLINE, so that something is decided."""
        request = presence_pb2.SetPresenceRequest(
            shop_id=rng.choice(self.shops),
            agent_id=rng.choice(AGENTS),
            status=rng.choice((1, 1, 1, 1, 2, 3)),
        )
        await self._say("PresenceService/SetPresence", request)

    async def _settings(self, rng: Random) -> None:
        shop_id, agent_id = rng.choice(self.shops), rng.choice(AGENTS)
        turn = rng.randrange(6)
        if turn == 0:
            await self._say(
                "ShopService/ApplyShop", shop_pb2.ApplyShopRequest(shop=self.shop(shop_id))
            )
        elif turn == 1:
            update = shop_pb2.UpdateShopRequest(shop=shop_pb2.Shop(shop_id=shop_id))
            update.shop.settings.busy_threshold = rng.randrange(1, 9)
            await self._say("ShopService/UpdateShop", update)
        elif turn == 2:
            agent = shop_pb2.Agent(agent_id="temp", weight=1)
            await self._say(
                "ShopService/CreateAgent",
                shop_pb2.CreateAgentRequest(shop_id=shop_id, agent=agent),
            )
            await self._say(
                "ShopService/DeleteAgent",
                shop_pb2.DeleteAgentRequest(shop_id=shop_id, agent_id="temp"),
            )
        elif turn == 3:
            short = shop_pb2.Shop(shop_id=self._new("short"))
            await self._say("ShopService/ApplyShop", shop_pb2.ApplyShopRequest(shop=short))
            await self._say(
                "ShopService/DeleteShop",
                shop_pb2.DeleteShopRequest(shop_id=short.shop_id, force=True),
            )
        else:
            weight = shop_pb2.AgentWeight(agent_id=agent_id, weight=rng.randrange(101))
            await self._say(
                "ShopService/SetWeights",
                shop_pb2.SetWeightsRequest(shop_id=shop_id, weights=[weight]),
            )

    async def _nonsense(self, rng: Random) -> None:
        method = rng.choice(methods())
        for body in bodies(rng)[:5]:
            await self._say(method, body)

    async def _connection(self, rng: Random) -> None:
        """Somebody connects, asks once, and goes."""
        async with grpc.aio.insecure_channel(self.address, options=ALONE) as channel:
            body = self._inquiry(rng, rng.choice(self.shops)).SerializeToString()
            await self.turn()
            await channel.unary_unary(ROUTE)(body, timeout=PATIENCE_S)

    # Looking back

    def _window(self) -> insight_pb2.Window:
        now_ms = time.time_ns() // 1_000_000
        return insight_pb2.Window(
            start_ms=max(self._began_ms, now_ms - REPORT_MS), end_ms=now_ms + 1
        )

    async def _look_back(self, rng: Random) -> None:
        shop_id, window = rng.choice(self.shops), self._window()
        turn = rng.randrange(6)
        if turn == 0:
            report = insight_pb2.GetReceptionReportRequest(
                shop_id=shop_id,
                window=window,
                subject=rng.randrange(4),  # type: ignore[arg-type]
            )
            await self._say("InsightService/GetReceptionReport", report)
        elif turn == 1:
            summary = insight_pb2.SummarizeDecisionsRequest(
                shop_id=shop_id, window=window, sample_size=10, seed=rng.randrange(100)
            )
            await self._say("InsightService/SummarizeDecisions", summary)
        elif turn == 2:
            audit = shop_pb2.ListAuditEntriesRequest(shop_id=shop_id, page_size=10)
            await self._say("ShopService/ListAuditEntries", audit)
        elif turn == 3:
            await self._say("ShopService/ListShops", shop_pb2.ListShopsRequest())
            await self._say(
                "PresenceService/ListPresence", presence_pb2.ListPresenceRequest(shop_id=shop_id)
            )
        else:
            some = insight_pb2.ListDecisionsRequest(shop_id=shop_id, window=window, page_size=20)
            body = await self._say("InsightService/ListDecisions", some)
            listed = insight_pb2.ListDecisionsResponse.FromString(body or b"").decisions
            if listed:
                explain = insight_pb2.ExplainDecisionRequest(
                    shop_id=shop_id, decision_id=rng.choice(listed).decision_id
                )
                await self._say("InsightService/ExplainDecision", explain)

    async def _job(self, rng: Random) -> None:
        """What takes a process of its own."""
        shop_id, window = rng.choice(self.shops), self._window()
        turn = rng.randrange(4)
        if turn == 0:
            diagnose = insight_pb2.DiagnoseImbalanceRequest(
                shop_id=shop_id, window=window, agent_id="a", other_agent_id="b"
            )
            await self._say("InsightService/DiagnoseImbalance", diagnose)
        elif turn == 1:
            simulate = insight_pb2.SimulateRequest(shop_id=shop_id, window=window)
            await self._say("InsightService/Simulate", simulate)
        elif turn == 2:
            plan = insight_pb2.PlanStaffingRequest(shop_id=shop_id, window=window)
            await self._say("InsightService/PlanStaffing", plan)
        else:
            shadow = insight_pb2.WatchShadowRequest(candidate_shop=self.shop(shop_id))
            await self._read("InsightService/WatchShadow", shadow, rng)

    # Streams

    async def _watch(self, rng: Random) -> None:
        """Follows assignments, or a shop's load, for a while; comes back where it was."""
        shop_id = rng.choice(self.shops)
        if rng.randrange(3) == 0:
            load = insight_pb2.WatchLoadRequest(shop_id=shop_id)
            await self._read("InsightService/WatchLoad", load, rng)
            return
        watch = dispatch_pb2.WatchAssignmentsRequest(shop_id=rng.choice((shop_id, "")))
        for _ in range(rng.randrange(1, 4)):
            last = await self._read("DispatchService/WatchAssignments", watch, rng)
            if last:
                seen = dispatch_pb2.WatchAssignmentsResponse.FromString(last)
                watch.resume_token = seen.resume_token

    async def _read(self, method: str, request: Any, rng: Random) -> bytes:
        """The last message of a stream that is left after a while, in one way or another."""
        await self.turn()
        call = self.channel.unary_stream(f"/fenliu.v1.{method}")(request.SerializeToString())
        last = b""
        try:
            async with asyncio.timeout(0.2 + STREAMS_S * rng.random() ** 3):
                async for message in call:
                    last = message
        except TimeoutError:
            call.cancel()
        except grpc.aio.AioRpcError as error:
            self._counted(method, error.code(), str(error.details()))
            return last
        self._counted(method, grpc.StatusCode.OK)
        return last

    async def _left(self, method: str, call: Any, rng: Random) -> None:
        """Ends a stream of requests: politely, or not."""
        if rng.randrange(3) == 0:
            call.cancel()
            self._counted(method, grpc.StatusCode.OK)
            return
        await call.done_writing()
        with suppress(asyncio.CancelledError):
            code = await asyncio.wait_for(call.code(), PATIENCE_S)
            self._counted(method, code, str(await call.details()))

    async def _presence_stream(self, rng: Random) -> None:
        method, token, session_id = "PresenceService/StreamPresence", "", self._new("session")
        for _ in range(rng.randrange(1, 3)):
            await self.turn()
            call = self.channel.stream_stream(f"/fenliu.v1.{method}")()
            hello = presence_pb2.StreamPresenceRequest()
            hello.hello.session_id, hello.hello.resume_token = session_id, token
            await call.write(hello.SerializeToString())
            welcome = presence_pb2.StreamPresenceResponse.FromString(await call.read()).welcome
            token = welcome.resume_token
            for _ in range(rng.randrange(1, 6)):
                await self.turn()
                said = presence_pb2.StreamPresenceRequest()
                if rng.randrange(2):
                    said.heartbeat.SetInParent()
                    await call.write(said.SerializeToString())
                else:
                    shop_id = rng.choice(self.shops)
                    for agent_id in rng.sample(AGENTS, rng.randrange(1, 4)):
                        said.updates.add(
                            update_id=self._new("u"),
                            shop_id=shop_id,
                            agent_id=agent_id,
                            status=rng.choice((1, 1, 1, 2, 3)),
                        )
                    await call.write(said.SerializeToString())
                    acks = presence_pb2.StreamPresenceResponse.FromString(await call.read()).acks
                    assert len(acks) == len(said.updates)
                await asyncio.sleep(rng.random())
            await self._left(method, call, rng)

    async def _route_stream(self, rng: Random) -> None:
        method = "DispatchService/RouteStream"
        call = self.channel.stream_stream(f"/fenliu.v1.{method}")()
        batches = rng.randrange(1, 5)
        for batch_id in range(batches):
            await self.turn()
            shop_id = rng.choice(self.shops)
            inquiries = [self._inquiry(rng, shop_id) for _ in range(rng.randrange(1, 5))]
            batch = dispatch_pb2.RouteStreamRequest(requests=inquiries, batch_id=batch_id)
            await call.write(batch.SerializeToString())
        for batch_id in range(batches):
            answer = dispatch_pb2.RouteStreamResponse.FromString(await call.read())
            assert answer.batch_id == batch_id
        await self._left(method, call, rng)

    async def _message_stream(self, rng: Random) -> None:
        method = "DispatchService/ReportMessages"
        call = self.channel.stream_unary(f"/fenliu.v1.{method}")()
        for _ in range(rng.randrange(1, 5)):
            await self.turn()
            event = dispatch_pb2.MessageEvent(
                shop_id=rng.choice(self.shops),
                buyer_id=f"other-{rng.randrange(BUYERS)}",
                sender=rng.choice((1, 2)),  # type: ignore[arg-type]
                agent_id=rng.choice(AGENTS),
                event_id=self._new("m"),
            )
            request = dispatch_pb2.ReportMessagesRequest(events=[event])
            await call.write(request.SerializeToString())
        await self._left(method, call, rng)
