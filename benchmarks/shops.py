"""Shops on a running server, all their agents ONLINE, before anything is measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from fenliu.client import FenliuClient
from fenliu.load.workload import SHOP, agent_ids, shop_document
from fenliu.v1 import presence_pb2, shop_pb2, types_pb2

LONG_LEASE = ("--lease-ms", "3600000")
"""Of servers whose agents are to stay without a stream."""
UPDATES = 2_048
AT_ONCE = 32


def many_shops(count: int) -> list[str]:
    """Ids of 16 bytes."""
    return [f"shop-{number:011}" for number in range(count)]


async def open_shops(
    target: str,
    agents: int,
    shops: Sequence[str] = (SHOP,),
    *,
    settings: shop_pb2.ShopSettings | None = None,
) -> None:
    """Applies the shops and brings all agents ONLINE. On a server with LONG_LEASE they stay there."""
    async with FenliuClient(target, timeout_s=120) as client:
        pending = iter(shops)

        async def apply() -> None:
            for shop in pending:
                await client.apply_shop(shop_document(shop, agents, settings=settings))

        await asyncio.gather(*(apply() for _ in range(AT_ONCE)))
        updates = [
            presence_pb2.PresenceUpdate(
                update_id="u",
                shop_id=shop,
                agent_id=agent,
                status=types_pb2.PRESENCE_STATUS_ONLINE,
            )
            for shop in shops
            for agent in agent_ids(agents)
        ]

        async def requests() -> AsyncIterator[presence_pb2.StreamPresenceRequest]:
            hello = presence_pb2.PresenceHello(session_id="bench")
            yield presence_pb2.StreamPresenceRequest(hello=hello)
            for first in range(0, len(updates), UPDATES):
                yield presence_pb2.StreamPresenceRequest(updates=updates[first : first + UPDATES])

        acknowledged = 0
        async for response in client.stream_presence(requests()):
            for ack in response.acks:
                assert not ack.status.code, ack
            acknowledged += len(response.acks)
        assert acknowledged == len(updates)
