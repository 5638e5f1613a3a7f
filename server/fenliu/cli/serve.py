"""`fenliu serve`: the server."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fenliu import app
from fenliu.cli.command import command, option
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
    zh="监听地址；端口 0 表示任选一个空闲的。",
    en="Where to listen; port 0: any free one.",
)
data_option = option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA,
    zh="数据目录；没有则建立。",
    en="The data directory; made when absent.",
)
core_option = option(
    "--core",
    type=click.Choice(["auto", "rust", "python"]),
    default="auto",
    zh="由哪个核心决定；auto：能加载就用 Rust。",
    en="Which core decides; auto: Rust if it loads.",
)


@command(
    "serve",
    zh="运行服务器，直到 SIGTERM 或 Ctrl-C。\n\n就绪时输出一行 `listening on HOST:PORT`。",
    en="Run the server until SIGTERM or Ctrl-C.\n\nPrints one line, `listening on HOST:PORT`, when it is"
    " ready.",
)
@listen_option
@data_option
@core_option
@option(
    "--clock",
    type=click.Choice(["wall", "trace"]),
    default="wall",
    zh="trace：时间由调用方给出，用于重放记录的一天（仅限本机）。",
    en="trace: callers give the time, to replay recorded days (loopback only).",
)
@option(
    "--durability",
    type=click.Choice(["full", "relaxed"]),
    default="full",
    zh="relaxed：断电时可能丢失最后几个回答。",
    en="relaxed: a power cut may lose the last answers.",
)
@option(
    "--protection",
    type=click.Choice(["on", "off"]),
    default="on",
    zh="过载保护；off 只用于测量它的作用。",
    en="What sheds too much load; off only for measuring what it is worth.",
)
@option(
    "--reflection",
    is_flag=True,
    zh="提供 gRPC 反射，供 grpcurl 等使用。",
    en="Offer gRPC reflection, as grpcurl wants it.",
)
@option(
    "--workers",
    default=1,
    zh="分担工作的进程数；各自负责一部分店铺。",
    en="Processes that share the work, each with shops of its own.",
)
@option(
    "--partitions",
    default=64,
    zh="新数据目录的分区数。",
    en="Partitions of a new data directory.",
)
@option(
    "--memory-limit",
    type=Size(),
    default="0",
    zh="常驻内存的上限，如 2GiB；用不到的状态留在磁盘上。0：不限。",
    en="Resident memory to stay below, as 2GiB; state not in use stays on disk. 0: no limit.",
)
@option(
    "--snapshot-after",
    type=Size(),
    default="16MiB",
    zh="日志每增长这么多就写快照，重启时最多读这么多。",
    en="Log after which snapshots are made; about what a restart has to read.",
)
@option(
    "--retention-days",
    default=90,
    zh="记录保留的天数；0：永久。",
    en="Days for which the log is kept; 0: for ever.",
)
@option(
    "--lease-ms",
    default=30_000,
    zh="在线会话静默多久后结束（毫秒）。",
    en="Silence in ms after which presence sessions end.",
)
@option(
    "--heartbeat-ms",
    default=15_000,
    zh="要求在线会话的心跳间隔（毫秒）。",
    en="Heartbeat in ms asked of presence sessions.",
)
@option(
    "--slow-reader-ms",
    default=60_000,
    zh="监听者多久不读就断开（毫秒）。",
    en="So long without reading ends a watcher's stream, in ms.",
)
@option(
    "--grace-ms",
    default=5_000,
    zh="停止时留给进行中调用的时间（毫秒）。",
    en="Time in ms for running calls at the end.",
)
def serve(
    listen: str,
    data: Path,
    core: CoreChoice,
    clock: ClockChoice,
    durability: Durability,
    protection: str,
    reflection: bool,
    workers: int,
    partitions: int,
    memory_limit: int,
    snapshot_after: int,
    retention_days: int,
    lease_ms: int,
    heartbeat_ms: int,
    slow_reader_ms: int,
    grace_ms: int,
) -> None:
    """Runs the server."""
    config = ServerConfig(
        listen=listen,
        data=data,
        core=core,
        clock=clock,
        durability=durability,
        protection=protection == "on",
        reflection=reflection,
        workers=workers,
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
