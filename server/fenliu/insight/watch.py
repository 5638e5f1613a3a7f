"""Watching assignments: the events of one shop or of all, from a place in the logs on, without an end.

Puts together what is read (follow.py), what it says (assignments.py) and where that is (tokens.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from io import BytesIO

from google.protobuf import proto

from fenliu.engine import partition_of
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.assignments import command_of, events
from fenliu.insight.errors import TokenAhead, TokenTooOld
from fenliu.insight.follow import Follower, Logs
from fenliu.insight.tokens import START_OVER, Position, Tokens
from fenliu.journal import DroppedRecord, Reader, Record
from fenliu.v1 import dispatch_pb2

ENTRIES_AT_ONCE = 64
"""How many entries are looked through before the loop gets its turn."""


TOO_OLD = f"older than what is kept, which begins later: {START_OVER}"


class AssignmentWatch:
    """Who watches the assignments of one journal. For one event loop."""

    def __init__(
        self, reader: Reader, *, data_id: bytes, token_key: bytes, others: Collection[int] = ()
    ) -> None:
        """`others`: as for `Logs`."""
        self._logs = Logs(reader, others)
        self._tokens = Tokens(data_id=data_id, token_key=token_key, partitions=reader.partitions)

    def grown(self, ends: Mapping[int, int]) -> None:
        """As `Logs.grown`."""
        self._logs.grown(ends)

    async def keep_looking(self) -> None:
        """As `Logs.keep_looking`."""
        await self._logs.keep_looking()

    def stop(self) -> None:
        """Lets every watch end after the batch it is at."""
        self._logs.stop()

    def close(self) -> None:
        """As `Logs.close`."""
        self._logs.close()

    async def watch(
        self, shop_id: str, resume_token: str
    ) -> AsyncIterator[dispatch_pb2.WatchAssignmentsResponse]:
        """First a message with nothing but a token for where it begins, then every event.

        `shop_id` empty: all shops. `resume_token` empty: from now on. Per shop in the order of its
        log; between shops of different partitions in any. Ends only when stopped. Raises TokenRefused,
        TokenAhead, TokenTooOld, LogUnreadable.
        """
        position = await self._position(shop_id, resume_token)
        passed, facts = position.passed, position.facts
        start = self._tokens.stamp(shop_id, passed, position.partition)
        token = start.token(passed[position.partition], facts)
        with self._logs.following(passed, position.partition) as follower:
            yield dispatch_pb2.WatchAssignmentsResponse(resume_token=token)
            while (batch := await self._next(follower)) is not None:
                partition, records = batch
                stamp = self._tokens.stamp(shop_id, passed, partition)
                looked_through = 0
                for record in records:
                    at = 0
                    for entry in entries(record):
                        looked_through += 1
                        if looked_through % ENTRIES_AT_ONCE == 0:
                            await asyncio.sleep(0)
                        if not shop_id or command_of(entry).shop_id == shop_id:
                            for place, event in events(entry):
                                # What the token has passed of the first record is not told again.
                                if at + place >= facts:
                                    event.resume_token = stamp.token(record.seq - 1, at + place + 1)
                                    yield event
                        at += len(entry.facts)
                    facts = 0
                follower.read(partition, len(records))

    async def _next(self, follower: Follower) -> tuple[int, list[Record]] | None:
        try:
            return await follower.next()
        except DroppedRecord as error:  # so far behind that what comes next has been dropped
            raise TokenTooOld(TOO_OLD) from error

    async def _position(self, shop_id: str, resume_token: str) -> Position:
        ends = self._logs.ends
        partition = partition_of(shop_id, self._logs.partitions) if shop_id else 0
        watched = [partition] if shop_id else range(self._logs.partitions)
        await self._logs.look(watched)
        if not resume_token:
            return Position({p: ends.get(p, 0) for p in watched}, partition)
        position = self._tokens.position(resume_token, shop_id)
        for partition, passed in position.passed.items():
            inside = partition == position.partition and position.facts > 0
            if passed + inside > ends.get(partition, 0):
                raise TokenAhead(
                    "beyond the end of the log, as after data was restored from a backup: "
                    + START_OVER
                )
        starts = await self._logs.starts(position.passed)
        for partition, first in starts.items():
            if first > position.passed[partition] + 1:
                raise TokenTooOld(TOO_OLD)
        return position


def entries(record: Record) -> Iterator[engine_pb2.Entry]:
    """The entries of a record, decoded one by one."""
    data = BytesIO(record.entries)
    while (entry := proto.parse_length_prefixed(engine_pb2.Entry, data)) is not None:
        yield entry
