"""A shop as it might be: from a file, or the shop as it is with a few changes. For what is asked about, not done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fenliu.cli.command import option
from fenliu.cli.differences import print_differences
from fenliu.cli.language import words
from fenliu.cli.shopfile import read_shops, shops_in
from fenliu.cli.tables import print_prose
from fenliu.resources.differences import differences
from fenliu.v1 import shop_pb2

_OPTIONS = (
    option(
        "--file",
        "file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="SHOP.yaml",
        show_default=False,
        zh="假设的店铺；不给则为现在的店铺加上下面的改动。",
        en="The shop as supposed; without, the shop as it is, with the changes below.",
    ),
    option(
        "--weight",
        "weights",
        multiple=True,
        metavar="AGENT=N",
        show_default=False,
        zh="某位客服的权重；可重复。",
        en="An agent's weight; may be repeated.",
    ),
    option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        show_default=False,
        zh="一项设置，如 robot_percent=30；可重复。",
        en="A setting, as robot_percent=30; may be repeated.",
    ),
    option(
        "--more",
        "more",
        multiple=True,
        metavar="NEW=AGENT",
        show_default=False,
        zh="多一位客服 NEW，权重、限额和组与 AGENT 相同；可重复。",
        en="One agent more, NEW, with AGENT's weight, limits and groups; may be repeated.",
    ),
)

_F = TypeVar("_F", bound=Callable[..., Any])


def supposed_options(function: _F) -> _F:
    """Adds `--file`, `--weight`, `--set` and `--more`: `file`, `weights`, `settings` and `more`."""
    for one in reversed(_OPTIONS):
        function = one(function)
    return function


def supposed(
    shop: shop_pb2.Shop,
    file: Path | None,
    weights: Sequence[str],
    settings: Sequence[str],
    more: Sequence[str],
) -> shop_pb2.Shop | None:
    """The shop that the options say; None: they say nothing. Raises UsageError, ShopFileError."""
    if file is None and not (weights or settings or more):
        return None
    changed = shop_pb2.Shop()
    changed.CopyFrom(shop if file is None else _of_file(file, shop.shop_id))
    changed.ClearField("etag")
    for pair in weights:
        agent_id, text = pair_of(pair, "--weight")
        _agent(changed, agent_id).weight = _whole(pair, text)
    for pair in settings:
        _set(changed, pair)
    for pair in more:
        new, like = pair_of(pair, "--more")
        _add(changed, new, like)
    return changed


def print_supposed(before: shop_pb2.Shop, after: shop_pb2.Shop) -> None:
    """What is changed."""
    found = differences(before, after)
    if not found:
        print_prose(words("配置没有变化。", "The configuration is unchanged."))
        return
    print_prose(words("假设：", "Supposed:"))
    print_differences(found)


def print_lint(findings: Sequence[shop_pb2.LintFinding]) -> None:
    """What lint finds in it, as the server says it."""
    for finding in findings:
        rule = shop_pb2.LintRule.Name(finding.rule).removeprefix("LINT_RULE_")
        print_prose(f"{rule} {finding.field}", style="yellow")
        print_prose(finding.message, indent=2)


def pair_of(text: str, name: str) -> tuple[str, str]:
    """What stands before and behind the first `=`; `name`: of the option. Raises UsageError."""
    before, equals, behind = text.partition("=")
    if not (before and equals and behind):
        raise click.UsageError(
            words(f"{name} {text}：要写成 甲=乙", f"{name} {text}: write ONE=OTHER")
        )
    return before, behind


def _whole(pair: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise click.UsageError(
            words(f"--weight {pair}：权重是整数", f"--weight {pair}: a weight is a whole number")
        )
    return int(text)


def _of_file(file: Path, shop_id: str) -> shop_pb2.Shop:
    for shop in read_shops([file]):
        if shop.shop_id == shop_id:
            return shop
    raise click.UsageError(words(f"{file} 里没有店铺 {shop_id}", f"no shop {shop_id} in {file}"))


def _agent(shop: shop_pb2.Shop, agent_id: str) -> shop_pb2.Agent:
    for agent in shop.agents:
        if agent.agent_id == agent_id:
            return agent
    shop_id = shop.shop_id
    raise click.UsageError(
        words(f"店铺 {shop_id} 没有客服 {agent_id}", f"shop {shop_id} has no agent {agent_id}")
    )


def _set(shop: shop_pb2.Shop, pair: str) -> None:
    """Read as a shop file would be, so that it is judged and named as there."""
    key, value = pair_of(pair, "--set")
    text = f"{{shop_id: x, settings: {{{key}: {value}}}}}"
    ((_, read),) = shops_in(text, f"--set {pair}")
    for field, _ in read.settings.ListFields():
        shop.settings.ClearField(field.name)
    shop.settings.MergeFrom(read.settings)


def _add(shop: shop_pb2.Shop, new: str, like: str) -> None:
    model = _agent(shop, like)
    if any(agent.agent_id == new for agent in shop.agents):
        shop_id = shop.shop_id
        raise click.UsageError(
            words(f"店铺 {shop_id} 已有客服 {new}", f"shop {shop_id} has an agent {new} already")
        )
    agent = shop_pb2.Agent()
    agent.CopyFrom(model)
    agent.agent_id = new
    agent.display_name = ""
    del agent.permissions[:]
    shop.agents.append(agent)
    for group in shop.groups:
        if like in group.agent_ids:
            group.agent_ids.append(new)
