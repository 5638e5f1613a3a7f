"""What commands are made of: options with their variables, help in both languages, --lang on each.

click's own texts come through gettext: `locale/` has their Chinese (see `scripts/generate_messages.py`).
Knows no command.
"""

from __future__ import annotations

import gettext
import os
import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from rich.cells import cell_len

from fenliu.cli.language import VARIABLE, Language, Words, choose, language
from fenliu.cli.wrapping import paragraphs

LOCALE = Path(__file__).parent / "locale"
_DOMAIN = "messages"  # click names none, which is this one
_HELP_NAMES = ("-h", "--help")

_F = TypeVar("_F", bound=Callable[..., Any])


def speak() -> None:
    """Lets click speak the language of now."""
    gettext.bindtextdomain(_DOMAIN, str(LOCALE))
    os.environ["LANGUAGE"] = language()


class Option(click.Option):
    """An option whose help is in both languages."""

    def __init__(self, *arguments: Any, help: Words, **settings: Any) -> None:
        self._words = help
        super().__init__(*arguments, **settings)

    @property
    def help(self) -> str:
        """In the language of now."""
        return str(self._words)

    @help.setter
    def help(self, _: str | None) -> None:
        """click's own; the words are given once, at the start."""


class _Formatter(click.HelpFormatter):
    """Wraps by columns, not by characters."""

    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        for line in paragraphs(text, self.width - self.current_indent):
            self.write(f"{indent}{line}".rstrip() + "\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        rows = list(rows)
        indent = " " * self.current_indent
        first = min(max(cell_len(name) for name, _ in rows), col_max) + col_spacing
        rest = indent + " " * first
        for name, text in rows:
            lines = paragraphs(text, self.width - cell_len(rest))
            if cell_len(name) > first - col_spacing:
                self.write(f"{indent}{name}\n")
            else:
                self.write(f"{indent}{name}{' ' * (first - cell_len(name))}{lines.pop(0)}\n")
            self.write("".join(f"{rest}{line}\n" for line in lines))


class _Context(click.Context):
    formatter_class = _Formatter


class Command(click.Command):
    """A command whose help is in both languages."""

    context_class = _Context

    def __init__(self, *arguments: Any, help: Words, **settings: Any) -> None:
        self._words = help
        super().__init__(*arguments, **settings)
        self.params.append(_lang_option())
        self._shown = _help_option()

    @property
    def help(self) -> str:
        """In the language of now."""
        return str(self._words)

    @help.setter
    def help(self, _: str | None) -> None:
        """click's own; the words are given once, at the start."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Takes --lang first, wherever it stands: usage errors and --help speak it too."""
        for argument, following in pairwise([*args, ""]):
            name, has_value, value = argument.partition("=")
            for known in get_args(Language):
                if name == "--lang" and known == (value if has_value else following):
                    choose(ctx, known)
                    speak()
        return super().parse_args(ctx, args)

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """-h and --help."""
        return list(_HELP_NAMES)

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """Ours: click's remembers the language it was first shown in."""
        return self._shown

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence, whole: the list of commands is wrapped."""
        first = self.help.partition("\n\n")[0]
        return re.split(r"。|\.(?=\s|$)", first, maxsplit=1)[0]


class Group(Command, click.Group):
    """Commands under one name."""

    command_class = Command

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Runs a command; click speaks the environment's language until --lang is read."""
        speak()
        return super().main(*arguments, **settings)


Group.group_class = Group


def _lang_option() -> Option:
    return Option(
        ["--lang"],
        type=click.Choice(get_args(Language)),
        envvar=VARIABLE,
        show_envvar=True,
        expose_value=False,
        help=Words(
            "使用中文或英文；默认随系统语言。", "Speak Chinese or English; else as the locale."
        ),
    )


def _show_help(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(context.get_help(), color=context.color)
        context.exit()


def _help_option() -> Option:
    return Option(
        _HELP_NAMES,
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_help,
        help=Words("显示这段说明。", "Show this message and exit."),
    )


def command(name: str, zh: str, en: str) -> Callable[[Callable[..., Any]], Command]:
    """A click command with its help."""
    return click.command(name, cls=Command, help=Words(zh, en))


def option(name: str, *more: str, zh: str, en: str, **settings: Any) -> Callable[[_F], _F]:
    """A click option `--some-name` that FENLIU_SOME_NAME sets too, with its help."""
    variable = "FENLIU_" + name.removeprefix("--").partition("/")[0].replace("-", "_").upper()
    settings.setdefault("envvar", variable)
    settings.setdefault("show_default", not settings.get("is_flag", False))
    return click.option(name, *more, cls=Option, show_envvar=True, help=Words(zh, en), **settings)
