"""`fenliu backup` and `fenliu restore`: a data directory as one file, and back."""

from __future__ import annotations

from pathlib import Path

import click
from rich.filesize import decimal

from fenliu import offline
from fenliu.cli.options import json_option, option, print_json
from fenliu.config import DEFAULT_DATA


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA,
    help="The data directory; a server may be running on it.",
)
@option("--force", is_flag=True, help="Replace TARGET if it exists.")
@json_option
def backup(target: Path, data: Path, force: bool, as_json: bool) -> None:
    """Copy a data directory into the file TARGET, whole and checked.

    What was acknowledged before the backup began is in it. TARGET appears when all is done; it holds
    secrets and is readable for its owner only.
    """
    _say(target, *offline.back_up(data, target, force=force), as_json=as_json)


@click.command()
@click.argument("backup", type=click.Path(dir_okay=False, path_type=Path))
@option(
    "--data",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA,
    help="The directory to make; absent or empty.",
)
@json_option
def restore(backup: Path, data: Path, as_json: bool) -> None:
    """Make a new data directory from the file BACKUP, checked.

    It is another directory than the one backed up: whoever watches starts over, and agents log in
    anew.
    """
    _say(data, *offline.restore(backup, data), as_json=as_json)


def _say(made: Path, records: int, size: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"path": str(made), "records": records, "bytes": size})
    else:
        click.echo(f"{made}: {records} records, {decimal(size)}, checked")
