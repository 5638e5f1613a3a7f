"""Waiting where an agent serves up to so many buyers at once: simulated, seeded.

Poisson arrivals; who comes goes to the agent with the fewest buyers (equal agents, as equal weights share
them), or waits in line, first come first served, for an exponential time at most. How long a buyer takes, and
until the first reply, is drawn from what was recorded of agents who then had as many buyers. Each run begins
empty and forgets its first arrivals; runs are independent, so that their mean has an interval (replications and
warm-up deletion: Law, Simulation Modeling and Analysis, 2015, ch. 9).
"""

from __future__ import annotations

import math
import random
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

RUNS = 10
MEASURED = 1_500
"""Arrivals of a run that count."""
_T_OF_RUNS = 2.262
"""Student's t for RUNS - 1 degrees of freedom: 95% within."""


@dataclass(frozen=True, slots=True)
class Times:
    """What was recorded: (how long a buyer took, until the first reply), by how many the agent then had."""

    by_buyers: Sequence[Sequence[tuple[float, float]]]
    """The first element: of agents with that buyer alone."""

    def drawn(self, rng: random.Random, buyers: int) -> tuple[float, float]:
        """One of those with so many buyers, the new one included."""
        choices = self.by_buyers[buyers - 1]
        return choices[int(rng.random() * len(choices))]


@dataclass(frozen=True, slots=True)
class Desk:
    """What is simulated. Times in ms, `rate` arrivals a ms; `patience`: mean, None: nobody gives up."""

    agents: int
    concurrency: int
    rate: float
    times: Times
    patience: float | None
    target: float


@dataclass(frozen=True, slots=True)
class Run:
    """Shares of the arrivals that count, and means over them."""

    reached: float
    """First reply within the target."""
    abandoned: float
    mean_wait: float
    """Until served or gone, in ms."""
    occupancy: float
    """Of what all agents together could have had at once, how much they had."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Means over the runs, and half the width of the 95% interval of `reached`."""

    reached: float
    half_width: float
    abandoned: float
    mean_wait: float
    occupancy: float


def estimate(desk: Desk, seed: object, *, runs: int = RUNS, measured: int = MEASURED) -> Estimate:
    """So many runs; the same seed gives the same."""
    done = [run(desk, random.Random(f"{seed} {number}"), measured) for number in range(runs)]  # noqa: S311
    reached = [one.reached for one in done]
    spread = statistics.stdev(reached) / math.sqrt(runs) if runs > 1 else 0.0
    return Estimate(
        reached=statistics.fmean(reached),
        half_width=_T_OF_RUNS * spread,
        abandoned=statistics.fmean(one.abandoned for one in done),
        mean_wait=statistics.fmean(one.mean_wait for one in done),
        occupancy=statistics.fmean(one.occupancy for one in done),
    )


def run(desk: Desk, rng: random.Random, measured: int) -> Run:
    """One run, with as many arrivals before those that count as fill the desk three times."""
    slots = desk.agents * desk.concurrency
    warm_up = max(200, 3 * slots)
    has = [0] * desk.agents
    with_buyers: list[dict[int, None]] = [{} for _ in range(desk.concurrency + 1)]  # ordered sets
    with_buyers[0] = dict.fromkeys(range(desk.agents))
    ends: list[tuple[float, int]] = []
    line: deque[tuple[int, float, float]] = deque()  # number, came at, gives up at
    free = slots
    reached = abandoned = 0
    waited = worked = 0.0
    now = counts_from = 0.0
    patience_rate = 0.0 if desk.patience is None else 1 / desk.patience

    def take(number: int, came: float, at: float) -> None:
        nonlocal free, reached, waited, worked
        load = next(k for k in range(desk.concurrency) if with_buyers[k])
        agent = next(iter(with_buyers[load]))
        del with_buyers[load][agent]
        with_buyers[load + 1][agent] = None
        has[agent] = load + 1
        free -= 1
        takes, replies = desk.times.drawn(rng, load + 1)
        heappush(ends, (at + takes, agent))
        if number >= warm_up:
            wait = at - came
            waited += wait
            worked += takes
            reached += wait + replies <= desk.target

    def leave(until: float) -> None:
        """Lets buyers be done with, and the line move up, up to a time."""
        nonlocal free, abandoned, waited
        while ends and ends[0][0] <= until:
            at, agent = heappop(ends)
            load = has[agent]
            del with_buyers[load][agent]
            with_buyers[load - 1][agent] = None
            has[agent] = load - 1
            free += 1
            while line and free:
                number, came, gives_up = line.popleft()
                if gives_up > at:
                    take(number, came, at)
                elif number >= warm_up:
                    abandoned += 1
                    waited += gives_up - came

    for number in range(warm_up + measured):
        now += rng.expovariate(desk.rate)
        if number == warm_up:
            counts_from = now
        leave(now)
        gives_up = now + rng.expovariate(patience_rate) if patience_rate else math.inf
        if free:
            take(number, now, now)
        else:
            line.append((number, now, gives_up))
    leave(math.inf)
    passed = now - counts_from
    return Run(
        reached=reached / measured,
        abandoned=abandoned / measured,
        mean_wait=waited / measured,
        occupancy=min(1.0, worked / (slots * passed)) if passed else 0.0,
    )
