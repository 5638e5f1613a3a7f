"""`fenliu watch`: who gets which buyer, line by line as it happens."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import click
from rich.cells import cell_len, set_cell_size

from fenliu.cli.options import as_dict, json_option, option, target_option, with_client
from fenliu.cli.tables import reason_name
from fenliu.client import FenliuClient
from fenliu.v1 import dispatch_pb2, types_pb2

_FIRST_PATIENCE_S = 3.0
_SHANGHAI = timezone(timedelta(hours=8))
# Time, shop, buyer, what became of the buyer, why: 80 columns.
_WIDTHS = (8, 12, 16, 21, 19)


@click.command()
@option("--shop", default="", show_default=False, help="Shop id; without: all shops.")
@option("--resume", default="", show_default=False, help="Go on behind the message of this token.")
@option("--patience", default=60.0, help="Seconds to wait for a server that is away.")
@target_option
@json_option
def watch(shop: str, resume: str, patience: float, target: str, as_json: bool) -> None:
    """Print each assignment as it happens, until Ctrl-C.

    Also those nobody was answered with: out of the queue or the pool, after a timeout. Times are
    those of Asia/Shanghai. With --json a message a line. The end says, on standard error, with which
    token to go on.
    """
    # A server that is not there at all is said soon, whatever the patience with one that goes away.
    with_client(target, FenliuClient.get_server_info, patience_s=min(patience, _FIRST_PATIENCE_S))
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
            click.echo(f"to go on from here: --resume {token}", err=True)


class _Lines:
    """Messages as lines of a table, a new day's first one behind its date."""

    def __init__(self) -> None:
        self._day = ""

    def line(self, message: dispatch_pb2.WatchAssignmentsResponse) -> str:
        at = datetime.fromtimestamp(message.decided_at_ms / 1000, UTC).astimezone(_SHANGHAI)
        columns = (f"{at:%H:%M:%S}", message.shop_id, message.buyer_id, *_became(message))
        line = " ".join(map(_fit, columns, _WIDTHS)).rstrip()
        day, before = f"{at:%Y-%m-%d}", self._day
        self._day = day
        return line if day == before else f"{day}\n{line}"


def _became(message: dispatch_pb2.WatchAssignmentsResponse) -> tuple[str, str]:
    if not message.HasField("assignment"):
        return "CANCELLED", ""
    answer = message.assignment
    outcome = types_pb2.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")
    whom = answer.agent_id or answer.group_id or str(answer.queue_position or "")
    why = reason_name(answer.reason) if answer.reason else "first word"
    return f"{outcome} {whom}".rstrip(), why


def _fit(text: str, width: int) -> str:
    """Exactly so many columns; Chinese characters take two."""
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return set_cell_size(text, width)
