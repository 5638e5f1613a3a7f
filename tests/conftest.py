"""What all tests share: the engine cores there are."""

from __future__ import annotations

import os
import signal
import threading
from types import ModuleType

import pytest

from model.cores import all_cores

os.environ["FENLIU_LANG"] = "en"  # Whatever the machine speaks; tests of Chinese say so.
os.environ.pop("COLUMNS", None)  # Whatever runs the tests sets; tests of a width say so.
CORES = {module.CORE: module for module in all_cores()}
"""Found once. FENLIU_REQUIRE_RUST=1, which `make test` sets when cargo is there, raises without Rust."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes (`make test-long`)")
    # What runs behind a shell's `&` ignores it, and so would all that tests start and then interrupt.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    without = "" if "rust" in CORES else " (the Rust core is not built)"
    terminalreporter.write_line(f"cores tested: {', '.join(CORES)}{without}")


@pytest.fixture(params=list(CORES))
def core(request: pytest.FixtureRequest) -> ModuleType:
    """Each core in turn."""
    return CORES[request.param]
