"""What a shop knows of contacts and ids besides the live buyers' (docs/engine.md section 13).

The newest is in the recent generation, what was new before the last rotations in earlier ones, all
older in segments, whose chunks are handed in as they are needed. Knows keys and entries, no rule.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from fenliu.engine.pure import segments
from fenliu.engine.pure.keys import Entry, Horizon
from fenliu.engine.v1.engine_pb2 import ChunkRef, Segment

GetChunk = Callable[[bytes], bytes | None]
"""A chunk's content by its id; None: it is not there."""

_SWEEP_AT = 1024


class Generations:
    """Entries by key. The newest place that has a key decides what it says."""

    __slots__ = ("_recent", "_sweep_at", "earlier", "get_chunk", "segments")

    def __init__(self, get_chunk: GetChunk) -> None:
        self._recent: dict[bytes, Entry] = {}
        self.earlier: list[dict[bytes, Entry]] = []  # newest first
        self.segments: Sequence[Segment] = ()  # newest first
        self.get_chunk = get_chunk
        self._sweep_at = _SWEEP_AT

    def __len__(self) -> int:
        """How many entries the generations hold, those of segments apart."""
        return len(self._recent) + sum(map(len, self.earlier))

    def put(self, key: bytes, entry: Entry) -> None:
        self._recent[key] = entry

    def find(self, key: bytes) -> Entry | None:
        """What stands under the key, whether it exists or not.

        A chunk that is not there has nothing to say: those needed have been asked for before. Only of
        a buyer who is live when a command begins are none, for if the buyer has no contact then,
        segments have none either.
        """
        found = self._find_here(key)
        if found is not None:
            return found
        for ref in self._chunks_of(key):
            content = self.get_chunk(ref.id)
            found = segments.find(content, key) if content is not None else None
            if found is not None:
                return found
        return None

    def missing(self, key: bytes) -> list[bytes]:
        """Ids of the chunks that must be there to find the key."""
        if self._find_here(key) is not None:
            return []
        missing: list[bytes] = []
        for ref in self._chunks_of(key):
            content = self.get_chunk(ref.id)
            if content is None:
                missing.append(ref.id)
            elif segments.find(content, key) is not None:
                break
        return missing

    def _find_here(self, key: bytes) -> Entry | None:
        for generation in (self._recent, *self.earlier):
            found = generation.get(key)
            if found is not None:
                return found
        return None

    def _chunks_of(self, key: bytes) -> Iterator[ChunkRef]:
        """The chunks that would hold the key, of the newest segment first."""
        for segment in self.segments:
            place = bisect_right(segment.chunks, key, key=_first_key)
            if place:
                yield segment.chunks[place - 1]

    # --- As a whole ---

    def rotate(self) -> None:
        """Closes the recent generation and begins an empty one."""
        if self._recent:
            self.earlier.insert(0, self._recent)
            self._recent = {}

    def as_one(self, horizon: Horizon) -> list[tuple[bytes, Entry]]:
        """What exists of the generations, as one, by key; segments apart."""
        return _existing(self._merged({}), horizon)

    def everything(self, horizon: Horizon) -> list[tuple[bytes, Entry]]:
        """What exists, wherever it is, by key. Raises ValueError when `missing_chunks` names some."""
        if self.missing_chunks(horizon):
            raise ValueError("chunks of the shop are missing")
        merged: dict[bytes, Entry] = {}
        for segment in reversed(self.segments):
            for ref in segment.chunks:
                content = self.get_chunk(ref.id) if horizon.anything(ref.newest_ms) else None
                if content is not None:
                    merged.update(segments.entries(content))
        return _existing(self._merged(merged), horizon)

    def missing_chunks(self, horizon: Horizon) -> list[bytes]:
        """Ids of the chunks that may hold something and are not there."""
        return [
            ref.id
            for segment in self.segments
            for ref in segment.chunks
            if horizon.anything(ref.newest_ms) and self.get_chunk(ref.id) is None
        ]

    def sweep(self, horizon: Horizon) -> None:
        """Frees what has expired, seldom enough to cost next to nothing for each entry."""
        if len(self) <= self._sweep_at:
            return
        self._recent = dict(_existing(self._recent, horizon))
        swept = [dict(_existing(generation, horizon)) for generation in self.earlier]
        self.earlier = [generation for generation in swept if generation]
        self._sweep_at = max(_SWEEP_AT, 2 * len(self))

    def _merged(self, older: dict[bytes, Entry]) -> dict[bytes, Entry]:
        for generation in reversed(self.earlier):
            older.update(generation)
        older.update(self._recent)
        return older


def _first_key(ref: ChunkRef) -> bytes:
    return ref.first_key


def _existing(entries: dict[bytes, Entry], horizon: Horizon) -> list[tuple[bytes, Entry]]:
    return sorted((key, entry) for key, entry in entries.items() if horizon.entry(key, entry[0]))
