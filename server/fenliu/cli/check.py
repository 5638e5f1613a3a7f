"""`fenliu check`: is a data directory, or a backup, whole? If not: what is wrong, where, what to do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fenliu import offline
from fenliu.cli import tables
from fenliu.cli.options import json_option, option, print_json
from fenliu.cli.serve import core_option
from fenliu.config import DEFAULT_DATA, CoreChoice


@click.command()
@option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=DEFAULT_DATA,
    help="A data directory, which a server may be running on, or a backup's file.",
)
@core_option
@option("--deep", is_flag=True, help="Decide everything again, too, and compare.")
@json_option
def check(data: Path, core: CoreChoice, deep: bool, as_json: bool) -> None:
    """Check a data directory or a backup, and print the hash of its state.

    Replays the log from nothing: checksums, gaps, order, formats. Exit code 1 when something is
    wrong.
    """
    checked = offline.check(
        data, core, deep=deep, progress=lambda steps: tables.progress(data.name, steps)
    )
    if as_json:
        found = asdict(checked)
        print_json({"ok": not checked.problems, **found, "state_hash": checked.state_hash.hex()})
    else:
        counts = f"{checked.records} records, {checked.entries} entries, {checked.shops} shops"
        click.echo(f"{data}: {'NOT whole' if checked.problems else 'whole'} ({counts} read)")
        for problem in checked.problems:
            click.echo(f"{_where(problem.partition, problem.seq)}{problem.what}")
            click.echo(f"  what to do: {problem.to_do}")
        if not checked.problems:
            click.echo(f"state {checked.state_hash.hex()}")
    if checked.problems:
        raise SystemExit(1)


def _where(partition: int | None, seq: int | None) -> str:
    if partition is None:
        return ""
    return f"partition {partition}{'' if seq is None else f', record {seq}'}: "
