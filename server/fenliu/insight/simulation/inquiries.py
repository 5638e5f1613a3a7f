"""Which inquiries were decided otherwise: those of two logs of the same day, matched by time and buyer.

Remembers of each inquiry three numbers. Knows no journal.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from zlib import crc32

from fenliu.engine.v1 import engine_pb2
from fenliu.insight.shadow.differences import decisions
from fenliu.v1 import insight_pb2, types_pb2

_RECEIVER_BITS = 32


class Inquiries:
    """The inquiries of a window as they were decided, in the order of their times."""

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self._start_ms, self._end_ms = start_ms, end_ms
        self._times = array("q")
        self._buyers = array("L")
        self._answers = array("Q")
        """Receiver in the upper half, group and reason in the lower."""

    def __len__(self) -> int:
        return len(self._times)

    def take(self, entry: engine_pb2.Entry) -> None:
        """An entry; it may have decided an inquiry of the window."""
        if entry.WhichOneof("command") != "route":
            return
        if not self._start_ms <= entry.now_ms < self._end_ms:
            return
        for buyer_id, inquiry, decided in decisions(entry):
            if inquiry:
                self._times.append(entry.now_ms)
                self._buyers.append(crc32(buyer_id.encode()))
                self._answers.append(_answer(decided))

    def compare(self, other: Inquiries) -> insight_pb2.DecisionCounts:
        """How many both have, and how many of these came out the same."""
        counts = insight_pb2.DecisionCounts()
        at = 0
        for time, buyer, answer in zip(self._times, self._buyers, self._answers, strict=True):
            # Both are in order; what only one of them has is passed over.
            at = bisect_left(other._times, time, at)
            found = at
            while found < len(other) and other._times[found] == time:
                if other._buyers[found] == buyer:
                    break
                found += 1
            else:
                continue
            counts.inquiries += 1
            theirs = other._answers[found]
            counts.same += answer == theirs
            counts.other_receiver += answer >> _RECEIVER_BITS != theirs >> _RECEIVER_BITS
            if found == at:
                at += 1
        return counts


def _answer(decided: engine_pb2.Decided) -> int:
    receiver = f"{types_pb2.Outcome.Name(decided.outcome)}/{decided.agent_id}"
    manner = f"{decided.group_id}/{types_pb2.Reason.Name(decided.reason)}"
    return crc32(receiver.encode()) << _RECEIVER_BITS | crc32(manner.encode())
