"""The engine in plain Python: the readable specification, complete and with the same bytes as the Rust core.

Where to read, in the order of docs/engine.md:

1. `engine` - the life of a command; `commands`, `batches`, `entries`, `turn`, `repeats`
2. `state`, `parts`, `agents`, `inquiry`, `deadlines` - what is known of a shop; `apply` - the only place
   where it changes
3. `wire`, `refusals`, `validation` - from bytes to a request that keeps the rules
4. `config`, `permissions` - the shop document and who may change it; `document` - how the rules look
   things up in it
5. `presence`, `messages`, `orders` - agents' states, message events, orders
6. `selection` - weighted selection
7. `volume` - reception volume
8. `route` - the decision, step by step: `assignment` (agents), `robot`, `waiting` (queue, pool and left
   messages), `decision` (how it is written down); `closing`, `transfer`
9. `due` - what happens by itself
10. `settle` - leaving the queue and the pool
11. `query` - answers that change nothing
12. `snapshot` - the canonical state of a shop and the hash over all
13. `keys` - what stands in generations and segments; `segments` - the format of chunks and how they are
    merged; `generations` - where a key is looked for; `contacts` - whom buyers consulted; `needed` - what
    a command needs; `stored` - which shops there are, loaded or stored; `memory` - how much they take
14. `failing` - what a failure of the engine's own does to a shop

Besides the engine: `explain` - why a logged decision came out as it did; `walked_steps` - its steps,
walked again; `candidates` - how each agent stood.

It does no I/O, reads no clock, draws no random numbers, uses no floating point and never depends on
hash order.
"""

from fenliu.engine.partitions import partition_of
from fenliu.engine.pure.engine import Engine
from fenliu.engine.pure.entries import PartitionEntries
from fenliu.engine.pure.segments import filter_of, merge_chunks
from fenliu.engine.pure.snapshot import RULES_VERSION

CORE = "python"
API_VERSION = 8

__all__ = [
    "API_VERSION",
    "CORE",
    "RULES_VERSION",
    "Engine",
    "PartitionEntries",
    "filter_of",
    "merge_chunks",
    "partition_of",
]
