"""Amounts of memory and disk as people write them: 512MiB, 2GiB, 1048576."""

from __future__ import annotations

import re
from typing import Any

import click

from fenliu.cli.language import words

_UNITS = {"": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Size(click.ParamType[int]):
    """A number of bytes, with KiB, MiB or GiB behind it or without."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+)\s*(|KIB|MIB|GIB)", str(value).strip().upper())
        if found is None:
            self.fail(
                words(
                    f"{value!r} 不是大小；请写 512MiB 或 2GiB 这样的值",
                    f"{value!r} is no size; write for example 512MiB or 2GiB",
                ),
                param,
                ctx,
            )
        return int(found[1]) * _UNITS[found[2]]
