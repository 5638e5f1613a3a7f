"""Differences between shop documents on standard output: added green, removed red, changed yellow."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from fenliu.cli.wrapping import wrap
from fenliu.resources.differences import Difference


def line(one: Difference) -> Text:
    """One difference: "~ agents[a].weight: 5 → 7"; the same in every language."""
    if one.before is None:
        return Text(f"+ {one.place}{_value(one.after)}", "green")
    if one.after is None:
        return Text(f"- {one.place}{_value(one.before)}", "red")
    return Text(f"~ {one.place}: {one.before} → {one.after}", "yellow")


def print_differences(found: Iterable[Difference]) -> None:
    """Each wrapped to the width, behind its sign."""
    console = Console(highlight=False)
    for one in found:
        text = line(one)
        first, *rest = wrap(text.plain, console.width - 4)
        for part in (f"  {first}", *(f"    {more}" for more in rest)):
            console.print(Text(part, text.style), soft_wrap=True)


def _value(text: str | None) -> str:
    return f": {text}" if text else ""
