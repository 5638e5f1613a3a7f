"""From what a journal holds to a state: replaying logs by their facts, and verifying them.

Knows records and the engine's face; decides nothing and writes nothing.
"""

from fenliu.recovery.replay import Difference, Replayed, Verified, replay, state_before, verify

__all__ = ["Difference", "Replayed", "Verified", "replay", "state_before", "verify"]
