"""Shapley values: how much of a whole each of several causes is responsible for, exactly.

Source: L. S. Shapley, "A Value for n-Person Games", 1953. A cause's value is the mean, over all orders in
which the causes may be removed one after the other, of what its removal changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import factorial


def shapley(values: Sequence[int]) -> list[Fraction]:
    """Each cause's value, given the whole of each set of causes removed: by the set as bits, 2^n of them.

    Together they are the whole with none removed less the whole with all removed. Raises ValueError when
    there are not 2^n.
    """
    count = len(values).bit_length() - 1
    if len(values) != 1 << count:
        raise ValueError("a value for each set of causes is needed")
    shares = []
    for cause in range(count):
        bit = 1 << cause
        share = Fraction(0)
        for removed in range(1 << count):
            if not removed & bit:
                size = removed.bit_count()
                orders = factorial(size) * factorial(count - size - 1)
                share += orders * (values[removed] - values[removed | bit])
        shares.append(share / factorial(count))
    return shares
