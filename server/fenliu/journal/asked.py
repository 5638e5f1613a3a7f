"""The writes of a journal that somebody else makes, as what is asked. Knows neither who makes them nor how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from fenliu.journal.base import Append, Conflict


class AskedWrites(ABC):
    """The writing part of `Journal`. What is asked can be sent elsewhere; errors come with the future."""

    @abstractmethod
    def _ask(self, method: str, *arguments: Any) -> Future[Any]:
        """Has this method called where the writing is done."""

    def append(self, group: Sequence[Append]) -> Future[list[int | Conflict]]:
        """As `Journal.append`."""
        return self._ask("append", list(group))

    def probe(self) -> Future[None]:
        """As `Journal.probe`."""
        return self._ask("probe")

    def put_chunks(
        self, partition: int, chunks: Mapping[bytes, bytes], rules_version: int
    ) -> Future[None]:
        """As `Journal.put_chunks`; it is the future that raises ValueError."""
        return self._ask("put_chunks", partition, dict(chunks), rules_version)

    def put_manifest(
        self, partition: int, seq: int, now_ms: int, rules_version: int, content: bytes
    ) -> Future[None]:
        """As `Journal.put_manifest`."""
        return self._ask("put_manifest", partition, seq, now_ms, rules_version, content)

    def drop_manifests(self, partition: int, seqs: Collection[int]) -> Future[None]:
        """As `Journal.drop_manifests`."""
        return self._ask("drop_manifests", partition, list(seqs))

    def drop_chunks(self, partition: int, ids: Collection[bytes]) -> Future[None]:
        """As `Journal.drop_chunks`."""
        return self._ask("drop_chunks", partition, list(ids))

    def drop_records(self, partition: int, up_to_seq: int, limit: int) -> Future[int]:
        """As `Journal.drop_records`."""
        return self._ask("drop_records", partition, up_to_seq, limit)
