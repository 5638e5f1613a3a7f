"""Bytes that are nearly commands, entries, snapshots and manifests, at every entry of the engine's face.

`python -m faults.fuzz --minutes 30` runs the Rust core alone, quickly; `--both` holds it against the Python core
after each call. Allowed to what comes from outside is what the face says: an answer, or ValueError. A failure of
the engine's own, any other error, a difference, a call of more than a second end the run and print the seed that
repeats it.

What comes from a disk has passed a checksum before it gets to an engine. Should damage pass it all the same, it is a
ValueError, or makes some state at which later commands may fail, with an answer that says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from model import commands
from model.cores import CORES, load_core
from model.wire import COMMANDS, T0, batch_bytes

STEPS = 300
"""Of one seed."""
PARTITIONS = 4
SLOW_S = 1.0
KINDS = [kind for kind, _, _ in COMMANDS.values()]


def mutated(rng: Random, body: bytes) -> bytes:
    """Bytes changed, doubled, cut, spliced, blown up; at times not at all."""
    data = bytearray(body)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        turn = rng.randrange(7)
        if turn == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif turn == 1 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif turn == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif turn == 3:
            del data[at : at + rng.randrange(1, 9)]
        elif turn == 4:
            data[at:at] = data[max(0, at - 16) : at] * rng.randrange(1, 4)
        elif turn == 5:
            data[at:at] = rng.choice(
                (b"\xff" * 9 + b"\x01", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 300, b"\x80" * 10)
            )
        else:
            data[at:at] = data
    return bytes(data[: 1 << 16])


class Fuzzed:
    """One engine of each core, asked the same."""

    def __init__(self, cores: Sequence[ModuleType]) -> None:
        self._cores = cores
        self._engines = [core.Engine(PARTITIONS) for core in cores]
        self.calls = 0

    def survive(self, name: str, body: bytes) -> None:
        """Has a new engine of each core take what comes from a disk, damaged."""
        for core in self._cores:
            began = time.monotonic()
            with suppress(ValueError):
                getattr(core.Engine(PARTITIONS), name)(body)
            took = time.monotonic() - began
            assert took < SLOW_S, f"{name}: {took:.1f} s for {body!r}"
            self.calls += 1

    def call(self, name: str, *arguments: Any) -> Any:
        """What all of them say: an answer, or the name of an error."""
        said = []
        for engine in self._engines:
            began = time.monotonic()
            try:
                said.append(getattr(engine, name)(*arguments))
            except ValueError:
                said.append("ValueError")
            took = time.monotonic() - began
            assert took < SLOW_S, f"{name}: {took:.1f} s for {arguments!r}"
            failures = engine.failures()
            assert not failures, f"{name} {arguments!r}: {failures}"
            self.calls += 1
        assert all(one == said[0] for one in said[1:]), f"{name} {arguments!r}: {said}"
        return said[0]


def run(seed: int, cores: Sequence[ModuleType]) -> int:
    """One seed: a shop's life in which half of what comes is damaged. Returns how many calls that was."""
    rng, fuzzed = Random(seed), Fuzzed(cores)
    now, entries = T0, [b""]
    for _ in range(STEPS):
        now += rng.choice((0, 1, 300, 5000))
        name, message, actor = commands.any_command(rng, 20, ["1", "2"], now)
        body = message.SerializeToString(deterministic=True)
        if rng.randrange(2):
            body = mutated(rng, body)
        turn = rng.randrange(20)
        if turn == 0:
            kind = rng.choice((4, 6, 15))
            batch = mutated(rng, batch_bytes([body] * rng.randrange(1, 4), rng.randrange(3)))
            fuzzed.call("decide_batch", kind, batch, now, rng.choice((0, 0, 1)), rng.choice((1, 9)))
        elif turn == 1:
            fuzzed.call("query", rng.choice((1, 2, 3)), body)
        elif turn == 2:
            fuzzed.call("tick", now)
        else:
            kind = COMMANDS[name][0] if rng.randrange(4) else rng.choice(KINDS)
            answer = fuzzed.call("decide", kind, body, now, actor)
            if answer != "ValueError" and answer[3]:
                entries.append(answer[3])
    fuzzed.call("state_hash")
    _foreign(rng, fuzzed, entries)
    return fuzzed.calls


def _foreign(rng: Random, fuzzed: Fuzzed, entries: list[bytes]) -> None:
    for _ in range(10):
        some = b"".join(rng.sample(entries, min(3, len(entries))))
        fuzzed.survive("apply", mutated(rng, some))
        fuzzed.survive("redecide", mutated(rng, rng.choice(entries)))
    for shop_id in fuzzed.call("shop_ids"):
        snapshot = fuzzed.call("snapshot", shop_id)
        for _ in range(10):
            fuzzed.survive("load_snapshot", mutated(rng, snapshot))
            fuzzed.survive("load_manifest", mutated(rng, snapshot))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--both", action="store_true")
    parser.add_argument("--state", type=Path, help="go on from where this file says, and keep it")
    options = parser.parse_args()
    cores = [core for core in map(load_core, CORES if options.both else ["rust"]) if core]
    seed, calls, left = options.first, 0, options.minutes * 60
    if options.state and options.state.exists():
        seed, calls, left = json.loads(options.state.read_text())
    while left > 0:
        began = time.monotonic()
        try:
            calls += run(seed, cores)
        except BaseException as error:  # a panic is no Exception
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:2000]}")
            print(f"again: python -m faults.fuzz --first {seed} {'--both' * options.both}")
            return 1
        seed += 1
        left -= time.monotonic() - began
        if options.state and seed % 100 == 0:
            options.state.write_text(json.dumps([seed, calls, left]))
    print(f"{seed - options.first} seeds, {calls} calls: no panic, no hang, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
