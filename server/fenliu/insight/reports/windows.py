"""Of which windows something can be said: those that have begun and of which the tables have the shop.

The one place for it, whoever asks about a window. That it ends after it begins is known by then.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone

from fenliu.insight.errors import ReportRefused

_SHANGHAI = timezone(timedelta(hours=8))


def known_until(
    connection: sqlite3.Connection, shop_id: str, start_ms: int, end_ms: int, now_ms: int
) -> int:
    """Up to when things are known of a shop: `now_ms`, or its last log entry's time if that is later.

    `end_ms`: not included. Raises ReportRefused for a shop or a window of which nothing can be said,
    sqlite3.Error.
    """
    shop = connection.execute(
        "SELECT since_ms, whole, now_ms FROM shops WHERE shop_id = ?", (shop_id,)
    ).fetchone()
    if shop is None:
        raise ReportRefused("shop_id", "nothing of this shop is kept")
    since_ms, whole, last_ms = shop
    as_of_ms = max(now_ms, int(last_ms))
    if start_ms > as_of_ms:
        raise ReportRefused("window.start_ms", f"in the future: it is {said(as_of_ms)} now")
    if whole and end_ms <= since_ms:
        raise ReportRefused(
            "window.end_ms", f"before the shop came to be, which was at {said(since_ms)}"
        )
    if not whole and start_ms < since_ms:
        raise ReportRefused(
            "window.start_ms", f"before what is kept, which begins at {said(since_ms)}"
        )
    return as_of_ms


def said(at_ms: int) -> str:
    """A moment as refusals say it."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_SHANGHAI)
    return f"{at:%Y-%m-%d %H:%M:%S} ({at_ms}, Asia/Shanghai)"
