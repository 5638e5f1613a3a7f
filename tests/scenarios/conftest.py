"""Scenarios run on both cores; each test has a shop of its own on one server for each core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import ModuleType

import pytest

from support.scene import Scene, Server, serving


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Servers by core, started when first asked for."""
    with ExitStack() as running:

        class Servers(dict[str, Server]):
            def of(self, core: ModuleType) -> Server:
                if core.CORE not in self:
                    data = tmp_path_factory.mktemp(core.CORE) / "data"
                    self[core.CORE] = running.enter_context(serving(core, data))
                return self[core.CORE]

        yield Servers()


@pytest.fixture
def scene(core: ModuleType, servers: dict[str, Server]) -> Scene:
    """A shop of this test's own that does not exist yet, in the morning."""
    return Scene(servers.of(core))  # type: ignore[attr-defined]
