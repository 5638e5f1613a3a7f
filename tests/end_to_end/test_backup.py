"""A backup taken in the middle of a day, under load: it holds what was acknowledged, and serves on."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

from end_to_end.days import generated_trace, shop_of
from end_to_end.processes import FENLIU, Serving, environment, fenliu, free_address
from fenliu.journal import Record, SqliteReader
from model.wire import parse_entry, split_entries
from support.commands import run, said

pytestmark = pytest.mark.slow

BEFORE = 300
"""Answers that are acknowledged when the backup begins; there are more than twice as many."""


def acknowledged(acks: Path) -> list[tuple[str, str, str]]:
    """(kind, shop id, id) of each, the line being written left out."""
    whole = acks.read_text(encoding="utf-8").rpartition("\n")[0] if acks.exists() else ""
    lines = map(json.loads, whole.splitlines())
    return [(line["kind"], line["shop_id"], line["id"]) for line in lines]


def logs(path: Path) -> dict[int, list[Record]]:
    reader = SqliteReader(path)
    return {partition: list(reader.read(partition)) for partition in reader.heads()}


def commands(log: dict[int, list[Record]]) -> set[tuple[str, str, str]]:
    """(kind, shop id, id) of each inquiry and message in the log."""
    found = set()
    for records in log.values():
        for record in records:
            for data in split_entries(record.entries):
                entry = parse_entry(data)
                if entry.HasField("route"):
                    found.add(("route", shop_of(entry), entry.route.request_id))
                elif entry.HasField("message"):
                    found.add(("message", shop_of(entry), entry.message.event_id))
    return found


def test_a_backup_under_load_holds_all_that_was_acknowledged_and_serves_on(
    core: ModuleType, tmp_path: Path
):
    trace = generated_trace(tmp_path / "day.csv")
    data, acks, address = tmp_path / "data", tmp_path / "acks", free_address()
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    clock = ("--clock", "trace", "--core", core.CORE)
    replay = ("replay", trace, "--create-shops", "--json", "--acks", acks, "--target", address)
    with Serving("serve", "--listen", address, "--data", data, *clock) as server:
        client = subprocess.Popen(
            [*FENLIU, *map(str, replay)],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            while len(before := acknowledged(acks)) < BEFORE:
                assert client.poll() is None, "the replay ended before its time"
                time.sleep(0.01)
            # Here and not in a process of its own: while that starts, the day would be over. What is
            # older than 24 h when the backup is made would not be known as repeated below.
            said(run("backup", backup, "--data", data))
            client.communicate(timeout=120)
        finally:
            client.kill()
            client.communicate()
        assert client.returncode == 0
        served = json.loads(fenliu("check", "--data", data, "--json"))
        live = fenliu("state-hash", "--target", address).strip()
        assert (served["ok"], served["state_hash"]) == (True, live)
        assert server.terminate() == 0

    # The backup is a beginning of what was served, with everything acknowledged before it.
    whole, kept = logs(data), logs(backup)
    assert all(records == whole[p][: len(records)] for p, records in kept.items())
    assert set(before) <= commands(kept)
    assert sum(map(len, kept.values())) < sum(map(len, whole.values()))

    fenliu("restore", backup, "--data", restored)
    assert logs(restored) == kept
    checked = json.loads(fenliu("check", "--data", restored, "--deep", "--json"))
    assert (checked["ok"], checked["records"]) == (True, sum(map(len, kept.values())))

    # The same day again on the restored directory: what it knows is repeated, the rest happens now.
    with Serving("serve", "--listen", address, "--data", restored, *clock) as server:
        assert fenliu("state-hash", "--target", address).strip() == checked["state_hash"]
        again = json.loads(fenliu("replay", trace, "--create-shops", "--json", "--target", address))
        assert again["failures"] == []
        assert fenliu("state-hash", "--target", address).strip() == live
        assert server.terminate() == 0
    assert json.loads(fenliu("check", "--data", restored, "--deep", "--json"))["ok"]
