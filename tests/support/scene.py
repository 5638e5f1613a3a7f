"""A shop on a real server, a clock the test moves, and what the log says happened: for scenarios.

The server runs in a process of its own and is called over a real port; calls carry the scene's time.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from google.protobuf import proto

from fenliu.client import FenliuError
from fenliu.engine.partitions import partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import SqliteReader
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

ONLINE = types_pb2.PRESENCE_STATUS_ONLINE
SUSPENDED = types_pb2.PRESENCE_STATUS_SUSPENDED
OFFLINE = types_pb2.PRESENCE_STATUS_OFFLINE
BUYER = types_pb2.SENDER_BUYER
AGENT = types_pb2.SENDER_AGENT

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_762_012_800_000
"""Midnight in Asia/Shanghai, 2025-11-02."""
MORNING = MIDNIGHT + 9 * HOUR
NEVER_BUSY = 1_000_000
"""A busy_threshold that nobody reaches, so that shares follow the weights alone."""


class Server:
    """A running server on the trace clock and its data directory."""

    def __init__(self, address: str, data: Path) -> None:
        self.address = address
        self.data = data
        self.shops = 0
        self.channel = grpc.insecure_channel(address)


@contextmanager
def serving(core: ModuleType, data: Path) -> Iterator[Server]:
    """Runs a server on `data` until the block ends."""
    command = [sys.executable, "-m", "fenliu", "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--clock", "trace", "--core", core.CORE, "--data", str(data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        server = Server(line.split()[-1], data)
        yield server
        server.channel.close()
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


@dataclass(frozen=True)
class Decision:
    """A decision as the log has it."""

    buyer_id: str
    at_ms: int
    brief: str
    fact: engine_pb2.Decided


def brief(answer: Any) -> str:
    """An answer's outcome, its agent if it names one, and its reason: "AGENT a WEIGHTED"."""
    words = (
        types_pb2.Outcome.Name(answer.outcome).removeprefix("OUTCOME_"),
        answer.agent_id,
        types_pb2.Reason.Name(answer.reason).removeprefix("REASON_"),
    )
    return " ".join(word for word in words if word)


def agent(agent_id: str, **fields: Any) -> shop_pb2.Agent:
    return shop_pb2.Agent(agent_id=agent_id, **fields)


def group(
    group_id: str,
    *agent_ids: str,
    products: Iterable[str] = (),
    intents: Iterable[str] = (),
    statuses: Iterable[types_pb2.OrderStatus] = (),
    pages: Iterable[str] = (),
    **fields: Any,
) -> shop_pb2.Group:
    return shop_pb2.Group(
        group_id=group_id,
        agent_ids=agent_ids,
        bindings=shop_pb2.Bindings(
            product_ids=products, intents=intents, order_statuses=statuses, page_sources=pages
        ),
        **fields,
    )


class Scene:
    """One shop of its own on the server, at a time that only the test moves."""

    def __init__(self, server: Server, name: str = "") -> None:
        server.shops += 1
        self.server = server
        self.shop_id = name or f"shop-{server.shops}"
        self.now = MORNING
        self.shop = shop_pb2.Shop()
        self._seen = 0

    def again(self, server: Server) -> Scene:
        """The same shop at the same time on a server that was started again."""
        scene = Scene(server, self.shop_id)
        scene.now, scene.shop, scene._seen = self.now, self.shop, self._seen
        return scene

    # Calls

    def call(self, method: str, request: Any, response: Any, actor: str = "") -> Any:
        metadata = [("fenliu-now-ms", str(self.now))]
        if actor:
            metadata.append(("fenliu-actor", actor))
        call = self.server.channel.unary_unary(f"/fenliu.v1.{method}")
        return response.FromString(call(request.SerializeToString(), metadata=metadata, timeout=30))

    def opens(
        self,
        agents: Iterable[shop_pb2.Agent | str],
        groups: Iterable[shop_pb2.Group] | None = None,
        *,
        online: Iterable[str] | None = None,
        owner: str = "",
        actor: str = "",
        **settings: Any,
    ) -> Scene:
        """Applies the shop: agents with default weight, in one group unless `groups` says otherwise.

        Then sets `online` ONLINE: of a new shop all agents, of one that is there nobody more.
        """
        known = bool(self.shop.shop_id)
        listed = [agent(one) if isinstance(one, str) else one for one in agents]
        ids = [one.agent_id for one in listed]
        self.shop = shop_pb2.Shop(
            shop_id=self.shop_id,
            owner_agent_id=owner,
            settings=shop_pb2.ShopSettings(**settings),
            agents=listed,
            groups=[group("all", *ids)] if groups is None else groups,
        )
        self.apply(self.shop, actor=actor)
        for one in ([] if known else ids) if online is None else online:
            self.presence(one, ONLINE)
        return self

    def apply(self, shop: shop_pb2.Shop, *, actor: str = "") -> shop_pb2.ApplyShopResponse:
        request = shop_pb2.ApplyShopRequest(shop=shop)
        return self.call("ShopService/ApplyShop", request, shop_pb2.ApplyShopResponse, actor)

    def changes(self, **settings: Any) -> None:
        """Applies the same shop with these settings changed; None: back to the default."""
        for name, value in settings.items():
            self.shop.settings.ClearField(name)
            if value is not None:
                self.shop.settings.MergeFrom(shop_pb2.ShopSettings(**{name: value}))
        self.apply(self.shop)

    def stored(self) -> shop_pb2.Shop:
        request = shop_pb2.GetShopRequest(shop_id=self.shop_id)
        return self.call("ShopService/GetShop", request, shop_pb2.GetShopResponse).shop

    def weights(self, *, actor: str = "", **weights: int) -> None:
        request = shop_pb2.SetWeightsRequest(
            shop_id=self.shop_id,
            weights=[shop_pb2.AgentWeight(agent_id=a, weight=w) for a, w in weights.items()],
        )
        self.call("ShopService/SetWeights", request, shop_pb2.SetWeightsResponse, actor)

    def presence(self, agent_id: str, status: types_pb2.PresenceStatus, **fields: Any) -> None:
        request = presence_pb2.SetPresenceRequest(
            shop_id=self.shop_id, agent_id=agent_id, status=status, **fields
        )
        self.call("PresenceService/SetPresence", request, presence_pb2.SetPresenceResponse)

    def online(self, *agent_ids: str) -> None:
        for agent_id in agent_ids:
            self.presence(agent_id, ONLINE)

    def offline(self, *agent_ids: str) -> None:
        for agent_id in agent_ids:
            self.presence(agent_id, OFFLINE)

    def agents(self) -> Mapping[str, presence_pb2.AgentPresence]:
        """Everybody's state now, after what is due by now."""
        request = presence_pb2.ListPresenceRequest(shop_id=self.shop_id)
        answer = self.call(
            "PresenceService/ListPresence", request, presence_pb2.ListPresenceResponse
        )
        return {one.agent_id: one for one in answer.agents}

    def route(self, buyer: str, **fields: Any) -> dispatch_pb2.RouteResponse:
        request = self.inquiry(buyer, **fields)
        return self.call("DispatchService/Route", request, dispatch_pb2.RouteResponse)

    def inquiry(self, buyer: str, **fields: Any) -> dispatch_pb2.RouteRequest:
        return dispatch_pb2.RouteRequest(shop_id=self.shop_id, buyer_id=buyer, **fields)

    def routes(
        self, inquiries: Iterable[dispatch_pb2.RouteRequest | str]
    ) -> list[dispatch_pb2.RouteResponse]:
        """Many inquiries at once; all must be answered."""
        requests = [self.inquiry(one) if isinstance(one, str) else one for one in inquiries]
        answer = self.call(
            "DispatchService/RouteBatch",
            dispatch_pb2.RouteBatchRequest(requests=requests),
            dispatch_pb2.RouteBatchResponse,
        )
        assert not [one.status for one in answer.results if one.HasField("status")]
        return [one.response for one in answer.results]

    def message(
        self, sender: types_pb2.Sender, buyer: str = "", **fields: Any
    ) -> dispatch_pb2.MessageResult:
        """Reports one message; its result may be a refusal."""
        event = dispatch_pb2.MessageEvent(
            shop_id=self.shop_id, buyer_id=buyer, sender=sender, **fields
        )
        return self._report([event])[0]

    def all_reply(self, buyers: Iterable[str], **fields: Any) -> None:
        """As `replies` to each of these buyers, in one batch."""
        events = [
            dispatch_pb2.MessageEvent(shop_id=self.shop_id, buyer_id=buyer, sender=AGENT, **fields)
            for buyer in buyers
        ]
        for result in self._report(events):
            _taken(result)

    def _report(
        self, events: Iterable[dispatch_pb2.MessageEvent]
    ) -> Sequence[dispatch_pb2.MessageResult]:
        return self.call(
            "DispatchService/ReportMessagesBatch",
            dispatch_pb2.ReportMessagesBatchRequest(events=events),
            dispatch_pb2.ReportMessagesBatchResponse,
        ).results

    def says(self, buyer: str, **fields: Any) -> dispatch_pb2.MessageResult:
        """The buyer writes."""
        return _taken(self.message(BUYER, buyer, **fields))

    def replies(self, buyer: str, **fields: Any) -> dispatch_pb2.MessageResult:
        """The buyer's agent answers; with `agent_id` that one writes."""
        return _taken(self.message(AGENT, buyer, **fields))

    def closes(self, answer: Any) -> dispatch_pb2.CloseConversationResponse:
        request = dispatch_pb2.CloseConversationRequest(
            shop_id=self.shop_id, conversation_id=answer.conversation_id
        )
        return self.call(
            "DispatchService/CloseConversation", request, dispatch_pb2.CloseConversationResponse
        )

    def transfer(self, answer: Any, **fields: Any) -> dispatch_pb2.TransferResponse:
        fields.setdefault("conversation_id", answer.conversation_id if answer else "")
        request = dispatch_pb2.TransferRequest(shop_id=self.shop_id, **fields)
        return self.call("DispatchService/Transfer", request, dispatch_pb2.TransferResponse)

    def cancel(self, buyer: str, **fields: Any) -> bool:
        """Whether the buyer was waiting."""
        request = dispatch_pb2.CancelInquiryRequest(shop_id=self.shop_id, buyer_id=buyer, **fields)
        answer = self.call(
            "DispatchService/CancelInquiry", request, dispatch_pb2.CancelInquiryResponse
        )
        return answer.was_waiting

    def orders(self, *orders: dispatch_pb2.OrderEvent) -> list[dispatch_pb2.OrderResult]:
        answer = self.call(
            "DispatchService/ReportOrders",
            dispatch_pb2.ReportOrdersRequest(orders=orders),
            dispatch_pb2.ReportOrdersResponse,
        )
        return list(answer.results)

    def state_hash(self) -> bytes:
        call = self.server.channel.unary_unary("/fenliu.v1.OperatorService/GetStateHash")
        return call(b"", timeout=30)

    @contextmanager
    def refused(
        self, reason: str, field: str = "", rule: str = "", *, code: str = "INVALID_ARGUMENT"
    ) -> Iterator[None]:
        """The call in the block is refused so, and leaves nothing behind."""
        if self.shop.shop_id:
            self.tick()  # What is due by now is no trace of the refusal.
        before = self._trace()
        with pytest.raises(grpc.RpcError) as caught:
            yield
        error = FenliuError.from_rpc(caught.value)  # type: ignore[arg-type]
        assert (error.code.name, error.reason, error.field) == (code, reason, field)
        assert not rule or error.rule == rule
        assert self._trace() == before

    def _trace(self) -> object:
        """What would show it if something had happened: the shop's log, or while there is none, the state.

        The state alone would also show what happens in other shops of the server.
        """
        return self.entries() if self.shop.shop_id else self.state_hash()

    # Time and the log

    def after(self, ms: int) -> Scene:
        """Lets time pass; what falls due meanwhile happens at the next call."""
        self.now += ms
        return self

    def tick(self) -> None:
        """Lets what is due by now happen."""
        self.agents()

    def entries(self) -> list[engine_pb2.Entry]:
        """The shop's log."""
        reader = SqliteReader(self.server.data)
        entries = []
        for record in reader.read(partition_of(self.shop_id, reader.partitions)):
            for entry in entries_of(record.entries):
                name = entry.WhichOneof("command")
                command = getattr(entry, str(name))
                inner = {"apply_shop": "shop", "update_presence": "update"}.get(str(name))
                if (getattr(command, inner) if inner else command).shop_id == self.shop_id:
                    entries.append(entry)
        return entries

    def decisions(self) -> list[Decision]:
        """Every decision in the log, in order, also those no caller was told."""
        decisions = []
        for entry in self.entries():
            command = getattr(entry, str(entry.WhichOneof("command")))
            for fact in entry.facts:
                if fact.HasField("decided"):
                    decided = fact.decided
                    buyer = decided.buyer_id or command.buyer_id
                    at_ms = decided.at_ms or entry.now_ms
                    decisions.append(Decision(buyer, at_ms, brief(decided), decided))
        return decisions

    def news(self) -> list[str]:
        """The decisions since the last call, as "buyer: AGENT a LEFT_QUEUE"."""
        decisions = self.decisions()
        news = [f"{one.buyer_id}: {one.brief}" for one in decisions[self._seen :]]
        self._seen = len(decisions)
        return news


def entries_of(record: bytes) -> Iterator[engine_pb2.Entry]:
    """The length-prefixed entries of a record."""
    stream = io.BytesIO(record)
    while (entry := proto.parse_length_prefixed(engine_pb2.Entry, stream)) is not None:
        yield entry


def _taken(result: dispatch_pb2.MessageResult) -> dispatch_pb2.MessageResult:
    assert not result.HasField("status"), result.status.message
    return result
