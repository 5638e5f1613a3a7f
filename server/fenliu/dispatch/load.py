"""How busy the event loop's thread is. Knows nothing of what it does."""

from __future__ import annotations

import os
import threading
import time


class LoopLoad:
    """For the thread that makes it. `close` lets go of a file."""

    def __init__(self) -> None:
        try:
            # Run time and, which counts as busy, time it waited for a processor; both in ns.
            path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
            self._file: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # no Linux, or one without these statistics
            self._file = None
        self._last = (time.monotonic_ns(), self._used_ns())

    def busy(self) -> float:
        """The share of the time since the last call in which the thread had something to do, 0..1."""
        now = (time.monotonic_ns(), self._used_ns())
        passed, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return min(1.0, used / passed) if passed > 0 else 0.0

    def close(self) -> None:
        """Again: does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _used_ns(self) -> int:
        if self._file is None:
            return time.thread_time_ns()
        ran, waited, _ = os.pread(self._file, 128, 0).split()
        return int(ran) + int(waited)
