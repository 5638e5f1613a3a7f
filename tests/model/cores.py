"""Finds the engine cores there are."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest

CORES = {"python": "fenliu.engine.pure", "rust": "fenliu.engine._core"}


def load_core(name: str) -> ModuleType | None:
    """The core's module, or None for a Rust extension that is not built and need not be."""
    try:
        return importlib.import_module(CORES[name])
    except ImportError:
        if name == "rust" and os.environ.get("FENLIU_REQUIRE_RUST") != "1":
            return None
        raise


def all_cores() -> list[ModuleType]:
    """All cores there are, Python first."""
    return [core for core in map(load_core, CORES) if core is not None]


def both_cores() -> list[ModuleType]:
    """Python and Rust, for a test that holds one against the other and means nothing with one."""
    cores = all_cores()
    if len(cores) < 2:
        pytest.skip("holds the two cores against each other; without cargo there is only Python's")
    return cores
