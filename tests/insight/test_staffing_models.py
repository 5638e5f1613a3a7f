"""The models of a plan: against tables, against each other, against Ciw, and against the engine itself.

Ciw is another people's simulation of queues; it and the engine know nothing of our formulas. Estimates agree
when they lie within the interval of independent runs (99.9%, so that none of these fails by chance in a lifetime
of runs: the seeds are fixed anyway).
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType

import ciw
import pytest

from fenliu.engine import CommandKind, load_core
from fenliu.engine.v1 import engine_pb2
from fenliu.insight.staffing.chat import Desk, Times, estimate, run
from fenliu.insight.staffing.erlang import ErlangA, ErlangC, erlang_b
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2

T_99_9 = {7: 5.408, 9: 4.781, 19: 3.883}
"""Student's t by degrees of freedom: 99.9% within."""


def agrees(values: Sequence[float], expected: float) -> bool:
    """Whether `expected` is within the interval of the mean of independent values."""
    half = T_99_9[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    assert half < 0.35 * expected, "an interval so wide says nothing"
    return abs(statistics.fmean(values) - expected) <= half


@dataclass
class Seen:
    """One run of whatever serves buyers: each one's time in line, and whether served."""

    waits: list[float]
    served: list[bool]

    def mean_wait(self) -> float:
        return statistics.fmean(self.waits)

    def abandoned(self) -> float:
        return 1 - statistics.fmean(self.served)

    def within(self, time: float) -> float:
        pairs = zip(self.waits, self.served, strict=True)
        return statistics.fmean(served and wait <= time for wait, served in pairs)


def judged(runs: Sequence[Seen], model: ErlangA | ErlangC, times: Sequence[float]) -> None:
    assert agrees([one.mean_wait() for one in runs], model.mean_wait)
    if isinstance(model, ErlangA):
        assert agrees([one.abandoned() for one in runs], model.abandoned)
    for time, expected in zip(times, model.served_within(times), strict=True):
        assert agrees([one.within(time) for one in runs], expected), time


# --- The formulas ------------------------------------------------------------------------------------


def test_erlang_b_and_c_are_those_of_the_tables():
    assert erlang_b(10, 5.0) == pytest.approx(0.018385, abs=1e-6)
    assert erlang_b(1, 1.0) == 0.5
    assert ErlangC(5, 4.0, 1.0).waits == pytest.approx(0.554113, abs=1e-6)
    assert ErlangC(1, 0.5, 1.0).mean_wait == pytest.approx(1.0)  # M/M/1: rho / (mu - lambda)
    assert ErlangC(1, 0.5, 1.0).served_within([2.0]) == [pytest.approx(1 - 0.5 * math.exp(-1))]


def test_erlang_c_under_a_load_that_cannot_be_borne():
    never = ErlangC(2, 3.0, 1.0)
    assert never.waits == 1 and never.mean_wait == math.inf and never.served_within([9.0]) == [0.0]


@pytest.mark.parametrize(("agents", "rate"), [(1, 0.5), (5, 4.0), (40, 36.0), (300, 290.0)])
def test_erlang_a_becomes_c_where_all_are_patient_and_b_where_none_is(agents: int, rate: float):
    times = [0.0, 0.1, 1.0, 10.0]
    patient, c = ErlangA(agents, rate, 1.0, 1e7), ErlangC(agents, rate, 1.0)
    assert patient.served_within(times) == pytest.approx(c.served_within(times), abs=1e-4)
    assert patient.mean_wait == pytest.approx(c.mean_wait, rel=1e-3)
    assert ErlangA(agents, rate, 1.0, 1e-9).abandoned == pytest.approx(
        erlang_b(agents, rate), rel=1e-6
    )


@pytest.mark.parametrize(
    ("agents", "rate", "patience"), [(1, 3.0, 0.5), (5, 9.0, 2.0), (60, 70.0, 1.0)]
)
def test_erlang_a_holds_together(agents: int, rate: float, patience: float):
    """What is not served gives up; who is served, over time, fills the agents; more agents never serve fewer."""
    model = ErlangA(agents, rate, 1.0, patience)
    times = [0.0, 0.01, 0.1, 0.5, 1.0, 5.0, 50.0, 500.0]
    served = model.served_within(times)
    assert all(soon <= late + 1e-12 for soon, late in pairwise(served))
    assert served[-1] == pytest.approx(1 - model.abandoned, abs=1e-9)
    assert rate * (1 - model.abandoned) <= agents
    more = ErlangA(agents + 1, rate, 1.0, patience)
    assert all(b >= a for a, b in zip(served, more.served_within(times), strict=True))
    assert model.served_within([-1.0]) == [0.0]


# --- The simulation -----------------------------------------------------------------------------------

RATE, SERVICE, PATIENCE = 3.5, 1.0, 2.0
MOMENTS = [0.0, 0.2, 1.0]


def exponential(rng: random.Random, mean: float, count: int = 20_000) -> list[tuple[float, float]]:
    """Handling times with exactly this mean, the first reply at once."""
    drawn = [rng.expovariate(1 / mean) for _ in range(count)]
    factor = mean / statistics.fmean(drawn)
    return [(factor * one, 0.0) for one in drawn]


@pytest.mark.parametrize("patience", [None, PATIENCE])
@pytest.mark.parametrize(("agents", "concurrency"), [(5, 1), (1, 5)])
def test_the_simulation_agrees_with_erlang(patience: float | None, agents: int, concurrency: int):
    """Where it does not matter how many buyers an agent has, places at desks are agents of their own."""
    times = Times([exponential(random.Random(1), SERVICE)] * concurrency)
    model = ErlangC(5, RATE, SERVICE) if patience is None else ErlangA(5, RATE, SERVICE, patience)
    for moment, expected in zip(MOMENTS, model.served_within(MOMENTS), strict=True):
        desk = Desk(agents, concurrency, RATE, times, patience, moment)
        runs = [run(desk, random.Random(f"{n} x"), 3_000) for n in range(20)]
        assert agrees([one.reached for one in runs], expected)
    assert agrees([one.mean_wait for one in runs], model.mean_wait)
    served = RATE * SERVICE * (1 - model.abandoned)
    assert agrees([one.occupancy for one in runs], served / 5)
    if patience is not None:
        assert agrees([one.abandoned for one in runs], model.abandoned)


def test_the_first_reply_counts_from_the_arrival():
    """Waiting and the agent's own time add up; an agent with more buyers is slower."""
    slow = Times([[(1.0, 0.4)], [(1.0, 0.8)]])
    idle = Desk(50, 2, 1.0, slow, None, 0.5)
    assert estimate(idle, 1).reached == 1.0
    full = Desk(1, 2, 0.6, slow, None, 0.5)
    rate = estimate(full, 1)
    # M/D/2/.. is no closed form here: whoever comes to a free agent is in time, nobody else.
    assert 0.4 < rate.reached < 0.7
    assert estimate(Desk(1, 2, 0.6, slow, None, 0.3), 1).reached == 0.0


def test_the_same_seed_gives_the_same():
    desk = Desk(5, 1, RATE, Times([exponential(random.Random(1), 1.0, 100)]), None, 0.5)
    assert estimate(desk, 1) == estimate(desk, 1) != estimate(desk, 2)


# --- Ciw, an oracle -----------------------------------------------------------------------------------


def of_ciw(servers: int, service: object, patience: float | None, seed: int, until: float) -> Seen:
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=RATE)],
        service_distributions=[service],
        number_of_servers=[servers],
        reneging_time_distributions=[
            None if patience is None else ciw.dists.Exponential(rate=1 / patience)
        ],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(until)
    records = [one for one in simulation.get_all_records() if 30 < one.arrival_date < until - 30]
    return Seen(
        [one.waiting_time for one in records], [one.record_type == "service" for one in records]
    )


@pytest.mark.slow
@pytest.mark.parametrize("patience", [None, PATIENCE])
def test_the_formulas_agree_with_ciw(patience: float | None):
    exponential_service = ciw.dists.Exponential(rate=1 / SERVICE)
    runs = [of_ciw(5, exponential_service, patience, seed, 900) for seed in range(10)]
    model = ErlangC(5, RATE, SERVICE) if patience is None else ErlangA(5, RATE, SERVICE, patience)
    judged(runs, model, MOMENTS)


@pytest.mark.slow
def test_the_simulation_agrees_with_ciw_where_there_is_no_formula():
    """Handling times as recorded, not exponential: three agents with two buyers each."""
    values = [0.2, 0.3, 0.9, 2.8]
    chances = [0.4, 0.3, 0.2, 0.1]
    recorded = [(value, 0.0) for value, chance in zip(values, chances, strict=True)
                for _ in range(round(10 * chance))]  # fmt: skip
    mean = statistics.fmean(one[0] for one in recorded)
    service = ciw.dists.Pmf(values, chances)
    theirs = [of_ciw(6, service, 0.6, seed, 900) for seed in range(10)]
    for moment in (0.0, 0.2, 0.5):
        desk = Desk(3, 2, RATE, Times([recorded] * 2), 0.6, moment)
        ours = [run(desk, random.Random(f"{n} y"), 3_000) for n in range(10)]
        differences = [
            one.reached - other.within(moment) for one, other in zip(ours, theirs, strict=True)
        ]
        assert abs(statistics.fmean(differences)) <= T_99_9[9] * statistics.stdev(
            differences
        ) / math.sqrt(10)
    assert agrees(
        [one.occupancy for one in ours],
        RATE * mean * (1 - statistics.fmean(one.abandoned for one in ours)) / 6,
    )


# --- The engine itself ----------------------------------------------------------------------------------

MINUTE = 60_000
AGENTS = 4


def of_engine(core: ModuleType, seed: int, buyers: int) -> Seen:
    """A stream of buyers through the real engine: agents with a cap of 1, everybody else in the queue, who cancels
    when the patience is over. Time is the engine's; a buyer is done with at the end of an exponential time."""
    rng = random.Random(seed)
    engine = load_core(core.CORE).engine(1)
    agents = [f"agent-{number}" for number in range(AGENTS)]
    began: dict[str, int] = {}
    ended: dict[str, tuple[int, bool]] = {}
    service: dict[str, float] = {}
    events: list[tuple[float, int, str, str]] = []  # when, in what order, what, of whom
    order = 0

    def later(at: float, what: str, whom: str) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (at, order, what, whom))

    def decide(kind: CommandKind, message: object, now: int) -> bytes:
        code, body, _, entry = engine.decide(kind, message.SerializeToString(), now, "")  # type: ignore[attr-defined]
        assert code == 0, body
        if entry:
            size, start = 0, 0
            shift = 0
            while True:  # an entry stands behind its length
                size |= (entry[start] & 127) << shift
                start, shift = start + 1, shift + 7
                if not entry[start - 1] & 128:
                    break
            for fact in engine_pb2.Entry.FromString(entry[start : start + size]).facts:
                decided = fact.decided
                if fact.HasField("decided") and decided.outcome == types_pb2.OUTCOME_AGENT:
                    buyer = decided.buyer_id or message.buyer_id  # type: ignore[attr-defined]
                    ended[buyer] = (now, True)
                    later(now + service[buyer], "close", f"c{decided.conversation}")
        return bytes(body)

    shop = shop_pb2.Shop(
        shop_id="s",
        agents=[shop_pb2.Agent(agent_id=one, cap=1) for one in agents],
        groups=[shop_pb2.Group(group_id="all", agent_ids=agents)],
        settings=shop_pb2.ShopSettings(
            queue_limit=10_000, queue_timeout_ms=86_400_000, idle_close_ms=86_400_000
        ),
    )
    now = 1_000_000
    decide(CommandKind.APPLY_SHOP, shop_pb2.ApplyShopRequest(shop=shop), now)
    for one in agents:
        online = presence_pb2.SetPresenceRequest(
            shop_id="s", agent_id=one, status=types_pb2.PRESENCE_STATUS_ONLINE
        )
        decide(CommandKind.SET_PRESENCE, online, now)
    at = float(now)
    for number in range(buyers):
        at += rng.expovariate(1 / MINUTE * 3.5)
        later(at, "come", f"b{number}")
    while events:
        at, _, what, whom = heapq.heappop(events)
        now = round(at)
        if what == "come":
            began[whom] = now
            service[whom] = rng.expovariate(1 / MINUTE)
            later(at + rng.expovariate(1 / (2 * MINUTE)), "give up", whom)
            decide(CommandKind.ROUTE, dispatch_pb2.RouteRequest(shop_id="s", buyer_id=whom), now)
        elif what == "close":
            close = dispatch_pb2.CloseConversationRequest(shop_id="s", conversation_id=whom)
            decide(CommandKind.CLOSE_CONVERSATION, close, now)
        elif whom not in ended:
            cancel = dispatch_pb2.CancelInquiryRequest(shop_id="s", buyer_id=whom)
            body = decide(CommandKind.CANCEL_INQUIRY, cancel, now)
            assert dispatch_pb2.CancelInquiryResponse.FromString(body).was_waiting
            ended[whom] = (now, False)
    counted = [f"b{number}" for number in range(100, buyers)]
    return Seen(
        [float(ended[one][0] - began[one]) for one in counted], [ended[one][1] for one in counted]
    )


RUNS_OF: dict[str, tuple[int, int]] = {"rust": (20, 2_000), "python": (20, 700)}


def test_the_engine_keeps_buyers_waiting_as_erlang_a_says(core: ModuleType):
    runs, buyers = RUNS_OF[core.CORE]
    seen = [of_engine(core, seed, buyers) for seed in range(runs)]
    model = ErlangA(AGENTS, 3.5 / MINUTE, float(MINUTE), 2.0 * MINUTE)
    judged(seen, model, [1.0, 0.2 * MINUTE, MINUTE])


def test_it_would_be_seen_if_the_engine_were_another(core: ModuleType):
    """The same with a fifth agent in the formula does not agree."""
    runs, buyers = RUNS_OF[core.CORE]
    seen = [of_engine(core, seed, buyers) for seed in range(runs)]
    other = ErlangA(AGENTS + 1, 3.5 / MINUTE, float(MINUTE), 2.0 * MINUTE)
    with pytest.raises(AssertionError):
        judged(seen, other, [1.0, 0.2 * MINUTE, MINUTE])
