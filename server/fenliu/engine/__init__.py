"""The engine: the whole state of each shop and every rule of dispatch, as a pure state machine.

There are two cores with the same bytes in and out: `fenliu.engine._core` (Rust) and
`fenliu.engine.pure` (Python). This package chooses one and says what both offer; it knows no rule.
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, Self, TypeAlias

from fenliu.engine.kinds import CommandKind, QueryKind
from fenliu.engine.partitions import partition_of

__all__ = [
    "API_VERSION",
    "RULES_VERSION",
    "CommandKind",
    "Core",
    "CoreUnavailableError",
    "Engine",
    "PartitionEntries",
    "QueryKind",
    "load_core",
    "partition_of",
]

API_VERSION = 8
"""The face this package was written for; a core of another version is not loaded."""
RULES_VERSION = 1
"""The arithmetic by which entries are applied; a core of another version is not loaded."""

PartitionEntries: TypeAlias = tuple[int, int, bytes]
"""(partition, number of entries, the entries: each an encoded `Entry` behind its length as a varint)."""


class Engine(Protocol):
    """What an engine of either core offers; `_core.pyi` says what each call means."""

    def decide(
        self, kind: int, request: bytes, now_ms: int, actor: str = "", most_due: int = 0
    ) -> tuple[int, bytes, int, bytes]: ...

    def decide_batch(
        self,
        kind: int,
        batch: bytes,
        now_ms: int,
        first: int = 0,
        count: int = 4096,
        most_due: int = 0,
    ) -> tuple[int, bytes, int, int, list[PartitionEntries], int]: ...

    def tick(self, now_ms: int, most_due: int = 0, shop_id: str = "") -> list[PartitionEntries]: ...

    def missing_due(self, now_ms: int) -> bytes: ...

    def next_due(self) -> int | None: ...

    def query(self, kind: int, request: bytes) -> tuple[int, bytes, int]: ...

    def apply(
        self, entries: bytes, start: int = 0, shop_id: str = ""
    ) -> tuple[int, int, bytes]: ...

    def redecide(self, entry: bytes) -> tuple[int, bytes, int, bytes]: ...

    def play(self, script: bytes, playing: bytes) -> bytes: ...

    def shop_ids(self, *, deleted: bool = False) -> list[str]: ...

    def sessions(self) -> list[tuple[str, str]]: ...

    def snapshot(self, shop_id: str) -> bytes: ...

    def load_snapshot(self, snapshot: bytes) -> None: ...

    def state_hash(self) -> bytes: ...

    def take_partition(self, other: Self, partition: int) -> None: ...

    def take_shop(self, other: Self, shop_id: str) -> None: ...

    def failures(self) -> list[tuple[str, str]]: ...

    def load_manifest(self, manifest: bytes) -> int: ...

    def install(self, manifest: bytes) -> None: ...

    def tidy(self) -> bool: ...

    def rotate(self, partition: int) -> None: ...

    def put_chunk(self, chunk_id: bytes, content: bytes) -> None: ...

    def put_filter(self, chunk_id: bytes, filter: bytes) -> None: ...

    def touched(self) -> list[str]: ...

    def flush(self, shop_id: str) -> tuple[bytes, bytes, list[bytes]]: ...

    def missing_of(self, shop_id: str) -> bytes: ...

    def memory(self) -> int: ...

    def shrink(self, limit: int) -> None: ...


class MergeChunks(Protocol):
    """A core's `merge_chunks`; `_core.pyi` says what it means."""

    def __call__(
        self,
        sources: list[list[bytes]],
        first: bytes,
        end: bytes,
        now_ms: int,
        contact_lifetime_ms: int,
        contacts_since_ms: int,
    ) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Core:
    """A loaded core."""

    name: str
    """ "rust" or "python"."""
    api_version: int
    rules_version: int
    engine: Callable[[int], Engine]
    """Makes an engine without shops, given the number of partitions (1..65536, else ValueError)."""
    merge_chunks: MergeChunks
    filter_of: Callable[[bytes], bytes]
    """A core's `filter_of`; `_core.pyi` says what it means."""
    appender: Any = None
    """A core's `Appender`, a class; None: it has none. `_core.pyi` says what it means."""
    notice: str | None = None
    """One line for the operator when this is not the core one would expect; else None."""


class CoreUnavailableError(Exception):
    """The core asked for cannot be loaded. The message says why and what to do."""


def load_core(choice: str | None = None) -> Core:
    """Loads a core: "auto", "rust" or "python"; None: as `FENLIU_CORE` says, which unset is "auto".

    "auto" is Rust if it loads, else Python with a notice. Raises CoreUnavailableError when "rust" does
    not load, ValueError for any other choice.
    """
    wanted = os.environ.get("FENLIU_CORE", "") if choice is None else choice
    match wanted:
        case "" | "auto":
            try:
                return _load_rust()
            except CoreUnavailableError as error:
                return _load("fenliu.engine.pure", notice=f"using the Python core: {error}")
        case "rust":
            return _load_rust()
        case "python":
            return _load("fenliu.engine.pure")
        case _:
            raise ValueError(f"no core {wanted!r}: FENLIU_CORE is auto, rust or python")


def _load_rust() -> Core:
    return _load("fenliu.engine._core")


def _load(module_name: str, notice: str | None = None) -> Core:
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise CoreUnavailableError(
            "the Rust core is not built (same answers, only slower)"
        ) from error
    except ImportError as error:
        raise CoreUnavailableError(f"{module_name} does not load ({error})") from error
    _refuse_stale(module)
    return Core(
        name=module.CORE,
        api_version=module.API_VERSION,
        rules_version=module.RULES_VERSION,
        engine=module.Engine,
        merge_chunks=module.merge_chunks,
        filter_of=module.filter_of,
        appender=getattr(module, "Appender", None),
        notice=notice,
    )


def _refuse_stale(module: ModuleType) -> None:
    """An extension built from other sources may still lie about; it must not run."""
    rebuild = "build it again: maturin develop --release"
    missing = [
        name
        for name in (
            "CORE",
            "API_VERSION",
            "RULES_VERSION",
            "Engine",
            "merge_chunks",
            "filter_of",
            "partition_of",
        )
        if not hasattr(module, name)
    ]
    if not missing:
        methods = [name for name in vars(Engine) if not name.startswith("_")]
        missing = [f"Engine.{name}" for name in methods if not hasattr(module.Engine, name)]
    if missing:
        raise CoreUnavailableError(
            f"{module.__name__} is stale: it has no {', '.join(missing)}; {rebuild}"
        )
    found = (module.API_VERSION, module.RULES_VERSION)
    if found != (API_VERSION, RULES_VERSION):
        raise CoreUnavailableError(
            f"{module.__name__} is stale: API version {found[0]} and rules version {found[1]}, "
            f"not {API_VERSION} and {RULES_VERSION}; {rebuild}"
        )
