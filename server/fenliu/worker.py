"""A worker's process, one of several that are one server: `python -m fenliu.worker`, started by the supervisor.

What it is to be comes as the first line of its standard input; then words (workers/supervisor.py). When that input
ends, so does the process, at once: whoever started it is gone, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading

from fenliu.app import App, settle_down
from fenliu.engine import CoreUnavailableError
from fenliu.journal import JournalError
from fenliu.workers.seat import Seat
from fenliu.workers.supervisor import DRAIN, DRAINED, END, LISTEN, LISTENING, UP, config_of

ORPHANED = 70
"""Exit code of a worker whose supervisor is gone."""


class _Words:
    """What the supervisor says, read by a thread of its own: also a busy loop ends with it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._said = {word: asyncio.Event() for word in (LISTEN, DRAIN, END)}
        threading.Thread(target=self._read, daemon=True, name="fenliu-supervisor").start()

    async def wait(self, word: str) -> None:
        """Until it is said."""
        await self._said[word].wait()

    def _read(self) -> None:
        for line in sys.stdin:
            said = self._said.get(line.strip())
            if said is not None:
                self._loop.call_soon_threadsafe(said.set)
        os._exit(ORPHANED)


async def _work(app: App) -> None:
    words = _Words()

    async def before_listening() -> None:
        _say(UP)
        await words.wait(LISTEN)

    try:
        await app.start(before_listening)
        settle_down()
        _say(LISTENING)
        await words.wait(DRAIN)
        await app.drain()
        _say(DRAINED)
        await words.wait(END)
    finally:
        await app.stop()


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - to the supervisor


def main() -> None:
    """Runs the worker to its end."""
    # Ctrl-C and whatever else is sent to all of them is for the supervisor.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    said = json.loads(sys.stdin.readline())
    try:
        app = App(config_of(said), Seat(said["index"], said["workers"], said["sockets"]))
        asyncio.run(_work(app))
    except (JournalError, CoreUnavailableError, RuntimeError) as error:
        sys.exit(f"worker {said['index']}: {error}")


if __name__ == "__main__":
    main()
