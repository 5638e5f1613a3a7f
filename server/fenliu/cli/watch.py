"""`fenliu watch`: who gets which buyer, line by line as it happens."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import click

from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.names import outcome_name, reason_name
from fenliu.cli.options import (
    PATIENCE_S,
    as_dict,
    json_option,
    patience_option,
    target_option,
    with_client,
)
from fenliu.cli.tables import fit
from fenliu.client import FenliuClient
from fenliu.v1 import dispatch_pb2

_SHANGHAI = timezone(timedelta(hours=8))
# Time, shop, buyer, what became of the buyer, why: 80 columns.
_WIDTHS = (8, 12, 16, 21, 19)


@command(
    "watch",
    zh="逐行输出每次分配，直到 Ctrl-C。\n\n也包括没有当场得到人接待的买家：排到、出池、超时之后。时间为北京时间。用"
    " --json 时每行一条消息。结束时在标准错误上给出续接用的令牌。",
    en="Print each assignment as it happens, until Ctrl-C.\n\nAlso those nobody was answered with: out of"
    " the queue or the pool, after a timeout. Times are those of Asia/Shanghai. With --json a message a"
    " line. The end says, on standard error, with which token to go on.",
)
@option(
    "--shop",
    default="",
    show_default=False,
    zh="店铺编号；不给则为所有店铺。",
    en="Shop id; without: all shops.",
)
@option(
    "--resume",
    default="",
    show_default=False,
    zh="从这个令牌的消息之后继续。",
    en="Go on behind the message of this token.",
)
@patience_option
@target_option
@json_option
def watch(shop: str, resume: str, patience: float, target: str, as_json: bool) -> None:
    """Prints what is watched."""
    # A server that is not there at all is said soon, whatever the patience with one that goes away.
    with_client(target, FenliuClient.get_server_info, patience_s=min(patience, PATIENCE_S))
    lines = _Lines()
    token = resume

    async def work(client: FenliuClient) -> None:
        nonlocal token
        async for message in client.watch_assignments(shop, resume_token=resume):
            if as_json:
                click.echo(json.dumps(as_dict(message), ensure_ascii=False))
            elif message.buyer_id:
                click.echo(lines.line(message))
            token = message.resume_token

    try:
        with_client(target, work, patience_s=patience)
    except KeyboardInterrupt:
        pass
    finally:
        if token != resume:
            go_on = words("从这里继续", "to go on from here")
            click.echo(f"{go_on}: --resume {token}", err=True)


class _Lines:
    """Messages as lines of a table, a new day's first one behind its date."""

    def __init__(self) -> None:
        self._day = ""

    def line(self, message: dispatch_pb2.WatchAssignmentsResponse) -> str:
        at = datetime.fromtimestamp(message.decided_at_ms / 1000, UTC).astimezone(_SHANGHAI)
        columns = (f"{at:%H:%M:%S}", message.shop_id, message.buyer_id, *_became(message))
        line = " ".join(map(fit, columns, _WIDTHS)).rstrip()
        day, before = f"{at:%Y-%m-%d}", self._day
        self._day = day
        return line if day == before else f"{day}\n{line}"


def _became(message: dispatch_pb2.WatchAssignmentsResponse) -> tuple[str, str]:
    if not message.HasField("assignment"):
        return words("取消等候", "CANCELLED"), ""
    answer = message.assignment
    whom = answer.agent_id or answer.group_id or str(answer.queue_position or "")
    why = reason_name(answer.reason) if answer.reason else words("客服先开口", "first word")
    return f"{outcome_name(answer.outcome)} {whom}".rstrip(), why
