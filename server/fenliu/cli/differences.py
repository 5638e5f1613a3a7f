"""Differences between shop documents on standard output: added green, removed red, changed yellow."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from fenliu.resources.differences import Difference


def line(one: Difference) -> Text:
    """One difference: "~ agents[a].weight: 5 → 7"; the same in every language."""
    if one.before is None:
        return Text(f"+ {one.place}{_value(one.after)}", "green")
    if one.after is None:
        return Text(f"- {one.place}{_value(one.before)}", "red")
    return Text(f"~ {one.place}: {one.before} → {one.after}", "yellow")


def print_differences(found: Iterable[Difference]) -> None:
    """A line each, folded to the width."""
    console = Console(highlight=False)
    for one in found:
        console.print(Text("  ") + line(one), overflow="fold")


def _value(text: str | None) -> str:
    return f": {text}" if text else ""
