"""The few statistics a measurement needs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent lie; the largest one when there are too few to tell."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    """As statistics.median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Least and most of a few rounds, for a note."""
    return f"{min(values):,.4g} – {max(values):,.4g}"
