"""Which partition a shop belongs to. Knows nothing of what a partition holds."""

import google_crc32c


def partition_of(shop_id: str, partitions: int) -> int:
    """The partition a shop belongs to: CRC-32C of the id's UTF-8 bytes modulo `partitions`."""
    return int(google_crc32c.value(shop_id.encode())) % partitions
