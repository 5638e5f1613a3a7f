"""The plan: for each hour of the day the fewest agents with whom so many first replies come in time.

Each hour stands for itself, at its own rate, as if that had been so for long (stationary independent period by
period: Green, Kolesar, Soares, "Improving the SIPP Approach for Staffing Service Systems", 2001). Refuses a
target that no number of agents, or not the most allowed, reaches.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from fenliu.insight.errors import ReportRefused
from fenliu.insight.reports.kpis import HOUR_MS
from fenliu.insight.staffing.chat import RUNS, Desk, Estimate, estimate
from fenliu.insight.staffing.erlang import ErlangA, ErlangC, Waiting
from fenliu.insight.staffing.recorded import Recorded, quantiles
from fenliu.v1 import insight_pb2

_REPLIES = 100
"""First replies are stood for by so many equally likely ones in the formulas."""
_COARSE = 3
"""Runs of the simulation while the number of agents is still far off."""

_C = insight_pb2.STAFFING_MODEL_ERLANG_C
_A = insight_pb2.STAFFING_MODEL_ERLANG_A
_SIMULATION = insight_pb2.STAFFING_MODEL_SIMULATION


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be reached, and with what."""

    target: float
    """Share of the first replies within `target_ms`."""
    target_ms: int
    concurrency: int
    most_agents: int
    model: insight_pb2.StaffingModel
    """Not UNSPECIFIED."""
    patience_ms: float | None
    """Mean; None: nobody gives up."""
    seed: int


@dataclass(frozen=True, slots=True)
class Hour:
    """What an hour needs. Shares are of all who come."""

    hour: int
    arrivals: float
    agents: int
    reached: float
    half_width: float
    """Of the 95% interval of `reached`; 0 from a formula."""
    occupancy: float
    mean_wait_ms: float
    abandoned: float


def model_for(
    wanted: insight_pb2.StaffingModel, concurrency: int, patience_ms: float | None
) -> insight_pb2.StaffingModel:
    """The model that is asked for or fits. Raises ReportRefused for one without the patience it needs."""
    if wanted == _A and patience_ms is None:
        rule = "required for ERLANG_A: too few gave up waiting to say how patient buyers are"
        raise ReportRefused("patience_ms", rule)
    if wanted:
        return wanted
    if concurrency > 1:
        return _SIMULATION
    return _C if patience_ms is None else _A


def plan(asked: Asked, known: Recorded, arrivals: dict[int, float]) -> list[Hour]:
    """Every hour of `arrivals` (an hour's, by hour of the day). Raises ReportRefused."""
    _check_reachable(asked, known)
    simulated = asked.model == _SIMULATION
    staff: Callable[[float, int], tuple[int, Estimate]]
    staff = _Simulated(asked, known).staff if simulated else _Formula(asked, known).staff
    found: dict[float, tuple[int, Estimate]] = {}
    hours = []
    for hour, count in sorted(arrivals.items()):
        if not count:
            hours.append(Hour(hour, 0.0, 0, 1.0, 0.0, 0.0, 0.0, 0.0))
            continue
        if count not in found:
            found[count] = staff(count / HOUR_MS, hour)
        agents, comes = found[count]
        hours.append(
            Hour(
                hour=hour,
                arrivals=count,
                agents=agents,
                reached=comes.reached,
                half_width=comes.half_width,
                occupancy=comes.occupancy,
                mean_wait_ms=comes.mean_wait,
                abandoned=comes.abandoned,
            )
        )
    return hours


def _check_reachable(asked: Asked, known: Recorded) -> None:
    """With any number of agents nobody waits, and each has that one buyer."""
    replies = [replies for _, replies in known.handling.with_buyers(1)]
    prompt = sum(one <= asked.target_ms for one in replies) / len(replies)
    if prompt < asked.target:
        rule = (
            f"not reached with any number of agents: of the recorded first replies of agents with no other"
            f" buyer {100 * prompt:.1f}% came within {asked.target_ms} ms (the fastest after"
            f" {min(replies):.0f} ms, half of them after {statistics.median(replies):.0f} ms)"
        )
        raise ReportRefused("target_ms" if not prompt else "target_percent", rule)


def _too_many(asked: Asked, hour: int, arrivals: float) -> ReportRefused:
    rule = (
        f"not reached with {asked.most_agents} agents: from {hour}:00 to {hour + 1}:00"
        f" {arrivals:.0f} buyers come"
    )
    return ReportRefused("most_agents", rule)


class _Formula:
    """Erlang C or A: one buyer at a time."""

    def __init__(self, asked: Asked, known: Recorded) -> None:
        self._asked = asked
        alone = known.handling.with_buyers(1)
        self._service = known.receptions_per_arrival * statistics.fmean(one[0] for one in alone)
        self._left = [
            asked.target_ms - replies for replies in quantiles([one[1] for one in alone], _REPLIES)
        ]
        if not self._service:
            raise ReportRefused("window", "no handling time in it: nothing to plan from")

    def staff(self, rate: float, hour: int) -> tuple[int, Estimate]:
        """The fewest agents, by doubling and halving: more never reach less."""
        most = self._asked.most_agents
        low, high = 0, 1
        while high < most and self._reached(high, rate) < self._asked.target:
            low, high = high, min(2 * high, most)
        if self._reached(high, rate) < self._asked.target:
            raise _too_many(self._asked, hour, rate * HOUR_MS)
        while high - low > 1:
            middle = (low + high) // 2
            if self._reached(middle, rate) < self._asked.target:
                low = middle
            else:
                high = middle
        waiting = self._waiting(high, rate)
        served = 1 - waiting.abandoned
        return high, Estimate(
            reached=self._reached(high, rate),
            half_width=0.0,
            abandoned=waiting.abandoned,
            mean_wait=waiting.mean_wait,
            occupancy=rate * self._service * served / high,
        )

    def _waiting(self, agents: int, rate: float) -> Waiting:
        if self._asked.model == _A and self._asked.patience_ms is not None:
            return ErlangA(agents, rate, self._service, self._asked.patience_ms)
        return ErlangC(agents, rate, self._service)

    def _reached(self, agents: int, rate: float) -> float:
        return statistics.fmean(self._waiting(agents, rate).served_within(self._left))


class _Simulated:
    """Several buyers at once."""

    def __init__(self, asked: Asked, known: Recorded) -> None:
        self._asked = asked
        self._times = known.handling.times(asked.concurrency, known.receptions_per_arrival)
        self._full = statistics.fmean(one[0] for one in self._times.by_buyers[-1])

    def staff(self, rate: float, hour: int) -> tuple[int, Estimate]:
        """The fewest agents: from as many as can bear the load step by step, then with all runs."""
        asked = self._asked
        agents = max(1, min(asked.most_agents, math.ceil(rate * self._full / asked.concurrency)))
        while agents > 1 and self._estimate(agents - 1, rate, _COARSE).reached >= asked.target:
            agents -= 1
        step = 1
        while self._estimate(agents, rate, _COARSE).reached < asked.target:
            if agents >= asked.most_agents:
                raise _too_many(asked, hour, rate * HOUR_MS)
            agents = min(agents + step, asked.most_agents)
            step *= 2
        while agents > 1 and self._estimate(agents - 1, rate, RUNS).reached >= asked.target:
            agents -= 1
        while (comes := self._estimate(agents, rate, RUNS)).reached < asked.target:
            if agents >= asked.most_agents:
                raise _too_many(asked, hour, rate * HOUR_MS)
            agents += 1
        return agents, comes

    def _estimate(self, agents: int, rate: float, runs: int) -> Estimate:
        asked = self._asked
        desk = Desk(
            agents, asked.concurrency, rate, self._times, asked.patience_ms, float(asked.target_ms)
        )
        # The same arrivals for any number of agents, so that more of them never look worse by chance alone.
        return estimate(desk, f"{asked.seed} {rate}", runs=runs)
