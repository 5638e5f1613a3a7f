"""The window of time that a command is about: `--day`, or `--from` and `--to`; and moments as people write them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

import click

from fenliu.cli.command import option
from fenliu.cli.language import Language, language, words
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

SHANGHAI = timezone(timedelta(hours=8))
_LANGUAGES: dict[Language, types_pb2.Language] = {
    "zh": types_pb2.LANGUAGE_CHINESE,
    "en": types_pb2.LANGUAGE_ENGLISH,
}
_OPTIONS = (
    option(
        "--day",
        metavar="YYYY-MM-DD",
        show_default=False,
        zh="哪一天；默认今天。",
        en="Which day; today if not given.",
    ),
    option(
        "--from",
        "start",
        metavar="TIME",
        show_default=False,
        zh="窗口的开始：日期，日期和时间（2025-11-11T20:00），或 Unix 毫秒。",
        en="The window's beginning: a date, a date and time (2025-11-11T20:00), or Unix ms.",
    ),
    option(
        "--to",
        "end",
        metavar="TIME",
        show_default=False,
        zh="窗口的结束，不含在内。",
        en="The window's end, not included.",
    ),
)

_F = TypeVar("_F", bound=Callable[..., Any])


def window_options(function: _F) -> _F:
    """Adds `--day`, `--from` and `--to`: the parameters `day`, `start` and `end`."""
    for one in reversed(_OPTIONS):
        function = one(function)
    return function


def answer_language() -> types_pb2.Language:
    """The language of now, as requests name it."""
    return _LANGUAGES[language()]


def window_of(day: str | None, start: str | None, end: str | None) -> insight_pb2.Window:
    """The window that the options say; today without any. Raises UsageError."""
    if (start is None) != (end is None):
        raise click.UsageError(words("--from 和 --to 要一起给", "--from and --to go together"))
    if start is not None and end is not None:
        if day is not None:
            raise click.UsageError(
                words("--day 和 --from 只能选一个", "choose --day or --from and --to")
            )
        window = insight_pb2.Window(start_ms=moment(start), end_ms=moment(end))
        if window.end_ms < window.start_ms:
            raise click.UsageError(words("窗口的结束早于开始", "the window ends before it begins"))
        if window.end_ms == window.start_ms:
            raise click.UsageError(
                words(
                    "窗口是空的：结束的那一刻不含在内",
                    "the window is empty: its end is not included",
                )
            )
        return window
    if day is None:
        day = f"{datetime.fromtimestamp(time.time(), SHANGHAI):%Y-%m-%d}"
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
        raise _no_time(day)
    begins_ms = moment(day)
    return insight_pb2.Window(start_ms=begins_ms, end_ms=begins_ms + 86_400_000)


def heading(shop: shop_pb2.Shop, window: insight_pb2.Window) -> str:
    """What stands above an answer about a shop and a window."""
    title = f"{shop.display_name} · {shop.shop_id}" if shop.display_name else shop.shop_id
    return f"{title}  {minute(window.start_ms)} – {minute(window.end_ms)}"


def minute(at_ms: int) -> str:
    """A moment to the minute."""
    return f"{datetime.fromtimestamp(at_ms // 1000, SHANGHAI):%Y-%m-%d %H:%M}"


def moment(text: str) -> int:
    """A time as Unix milliseconds; without a zone it is that of Asia/Shanghai."""
    if re.fullmatch(r"\d{9,15}", text, re.ASCII):
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _no_time(text) from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=SHANGHAI)
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def _no_time(text: str) -> click.UsageError:
    return click.UsageError(
        words(
            f"{text!r} 不是日期或时间：写作 2025-11-11 或 2025-11-11T20:00",
            f"{text!r} is no date or time: write 2025-11-11 or 2025-11-11T20:00",
        )
    )
