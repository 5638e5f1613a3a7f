"""The golden vectors: both cores give the recorded bytes, and recording again gives the same files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from model.recording import Player

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


def test_there_are_vectors_for_every_topic() -> None:
    assert {f.stem for f in FILES} == set(recorder().TOPICS)
    assert all(f.stat().st_size < 300_000 for f in FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_core_gives_the_recorded_bytes(core: ModuleType, file: Path) -> None:
    vector = json.loads(file.read_text(encoding="utf-8"))
    player = Player(core, vector)
    for number, step in enumerate(vector["steps"]):
        got = player.play(step)
        assert {**step, **got} == step, f"step {number} of {file.name}"
    engine = player.engine(vector["main"])
    assert engine.next_due() == vector["next_due"]
    assert engine.shop_ids() == vector["shop_ids"]
    snapshots = {i: engine.snapshot(i).hex() for i in engine.shop_ids(deleted=True)}
    assert snapshots == vector["snapshots"]
    assert list(snapshots) == list(vector["snapshots"])
    assert engine.state_hash().hex() == vector["state_hash"]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_recording_again_gives_the_same_file(file: Path) -> None:
    assert recorder().generate(file.stem) == file.read_text(encoding="utf-8")
