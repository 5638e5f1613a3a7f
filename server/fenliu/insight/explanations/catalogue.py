"""What a language has to offer to explain a decision. Texts are `str.format` templates.

A step's template may use `agent`, `groups`, `owner` (the groups, or the shop when there are none) and the
finding's facts; what they look like is in `sentences`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fenliu.engine.explanation import Finding


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All texts of one language."""

    steps: Mapping[Finding, str]
    charged: str
    """Behind steps 3 and 4: the pool that pays; `groups`."""
    candidates: Mapping[str, str]
    """By CandidateReason, without its prefix; TAKEN_MESSAGE: an agent who has it as a left message.

    They may use `taken` (who was taken instead), `robot`, `groups` (the agent's) and the figures.
    """
    figures: str
    """How an agent stands: `agent`, `status`, `weight`, `awaiting`."""
    busy: str
    """`threshold`, and the fraction `part`/`whole` of its weight that a busy agent counts with."""
    place: str
    clauses: str
    """What stands between two clauses."""
    before_reason: str
    """What stands between the figures and the reason."""
    end: str
    decisions: Mapping[str, str]
    """By Reason, without its prefix; TRANSFER_LEFT: nobody there, a message was left.

    They may use `buyer`, `agent`, `groups` (of the last step), `conversation`, `position`, `waited_ms`
    and `before` (from whom the buyer was moved).
    """
    statuses: Mapping[str, str]
    dimensions: Mapping[str, str]
    order_statuses: Mapping[str, str]
    bound: str
    """A `dimension` and its `value`."""
    note: str
    """The reason that was given for a transfer, behind another text."""
    named: str
    """Somebody with a `name` and an `id`."""
    robot: str
    """One that has no id any more."""
    shop: str
    all_groups: str
    separator: str
    units: tuple[str, str, str, str, str]
    """Days, hours, minutes, seconds, milliseconds."""
