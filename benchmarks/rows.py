"""The rows of the table, in its order."""

from __future__ import annotations

from benchmarks import (
    batches,
    client_gain,
    engine,
    loop_hold,
    memory,
    overload,
    presence,
    sale_day,
    simulate,
    unary,
    workers,
)
from benchmarks.table import Row

ROWS = {
    row.name: row
    for row in (
        Row("unary", "Route, durable, beside a no-op echo: throughput and p99", unary.measure),
        Row("hot-shop", "batches of 512 for one shop of 500 agents", batches.measure_hot_shop),
        Row("many-shops", "the same spread over 10,000 shops", batches.measure_many_shops),
        Row("engine", "the Rust engine alone, and the twin", engine.measure_engine),
        Row("growth", "a decision with many agents, with many shops", engine.measure_growth),
        Row("memory", "contacts, request ids and shops", memory.measure),
        Row("presence", "heartbeats of 50,000 agents, changes of status", presence.measure),
        Row("loop", "how long the event loop is held", loop_hold.measure),
        Row("journal", "bytes on disk for an inquiry", batches.measure_journal),
        Row("client", "what fenliu.client gains over unary calls", client_gain.measure),
        Row("sale-day", "a generated 双11 with presence, replies and orders", sale_day.measure),
        Row("simulate", "a day of a million inquiries played again", simulate.measure),
        Row("overload", "what is left when more is asked for than can be done", overload.measure),
        Row("workers", "two worker processes beside one", workers.measure),
    )
}
