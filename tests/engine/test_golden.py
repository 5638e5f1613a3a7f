"""The golden vectors: both cores give the recorded bytes, and recording again gives the same files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "tests" / "golden").glob("*.json"))


def recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_golden", ROOT / "scripts" / "generate_golden.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed(entries: list[tuple[int, int, bytes]]) -> list[list[Any]]:
    return [[partition, count, data.hex()] for partition, count, data in entries]


def replay(engine: Any, step: dict[str, Any]) -> dict[str, Any]:
    """Makes the call of a step; returns its outputs under the names of the file."""
    if step["call"] == "decide":
        body = bytes.fromhex(step["request"])
        code, reply, partition, entry = engine.decide(
            step["kind"], body, step["now_ms"], step["actor"]
        )
        return {"code": code, "reply": reply.hex(), "partition": partition, "entry": entry.hex()}
    if step["call"] == "decide_batch":
        body = bytes.fromhex(step["batch"])
        code, results, total, batch_id, entries = engine.decide_batch(
            step["kind"], body, step["now_ms"], step["first"], step["count"]
        )
        return {
            "code": code,
            "results": results.hex(),
            "total": total,
            "batch_id": batch_id,
            "entries": listed(entries),
        }
    if step["call"] == "tick":
        return {"entries": listed(engine.tick(step["now_ms"]))}
    assert step["call"] == "query"
    code, reply, partition = engine.query(step["kind"], bytes.fromhex(step["request"]))
    return {"code": code, "reply": reply.hex(), "partition": partition}


def test_there_are_vectors_for_every_topic() -> None:
    assert {f.stem for f in FILES} == set(recorder().TOPICS)
    assert all(f.stat().st_size < 300_000 for f in FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_core_gives_the_recorded_bytes(core: ModuleType, file: Path) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    engine = core.Engine(vector["partitions"])
    for number, step in enumerate(vector["steps"]):
        got = replay(engine, step)
        assert {**step, **got} == step, f"step {number} of {file.name}"
    assert engine.next_due() == vector["next_due"]
    snapshots = {i: engine.snapshot(i).hex() for i in engine.shop_ids()}
    assert snapshots == vector["snapshots"]
    assert list(snapshots) == list(vector["snapshots"])
    assert engine.state_hash().hex() == vector["state_hash"]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_recording_again_gives_the_same_file(file: Path) -> None:
    assert recorder().generate(file.stem) == file.read_text(encoding="utf-8")
