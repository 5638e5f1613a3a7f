"""Rows of the engine alone: decisions a second, the twin's, growth with agents and with shops.

One thread, bytes in, bytes out, batches of 512, no journal and no gRPC. Batches are encoded and conversations closed
between the timed calls. Rounds of what is compared alternate.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.table import Figure, Measured, Missing, Scale

from fenliu.engine import CommandKind, CoreUnavailableError, load_core
from fenliu.load.figures import median
from fenliu.load.workload import BATCH, SHOP, Workload, online, shop_document
from fenliu.v1 import shop_pb2

START_MS = 1_762_000_000_000
STEP_MS = 2_000
"""Between two batches: so long that conversations fall idle as fast as new ones begin."""


class Bench:
    """An engine with its shops, all agents ONLINE, and what buyers it is asked for."""

    def __init__(self, core: str, agents: int, shops: Sequence[str] = (SHOP,), **mix: int) -> None:
        try:
            loaded = load_core(core)
        except CoreUnavailableError as error:
            raise Missing(f"the {core} core: {error}") from None
        self.engine: Any = loaded.engine(64)
        self.now_ms = START_MS
        self.workload = Workload(shops, **mix)
        ids = [agent.agent_id for agent in shop_document(SHOP, agents).agents]
        for shop in shops:
            document = shop_pb2.ApplyShopRequest(shop=shop_document(shop, agents))
            self.decide(CommandKind.APPLY_SHOP, document.SerializeToString())
            for agent in ids:
                self.decide(CommandKind.SET_PRESENCE, online(shop, agent).SerializeToString())

    def decide(self, kind: CommandKind, request: bytes) -> None:
        code, reply, _, _ = self.engine.decide(kind, request, self.now_ms, "")
        assert code == 0, reply

    def batch(self, kind: CommandKind, batch: bytes, size: int = BATCH) -> float:
        """Decides a batch; seconds."""
        first, total = 0, size
        begun = time.perf_counter()
        while first < total:
            code, _, total, _, _, decided = self.engine.decide_batch(
                kind, batch, self.now_ms, first, size
            )
            assert code == 0 and decided
            first += decided
        return time.perf_counter() - begun

    def round(self, batches: int, *, close: bool = True) -> tuple[float, float]:
        """Seconds for the inquiries of so many batches, and for the replies to them.

        `close`: conversations are closed between, not timed; else the decisions themselves do it.
        """
        routing = reporting = 0.0
        encoded = [self.workload.batch() for _ in range(batches)]
        for inquiries, events in encoded:
            self.now_ms += STEP_MS
            routing += self.batch(CommandKind.ROUTE, inquiries)
            reporting += self.batch(CommandKind.MESSAGE, events)
            if close:
                self.engine.tick(self.now_ms)
        return routing, reporting


def measure_engine(scale: Scale) -> Measured:
    """New buyers, as `benchmarks/test_engine.py` has them; then a million who come again."""
    rounds = scale.rounds
    batches = scale.of(100)
    rust, twin = Bench("rust", 100, new=100), Bench("python", 100, new=100)
    rates: dict[str, list[float]] = {"rust": [], "python": [], "peak": [], "replies": []}
    for bench, name, count in ((rust, "rust", batches), (twin, "python", max(1, batches // 50))):
        bench.round(max(1, count // 10))  # once to warm up
        rates[name].clear()
    for _ in range(rounds):
        rates["rust"].append(batches * BATCH / rust.round(batches)[0])
        slow = max(1, batches // 50)
        rates["python"].append(slow * BATCH / twin.round(slow)[0])
    known = scale.of(1_000_000, BATCH)
    peak = Bench("rust", 100, known=known)
    for _ in range(known * 10 // 7 // BATCH // 100 + 1):  # until each has been here once
        peak.round(min(100, known // BATCH + 1), close=False)
    for _ in range(rounds):
        routing, reporting = peak.round(batches, close=False)
        rates["peak"].append(batches * BATCH / routing)
        rates["replies"].append(batches * BATCH / (routing + reporting))
    fast, slow_rate = median(rates["rust"]), median(rates["python"])
    return Measured(
        (
            Figure("new buyers, 100 agents, Rust", fast, "/s", 2_000_000),
            Figure("… of the twin", slow_rate, "/s"),
            Figure("… Rust / twin", fast / slow_rate, "×", 30),
            Figure("a million buyers, 30 % new, Rust", median(rates["peak"]), "/s", 2_000_000),
            Figure("… with a reply each", median(rates["replies"]), "/s"),
        )
    )


def measure_growth(scale: Scale) -> Measured:
    """What a decision costs with many agents, and with many shops, against few. Conversations close as they open."""
    batches = scale.of(40)
    few, many = Bench("rust", 10, new=100), Bench("rust", scale.of(10_000, 20), new=100)
    one, all_shops = (
        Bench("rust", 10, [f"shop-{number:011}" for number in range(count)], new=100)
        for count in (1, scale.of(100_000, 20))
    )
    costs: dict[int, list[float]] = {id(bench): [] for bench in (few, many, one, all_shops)}
    for bench in (few, many, one, all_shops):
        bench.round(max(1, batches // 4))
    for _ in range(scale.rounds):
        for bench in (few, many, one, all_shops):
            costs[id(bench)].append(bench.round(batches)[0])
    cost = {key: median(values) for key, values in costs.items()}
    return Measured(
        (
            Figure("agents 10 → 10,000", cost[id(many)] / cost[id(few)], "×", 2.5, True),
            Figure("shops 1 → 100,000", cost[id(all_shops)] / cost[id(one)], "×", 3, True),
            Figure("one shop, 10 agents", batches * BATCH / cost[id(one)], "/s"),
        )
    )
