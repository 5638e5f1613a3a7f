"""Bare calls to a running server, and what they need: for tests over a real port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from fenliu.app import App
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

ONLINE = types_pb2.PRESENCE_STATUS_ONLINE
SUSPENDED = types_pb2.PRESENCE_STATUS_SUSPENDED
OFFLINE = types_pb2.PRESENCE_STATUS_OFFLINE


@dataclass
class Refused:
    """What a caller sees of an error."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    trailing: dict[str, Any]


def refused(error: grpc.aio.AioRpcError) -> Refused:
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "fenliu"
    assert status.code == error.code().value[0]
    return Refused(error.code(), error.details() or "", info.reason, dict(info.metadata), trailing)


class Caller:
    """Bare calls by method name; requests and responses are the contract's messages."""

    def __init__(self, channel: grpc.aio.Channel, app: App, address: str) -> None:
        self.channel = channel
        self.app = app
        self.address = address

    async def __call__(self, method: str, request: Any, response: Any, **metadata: str) -> Any:
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        call = self.channel.unary_unary(f"/fenliu.v1.{method}")
        pairs = tuple((key.replace("_", "-"), value) for key, value in metadata.items())
        return response.FromString(await call(raw, metadata=pairs))

    async def refusal(self, method: str, request: Any, **metadata: str) -> Refused:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self(method, request, dispatch_pb2.RouteResponse, **metadata)
        return refused(caught.value)

    async def apply(self, shop: shop_pb2.Shop) -> shop_pb2.Shop:
        answer = await self(
            "ShopService/ApplyShop",
            shop_pb2.ApplyShopRequest(shop=shop),
            shop_pb2.ApplyShopResponse,
        )
        return answer.shop

    async def route(self, buyer: str, **fields: Any) -> dispatch_pb2.RouteResponse:
        request = dispatch_pb2.RouteRequest(shop_id="demo", buyer_id=buyer, **fields)
        return await self("DispatchService/Route", request, dispatch_pb2.RouteResponse)

    async def set_presence(self, agent: str, status: int, **fields: Any) -> Any:
        request = presence_pb2.SetPresenceRequest(
            shop_id="demo", agent_id=agent, status=status, **fields
        )
        return await self("PresenceService/SetPresence", request, presence_pb2.SetPresenceResponse)

    async def presence(self) -> dict[str, presence_pb2.AgentPresence]:
        answer = await self(
            "PresenceService/ListPresence",
            presence_pb2.ListPresenceRequest(shop_id="demo"),
            presence_pb2.ListPresenceResponse,
        )
        return {agent.agent_id: agent for agent in answer.agents}

    async def state_hash(self) -> bytes:
        call = self.channel.unary_unary("/fenliu.v1.OperatorService/GetStateHash")
        return await call(b"")


def demo_shop(**settings: Any) -> shop_pb2.Shop:
    return shop_pb2.Shop(
        shop_id="demo",
        display_name="演示店",
        owner_agent_id="boss",
        settings=shop_pb2.ShopSettings(**settings),
        agents=[
            shop_pb2.Agent(agent_id="a", display_name="小王", weight=5),
            shop_pb2.Agent(agent_id="b", display_name="小李", weight=3),
        ],
        groups=[shop_pb2.Group(group_id="presale", agent_ids=["a", "b"])],
    )


Start = Callable[..., Any]
"""`async with start(**settings) as call`: a server on this test's data directory."""
