"""Waiting where each of n agents serves one at a time: Erlang C, and Erlang A with buyers who give up.

Poisson arrivals, exponential service times, first come first served; in Erlang A each buyer waits for an
exponential time at most. Times in one unit, rates in its inverse.

Sources: Erlang (1917) for B and C, B by its recursion (Cooper, Introduction to Queueing Theory, 1981, ch. 3);
Palm (1957), Garnett, Mandelbaum, Reiman, "Designing a Call Center with Impatient Customers" (2002) for A. Who
finds m others in line is served, patience apart, after the sum of m + 1 exponential times with rates n/s + j/p
(j = 0..m; s mean service time, p mean patience); by Rényi's representation exp(-sum / p) has the distribution
Beta(n p / s, m + 1), whose function with a whole second parameter is a finite sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_NEGLIGIBLE = 1e-12
_LONGEST_LINE = 100_000


class Waiting(Protocol):
    """What a number of agents gives."""

    @property
    def mean_wait(self) -> float:
        """Of all who come, until served or gone."""

    @property
    def abandoned(self) -> float:
        """The share of those who give up."""

    def served_within(self, times: Sequence[float]) -> list[float]:
        """The share of all who come that is served within each of these times; 0 for a negative one."""


def erlang_b(agents: int, load: float) -> float:
    """The share that finds all agents taken where nobody waits; `load`: arrival rate times mean service time."""
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


@dataclass(frozen=True, slots=True)
class ErlangC:
    """M/M/n. With a load that the agents cannot bear nobody is ever served."""

    agents: int
    rate: float
    service: float

    @property
    def load(self) -> float:
        """Arrival rate times mean service time."""
        return self.rate * self.service

    @property
    def waits(self) -> float:
        """The share that has to wait."""
        if self.load >= self.agents:
            return 1.0
        blocked = erlang_b(self.agents, self.load)
        return blocked / (1 - self.load / self.agents * (1 - blocked))

    @property
    def mean_wait(self) -> float:
        """Of all who come; infinite under a load that cannot be borne."""
        if self.load >= self.agents:
            return math.inf
        return self.waits * self.service / (self.agents - self.load)

    @property
    def abandoned(self) -> float:
        """Nobody gives up."""
        return 0.0

    def served_within(self, times: Sequence[float]) -> list[float]:
        """As `Waiting.served_within`."""
        if self.load >= self.agents:
            return [0.0 for _ in times]
        waits, drain = self.waits, (self.agents - self.load) / self.service
        return [1 - waits * math.exp(-drain * time) if time >= 0 else 0.0 for time in times]


@dataclass(frozen=True, slots=True)
class ErlangA:
    """M/M/n+M."""

    agents: int
    rate: float
    service: float
    patience: float

    def _line(self) -> tuple[float, list[float]]:
        """The probability that an agent is free, and of m waiting behind n taken, for m = 0, 1, ..."""
        free = 1 / erlang_b(self.agents, self.rate * self.service) - 1
        line, weight, m = [1.0], 1.0, 0
        while m < _LONGEST_LINE:
            m += 1
            ratio = self.rate / (self.agents / self.service + m / self.patience)
            weight *= ratio
            line.append(weight)
            if ratio < 1 and weight * ratio / (1 - ratio) < _NEGLIGIBLE * (free + sum(line[:1])):
                break
        whole = free + math.fsum(line)
        return free / whole, [one / whole for one in line]

    @property
    def abandoned(self) -> float:
        """The share of those who give up: the rate at which the line's people do, over that of arrivals."""
        _, line = self._line()
        waiting = math.fsum(m * one for m, one in enumerate(line))
        return waiting / self.patience / self.rate

    @property
    def mean_wait(self) -> float:
        """Of all who come, until served or gone (Little's law)."""
        return self.abandoned * self.patience

    def served_within(self, times: Sequence[float]) -> list[float]:
        """As `Waiting.served_within`."""
        free, line = self._line()
        a = self.agents * self.patience / self.service
        return [self._within(free, line, a, time) if time >= 0 else 0.0 for time in times]

    def _within(self, free: float, line: Sequence[float], a: float, time: float) -> float:
        """Whoever is served within `time`.

        Of those who find m in line: E[exp(-v / p); v <= time] over the time v that the line takes, which is
        a / (a + m + 1) P(Beta(a + 1, m + 1) >= exp(-time / p)).
        """
        x = math.exp(-time / self.patience)
        # I_x(a + 1, m + 1) = x^(a + 1) (sum over i <= m of (a + 1)_i / i! (1 - x)^i)
        power = math.exp(-(a + 1) * time / self.patience)
        term, series = 1.0, 1.0
        served = free
        for m, weight in enumerate(line):
            if m:
                term *= (a + m) / m * (1 - x)
                series += term
            below = min(1.0, power * series) if power > 0 else 0.0
            served += weight * a / (a + m + 1) * (1 - below)
        return served
