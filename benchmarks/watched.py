"""`fenliu` with an eye on its event loop: how long each callback holds it, in CPU time of the loop's thread.

    python -m benchmarks.watched FILE serve ...

At SIGUSR2 the worst callback since the last signal goes to FILE as JSON; what else the machine does does not count,
nor does waiting.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fenliu.cli import main


class Watch:
    """The worst callback so far."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.forget()

    def forget(self) -> None:
        self.worst_ns = 0
        self.what = ""
        self.callbacks = 0

    def install(self) -> None:
        """Times every callback of every event loop of this process, whose threads it does not mind."""
        run = asyncio.Handle._run
        clock = time.thread_time_ns

        def timed(handle: Any) -> None:
            callback = handle._callback
            begun = clock()
            run(handle)
            took = clock() - begun
            self.callbacks += 1
            if took > self.worst_ns:
                self.worst_ns, self.what = took, _name(callback)

        asyncio.Handle._run = timed  # type: ignore[method-assign]
        signal.signal(signal.SIGUSR2, self._tell)

    def _tell(self, _signal: int, _frame: object) -> None:
        told = {"ms": self.worst_ns / 1e6, "what": self.what, "callbacks": self.callbacks}
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(told))
        part.rename(self._file)
        self.forget()


def _name(callback: Any) -> str:
    """A task by its coroutine, anything else by itself."""
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return getattr(task.get_coro(), "__qualname__", repr(task))
    return getattr(callback, "__qualname__", repr(callback))


if __name__ == "__main__":
    Watch(Path(sys.argv[1])).install()
    main(sys.argv[2:])
