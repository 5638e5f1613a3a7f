"""The command line: `fenliu`. One module for each command; this one puts them together.

Talks to servers through `fenliu.client`; what needs a server's parts in this process goes through
`fenliu.app` and `fenliu.offline`. Errors end as one line on standard error: exit 1, or 2 for wrong usage.
Every text is said in Chinese and in English.
"""

from __future__ import annotations

from typing import Any

import click

from fenliu import __version__
from fenliu.app import App
from fenliu.cli.apply import apply
from fenliu.cli.backup import backup, restore
from fenliu.cli.bench import bench
from fenliu.cli.check import check
from fenliu.cli.command import Group, Option
from fenliu.cli.demo import demo
from fenliu.cli.diagnose import diagnose
from fenliu.cli.errors import one_line_errors
from fenliu.cli.explain import explain
from fenliu.cli.language import Words
from fenliu.cli.load import load
from fenliu.cli.plan import plan
from fenliu.cli.replay import replay
from fenliu.cli.report import report
from fenliu.cli.route import route
from fenliu.cli.serve import serve
from fenliu.cli.shadow import shadow
from fenliu.cli.shop import shop
from fenliu.cli.simulate import simulate
from fenliu.cli.state_hash import state_hash
from fenliu.cli.watch import watch
from fenliu.config import ServerConfig


class _Commands(Group):
    """The commands; whatever one of them raises becomes one line."""

    def invoke(self, ctx: click.Context) -> Any:
        with one_line_errors():
            return super().invoke(ctx)


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        with one_line_errors():
            core = App(ServerConfig()).core
        click.echo(f"fenliu {__version__} ({core.name} core)")
        ctx.exit()


@click.group(
    cls=_Commands,
    help=Words(
        "分流：决定店铺的每位买家由哪位客服接待。",
        "Fenliu: which customer-service agent receives which buyer.",
    ),
)
@click.option(
    "--version",
    cls=Option,
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help=Words("显示版本和已加载的核心。", "Show the version and which core is loaded."),
)
def main() -> None:
    """Runs one of the commands."""


for _command in (
    serve,
    apply,
    shop,
    route,
    watch,
    load,
    explain,
    report,
    simulate,
    shadow,
    plan,
    diagnose,
    replay,
    backup,
    restore,
    check,
    state_hash,
    demo,
    bench,
):
    main.add_command(_command)
