"""A worker's place among the workers of a server, and the one answer to what belongs to whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import google_crc32c


def owner_of(partition: int, workers: int) -> int:
    """The worker that a partition belongs to. Evenly, also where there are few partitions."""
    return partition % workers


def home_of(session_id: str, workers: int) -> int:
    """The worker that holds a presence session and its lease, whichever its shops and its stream's worker."""
    return int(google_crc32c.value(session_id.encode())) % workers


@dataclass(frozen=True, slots=True)
class Seat:
    """Worker number `index` of `workers`."""

    index: int
    workers: int
    sockets: str
    """Folder of the sockets on which workers reach each other; nobody else may look into it."""

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.workers:
            raise ValueError(f"no worker {self.index} among {self.workers}")

    @property
    def others(self) -> list[int]:
        """The other workers."""
        return [index for index in range(self.workers) if index != self.index]

    def partitions(self, partitions: int) -> frozenset[int]:
        """Those of so many partitions that are this worker's."""
        return frozenset(p for p in range(partitions) if owner_of(p, self.workers) == self.index)

    @property
    def journal(self) -> Path:
        """The socket of the process that writes to the journal for all of them."""
        return Path(self.sockets) / "journal"

    def address(self, index: int) -> str:
        """Where, in grpc's terms, a worker's private socket is."""
        return f"unix:{self.sockets}/{index}"
