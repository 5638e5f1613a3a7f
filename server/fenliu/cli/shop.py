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

from fenliu.cli.command import Group, command, option
from fenliu.cli.differences import line
from fenliu.cli.findings import print_findings
from fenliu.cli.language import Words, words
from fenliu.cli.options import as_dict, json_option, print_json, target_option, with_client
from fenliu.cli.shop_change import delete, undo
from fenliu.cli.shop_edit import edit
from fenliu.cli.shopfile import read_shops, shop_text
from fenliu.cli.tables import slim_table
from fenliu.client import FenliuClient
from fenliu.resources.differences import differences
from fenliu.resources.documents import without_etag
from fenliu.resources.lint import lint
from fenliu.resources.schema import schema_text
from fenliu.v1 import shop_pb2

_SHANGHAI = timezone(timedelta(hours=8))
_DIFFERENCES_SHOWN = 3


@click.group(
    "shop",
    cls=Group,
    help=Words(
        "查看和修改店铺，看修改历史和有什么问题。",
        "Look at shops and change them, their history and what is wrong with them.",
    ),
)
def shop() -> None:
    """Runs one of the commands below."""


@command("list", zh="列出所有店铺。", en="List all shops.")
@target_option
@json_option
def list_shops(target: str, as_json: bool) -> None:
    """Prints a row for each shop."""
    shops = with_client(target, FenliuClient.list_shops)
    if as_json:
        print_json([as_dict(one) for one in shops])
        return
    table = slim_table("")
    for header in (words("店铺", "Shop"), words("店名", "Name")):
        table.add_column(header, overflow="fold")
    for header in (words("客服", "Agents"), words("分流组", "Groups"), words("版本", "Etag")):
        table.add_column(header, justify="right", no_wrap=True)
    for one in shops:
        row = (one.shop_id, one.display_name, str(one.agents), str(one.groups), one.etag)
        table.add_row(*map(escape, row))
    Console().print(table)


@command(
    "show",
    zh="以 YAML 显示一家店铺，`fenliu apply` 可以原样读回。",
    en="Print a shop as YAML that `fenliu apply` takes back.",
)
@click.argument("shop_id", metavar="SHOP")
@target_option
@json_option
def show(shop_id: str, target: str, as_json: bool) -> None:
    """Prints the document."""
    document = with_client(target, lambda client: client.get_shop(shop_id))
    if as_json:
        print_json(as_dict(document))
        return
    # Not as a key: a file is to be applied again after the shop has changed.
    click.echo(f"# etag {document.etag}")
    click.echo(shop_text(without_etag(document)), nl=False)


@command(
    "lint",
    zh="找出合法但不会按本意起作用的设置；有问题时退出码为 1。\n\n不给 SHOP 和文件则检查所有店铺。",
    en="Find what is valid but cannot work as meant; exit 1 if there is something.\n\nWithout SHOP and"
    " file: all shops.",
)
@click.argument("shop_ids", metavar="[SHOP]...", nargs=-1)
@option(
    "--file",
    "files",
    multiple=True,
    show_default=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    zh="改为检查 YAML 文件里的店铺；不需要服务器。",
    en="Look at the shops of a YAML file instead; needs no server.",
)
@target_option
@json_option
def lint_shops(
    shop_ids: tuple[str, ...], files: tuple[Path, ...], target: str, as_json: bool
) -> None:
    """Prints what is found in the shops."""
    documents = read_shops(files)

    async def work(client: FenliuClient) -> list[shop_pb2.Shop]:
        ids = shop_ids or [one.shop_id for one in await client.list_shops()]
        return [await client.get_shop(shop_id) for shop_id in ids]

    if shop_ids or not documents:
        documents = with_client(target, work) + documents
    results = [(one.shop_id, lint(one)) for one in documents]
    if as_json:
        print_json(
            [
                {
                    "shop_id": shop_id,
                    "rule": shop_pb2.LintRule.Name(finding.rule),
                    "field": finding.field,
                    "message": finding.message,
                }
                for shop_id, findings in results
                for finding in findings
            ]
        )
    else:
        for shop_id, findings in results:
            print_findings(shop_id, findings)
    if any(findings for _, findings in results):
        raise click.exceptions.Exit(1)


@command(
    "history",
    zh="显示谁在何时改了店铺的什么，新的在前。\n\n时间为北京时间。",
    en="Print who changed a shop, when and what, the newest first.\n\nTimes are those of Asia/Shanghai.",
)
@click.argument("shop_id", metavar="SHOP")
@option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    zh="最多显示几次修改。",
    en="How many changes at most.",
)
@target_option
@json_option
def history(shop_id: str, limit: int, target: str, as_json: bool) -> None:
    """Prints the changes, also those of a shop that was deleted."""

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
    table.add_column(words("修改", "Change"), justify="right", no_wrap=True)
    table.add_column(words("时间", "When"), no_wrap=True)
    table.add_column(words("谁", "Who"), overflow="fold")
    table.add_column(words("内容", "What"), overflow="fold")
    for entry in entries:
        at = datetime.fromtimestamp(entry.changed_at_ms / 1000, UTC).astimezone(_SHANGHAI)
        who = Text(entry.actor or words("（运维）", "(operator)"))
        table.add_row(entry.change_id, f"{at:%Y-%m-%d %H:%M:%S}", who, _what(entry))
    return table


def _what(entry: shop_pb2.AuditEntry) -> Text:
    lines = []
    if entry.undoes_change_id:
        undone = entry.undoes_change_id
        lines.append(Text(words(f"撤销了 {undone}", f"undid {undone}")))
    if not entry.HasField("after"):
        lines.append(Text(words("删除", "deleted"), "red"))
    elif not entry.HasField("before"):
        lines.append(Text(words("新建", "created"), "green"))
    else:
        found = differences(entry.before, entry.after)
        lines += [line(one) for one in islice(found, _DIFFERENCES_SHOWN)]
        more = len(found) - _DIFFERENCES_SHOWN
        if more > 0:
            lines.append(Text(words(f"另有 {more} 处", f"and {more} more")))
    return Text("\n").join(lines)


@command(
    "schema",
    zh="输出店铺 YAML 的 JSON Schema，供编辑器检查和补全。",
    en="Print the JSON schema of a shop's YAML, with which editors check and complete.",
)
def schema() -> None:
    """Prints the schema."""
    click.echo(schema_text(), nl=False)


for _command in (list_shops, show, edit, lint_shops, history, undo, delete, schema):
    shop.add_command(_command)
