"""The engine in plain Python: the readable specification, complete and with the same bytes as the Rust core.

Where to read, in the order of docs/engine.md:

1. `engine` - the life of a command; `turn`, `repeats`
2. `state`, `agents` - what is known of a shop; `apply` - the only place where it changes
3. `wire`, `refusals`, `validation` - from bytes to a request that keeps the rules
4. `config` - the shop document; `document` - how the rules look things up in it
5. `presence`, `messages` - agents' states and message events
6. `selection` - weighted selection
7. `route` - the decision, step by step, and closing
8. `due` - what happens by itself
9. `query` - answers that change nothing
10. `snapshot` - the canonical state of a shop and the hash over all

It does no I/O, reads no clock, draws no random numbers, uses no floating point and never depends on
hash order.
"""

from fenliu.engine.partitions import partition_of
from fenliu.engine.pure.engine import Engine, PartitionEntries
from fenliu.engine.pure.snapshot import RULES_VERSION

CORE = "python"
API_VERSION = 1

__all__ = ["API_VERSION", "CORE", "RULES_VERSION", "Engine", "PartitionEntries", "partition_of"]
