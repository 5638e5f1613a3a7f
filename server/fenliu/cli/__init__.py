"""The command line: `fenliu`. One module for each command; this one puts them together.

Talks to servers through `fenliu.client`; what needs a server's parts in this process goes through
`fenliu.app` and `fenliu.offline`. Errors end as one line on standard error: exit 1, or 2 for wrong usage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from fenliu import __version__
from fenliu.app import App
from fenliu.cli.apply import apply
from fenliu.cli.backup import backup, restore
from fenliu.cli.check import check
from fenliu.cli.demo import demo
from fenliu.cli.explain import explain
from fenliu.cli.replay import replay
from fenliu.cli.route import route
from fenliu.cli.serve import serve
from fenliu.cli.shop import shop
from fenliu.cli.state_hash import state_hash
from fenliu.cli.watch import watch
from fenliu.config import ServerConfig


class _Commands(click.Group):
    """The commands; whatever one of them raises becomes one line."""

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line_errors():
            return super().invoke(ctx)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        raise click.ClickException(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    ours = not isinstance(error, (LookupError, TypeError, AttributeError, AssertionError))
    return text if text and ours else f"internal error: {type(error).__name__}: {text}"


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        with _one_line_errors():
            core = App(ServerConfig()).core
        click.echo(f"fenliu {__version__} ({core.name} core)")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and which core is loaded.",
)
def main() -> None:
    """Fenliu (分流): which customer-service agent receives which buyer."""


for _command in (
    serve,
    apply,
    shop,
    route,
    watch,
    explain,
    replay,
    backup,
    restore,
    check,
    state_hash,
    demo,
):
    main.add_command(_command)
