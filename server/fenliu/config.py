"""The server's settings, each with its default. The one place that says what can be set.

Values come from the command line or its FENLIU_... variables (see `fenliu serve --help`); this
module knows neither and validates what it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

CoreChoice = Literal["auto", "rust", "python"]
ClockChoice = Literal["wall", "trace"]
Durability = Literal["full", "relaxed"]

DEFAULT_LISTEN = "127.0.0.1:50051"
DEFAULT_DATA = Path("fenliu-data")
MEBIBYTE = 2**20
PROCESS_BYTES = 160 * MEBIBYTE
"""What a server takes besides its state: the interpreter, gRPC, SQLite."""
LEAST_MEMORY = 256 * MEBIBYTE
MOST_WORKERS = 64


class ConfigError(ValueError):
    """A setting breaks a rule; the text names both."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What `fenliu serve` runs with. Raises ConfigError for a value that breaks its rule."""

    listen: str = DEFAULT_LISTEN
    """HOST:PORT; port 0 lets the system choose."""
    data: Path | None = None
    """The data directory, made when absent; None: `fenliu-data` under the current directory."""
    core: CoreChoice = "auto"
    """Which core decides; auto: Rust if it loads, else Python."""
    clock: ClockChoice = "wall"
    """trace takes each call's time from metadata `fenliu-now-ms`; loopback only."""
    durability: Durability = "full"
    """relaxed answers before the disk has it: a power cut may lose the last answers."""
    protection: bool = True
    """Sheds what is too much; False only for measuring what that is worth."""
    reflection: bool = False
    """Offers gRPC server reflection, so that grpcurl needs no proto files."""
    lease_ms: int = 30_000
    """Milliseconds without a message until a presence session's agents go OFFLINE."""
    heartbeat_ms: int = 15_000
    """Milliseconds between the heartbeats asked of presence sessions."""
    slow_reader_ms: int = 60_000
    """Milliseconds without reading until the stream of somebody who watches is ended."""
    workers: int = 1
    """Number of processes that share the work, each with partitions of its own."""
    partitions: int = 64
    """Number of partitions of a new data directory; an existing one keeps its own."""
    memory_limit: int = 0
    """Bytes of resident memory to stay below, as far as state can be on disk instead; 0: none."""
    snapshot_after: int = 16 * MEBIBYTE
    """Bytes of log that a restart may have to read; behind more, snapshots are made."""
    retention_days: int = 90
    """Days for which records are kept, with what explanations and reports need; 0: for ever."""
    grace_ms: int = 5_000
    """Milliseconds given to running calls when the server stops."""
    data_dir: Path = field(init=False)

    @property
    def state_bytes(self) -> int | None:
        """What of `memory_limit` is for the state; None: there is no limit.

        As the engine counts it: the allocator, and making snapshots, take as much again.
        """
        return (self.memory_limit - PROCESS_BYTES) // 2 if self.memory_limit else None

    def of_one_worker(self, listen: str) -> ServerConfig:
        """What each of the workers runs with, where they listen: its share of what is for all of them."""
        return replace(
            self,
            listen=listen,
            workers=1,
            memory_limit=self.memory_limit // self.workers,
            snapshot_after=self.snapshot_after // self.workers,
        )

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_dir", self.data or DEFAULT_DATA)
        host, separator, port = self.listen.rpartition(":")
        if not separator or not host or not port.isdigit() or int(port) > 65_535:
            raise ConfigError(f"listen: must be HOST:PORT, not {self.listen!r}")
        for name, choices in (
            ("core", CoreChoice),
            ("clock", ClockChoice),
            ("durability", Durability),
        ):
            value = getattr(self, name)
            if value not in get_args(choices):
                raise ConfigError(
                    f"{name}: must be one of {', '.join(get_args(choices))}, not {value!r}"
                )
        if not 1 <= self.partitions <= 65_536:
            raise ConfigError("partitions: must be within 1..65536")
        if not 1 <= self.heartbeat_ms < self.lease_ms:
            raise ConfigError("heartbeat_ms: must be at least 1 and shorter than lease_ms")
        if self.slow_reader_ms < 1:
            raise ConfigError("slow_reader_ms: must be at least 1")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise ConfigError(f"workers: must be within 1..{MOST_WORKERS}")
        if self.memory_limit and self.memory_limit < LEAST_MEMORY * self.workers:
            raise ConfigError("memory_limit: must be 0 or at least 256 MiB for each worker")
        if self.snapshot_after < 0:
            raise ConfigError("snapshot_after: must not be negative")
        if self.retention_days < 0:
            raise ConfigError("retention_days: must not be negative")
        if self.grace_ms < 0:
            raise ConfigError("grace_ms: must not be negative")
        if self.clock == "trace" and not is_loopback(host):
            raise ConfigError(
                "clock: trace lets callers set the time, so listen must be a loopback address"
            )


def is_loopback(host: str) -> bool:
    """Whether a listen host is this machine only."""
    return host in {"localhost", "[::1]", "::1"} or host.startswith("127.")
