"""A core whose calls are written down, with what they gave, for the golden vectors.

`STEPS` says of each call how it is written; `replay` makes the call of a written step again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fenliu.engine.pure as core

Step = dict[str, Any]


def ids(joined: bytes) -> list[str]:
    """Chunks' ids, sorted: in which order they are named is nobody's business."""
    return sorted(joined[i : i + 32].hex() for i in range(0, len(joined), 32))


def said(code: int, reply: bytes) -> Step:
    return {"code": code, "missing": ids(reply)} if code == -1 else {"code": code}


def listed(entries: list[tuple[int, int, bytes]]) -> list[list[Any]]:
    return [[partition, count, data.hex()] for partition, count, data in entries]


def _decide(engine: Any, q: Step) -> Step:
    code, reply, partition, entry = engine.decide(
        q["kind"], bytes.fromhex(q["request"]), q["now_ms"], q["actor"]
    )
    if code == -1:
        assert entry == b""
        return said(code, reply)
    return {"code": code, "reply": reply.hex(), "partition": partition, "entry": entry.hex()}


def _decide_batch(engine: Any, q: Step) -> Step:
    code, results, total, batch_id, entries, decided = engine.decide_batch(
        q["kind"], bytes.fromhex(q["batch"]), q["now_ms"], q["first"], q["count"]
    )
    if code == -1:
        assert (entries, decided) == ([], 0)
        return said(code, results)
    return {
        "code": code,
        "results": results.hex(),
        "total": total,
        "batch_id": batch_id,
        "entries": listed(entries),
        "decided": decided,
    }


def _query(engine: Any, q: Step) -> Step:
    code, reply, partition = engine.query(q["kind"], bytes.fromhex(q["request"]))
    if code == -1:
        return said(code, reply)
    return {"code": code, "reply": reply.hex(), "partition": partition}


def _apply(engine: Any, q: Step) -> Step:
    applied, end, missing = engine.apply(bytes.fromhex(q["entries"]), q["start"], q["shop_id"])
    return {"applied": applied, "end": end, "missing": ids(missing)}


def _flush(engine: Any, q: Step) -> Step:
    stored, head, chunks = engine.flush(q["shop_id"])
    return {"stored": stored.hex(), "head": head.hex(), "chunks": [c.hex() for c in chunks]}


def _put_chunk(engine: Any, q: Step) -> Step:
    engine.put_chunk(bytes.fromhex(q["id"]), bytes.fromhex(q["content"]))
    return {}


def _install(engine: Any, q: Step) -> Step:
    engine.install(bytes.fromhex(q["manifest"]))
    return {}


def _rotate(engine: Any, q: Step) -> Step:
    engine.rotate(q["partition"])
    return {}


def _shrink(engine: Any, q: Step) -> Step:
    engine.shrink(q["limit"])
    return {}


CALLS: dict[str, Callable[[Any, Step], Step]] = {
    "decide": _decide,
    "decide_batch": _decide_batch,
    "tick": lambda engine, q: {"entries": listed(engine.tick(q["now_ms"]))},
    "query": _query,
    "apply": _apply,
    "load_manifest": lambda engine, q: {
        "partition": engine.load_manifest(bytes.fromhex(q["manifest"]))
    },
    "install": _install,
    "rotate": _rotate,
    "put_chunk": _put_chunk,
    "touched": lambda engine, _: {"shop_ids": engine.touched()},
    "flush": _flush,
    "missing_of": lambda engine, q: {"missing": ids(engine.missing_of(q["shop_id"]))},
    "missing_due": lambda engine, q: {"missing": ids(engine.missing_due(q["now_ms"]))},
    "shrink": _shrink,
}


def replay(core_: Any, engines: dict[int, Any], partitions: int, step: Step) -> Step:
    """Makes the call of a step; returns its outputs under the names of the file."""
    if step["call"] == "merge_chunks":
        chunks = core_.merge_chunks(
            [[bytes.fromhex(c) for c in source] for source in step["sources"]],
            bytes.fromhex(step["first"]),
            bytes.fromhex(step["end"]),
            step["now_ms"],
            step["contact_lifetime_ms"],
            step["contacts_since_ms"],
        )
        return {"chunks": [c.hex() for c in chunks]}
    number = step.get("engine", 0)
    if number not in engines:
        engines[number] = core_.Engine(partitions)
    if step["call"] == "take_partition":
        engines[number].take_partition(engines[step["other"]], step["partition"])
        return {}
    return CALLS[step["call"]](engines[number], step)


class RecordingCore:
    """Stands for the Python core; `steps` is what its engines were asked and said."""

    CORE, RULES_VERSION = core.CORE, core.RULES_VERSION

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.made = 0

    def Engine(self, partitions: int) -> RecordingEngine:  # noqa: N802
        self.made += 1
        return RecordingEngine(core.Engine(partitions), self.steps, self.made - 1)

    def merge_chunks(
        self,
        sources: list[list[bytes]],
        first: bytes,
        end: bytes,
        now_ms: int,
        contact_lifetime_ms: int,
        contacts_since_ms: int,
    ) -> list[bytes]:
        chunks = core.merge_chunks(
            sources, first, end, now_ms, contact_lifetime_ms, contacts_since_ms
        )
        self.steps.append(
            {
                "call": "merge_chunks",
                "sources": [[c.hex() for c in source] for source in sources],
                "first": first.hex(),
                "end": end.hex(),
                "now_ms": now_ms,
                "contact_lifetime_ms": contact_lifetime_ms,
                "contacts_since_ms": contacts_since_ms,
                "chunks": [c.hex() for c in chunks],
            }
        )
        return chunks


class RecordingEngine:
    """An engine that writes down what may change it, or asks for chunks; the rest it passes on."""

    def __init__(self, engine: Any, steps: list[Step], number: int) -> None:
        self.engine, self.steps, self.number = engine, steps, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def _call(self, name: str, **arguments: Any) -> Any:
        """Makes the call through `CALLS`, so that what is written is what will be compared."""
        answers: list[Any] = []

        class Listener:
            def __getattr__(_self, called: str) -> Any:  # noqa: N805
                def call(*args: Any) -> Any:
                    answers.append(getattr(self.engine, called)(*args))
                    return answers[-1]

                return call

        step = {"call": name, **({"engine": self.number} if self.number else {}), **arguments}
        step |= CALLS[name](Listener(), step)
        self.steps.append(step)
        return answers[0]

    def decide(self, kind: int, request: bytes, now_ms: int, actor: str = "") -> Any:
        return self._call("decide", kind=kind, request=request.hex(), now_ms=now_ms, actor=actor)

    def decide_batch(
        self, kind: int, batch: bytes, now_ms: int, first: int = 0, count: int = 4096
    ) -> Any:
        return self._call(
            "decide_batch", kind=kind, batch=batch.hex(), now_ms=now_ms, first=first, count=count
        )

    def tick(self, now_ms: int) -> Any:
        return self._call("tick", now_ms=now_ms)

    def query(self, kind: int, request: bytes) -> Any:
        return self._call("query", kind=kind, request=request.hex())

    def apply(self, entries: bytes, start: int = 0, shop_id: str = "") -> Any:
        return self._call("apply", entries=entries.hex(), start=start, shop_id=shop_id)

    def load_manifest(self, manifest: bytes) -> Any:
        return self._call("load_manifest", manifest=manifest.hex())

    def install(self, manifest: bytes) -> Any:
        return self._call("install", manifest=manifest.hex())

    def rotate(self, partition: int) -> Any:
        return self._call("rotate", partition=partition)

    def put_chunk(self, chunk_id: bytes, content: bytes) -> Any:
        return self._call("put_chunk", id=chunk_id.hex(), content=content.hex())

    def touched(self) -> Any:
        return self._call("touched")

    def flush(self, shop_id: str) -> Any:
        return self._call("flush", shop_id=shop_id)

    def missing_of(self, shop_id: str) -> Any:
        return self._call("missing_of", shop_id=shop_id)

    def missing_due(self, now_ms: int) -> Any:
        return self._call("missing_due", now_ms=now_ms)

    def shrink(self, limit: int) -> Any:
        return self._call("shrink", limit=limit)

    def take_partition(self, other: RecordingEngine, partition: int) -> None:
        self.engine.take_partition(other.engine, partition)
        self.steps.append(
            {
                "call": "take_partition",
                "engine": self.number,
                "other": other.number,
                "partition": partition,
            }
        )
