"""The language the command line speaks: Chinese or English. Both stand side by side, where they are said.

`--lang` says which, else the variable FENLIU_LANG, else the locale (LC_ALL, LC_MESSAGES, LANG): Chinese
for `zh...`, English for everything else. Knows nothing of commands.
"""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

import click

Language = Literal["zh", "en"]

VARIABLE = "FENLIU_LANG"
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
_CHOSEN = "fenliu.language"


def language() -> Language:
    """The language to speak now."""
    context = click.get_current_context(silent=True)
    chosen = context.find_root().meta.get(_CHOSEN) if context is not None else None
    return chosen or _of_environment()


def choose(context: click.Context, chosen: Language) -> None:
    """From now on this invocation speaks `chosen`."""
    context.find_root().meta[_CHOSEN] = chosen


def _of_environment() -> Language:
    name = os.environ.get(VARIABLE) or next(filter(None, map(os.environ.get, _LOCALE)), "")
    return "zh" if name.lower().startswith("zh") else "en"


class Words(NamedTuple):
    """A text in both languages, for where it is written before the language is known (help, tables)."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.zh if language() == "zh" else self.en


def words(zh: str, en: str) -> str:
    """The text in the language to speak now."""
    return zh if language() == "zh" else en
