"""`fenliu apply`: loads shops from YAML files."""

from __future__ import annotations

from pathlib import Path

import click

from fenliu.cli.options import json_option, option, print_json, target_option, with_client
from fenliu.cli.shopfile import read_shops
from fenliu.client import FenliuClient, FenliuError
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
@json_option
def apply(files: tuple[Path, ...], target: str, actor: str, as_json: bool) -> None:
    """Make shops exactly as YAML files say.

    All files are read before the first shop is applied; applying the same again changes nothing.
    """
    shops = read_shops(files)

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
