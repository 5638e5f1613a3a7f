"""How much of each log lies behind its newest snapshot, and so which partition needs one next.

Sizes only; what a snapshot is, is known elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

SHARE_OF_SNAPSHOT = 4
"""A tail is let grow to this part of what its last snapshot took to write, so that writing pays."""


class Tails:
    """Bytes of entries behind the newest snapshot of each partition."""

    def __init__(self, after_bytes: int) -> None:
        """`after_bytes`: how long they may be together before one is due."""
        self._after = after_bytes
        self._sizes: dict[int, int] = {}
        self._written: dict[int, int] = {}

    def start(self, sizes: Mapping[int, int]) -> None:
        """Says how long these partitions' tails are."""
        self._sizes.update(sizes)

    def grew(self, partition: int, size: int) -> None:
        """Says that so many bytes were added."""
        self._sizes[partition] = self._sizes.get(partition, 0) + size

    def size(self, partition: int) -> int:
        """Bytes behind the partition's newest snapshot."""
        return self._sizes.get(partition, 0)

    @property
    def total(self) -> int:
        return sum(self._sizes.values())

    def shortened(self, partition: int, size: int, written: int) -> None:
        """Says that a snapshot holds the first `size` bytes, and how many it took to write."""
        self._sizes[partition] = max(0, self.size(partition) - size)
        self._written[partition] = written

    def longest(self) -> int | None:
        """The partition with the longest tail; None: there are none."""
        sizes = {partition: size for partition, size in self._sizes.items() if size}
        return max(sizes, key=lambda partition: (sizes[partition], -partition)) if sizes else None

    def due(self) -> int | None:
        """The partition that needs a snapshot most; None: none does."""
        if self.total < self._after:
            return None
        return max(
            (
                partition
                for partition, size in self._sizes.items()
                if size and size >= self._written.get(partition, 0) // SHARE_OF_SNAPSHOT
            ),
            key=self.size,
            default=None,
        )
