"""Whole days played on servers of their own, undisturbed or killed on the way, and what is left of them.

The days: a recorded one, where it is at hand, and one made up by a seeded generator.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from end_to_end.processes import FENLIU, PROJECT, Serving, environment, fenliu, free_address
from fenliu.engine import Core, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.journal import SqliteReader
from fenliu.traffic.trace import COLUMNS, Row, read_trace
from fenliu.v1 import dispatch_pb2
from model.cores import both_cores
from model.wire import parse_entry, split_entries

TRACES = ("recorded", "generated")
RECORDED = "support_2017-10-31.csv"
KILLS = 3

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

# --- the days -------------------------------------------------------------------------------------


def recorded_trace() -> Path:
    """FENLIU_TRACE, or the recorded day in the data folder of a neighbour of the checkout."""
    named = os.environ.get("FENLIU_TRACE")
    found = [Path(named)] if named else sorted(PROJECT.parent.glob(f"*/data/{RECORDED}"))
    if not found:
        pytest.skip(
            "the recorded day is no part of the project (its licence): FENLIU_TRACE=FILE.csv names it"
        )
    return found[0]


def generated_trace(path: Path, seed: int = 11) -> Path:
    """A made-up trace of about 1,500 rows in eight shops.

    Buyers return within the half hour, after it, the next day and after four days; agents sign
    always, never, or now and then; one shop answers nobody, one only on the first day.
    """
    rng = random.Random(seed)
    start = 1_700_000_000_000
    rows: list[tuple[Any, ...]] = []
    signing = {
        "tea": ["KO", "LM", "小王"],
        "phones": ["A", "B", "C", "D", "E", "F"],
        "云雾茶庄": ["林", "陈"],
        "mixed": ["JT", "", "PW", ""],
        "first-day-only": ["R", "S"],
        "unsigned": [""],
        "unsigned-too": [""],
        "silent": [],
    }
    for shop, signs in signing.items():
        number = 0
        for buyer in range(22):
            at = start + rng.randrange(10 * HOUR)
            for _ in range(rng.randrange(1, 5)):
                for _ in range(rng.randrange(1, 4)):
                    number += 1
                    rows.append((at, shop, f"b{buyer}", "buyer", "", f"m{number}", ""))
                    late = shop == "first-day-only" and at > start + DAY // 2
                    if signs and not late and rng.random() < 0.8:
                        number += 1
                        at += rng.randrange(1_000, 9 * MINUTE)
                        answer = (shop, f"b{buyer}", "agent", rng.choice(signs), f"m{number}")
                        rows.append((at, *answer, f"m{number - 1}"))
                    at += rng.randrange(1_000, 12 * MINUTE)
                at += rng.choice((10 * MINUTE, 31 * MINUTE, 2 * HOUR, DAY, DAY, 4 * DAY))
    rng.shuffle(rows)  # a trace may come in any order
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


Log = list[tuple[bytes, engine_pb2.Entry]]
"""Entries, each behind its length and read."""


# --- a day that was played ------------------------------------------------------------------------


@dataclass
class Played:
    """What is left of a day: what the client was told, what is in the log, the state at the end."""

    core: str
    data: Path
    rows: list[Row]
    exit_code: int
    """Of `fenliu replay`."""
    report: dict[str, Any]
    """What `fenliu replay --json` printed."""
    acks: list[dict[str, Any]]
    """The acknowledged answers in the order they arrived."""
    state_hash: str
    """Of the running server, after the last event."""
    killed_at: list[int] = field(default_factory=list)
    """How many answers had been acknowledged at each kill."""
    kill_seed: int | None = None
    """Where the kills came from: FENLIU_KILL_SEED brings them again."""

    @property
    def asked(self) -> set[tuple[str, str]]:
        """(shop id, message id) of each buyer's message."""
        return {(row.shop_id, row.message_id) for row in self.rows if row.from_buyer}

    def acked(self, kind: str) -> list[tuple[str, str]]:
        """(shop id, id) of the acknowledged answers of a kind."""
        return [(ack["shop_id"], ack["id"]) for ack in self.acks if ack["kind"] == kind]

    @cached_property
    def answers(self) -> dict[tuple[str, str], dispatch_pb2.RouteResponse]:
        """The acknowledged answer to each inquiry, by (shop id, request id)."""
        return {
            (ack["shop_id"], ack["id"]): ParseDict(ack["response"], dispatch_pb2.RouteResponse())
            for ack in self.acks
            if ack["kind"] == "route"
        }

    @cached_property
    def partitions(self) -> int:
        return SqliteReader(self.data).partitions

    @cached_property
    def log(self) -> Log:
        return log_of(self.data)

    @cached_property
    def log_by_shop(self) -> dict[str, list[bytes]]:
        shops: dict[str, list[bytes]] = defaultdict(list)
        for data, entry in self.log:
            shops[shop_of(entry)].append(data)
        return shops


def log_of(data: Path) -> Log:
    """A data directory's entries, partition after partition."""
    reader = SqliteReader(data)
    return [
        (entry, parse_entry(entry))
        for partition in sorted(reader.heads())
        for record in reader.read(partition)
        for entry in split_entries(record.entries)
    ]


def shop_of(entry: engine_pb2.Entry) -> str:
    """The shop whose command this is; a replay uses no presence sessions."""
    name = entry.WhichOneof("command")
    assert name is not None
    command = getattr(entry, name)
    shop_id: str = command.shop.shop_id if name == "apply_shop" else command.shop_id
    return shop_id


def core_named(name: str) -> Core:
    """A core as the server loads it; a test that needs Rust is skipped where there is none."""
    if name == "rust":
        both_cores()
    return load_core(name)


def other_than(core: str) -> Core:
    return core_named({"python": "rust", "rust": "python"}[core])


def decisions_of(entry: engine_pb2.Entry) -> Iterator[engine_pb2.Decided]:
    return (fact.decided for fact in entry.facts if fact.HasField("decided"))


# --- playing --------------------------------------------------------------------------------------


class Days:
    """Plays each day once for all tests that ask for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._played: dict[tuple[str, str, str], Played] = {}

    def undisturbed(self, core: str, trace: str) -> Played:
        """The whole trace on a server that nobody disturbs."""
        return self._once(core, trace, "whole")

    def shared(self, core: str, trace: str) -> Played:
        """The same by two workers."""
        return self._once(core, trace, "shared")

    def killed(self, core: str, trace: str) -> Played:
        """The same on a server that is killed three times and started again."""
        return self._once(core, trace, "killed")

    def _once(self, core: str, trace: str, how: str) -> Played:
        key = (core, trace, how)
        if key not in self._played:
            core_named(core)
            path = self._trace(trace)
            folder = self._folder / "-".join(key)
            folder.mkdir()
            workers = 2 if how == "shared" else 1
            self._played[key] = _play(core, path, folder, kills=how == "killed", workers=workers)
        return self._played[key]

    def _trace(self, name: str) -> Path:
        if name == "recorded":
            return recorded_trace()
        path = self._folder / "generated.csv"
        return path if path.exists() else generated_trace(path)


def _play(core: str, trace: Path, folder: Path, *, kills: bool, workers: int) -> Played:
    rows = read_trace(trace)
    data, acks, address = folder / "data", folder / "acks", free_address()
    serve = ["serve", "--listen", address, "--data", data, "--clock", "trace", "--core", core]
    serve += ["--workers", str(workers)]
    if kills:
        # Snapshots are made all the time, so that the kills meet them and the starts rest on them.
        serve += ["--snapshot-after", "1KiB"]
    replay = ("replay", trace, "--create-shops", "--json", "--acks", acks, "--target", address)
    killed_at: list[int] = []
    seed = _kill_seed() if kills else None
    out, err = folder / "out", folder / "err"
    server = Serving(*serve)
    try:
        with out.open("w") as stdout, err.open("w") as stderr:
            client = subprocess.Popen(
                [*FENLIU, *map(str, replay)], env=environment(), stdout=stdout, stderr=stderr
            )
        try:
            if seed is not None:
                print(f"FENLIU_KILL_SEED={seed}")
                rng = random.Random(seed)
                for point in _kill_points(rng, rows):
                    killed_at.append(_wait_for_answers(acks, point, client))
                    time.sleep(rng.uniform(0, 0.005))  # anywhere in a commit
                    assert client.poll() is None, err.read_text()
                    server.kill()
                    server = Serving(*serve)
            exit_code = client.wait(timeout=120)
        finally:
            client.kill()
            client.wait()
        state_hash = fenliu("state-hash", "--target", address).strip()
        assert server.terminate() == 0
    finally:
        server.kill()
    lines = acks.read_text(encoding="utf-8").splitlines()
    report = json.loads(out.read_text() or "{}")
    answers = [json.loads(line) for line in lines]
    return Played(core, data, rows, exit_code, report, answers, state_hash, killed_at, seed)


def _kill_seed() -> int:
    given = os.environ.get("FENLIU_KILL_SEED")
    return random.SystemRandom().getrandbits(32) if given is None else int(given)


def _kill_points(rng: random.Random, rows: list[Row]) -> list[int]:
    """Numbers of answers, one in each third of those that there will be at least."""
    least = 2 * sum(row.from_buyer for row in rows)  # each inquiry's, and its message event's
    third = least // KILLS
    return [rng.randrange(third * part + 1, third * (part + 1)) for part in range(KILLS)]


def _wait_for_answers(acks: Path, number: int, client: subprocess.Popen[bytes]) -> int:
    """Until so many are acknowledged; returns how many there are then."""
    while not acks.exists() or (count := acks.read_bytes().count(b"\n")) < number:
        assert client.poll() is None, "the replay ended before its time"
        time.sleep(0.002)
    return count
