"""`fenliu shop`: what shops there are, what they say, who changed them, and what looks wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fenliu.cli.differences import line
from fenliu.cli.options import (
    as_dict,
    json_option,
    option,
    print_json,
    target_option,
    with_client,
)
from fenliu.cli.shopfile import read_shops, shop_text
from fenliu.cli.tables import slim_table
from fenliu.client import FenliuClient
from fenliu.resources.differences import differences
from fenliu.resources.documents import without_etag
from fenliu.v1 import shop_pb2

_SHANGHAI = timezone(timedelta(hours=8))
_DIFFERENCES_SHOWN = 3


@click.group()
def shop() -> None:
    """Look at shops, their history and what is wrong with them."""


@shop.command("list")
@target_option
@json_option
def list_shops(target: str, as_json: bool) -> None:
    """List all shops."""
    shops = with_client(target, FenliuClient.list_shops)
    if as_json:
        print_json([as_dict(one) for one in shops])
        return
    table = slim_table("")
    for header in ("Shop", "Name"):
        table.add_column(header, overflow="fold")
    for header in ("Agents", "Groups", "Etag"):
        table.add_column(header, justify="right")
    for one in shops:
        row = (one.shop_id, one.display_name, str(one.agents), str(one.groups), one.etag)
        table.add_row(*map(escape, row))
    Console().print(table)


@shop.command()
@click.argument("shop_id", metavar="SHOP")
@target_option
@json_option
def show(shop_id: str, target: str, as_json: bool) -> None:
    """Print a shop as YAML that `fenliu apply` takes back."""
    document = with_client(target, lambda client: client.get_shop(shop_id))
    if as_json:
        print_json(as_dict(document))
        return
    # Not as a key: a file is to be applied again after the shop has changed.
    click.echo(f"# etag {document.etag}")
    click.echo(shop_text(without_etag(document)), nl=False)


@shop.command()
@click.argument("shop_ids", metavar="[SHOP]...", nargs=-1)
@option(
    "--file",
    "files",
    multiple=True,
    show_default=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look at the shops of a YAML file instead.",
)
@target_option
@json_option
def lint(shop_ids: tuple[str, ...], files: tuple[Path, ...], target: str, as_json: bool) -> None:
    """Find what is valid but cannot work as meant; exit 1 if there is something.

    Without SHOP and file: all shops.
    """
    documents = read_shops(files)

    async def work(client: FenliuClient) -> list[tuple[str, list[shop_pb2.LintFinding]]]:
        ids = shop_ids
        if not ids and not documents:
            ids = tuple(one.shop_id for one in await client.list_shops())
        stored = [(shop_id, await client.lint_shop(shop_id)) for shop_id in ids]
        return stored + [(one.shop_id, await client.lint_shop(one)) for one in documents]

    results = with_client(target, work)
    if as_json:
        print_json(
            [
                {"shop_id": shop_id} | as_dict(finding)
                for shop_id, findings in results
                for finding in findings
            ]
        )
    else:
        for shop_id, findings in results:
            _print_findings(shop_id, findings)
    if any(findings for _, findings in results):
        raise click.exceptions.Exit(1)


def _print_findings(shop_id: str, findings: Sequence[shop_pb2.LintFinding]) -> None:
    console = Console(highlight=False)
    count = {0: "nothing found", 1: "1 finding"}.get(len(findings), f"{len(findings)} findings")
    console.print(Text(f"{shop_id}: {count}"))
    for finding in findings:
        rule = shop_pb2.LintRule.Name(finding.rule).removeprefix("LINT_RULE_")
        console.print(Text(f"  {rule} {finding.field}", "yellow"), overflow="fold")
        console.print(Text(f"    {finding.message}"))


@shop.command()
@click.argument("shop_id", metavar="SHOP")
@option("--limit", type=click.IntRange(min=1), default=20, help="How many changes at most.")
@target_option
@json_option
def history(shop_id: str, limit: int, target: str, as_json: bool) -> None:
    """Print who changed a shop, when and what, the newest first.

    Times are those of Asia/Shanghai.
    """

    async def work(client: FenliuClient) -> list[shop_pb2.AuditEntry]:
        entries: list[shop_pb2.AuditEntry] = []
        async for entry in client.audit_entries(shop_id, page_size=min(limit, 100)):
            entries.append(entry)
            if len(entries) == limit:
                break
        return entries

    entries = with_client(target, work)
    if as_json:
        print_json([as_dict(entry) for entry in entries])
    else:
        Console().print(_history_table(entries))


def _history_table(entries: Sequence[shop_pb2.AuditEntry]) -> Table:
    table = slim_table("")
    table.add_column("Change", justify="right")
    table.add_column("When", no_wrap=True)
    table.add_column("Who", overflow="fold")
    table.add_column("What", overflow="fold")
    for entry in entries:
        at = datetime.fromtimestamp(entry.changed_at_ms / 1000, UTC).astimezone(_SHANGHAI)
        who = Text(entry.actor or "(operator)")
        table.add_row(entry.change_id, f"{at:%Y-%m-%d %H:%M:%S}", who, _what(entry))
    return table


def _what(entry: shop_pb2.AuditEntry) -> Text:
    if not entry.HasField("before"):
        return Text("created")
    found = differences(entry.before, entry.after)
    lines = [line(one) for one in islice(found, _DIFFERENCES_SHOWN)]
    if len(found) > _DIFFERENCES_SHOWN:
        lines.append(Text(f"and {len(found) - _DIFFERENCES_SHOWN} more"))
    if entry.undoes_change_id:
        lines.insert(0, Text(f"undid {entry.undoes_change_id}"))
    return Text("\n").join(lines)


@shop.command()
@click.argument("shop_id", metavar="SHOP")
@click.argument("change_id", metavar="CHANGE")
@target_option
@option("--actor", default="", help="Who makes the change, for the log.")
@json_option
def undo(shop_id: str, change_id: str, target: str, actor: str, as_json: bool) -> None:
    """Make a shop as it was before its last change, named as `history` does."""
    document = with_client(
        target, lambda client: client.undo_change(shop_id, change_id), actor=actor
    )
    if as_json:
        print_json(as_dict(document))
    else:
        click.echo(f"{shop_id}: change {change_id} undone, etag {document.etag}")
