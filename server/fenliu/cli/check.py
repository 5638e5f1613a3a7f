"""`fenliu check`: is a data directory, or a backup, whole? If not: what is wrong, where, what to do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fenliu import offline
from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import json_option, print_json
from fenliu.cli.serve import core_option
from fenliu.cli.tables import print_line, progress
from fenliu.config import DEFAULT_DATA, CoreChoice


@command(
    "check",
    zh="检查数据目录或备份，并输出其状态的哈希。\n\n从头重放日志：校验和、缺口、次序、格式。有问题时退出码为 1。",
    en="Check a data directory or a backup, and print the hash of its state.\n\nReplays the log from"
    " nothing: checksums, gaps, order, formats. Exit code 1 when something is wrong.",
)
@option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=DEFAULT_DATA,
    zh="数据目录（服务器可以正在使用它）或备份文件。",
    en="A data directory, which a server may be running on, or a backup's file.",
)
@core_option
@option(
    "--deep",
    is_flag=True,
    zh="另外把每个决定重做一遍并比较。",
    en="Decide everything again, too, and compare.",
)
@json_option
def check(data: Path, core: CoreChoice, deep: bool, as_json: bool) -> None:
    """Checks, and prints what was found."""
    checked = offline.check(
        data, core, deep=deep, progress=lambda steps: progress(data.name, steps)
    )
    if as_json:
        found = asdict(checked)
        print_json({"ok": not checked.problems, **found, "state_hash": checked.state_hash.hex()})
        if checked.problems:
            raise SystemExit(1)
        return
    records, entries, shops = checked.records, checked.entries, checked.shops
    whole = words("不完整", "NOT whole") if checked.problems else words("完整", "whole")
    print_line(
        words(
            f"{data}：{whole}（读了 {records} 条记录、{entries} 条条目、{shops} 家店铺）",
            f"{data}: {whole} ({records} records, {entries} entries, {shops} shops read)",
        )
    )
    for problem in checked.problems:
        print_line(f"{_where(problem.partition, problem.seq)}{problem.what}")
        print_line(words(f"怎么办：{problem.to_do}", f"what to do: {problem.to_do}"), indent=2)
    if checked.problems:
        raise SystemExit(1)
    click.echo(f"{words('状态', 'state')} {checked.state_hash.hex()}")


def _where(partition: int | None, seq: int | None) -> str:
    if partition is None:
        return ""
    record = "" if seq is None else words(f"，记录 {seq}", f", record {seq}")
    return words(f"分区 {partition}{record}：", f"partition {partition}{record}: ")
