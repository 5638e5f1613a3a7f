"""A journal that several processes share: one of them writes for all, the others hand in what is to be written.

What comes while a commit is under way goes into the next one together, whoever it is from: however many
processes there are, a record waits for one commit before its own and no more. Each reads for itself. They talk over
a socket that only their user reaches, and trust each other.
"""

from __future__ import annotations

import pickle
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from fenliu.journal.asked import AskedWrites
from fenliu.journal.base import Journal
from fenliu.journal.errors import ChangeRefused, StorageError
from fenliu.journal.reading import SqliteReader
from fenliu.journal.together import Together


class Committer:
    """Writes to a journal for others. `close` before the journal's."""

    def __init__(self, journal: Journal, address: Path) -> None:
        """Listens at a socket of this name. Raises OSError."""
        self._together = Together(journal)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(address))
        self._listening.listen()
        threading.Thread(target=self._accept, name="fenliu-writers", daemon=True).start()

    def close(self) -> None:
        """Takes nothing more, when all who hand something in are gone."""
        self._together.close()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(connection,), name="fenliu-writer", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        """One process, until it is gone; what it has handed in is written all the same."""
        sending = threading.Lock()
        with connection, connection.makefile("rb") as received, connection.makefile("wb") as sent:

            def reply(number: int, result: Any, error: BaseException | None) -> None:
                with sending, suppress(OSError, ValueError):  # it is gone
                    _send(sent, (number, result, _portable(error)))

            while (asked := _receive(received)) is not None:
                number, method, arguments = asked
                self._together.write(method, arguments, partial(reply, number))


def _portable(error: BaseException | None) -> BaseException | None:
    """The error as others can make it again."""
    if error is None or type(error) in (StorageError, ChangeRefused, ValueError):
        return error
    return StorageError(f"{type(error).__name__}: {error}")


class SharedJournal(AskedWrites, SqliteReader):
    """As `Journal`, of a directory that another process's `Committer` writes to.

    Raises as SqliteReader; OSError when nobody writes there.
    """

    def __init__(self, directory: Path, address: Path) -> None:
        super().__init__(directory)
        self._lock = threading.Lock()
        self._asked: dict[int, Future[Any]] = {}
        self._numbers = count(1)
        self._gone = False
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(address))
        self._unsent: SimpleQueue[bytes | None] = SimpleQueue()
        self._behind = 0  # of what is in it
        self._threads = [
            threading.Thread(target=work, name=f"fenliu-journal-{name}", daemon=True)
            for name, work in (("asking", self._send), ("told", self._receive))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Waits for the writes handed in."""
        with self._lock:
            self._gone = True
            waiting = list(self._asked.values())
        for written in waiting:
            with suppress(Exception):
                written.exception()
        self._unsent.put(None)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._connection.close()
        super().close()

    def _ask(self, method: str, *arguments: Any) -> Future[Any]:
        written: Future[Any] = Future()
        # Like an executor's that has begun: nobody takes back what is on its way.
        written.set_running_or_notify_cancel()
        number = next(self._numbers)
        said = pickle.dumps((number, method, arguments), pickle.HIGHEST_PROTOCOL)
        with self._lock:
            if not self._gone:
                self._asked[number] = written
                self._say(said)
                return written
        written.set_exception(self._nobody())
        return written

    def _say(self, said: bytes) -> None:
        """Without waiting: what the socket does not take at once is for a thread of its own."""
        if not self._behind:
            with suppress(OSError):  # that it is full, too
                said = said[self._connection.send(said, socket.MSG_DONTWAIT) :]
        if said:
            self._behind += 1
            self._unsent.put(said)

    def _send(self) -> None:
        with suppress(OSError):  # then the other thread ends, too
            while (said := self._unsent.get()) is not None:
                self._connection.sendall(said)
                with self._lock:
                    self._behind -= 1

    def _receive(self) -> None:
        with self._connection.makefile("rb") as received:
            while (said := _receive(received)) is not None:
                number, result, error = said
                with self._lock:
                    written = self._asked.pop(number)
                if error is None:
                    written.set_result(result)
                else:
                    written.set_exception(error)
        with self._lock:
            self._gone = True
            lost, self._asked = self._asked, {}
        for written in lost.values():
            written.set_exception(self._nobody())

    def _nobody(self) -> StorageError:
        return StorageError(f"{self.directory}: the process that writes to it is gone")


def _send(file: BinaryIO, said: tuple[Any, ...]) -> None:
    pickle.dump(said, file, pickle.HIGHEST_PROTOCOL)
    file.flush()


def _receive(file: BinaryIO) -> Any:
    """None: the other side is gone."""
    try:
        return pickle.load(file)  # noqa: S301 - of this server's own processes
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
