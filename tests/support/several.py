"""Shops and sessions by the worker whose they are."""

from __future__ import annotations

from typing import Any

from fenliu.engine import partition_of
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2
from fenliu.workers.seat import home_of, owner_of
from support.calls import ONLINE, Caller

PARTITIONS = 64


def owner(shop_id: str, workers: int = 2, partitions: int = PARTITIONS) -> int:
    return owner_of(partition_of(shop_id, partitions), workers)


def shop_of(index: int, number: int = 0, workers: int = 2) -> str:
    """A shop that belongs to a worker; others by other numbers."""
    names = (f"shop-{n}" for n in range(1_000))
    return [name for name in names if owner(name, workers) == index][number]


def session_of(index: int, workers: int = 2) -> str:
    """A presence session whose home a worker is."""
    return next(f"s{n}" for n in range(1_000) if home_of(f"s{n}", workers) == index)


def shop(shop_id: str, **settings: Any) -> shop_pb2.Shop:
    return shop_pb2.Shop(
        shop_id=shop_id,
        settings=shop_pb2.ShopSettings(**settings),
        agents=[
            shop_pb2.Agent(agent_id="a", weight=5),
            shop_pb2.Agent(agent_id="b", weight=3),
        ],
        groups=[shop_pb2.Group(group_id="presale", agent_ids=["a", "b"])],
    )


async def staffed(caller: Caller, *shop_ids: str) -> None:
    """Makes these shops, agent a of each ONLINE."""
    for shop_id in shop_ids:
        await caller.apply(shop(shop_id))
        await caller(
            "PresenceService/SetPresence",
            presence_pb2.SetPresenceRequest(shop_id=shop_id, agent_id="a", status=ONLINE),
            presence_pb2.SetPresenceResponse,
        )


def inquiry(shop_id: str, buyer: str, request_id: str = "") -> dispatch_pb2.RouteRequest:
    return dispatch_pb2.RouteRequest(shop_id=shop_id, buyer_id=buyer, request_id=request_id)


async def presence(caller: Caller, shop_id: str) -> dict[str, presence_pb2.AgentPresence]:
    answer = await caller(
        "PresenceService/ListPresence",
        presence_pb2.ListPresenceRequest(shop_id=shop_id),
        presence_pb2.ListPresenceResponse,
    )
    return {agent.agent_id: agent for agent in answer.agents}
