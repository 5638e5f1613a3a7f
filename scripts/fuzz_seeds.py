"""Writes what fuzzing begins with (docs/contributing.md), out of the golden vectors, into core_rs/fuzz/corpus.

The bytes are laid out as core_rs/fuzz/src reads them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "server"))

from fenliu.engine.partitions import partition_of  # noqa: E402 - after the path above
from fenliu.engine.v1 import engine_pb2  # noqa: E402 - after the path above

CORPUS = PROJECT / "core_rs" / "fuzz" / "corpus"
STEPS = 20
"""Of one seed: short ones are tried more often."""
FIRST_KIND = 4
SETTING_UP = {7, 8, 10}  # UPDATE_PRESENCE, SET_PRESENCE, APPLY_SHOP
BATCHES = {4: 16, 6: 17, 15: 18}
NO_SHOP, A_SHOP = b"\x00", b"\x01"
ACTORS = {"": 0, "a": 2, "boss": 3}
HARMED_PARTITION = partition_of("s", 2)
UNITS_MS = (1, 1_000, 60_000, 2_760_000)


def main() -> None:
    for path in sorted((PROJECT / "tests" / "golden").glob("*.json")):
        vector = json.loads(path.read_text())
        write("commands", commands(vector["steps"]))
        write("stored", stored(vector))


def write(target: str, seeds: Iterable[bytes]) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)


def body(content: bytes) -> bytes:
    length = len(content)
    head = bytes((length,)) if length < 0x80 else bytes((0x80 | length >> 8, length & 0xFF))
    return head + content


def pause(ms: int) -> bytes:
    for number, unit in enumerate(UNITS_MS):
        if ms <= 63 * unit:
            return bytes((max(0, -(-ms // unit)) << 2 | number,))
    return bytes((63 << 2 | 3,))


def commands(steps: list[dict[str, Any]]) -> Iterator[bytes]:
    """A vector's steps, some at a time; before each lot those that set up the shops."""
    calls: list[bytes] = []
    setting_up: list[bytes] = []
    now = 0
    for step in steps:
        passed = step.get("now_ms", now) - now if now else 0
        now = step.get("now_ms", now)
        call = one_call(step, pause(passed))
        if call is None:
            continue
        calls.append(call)
        if len(calls) <= STEPS and step.get("kind") in SETTING_UP:
            setting_up.append(call)
    for start in range(0, len(calls), STEPS):
        before = setting_up if start else []
        yield NO_SHOP + b"".join(before + calls[start : start + STEPS])


def one_call(step: dict[str, Any], passed: bytes) -> bytes | None:
    match step["call"]:
        case "decide":
            turn, content = step["kind"] - FIRST_KIND, bytes.fromhex(step["request"])
            turn |= ACTORS.get(step["actor"], 0) << 5
        case "decide_batch":
            turn, content = BATCHES[step["kind"]], bytes.fromhex(step["batch"])
            turn |= 0x40 if step["first"] else 0
        case "query":
            turn, content = 19 + step["kind"], bytes.fromhex(step["request"])
        case "tick":
            return b"\x17" + passed
        case "rotate":
            return b"\x1a" + passed
        case "install":
            return b"\x1b" + passed
        case "shrink":
            return b"\x1c" + passed + b"\x00"
        case _:
            return None
    if len(content) > 2_000:
        return None
    return bytes((turn,)) + passed + body(content)


def stored(vector: dict[str, Any]) -> Iterator[bytes]:
    entries = [entry for step in vector["steps"] for entry in entries_of(step)]
    for start in range(0, len(entries), 16):
        some = [entry for entry in entries[start : start + 16] if len(entry) < 2_000]
        yield NO_SHOP + b"".join(b"\x00" + body(entry) for entry in some)
        yield A_SHOP + b"".join(b"\x04" + body(entry) for entry in some)
    for snapshot in vector["snapshots"].values():
        content = bytes.fromhex(snapshot)
        if len(content) < 8_000:
            last = entries[-1] if entries else b""
            yield NO_SHOP + b"\x05" + body(content) + b"\x00" + body(last) + b"\x0f"
    contents = {
        hashlib.sha256(one).digest(): one for one in map(bytes.fromhex, vector.get("chunks", []))
    }
    for step in vector["steps"]:
        if step["call"] in ("load_manifest", "install"):
            yield manifest_seed(bytes.fromhex(step["manifest"]), contents, entries)
        if step["call"] == "merge_chunks":
            yield merge_seed(step)


def entries_of(step: dict[str, Any]) -> list[bytes]:
    logged = [step["entry"]] if step["call"] == "decide" else []
    logged += [entries for _, _, entries in step.get("entries", [])]
    found = []
    for some in logged:
        left = bytes.fromhex(some)
        while left:
            length = shift = at = 0
            while True:
                length |= (left[at] & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if left[at - 1] < 0x80:
                    break
            found.append(left[at : at + length])
            left = left[at + length :]
    return found


def manifest_seed(content: bytes, contents: dict[bytes, bytes], entries: list[bytes]) -> bytes:
    """The chunks it names under short names, the manifest, what is read, some entries behind it."""
    manifest = engine_pb2.Manifest.FromString(content)
    # Of the first shop, which is the one that is harmed; others would be of another partition.
    del manifest.shops[1:]
    for shop in manifest.shops:
        shop.shop_id = "s"
    manifest.partition = HARMED_PARTITION
    names: dict[bytes, bytes] = {}

    def name(chunk_id: bytes) -> bytes:
        return names.setdefault(chunk_id, bytes((len(names) + 1,)) * 32)

    for shop in manifest.shops:
        shop.head[:] = [name(one) for one in shop.head]
        for segment in shop.segments:
            for chunk in segment.chunks:
                chunk.id = name(chunk.id)
    chunks = b"".join(
        b"\x08" + short[:1] + body(contents[chunk_id])
        for chunk_id, short in names.items()
        if len(contents.get(chunk_id, bytes(10_000))) < 8_000
    )
    loaded = b"\x06" + body(manifest.SerializeToString(deterministic=True))
    behind = b"".join(b"\x00" + body(entry) for entry in entries[-4:])
    return NO_SHOP + chunks + loaded + chunks + behind + b"\x0f"


def merge_seed(step: dict[str, Any]) -> bytes:
    sources = [list(map(bytes.fromhex, source)) for source in step["sources"]][:4]
    seed = NO_SHOP + bytes((9 | len(sources) - 1 << 4,)) if sources else NO_SHOP
    for source in sources:
        seed += bytes((len(source[:3]),)) + b"".join(map(body, source[:3]))
    seed += body(bytes.fromhex(step["first"])) + body(bytes.fromhex(step["end"]))
    for number in ("now_ms", "contact_lifetime_ms", "contacts_since_ms"):
        seed += step[number].to_bytes(8, "big", signed=True)
    return seed


if __name__ == "__main__":
    main()
