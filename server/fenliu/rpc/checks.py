"""What can be judged of a request by looking at it: whether it is one, its ids, enums and windows.

Each raises a Refusal. Knows no shop.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from fenliu.engine.ids import broken_id_rule
from fenliu.rpc.errors import invalid, malformed
from fenliu.v1 import insight_pb2

MAX_MS = 9_007_199_254_740_991
MOST_PLAYED_DAYS = 31
"""Of a window that is played again."""
_DAY_MS = 86_400_000

_M = TypeVar("_M", bound=Message)


def decoded(message: type[_M], request: bytes) -> _M:
    """The request; refuses bytes that are none."""
    try:
        return message.FromString(request)
    except DecodeError:
        raise malformed(str(message.DESCRIPTOR.full_name)) from None


def check_id(field: str, value: str) -> None:
    """Refuses what is no id."""
    if (rule := broken_id_rule(value)) is not None:
        raise invalid(field, rule)


def check_known(field: str, value: int, enum: Any) -> None:
    """Refuses a number that the enum does not have."""
    if value not in enum.values():
        raise invalid(field, "unknown value")


def check_within(field: str, value: int, least: int, most: int) -> None:
    """Refuses a number out of range."""
    if not least <= value <= most:
        raise invalid(field, f"must be within {least}..{most}")


def check_window(window: insight_pb2.Window, field: str = "window") -> None:
    """Refuses a window that ends before it begins, is empty, or is of no time."""
    check_within(f"{field}.start_ms", window.start_ms, 0, MAX_MS)
    check_within(f"{field}.end_ms", window.end_ms, 0, MAX_MS)
    if window.end_ms < window.start_ms:
        raise invalid(f"{field}.end_ms", "the window ends before it begins")
    if window.end_ms == window.start_ms:
        raise invalid(f"{field}.end_ms", "the window is empty: its end is not included")


def check_shop_and_window(wanted: Any, most_days: int | None = None) -> None:
    """What each question about a shop and a window begins with: `shop_id` and `window`, both required."""
    check_id("shop_id", wanted.shop_id)
    if not wanted.HasField("window"):
        raise invalid("window", "required")
    window = wanted.window
    check_window(window)
    if most_days is not None and window.end_ms - window.start_ms > most_days * _DAY_MS:
        raise invalid("window.end_ms", f"at most {most_days} days after the beginning")
