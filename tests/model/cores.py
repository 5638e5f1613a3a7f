"""Finds the engine cores there are."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

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
