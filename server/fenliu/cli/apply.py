"""`fenliu apply`: loads shops from YAML files, or shows what that would change."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fenliu.cli.differences import print_differences
from fenliu.cli.options import json_option, option, print_json, target_option, with_client
from fenliu.cli.shopfile import read_shops
from fenliu.client import FenliuClient, FenliuError
from fenliu.offline import resolved
from fenliu.resources.differences import differences
from fenliu.v1 import shop_pb2


@click.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@target_option
@option("--actor", default="", help="Who makes the change, for the log.")
@option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def apply(files: tuple[Path, ...], target: str, actor: str, dry_run: bool, as_json: bool) -> None:
    """Make shops exactly as YAML files say.

    All files are read before the first shop is applied; applying the same again changes nothing.
    """
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
                    raise click.ClickException(f"shop {shop.shop_id}: {error}") from None
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
        verb = "applied" if one.changed else "unchanged"
        click.echo(f"{one.shop.shop_id}: {verb}, etag {one.shop.etag}")


def _show(shops: list[shop_pb2.Shop], target: str, as_json: bool) -> None:
    """Prints how the shops would change. What would be refused, permission aside, is refused here."""
    wanted = []
    for shop in shops:
        try:
            wanted.append(resolved(shop))
        except ValueError as error:
            raise click.ClickException(f"shop {shop.shop_id}: {error}") from None

    async def work(client: FenliuClient) -> list[shop_pb2.Shop | None]:
        return [await _stored(client, shop.shop_id) for shop in shops]

    results = []
    for shop, after, before in zip(shops, wanted, with_client(target, work), strict=True):
        if shop.etag and shop.etag != (before.etag if before else ""):
            at = f"the shop is at {before.etag}" if before else "there is no such shop"
            raise click.ClickException(f"shop {shop.shop_id}: shop.etag: stale: {at}")
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
        verb = "would be new" if new else "would change" if found else "unchanged"
        click.echo(f"{shop_id}: {verb}")
        print_differences(found)


async def _stored(client: FenliuClient, shop_id: str) -> shop_pb2.Shop | None:
    try:
        return await client.get_shop(shop_id)
    except FenliuError as error:
        if error.reason == "SHOP_NOT_FOUND":
            return None
        raise
