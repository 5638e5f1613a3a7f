"""A real server for the client's tests, and a man in the middle who counts and disturbs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from client.middle import Middle
from rpc.conftest import call, start
from support.calls import Caller

__all__ = ["call", "middle", "start"]


@pytest.fixture
async def middle(call: Caller) -> AsyncIterator[Middle]:
    """Stands before a server with the demo shop, both agents ONLINE."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Middle(call.address).running())
