"""A server for each core that the tests of a module share, each test with a shop of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from types import ModuleType

import pytest

from support.scene import Scene, Server, serving


@pytest.fixture(scope="module")
def server_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[ModuleType], Server]]:
    """The server of a core, started when first asked for."""
    with ExitStack() as running:

        @cache
        def server_of(core: ModuleType) -> Server:
            data = tmp_path_factory.mktemp(core.CORE) / "data"
            return running.enter_context(serving(core, data))

        yield server_of


@pytest.fixture
def scene(core: ModuleType, server_of: Callable[[ModuleType], Server]) -> Scene:
    """A shop of this test's own that does not exist yet, in the morning."""
    return Scene(server_of(core))
