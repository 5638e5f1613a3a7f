"""`fenliu backup` and `fenliu restore`: a data directory as one file, and back."""

from __future__ import annotations

from pathlib import Path

import click
from rich.filesize import decimal

from fenliu import offline
from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import json_option, print_json
from fenliu.config import DEFAULT_DATA


@command(
    "backup",
    zh="把数据目录完整复制成文件 TARGET 并检查。\n\n备份开始前确认过的都在里面。全部完成后 TARGET 才出现；"
    "它含有密钥，只有所有者可读。",
    en="Copy a data directory into the file TARGET, whole and checked.\n\nWhat was acknowledged before the"
    " backup began is in it. TARGET appears when all is done; it holds secrets and is readable for its"
    " owner only.",
)
@click.argument("target", type=click.Path(path_type=Path))
@option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA,
    zh="数据目录；服务器可以正在使用它。",
    en="The data directory; a server may be running on it.",
)
@option("--force", is_flag=True, zh="TARGET 已存在则替换。", en="Replace TARGET if it exists.")
@json_option
def backup(target: Path, data: Path, force: bool, as_json: bool) -> None:
    """Copies the directory into the file."""
    _say(target, *offline.back_up(data, target, force=force), as_json=as_json)


@command(
    "restore",
    zh="用备份文件 BACKUP 建立新的数据目录并检查。\n\n它与备份前的目录不是同一个：监听者从头开始，客服重新登录。",
    en="Make a new data directory from the file BACKUP, checked.\n\nIt is another directory than the one"
    " backed up: whoever watches starts over, and agents log in anew.",
)
@click.argument("backup", type=click.Path(dir_okay=False, path_type=Path))
@option(
    "--data",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA,
    zh="要建立的目录；须不存在或为空。",
    en="The directory to make; absent or empty.",
)
@json_option
def restore(backup: Path, data: Path, as_json: bool) -> None:
    """Makes the directory."""
    _say(data, *offline.restore(backup, data), as_json=as_json)


def _say(made: Path, records: int, size: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"path": str(made), "records": records, "bytes": size})
        return
    click.echo(
        words(
            f"{made}：{records} 条记录，{decimal(size)}，已检查",
            f"{made}: {records} records, {decimal(size)}, checked",
        )
    )
