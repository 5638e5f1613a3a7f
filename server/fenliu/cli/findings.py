"""What lint found in a shop, on standard output."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from fenliu.cli.language import words
from fenliu.cli.tables import print_prose
from fenliu.resources.lint import Finding
from fenliu.v1 import shop_pb2


def print_findings(shop_id: str, findings: Sequence[Finding]) -> None:
    """How many there are, then each with its rule, its place, and what to do."""
    count = len(findings)
    if not count:
        said = words("没有发现问题", "nothing found")
    else:
        said = words(f"{count} 个问题", "1 finding" if count == 1 else f"{count} findings")
    click.echo(words(f"{shop_id}：{said}", f"{shop_id}: {said}"))
    for finding in findings:
        Console(highlight=False).print(
            Text(f"  {rule_name(finding)} {finding.field}", "yellow"), overflow="fold"
        )
        print_prose(words(finding.message_zh, finding.message), indent=4)


def rule_name(finding: Finding) -> str:
    """UNSTAFFED_GROUP and so on."""
    return shop_pb2.LintRule.Name(finding.rule).removeprefix("LINT_RULE_")
