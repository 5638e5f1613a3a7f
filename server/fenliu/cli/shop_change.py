"""`fenliu shop undo` and `fenliu shop delete`: changes that a single call makes."""

from __future__ import annotations

import click

from fenliu.cli.command import command, option
from fenliu.cli.language import words
from fenliu.cli.options import (
    actor_option,
    as_dict,
    json_option,
    print_json,
    target_option,
    with_client,
)
from fenliu.cli.tables import print_line


@command(
    "undo",
    zh="撤销店铺的最后一次修改，修改编号见 `history`。\n\n删除也可以撤销：店铺的设置恢复原样。",
    en="Make a shop as it was before its last change, named as `history` does.\n\nA deletion, too: the"
    " shop's document is then as it was.",
)
@click.argument("shop_id", metavar="SHOP")
@click.argument("change_id", metavar="CHANGE")
@target_option
@actor_option
@json_option
def undo(shop_id: str, change_id: str, target: str, actor: str, as_json: bool) -> None:
    """Undoes the change."""
    document = with_client(
        target, lambda client: client.undo_change(shop_id, change_id), actor=actor
    )
    if as_json:
        print_json(as_dict(document))
        return
    etag = document.etag
    click.echo(
        words(
            f"{shop_id}：已撤销修改 {change_id}，版本 {etag}",
            f"{shop_id}: change {change_id} undone, etag {etag}",
        )
    )


@command(
    "delete",
    zh="删除一家店铺；先询问。\n\n还有进行中的会话或等候的买家时须加 --force：会话结束，等候取消。历史会保留，"
    "`fenliu shop undo` 可以恢复设置。",
    en="Delete a shop; asks before.\n\nWith open conversations or waiting buyers it needs --force, which"
    " ends and cancels them. The history stays, and `fenliu shop undo` makes the document again.",
)
@click.argument("shop_id", metavar="SHOP")
@option(
    "--force",
    envvar="FENLIU_DELETE_FORCE",  # FENLIU_FORCE, meant for a backup, deletes nothing.
    is_flag=True,
    zh="结束进行中的会话，取消等候的买家。",
    en="End open conversations and cancel who waits.",
)
@option("--yes", envvar="FENLIU_DELETE_YES", is_flag=True, zh="不询问。", en="Do not ask.")
@target_option
@actor_option
@json_option
def delete(shop_id: str, force: bool, yes: bool, target: str, actor: str, as_json: bool) -> None:
    """Asks and deletes, on condition that the shop is still the one that was shown."""
    document = with_client(target, lambda client: client.get_shop(shop_id))
    if not yes:
        agents, groups = len(document.agents), len(document.groups)
        print_line(f"{shop_id} {document.display_name}".rstrip())
        print_line(
            words(f"{agents} 位客服，{groups} 个分流组", f"agents: {agents}, groups: {groups}"),
            indent=2,
        )
        click.confirm(words("删除这家店铺？", "Delete this shop?"), abort=True)
    change_id = with_client(
        target,
        lambda client: client.delete_shop(shop_id, etag=document.etag, force=force),
        actor=actor,
    )
    if as_json:
        print_json({"shop_id": shop_id, "change_id": change_id})
        return
    back = f"fenliu shop undo {shop_id} {change_id}"
    click.echo(
        words(
            f"{shop_id}：已删除；恢复用 `{back}`",
            f"{shop_id}: deleted; `{back}` makes it again",
        )
    )
