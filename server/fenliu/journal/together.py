"""Writes of several to one journal: appends that come while a commit is under way go into the next one together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import Any

from fenliu.journal.base import Append, Conflict, Journal
from fenliu.journal.errors import StorageError

_WRITES = frozenset(
    {"probe", "put_chunks", "put_manifest", "drop_manifests", "drop_chunks", "drop_records"}
)
"""What is handed on as it is; appends go together."""

Reply = Callable[[Any, BaseException | None], None]


class Together:
    """Takes writes from any thread, and never waits. However many there are, one waits for one commit at most."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._waiting: list[tuple[Sequence[Append], Reply]] = []
        self._committing = False
        self._closed = False

    def close(self) -> None:
        """Takes no appends any more, and forgets those that wait: nobody is there to be told."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def write(self, method: str, arguments: tuple[Any, ...], reply: Reply) -> None:
        """Hands a write of `Journal` in; `reply` gets its result or error, maybe at once, maybe on another thread."""
        try:
            if method == "append":
                (group,) = arguments
                self._append(group, reply)
            elif method in _WRITES:
                written: Future[Any] = getattr(self._journal, method)(*arguments)
                written.add_done_callback(partial(_reply, reply))
            else:
                raise ValueError(f"no such write: {method}")
        except Exception as error:
            reply(None, error)

    # Appending

    def _append(self, group: Sequence[Append], reply: Reply) -> None:
        with self._lock:
            if self._closed:
                raise StorageError("nothing is written any more")
            self._waiting.append((group, reply))
            if self._committing:
                return
            self._committing = True
        self._commit()

    def _commit(self) -> None:
        """Hands what waits to the journal; says no more when nothing does."""
        with self._lock:
            taken = self._take()
            self._committing = bool(taken)
        if taken:
            together = [append for group, _ in taken for append in group]
            self._journal.append(together).add_done_callback(partial(self._committed, taken))

    def _take(self) -> list[tuple[Sequence[Append], Reply]]:
        """The first ones that wait, as long as no partition comes twice."""
        taken = []
        partitions: set[int] = set()
        while self._waiting:
            group, _ = self._waiting[0]
            own = {append.partition for append in group}
            if partitions & own:
                break
            partitions |= own
            taken.append(self._waiting.pop(0))
        return taken

    def _committed(
        self,
        taken: Sequence[tuple[Sequence[Append], Reply]],
        committed: Future[list[int | Conflict]],
    ) -> None:
        self._commit()  # first: the disk need not wait for what is said below
        error = committed.exception()
        results = iter([] if error is not None else committed.result())
        for group, reply in taken:
            reply(list(islice(results, len(group))), error)


def _reply(reply: Reply, written: Future[Any]) -> None:
    error = written.exception()
    reply(None if error is not None else written.result(), error)
