"""What all tests share: the two engine cores."""

from __future__ import annotations

from types import ModuleType

import pytest

from model.cores import CORES, load_core


@pytest.fixture(params=list(CORES))
def core(request: pytest.FixtureRequest) -> ModuleType:
    """Each core in turn; without its extension Rust is skipped, unless FENLIU_REQUIRE_RUST=1."""
    module = load_core(request.param)
    if module is None:
        pytest.skip("the Rust extension is not built (FENLIU_REQUIRE_RUST=1 makes this a failure)")
    return module
