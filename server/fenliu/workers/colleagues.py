"""All that makes a worker one among several: its way to the others, and what it does for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

from fenliu.dispatch import Dispatcher, Dispatching
from fenliu.rpc.methods import Handlers
from fenliu.rpc.sessions import Sessions
from fenliu.workers.forwarding import Forwarding
from fenliu.workers.peer import Peer
from fenliu.workers.presence import STREAM_PRESENCE, PresencePipes
from fenliu.workers.seat import Seat, home_of
from fenliu.workers.serving import Serving


class Colleagues:
    """The other workers, as seen by one. For one event loop."""

    def __init__(self, seat: Seat, dispatcher: Dispatcher, partitions: int) -> None:
        """`dispatcher`: of this worker's partitions; they are so many in all."""
        self._seat = seat
        self._dispatcher = dispatcher
        self._peers = {
            index: Peer(seat.address(index), partial(self.sessions, index)) for index in seat.others
        }
        self._pipes = PresencePipes(seat, self._peers)
        self._at_home: Handlers = {}
        self._serving: Serving | None = None
        self.dispatching: Dispatching = Forwarding(dispatcher, seat, partitions, self._peers)
        """For whatever comes to this worker."""

    def sessions(self, home: int) -> Iterator[tuple[str, str]]:
        """(session id, shop id) of what is logged in this worker's partitions of sessions of that home."""
        return (
            one
            for one in self._dispatcher.sessions()
            if home_of(one[0], self._seat.workers) == home
        )

    def public(self, handlers: Handlers) -> Handlers:
        """The behaviours for the public port, out of those that know only this worker."""
        presence = handlers[STREAM_PRESENCE]
        self._at_home = {STREAM_PRESENCE: presence}
        return {**handlers, STREAM_PRESENCE: self._pipes.behaviour(presence)}

    async def start(self, sessions: Sessions) -> None:
        """Serves the others and connects to them, after `public`. Raises RuntimeError."""
        sessions.restore(self.sessions(self._seat.index))
        address = self._seat.address(self._seat.index)
        self._serving = Serving(self._dispatcher, sessions, address, dict(self._at_home))
        await self._serving.start()
        for peer in self._peers.values():
            peer.start()

    async def connected(self) -> None:
        """Waits a little for connections to all of them."""
        await asyncio.gather(*(peer.connected() for peer in self._peers.values()))

    def drain(self) -> None:
        """Begins to end what came to the public port."""
        self._pipes.drain()

    async def close(self) -> None:
        """When nobody asks any more: ends all connections."""
        for peer in self._peers.values():
            await peer.close()
        if self._serving is not None:
            await self._serving.stop()
