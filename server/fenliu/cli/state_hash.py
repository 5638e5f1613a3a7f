"""`fenliu state-hash`: one hash over the whole state, to compare servers, cores and directories."""

from __future__ import annotations

from pathlib import Path

import click

from fenliu import app
from fenliu.cli.options import json_option, option, print_json, target_option, with_client
from fenliu.cli.serve import core_option
from fenliu.config import CoreChoice


@click.command("state-hash")
@option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar=None,
    help="Replay this directory's log instead; a server may be running on it.",
)
@core_option
@target_option
@json_option
def state_hash(data: Path | None, core: CoreChoice, target: str, as_json: bool) -> None:
    """Print the hash of the whole state.

    Asks the server at --target, or replays a data directory with --data (then --core chooses who
    computes it). Equal hashes mean equal states.
    """
    if data is not None:
        hashed, shops = app.state_hash(data, core)
    else:
        response = with_client(target, lambda client: client.get_state_hash())
        hashed, shops = response.state_hash, response.shops
    if as_json:
        print_json({"state_hash": hashed, "shops": shops})
    else:
        click.echo(hashed)
