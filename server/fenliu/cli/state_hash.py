"""`fenliu state-hash`: one hash over the whole state, to compare servers, cores and directories."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from fenliu import offline
from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import json_option, print_json, target_option, with_client
from fenliu.cli.serve import core_option
from fenliu.config import CoreChoice


@command(
    "state-hash",
    zh="输出全部状态的哈希。\n\n用 --data 时重放数据目录（--core 选择由谁计算），否则询问 --target 的服务器。"
    "哈希相同即状态相同。",
    en="Print the hash of the whole state.\n\nReplays a data directory with --data (--core chooses who"
    " computes the hash), else asks the server at --target. Equal hashes mean equal states.",
)
@option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    zh="改为重放这个目录的日志；服务器可以正在使用它。",
    en="Replay this directory's log instead; a server may be running on it.",
)
@core_option
@target_option
@json_option
@click.pass_context
def state_hash(
    context: click.Context, data: Path | None, core: CoreChoice, target: str, as_json: bool
) -> None:
    """Prints the hash of a directory or of a server."""
    typed = {
        name
        for name in ("data", "target")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if typed == {"data", "target"}:
        raise click.UsageError(
            words("--data 与 --target 不能同用", "--data and --target exclude each other")
        )
    # What is typed goes before FENLIU_DATA.
    if data is not None and "target" not in typed:
        hashed, shops = offline.state_hash(data, core)
    else:
        response = with_client(target, lambda client: client.get_state_hash())
        hashed, shops = response.state_hash, response.shops
    if as_json:
        print_json({"state_hash": hashed, "shops": shops})
    else:
        click.echo(hashed)
