"""What commands that call a server share: options, a client, JSON on standard output."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from fenliu.cli.command import option
from fenliu.cli.language import words
from fenliu.client import FenliuClient, FenliuError
from fenliu.config import DEFAULT_LISTEN

PATIENCE_S = 3.0
"""A server started a moment ago is waited for; one that is not there at all is said soon."""
TIMEOUT_S = 30.0

_Result = TypeVar("_Result")

target_option = option(
    "--target",
    default=DEFAULT_LISTEN,
    metavar="HOST:PORT",
    zh="服务器地址。",
    en="The server to call.",
)
json_option = option(
    "--json", "as_json", is_flag=True, zh="改为输出 JSON。", en="Print JSON instead."
)
csv_option = option(
    "--csv",
    "as_csv",
    is_flag=True,
    zh="改为输出 CSV，Excel 可直接打开。",
    en="Print CSV for Excel.",
)
actor_option = option(
    "--actor",
    default="",
    show_default=False,
    zh="由谁修改，记入历史。",
    en="Who makes the change, for the history.",
)
patience_option = option(
    "--patience",
    default=60.0,
    zh="服务器不在时最多等几秒。",
    en="Seconds to wait for a server that is away.",
)


def with_client(
    target: str,
    work: Callable[[FenliuClient], Awaitable[_Result]],
    *,
    actor: str = "",
    patience_s: float = PATIENCE_S,
    timeout_s: float = TIMEOUT_S,
) -> _Result:
    """Runs `work` with a client of the server at `target`.

    `patience_s`: how long, in seconds, each call waits for a server that is just starting. `timeout_s`: how long
    one may take.
    """

    async def run() -> _Result:
        async with FenliuClient(
            target, actor=actor, patience_s=patience_s, timeout_s=timeout_s
        ) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except FenliuError as error:
        if error.code == grpc.StatusCode.UNAVAILABLE and not error.reason:
            raise click.ClickException(
                words(
                    f"{target} 上没有服务器；用 `fenliu serve` 启动",
                    f"no server answers at {target}; `fenliu serve` starts one",
                )
            ) from None
        raise


def check_formats(*, as_csv: bool, as_json: bool) -> None:
    """Raises UsageError for both."""
    if as_csv and as_json:
        raise click.UsageError(words("--csv 和 --json 只能选一个", "choose --csv or --json"))


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def as_dict(message: Message) -> dict[str, Any]:
    """A message as JSON has it, under the proto's field names."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
