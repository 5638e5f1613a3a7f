"""Failures, which are bugs, and what they do to the shop they met (docs/engine.md section 15)."""

import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def what_happened(error: BaseException) -> str:
    """For the operator."""
    return "".join(traceback.format_exception(error)).rstrip()


def reading(what: str, work: Callable[[], T]) -> T:
    """Does what reads bytes and changes nothing half. Raises ValueError, whatever is wrong with them."""
    try:
        return work()
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"not {what}: it contradicts itself: {error!r}") from error
