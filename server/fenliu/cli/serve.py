"""`fenliu serve`: the server."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fenliu import app
from fenliu.cli.options import option
from fenliu.cli.size import Size
from fenliu.config import (
    DEFAULT_DATA,
    DEFAULT_LISTEN,
    ClockChoice,
    CoreChoice,
    Durability,
    ServerConfig,
)

listen_option = option(
    "--listen",
    default=DEFAULT_LISTEN,
    metavar="HOST:PORT",
    help="Where to listen; port 0: any free one.",
)
data_option = option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA,
    help="The data directory; made when absent.",
)
core_option = option(
    "--core",
    type=click.Choice(["auto", "rust", "python"]),
    default="auto",
    help="Which core decides; auto: Rust if it loads.",
)


@click.command()
@listen_option
@data_option
@core_option
@option(
    "--clock",
    type=click.Choice(["wall", "trace"]),
    default="wall",
    help="trace: callers give the time, to replay recorded days (loopback only).",
)
@option(
    "--durability",
    type=click.Choice(["full", "relaxed"]),
    default="full",
    help="relaxed: a power cut may lose the last answers.",
)
@option("--reflection", is_flag=True, help="Offer gRPC reflection, as grpcurl wants it.")
@option("--partitions", default=64, help="Partitions of a new data directory.")
@option("--memory-limit", type=Size(), default="0", help="Resident memory to stay below; 0: none.")
@option("--snapshot-after", type=Size(), default="16MiB", help="Log that a restart may read.")
@option("--retention-days", default=90, help="How long the log is kept; 0: for ever.")
@option("--lease-ms", default=30_000, help="Silence after which presence sessions end.")
@option("--heartbeat-ms", default=15_000, help="Heartbeat asked of presence sessions.")
@option("--slow-reader-ms", default=60_000, help="Without reading: ends a watcher's stream.")
@option("--grace-ms", default=5_000, help="Time for running calls at the end.")
def serve(
    listen: str,
    data: Path,
    core: CoreChoice,
    clock: ClockChoice,
    durability: Durability,
    reflection: bool,
    partitions: int,
    memory_limit: int,
    snapshot_after: int,
    retention_days: int,
    lease_ms: int,
    heartbeat_ms: int,
    slow_reader_ms: int,
    grace_ms: int,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Prints one line, `listening on HOST:PORT`, when it is ready.
    """
    config = ServerConfig(
        listen=listen,
        data=data,
        core=core,
        clock=clock,
        durability=durability,
        reflection=reflection,
        partitions=partitions,
        memory_limit=memory_limit,
        snapshot_after=snapshot_after,
        retention_days=retention_days,
        lease_ms=lease_ms,
        heartbeat_ms=heartbeat_ms,
        slow_reader_ms=slow_reader_ms,
        grace_ms=grace_ms,
    )
    sys.exit(app.serve(config))
