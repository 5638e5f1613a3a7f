"""A bare gateway: buyers and agents write to each other through it, Fenliu says who serves whom.

    .venv/bin/fenliu serve &
    .venv/bin/fenliu apply demo/shop.yaml
    .venv/bin/python examples/gateway.py

Each line of standard input is something that happens on the chat platform:

    online AGENT           (or suspended, offline)
    buyer BUYER TEXT       the buyer writes
    agent BUYER TEXT       whoever serves the buyer answers
    bye BUYER              the conversation is over
"""

import asyncio
import sys

from fenliu.client import FenliuClient, FenliuError, Presence, Router
from fenliu.v1 import dispatch_pb2, types_pb2

SHOP = "demo"
STATUSES = {
    "online": types_pb2.PRESENCE_STATUS_ONLINE,
    "suspended": types_pb2.PRESENCE_STATUS_SUSPENDED,
    "offline": types_pb2.PRESENCE_STATUS_OFFLINE,
}


class Gateway:
    """What a gateway has to know of each buyer is one conversation id."""

    def __init__(self, router: Router, presence: Presence, client: FenliuClient) -> None:
        self.router = router
        self.presence = presence
        self.client = client
        self.conversations: dict[str, str] = {}

    async def happened(self, kind: str, who: str, text: str) -> None:
        match kind:
            case "online" | "suspended" | "offline":
                await self.presence.set(SHOP, who, STATUSES[kind])
            case "buyer":
                inquiry = dispatch_pb2.RouteRequest(shop_id=SHOP, buyer_id=who)
                self.deliver(who, await self.router.route(inquiry))
                await self.report(who, types_pb2.SENDER_BUYER)
            case "agent":
                await self.report(who, types_pb2.SENDER_AGENT)
            case "bye":
                over = self.conversations.pop(who)
                await self.client.close_conversation(
                    dispatch_pb2.CloseConversationRequest(shop_id=SHOP, conversation_id=over)
                )
            case _:
                print(f"{kind}: no such thing happens here", flush=True)

    def deliver(self, buyer: str, answer: dispatch_pb2.RouteResponse) -> None:
        """A platform would open the agent's window here."""
        if not answer.conversation_id:
            print(f"{buyer} waits", flush=True)
        elif self.conversations.get(buyer) != answer.conversation_id:
            self.conversations[buyer] = answer.conversation_id
            print(f"{buyer} -> {answer.agent_id}", flush=True)

    async def report(self, buyer: str, sender: types_pb2.Sender) -> None:
        """Who writes counts: an agent with many unanswered buyers gets fewer new ones."""
        if buyer in self.conversations:
            event = dispatch_pb2.MessageEvent(
                shop_id=SHOP, conversation_id=self.conversations[buyer], sender=sender
            )
            await self.router.report(event)

    async def watch(self) -> None:
        """Buyers who waited, and those the server gave to somebody else."""
        async for message in self.client.watch_assignments(SHOP):
            if message.assignment.conversation_id:
                self.deliver(message.buyer_id, message.assignment)


async def main(target: str) -> None:
    async with (
        FenliuClient(target, patience_s=60) as client,
        Presence(target) as presence,
        Router(target) as router,
    ):
        gateway = Gateway(router, presence, client)
        watching = asyncio.create_task(gateway.watch())
        while line := await asyncio.to_thread(sys.stdin.readline):
            kind, who, text = [*line.split(maxsplit=2), "", "", ""][:3]
            try:
                # One after the other reads best here. A platform has a task for each buyer: what they
                # ask at the same time, the router sends together.
                await gateway.happened(kind, who, text)
            except FenliuError as error:
                print(error, flush=True)
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2] or ["127.0.0.1:50051"]))
