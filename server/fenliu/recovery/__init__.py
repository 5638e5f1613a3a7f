"""Between what a journal holds and a state: replaying logs, recovering from snapshots, making snapshots.

Knows records, manifests and the engine's face; decides nothing.
"""

from fenliu.recovery.records import apply_record, chunk_ids, records, supply
from fenliu.recovery.recover import (
    Recovered,
    combined,
    head_of,
    manifest_before,
    recover,
    recover_shop,
    shop_document,
    shop_hashes,
    state_hash,
    whole_snapshot,
)
from fenliu.recovery.replay import Difference, Replayed, Verified, load_oldest, replay, verify
from fenliu.recovery.snapshots import SnapshotWriter, Written

__all__ = [
    "Difference",
    "Recovered",
    "Replayed",
    "SnapshotWriter",
    "Verified",
    "Written",
    "apply_record",
    "chunk_ids",
    "combined",
    "head_of",
    "load_oldest",
    "manifest_before",
    "records",
    "recover",
    "recover_shop",
    "replay",
    "shop_document",
    "shop_hashes",
    "state_hash",
    "supply",
    "verify",
    "whole_snapshot",
]
