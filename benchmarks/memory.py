"""The row of the engine's memory: contacts, request ids, shops. Each in a process of its own.

    .venv/bin/python -m benchmarks.memory contacts|requests|shops COUNT

prints resident bytes before, after, and how many there are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.engine import Bench
from benchmarks.processes import resident_bytes, run_module
from benchmarks.table import Figure, Measured, Scale

from fenliu.engine import CommandKind
from fenliu.load.workload import SHOP, Workload, buyer_id, online, shop_document
from fenliu.v1 import shop_pb2

BATCH = 4096
CONTACTS = 10_000_000
SHOPS = 100_000
IDLE_CLOSE_MS = 10_000
"""So that few conversations are open at a time: contacts are what is measured."""
GIB = 2**30


def measure(scale: Scale) -> Measured:
    """10 million contacts in one shop; the same with a request id each; 100,000 shops of 10 agents."""
    contacts = scale.of(CONTACTS, BATCH)
    shops = scale.of(SHOPS, 10)
    resident = {}
    per_item = {}
    for what, count in (("contacts", contacts), ("requests", contacts), ("shops", shops)):
        before, after, there = map(
            int, run_module("benchmarks.memory", [what, str(count)], 1200).split()
        )
        resident[what] = after
        per_item[what] = (after - before) / there
    ids = per_item["requests"] - per_item["contacts"]
    return Measured(
        (
            Figure("10 million recent contacts", resident["contacts"] / GIB, "GiB", 1.0, True),
            Figure("… a contact", per_item["contacts"], "bytes"),
            Figure("… and 10 million request ids", resident["requests"] / GIB, "GiB"),
            Figure("… a request id", ids, "bytes"),
            Figure("100,000 shops of 10 agents", resident["shops"] / GIB, "GiB", 1.0, True),
            Figure("… a shop", per_item["shops"], "bytes"),
        ),
        (
            f"request ids of 24 h: {ids:.0f} bytes × the inquiries of a day; at a day's mean of 1,000/s"
            f" {ids * 86_400_000 / GIB:.1f} GiB",
        ),
    )


def main() -> None:
    """One of the three, in this process alone."""
    what, count = sys.argv[1], int(sys.argv[2])
    if what == "shops":
        bench = Bench("rust", 10, [])
        before = resident_bytes()
        there = _shops(bench, count)
    else:
        bench = Bench("rust", 10, known=1)
        settings = shop_pb2.ShopSettings(idle_close_ms=IDLE_CLOSE_MS)
        document = shop_pb2.ApplyShopRequest(shop=shop_document(SHOP, 10, settings=settings))
        bench.decide(CommandKind.APPLY_SHOP, document.SerializeToString())
        before = resident_bytes()
        there = _contacts(bench, count, request_ids=what == "requests")
    print(before, resident_bytes(), there)


def _shops(bench: Bench, count: int) -> int:
    for number in range(count):
        shop_id = f"shop-{number:011}"
        document = shop_pb2.ApplyShopRequest(shop=shop_document(shop_id, 10))
        bench.decide(CommandKind.APPLY_SHOP, document.SerializeToString())
        for agent in document.shop.agents:
            bench.decide(
                CommandKind.SET_PRESENCE, online(shop_id, agent.agent_id).SerializeToString()
            )
    return count


def _contacts(bench: Bench, count: int, *, request_ids: bool) -> int:
    """As many new buyers, each conversation long over at the end."""
    done = 0
    for batch in _batches(count, request_ids=request_ids):
        bench.now_ms += 1_000
        bench.batch(CommandKind.ROUTE, batch, BATCH)
        bench.engine.tick(bench.now_ms)
        done += BATCH
    bench.now_ms += IDLE_CLOSE_MS
    while bench.engine.tick(bench.now_ms):
        pass
    return done


def _batches(count: int, *, request_ids: bool) -> Iterator[bytes]:
    if request_ids:
        workload = Workload(known=1, new=100)
        for _ in range(0, count, BATCH):
            yield workload.batch(BATCH)[0]
        return
    head = Workload(known=1, new=100).inquiries(1)[0][:18]  # the shop's field
    for first in range(0, count, BATCH):
        yield b"".join(
            b"\x0a\x24%b\x12\x10%b" % (head, buyer_id(number))
            for number in range(first, first + BATCH)
        )


if __name__ == "__main__":
    main()
