"""A core whose calls are written down, with what they came to, for the golden vectors.

Chunks are handed in as they are asked for, when recording and when replaying; which ones is not part
of a vector.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

import fenliu.engine.pure as core
from fenliu.engine.v1 import engine_pb2
from model.storage import Disk, StoredEngine

Step = dict[str, Any]

# The names of each call's arguments and results.
CALLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "decide": (
        ("kind", "request", "now_ms", "actor"),
        ("code", "reply", "partition", "entry"),
    ),
    "decide_batch": (
        ("kind", "batch", "now_ms", "first", "count"),
        ("code", "results", "total", "batch_id", "entries", "decided"),
    ),
    "tick": (("now_ms",), ("entries",)),
    "query": (("kind", "request"), ("code", "reply", "partition")),
    "apply": (("log", "start", "shop_id"), ("applied", "end", "missing")),
    "load_manifest": (("manifest",), ("partition",)),
    "install": (("manifest",), ()),
    "rotate": (("partition",), ()),
    "shrink": (("limit",), ()),
    "touched": ((), ("shop_ids",)),
    "flush": (("shop_id",), ("stored", "head", "chunks")),
    "take_partition": (("other", "partition"), ()),
}
DEFAULTS: Step = {"actor": "", "first": 0, "count": 4096, "start": 0, "shop_id": ""}
MERGE = ("sources", "first", "end", "now_ms", "contact_lifetime_ms", "contacts_since_ms")


def plain(value: Any) -> Any:
    """As it is written."""
    if isinstance(value, Message):
        value = value.SerializeToString(deterministic=True)
    if isinstance(value, RecordingEngine):
        return value.number
    if isinstance(value, bytes):
        return value.hex()
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def results(name: str, answer: Any) -> Step:
    names = CALLS[name][1]
    answers = answer if len(names) > 1 else [answer][: len(names)]
    return dict(zip(names, map(plain, answers), strict=True))


class Player:
    """Makes the calls of a vector again, on engines of one core."""

    def __init__(self, core_: Any, vector: Step) -> None:
        self.core, self.partitions, self.disk = core_, vector["partitions"], Disk()
        for content in vector["chunks"]:
            self.disk.put(bytes.fromhex(content))
        self.engines: dict[int, StoredEngine] = {}

    def engine(self, number: int) -> StoredEngine:
        if number not in self.engines:
            self.engines[number] = StoredEngine(self.core, self.partitions, self.disk)
        return self.engines[number]

    def play(self, step: Step) -> Step:
        """Makes the call of a step; returns its results under the names of the file."""
        name = step["call"]
        if name == "merge_chunks":
            sources = [[bytes.fromhex(chunk) for chunk in source] for source in step["sources"]]
            edges = bytes.fromhex(step["first"]), bytes.fromhex(step["end"])
            numbers = [step[argument] for argument in MERGE[3:]]
            return {"chunks": plain(self.core.merge_chunks(sources, *edges, *numbers))}
        arguments = [self._argument(argument, step[argument]) for argument in CALLS[name][0]]
        call = getattr(self.engine(step.get("engine", 0)), name)
        return results(name, call(*arguments))

    def _argument(self, name: str, written: Any) -> Any:
        if name == "manifest":
            return engine_pb2.Manifest.FromString(bytes.fromhex(written))
        if name == "other":
            return self.engine(written)
        return bytes.fromhex(written) if name in ("request", "batch", "log") else written


class Tape:
    """Stands for the Python core; `steps` is what its engines were asked and came to."""

    CORE, RULES_VERSION, Engine = core.CORE, core.RULES_VERSION, core.Engine

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.made = 0

    def engine(self, _core: Any, partitions: int, disk: Disk) -> RecordingEngine:
        self.made += 1
        return RecordingEngine(StoredEngine(self, partitions, disk), self, self.made - 1)

    def merge_chunks(self, *arguments: Any) -> list[bytes]:
        chunks = core.merge_chunks(*arguments)
        asked = dict(zip(MERGE, map(plain, arguments), strict=True))
        self.steps.append({"call": "merge_chunks", **asked, "chunks": plain(chunks)})
        return chunks


class RecordingEngine:
    """An engine that writes down the calls that `CALLS` has; the others it passes on."""

    def __init__(self, stored: StoredEngine, tape: Tape, number: int) -> None:
        self.stored, self.tape, self.number = stored, tape, number

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.stored, name)
        if name not in CALLS:
            return call

        def recorded(*given: Any) -> Any:
            answer = call(*(a.stored if isinstance(a, RecordingEngine) else a for a in given))
            names = CALLS[name][0]
            missing = [DEFAULTS[argument] for argument in names[len(given) :]]
            asked = dict(zip(names, map(plain, [*given, *missing]), strict=True))
            which = {"engine": self.number} if self.number else {}
            self.tape.steps.append({"call": name, **which, **asked, **results(name, answer)})
            return answer

        return recorded
