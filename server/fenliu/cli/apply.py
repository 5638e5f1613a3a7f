"""`fenliu apply`: loads shops from YAML files, or shows what that would change."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fenliu.cli.command import command, option
from fenliu.cli.differences import print_differences
from fenliu.cli.errors import refused_text
from fenliu.cli.language import words
from fenliu.cli.options import actor_option, json_option, print_json, target_option, with_client
from fenliu.cli.shopfile import read_shops
from fenliu.client import FenliuClient, FenliuError
from fenliu.offline import resolved
from fenliu.resources.differences import differences
from fenliu.v1 import shop_pb2


@command(
    "apply",
    zh="按 YAML 文件建立或修改店铺。\n\n先读完所有文件，再应用第一家店铺；同一份再应用一次不会改变什么。",
    en="Make shops exactly as YAML files say.\n\nAll files are read before the first shop is applied;"
    " applying the same again changes nothing.",
)
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@target_option
@actor_option
@option("--dry-run", is_flag=True, zh="只显示会改什么。", en="Only show what would change.")
@json_option
def apply(files: tuple[Path, ...], target: str, actor: str, dry_run: bool, as_json: bool) -> None:
    """Applies the shops of the files, or shows how they would change."""
    shops = read_shops(files)
    if dry_run:
        _show(shops, target, as_json)
        return

    async def work(client: FenliuClient) -> list[shop_pb2.ApplyShopResponse]:
        applied = []
        for shop in shops:
            try:
                applied.append(await client.apply_shop(shop))
            except FenliuError as error:
                if error.reason:
                    raise of_shop(shop.shop_id, refused_text(error)) from None
                raise
        return applied

    applied = with_client(target, work, actor=actor)
    if as_json:
        print_json(
            [
                {"shop_id": one.shop.shop_id, "changed": one.changed, "etag": one.shop.etag}
                for one in applied
            ]
        )
        return
    for one in applied:
        click.echo(applied_line(one))


def applied_line(applied: shop_pb2.ApplyShopResponse) -> str:
    """Whether a shop was changed, and its etag."""
    shop = applied.shop
    done = words("已应用", "applied") if applied.changed else words("没有变化", "unchanged")
    return words(
        f"{shop.shop_id}：{done}，版本 {shop.etag}", f"{shop.shop_id}: {done}, etag {shop.etag}"
    )


def of_shop(shop_id: str, what: str) -> click.ClickException:
    """What is wrong with one shop."""
    return click.ClickException(words(f"店铺 {shop_id}：{what}", f"shop {shop_id}: {what}"))


def _show(shops: list[shop_pb2.Shop], target: str, as_json: bool) -> None:
    """Prints how the shops would change. What would be refused, permission aside, is refused here."""
    wanted = []
    for shop in shops:
        try:
            wanted.append(resolved(shop))
        except ValueError as error:
            raise of_shop(shop.shop_id, str(error)) from None

    async def work(client: FenliuClient) -> list[shop_pb2.Shop | None]:
        return [await _stored(client, shop.shop_id) for shop in shops]

    results = []
    for shop, after, before in zip(shops, wanted, with_client(target, work), strict=True):
        if shop.etag and shop.etag != (before.etag if before else ""):
            raise of_shop(shop.shop_id, _stale(before))
        # A new shop is shown by what it has beside the defaults.
        found = differences(before or resolved(shop_pb2.Shop(shop_id=shop.shop_id)), after)
        results.append((shop.shop_id, before is None, found))
    if as_json:
        print_json(
            [
                {
                    "shop_id": shop_id,
                    "changed": new or bool(found),
                    "differences": [asdict(one) for one in found],
                }
                for shop_id, new, found in results
            ]
        )
        return
    for shop_id, new, found in results:
        if new:
            click.echo(words(f"{shop_id}：会新建", f"{shop_id}: would be new"))
        elif found:
            click.echo(words(f"{shop_id}：会修改", f"{shop_id}: would change"))
        else:
            click.echo(words(f"{shop_id}：没有变化", f"{shop_id}: unchanged"))
        print_differences(found)


def _stale(stored: shop_pb2.Shop | None) -> str:
    if stored is None:
        return words("shop.etag：版本过期：没有这家店铺", "shop.etag: stale: there is no such shop")
    return words(
        f"shop.etag：版本过期：现在是 {stored.etag}",
        f"shop.etag: stale: the shop is at {stored.etag}",
    )


async def _stored(client: FenliuClient, shop_id: str) -> shop_pb2.Shop | None:
    try:
        return await client.get_shop(shop_id)
    except FenliuError as error:
        if error.reason == "SHOP_NOT_FOUND":
            return None
        raise
