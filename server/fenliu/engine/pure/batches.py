"""Batches: many commands of one kind in one message (docs/engine.md section 3, *Batches*)."""

from typing import NamedTuple

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import refusals, validation, wire


class Batch(NamedTuple):
    """How a batch and the results of its elements are laid out."""

    name: str  # full name of the message
    items: str  # its field
    refused_tag: bytes  # of the Status in an element's result
    accepted_tag: bytes  # of the response in it; b"": the response is the result

    def split(self, data: bytes) -> tuple[list[bytes], int]:
        """The elements and the batch id. Raises Refusal for the whole batch."""
        validation.batch_size(self.items, len(data))
        try:
            items, batch_id = wire.split_batch(data)
        except wire.MalformedError:
            raise refusals.malformed(self.name) from None
        validation.batch_elements(self.items, items)
        return items, batch_id

    def result(self, code: int, reply: bytes) -> bytes:
        """An element's result as an element of a response's `results`, field 1."""
        tag = self.refused_tag if code else self.accepted_tag
        return b"\x0a" + wire.delimited(tag + wire.delimited(reply) if tag else reply)


BATCHES = {
    CommandKind.ROUTE: Batch("fenliu.v1.RouteBatchRequest", "requests", b"\x12", b"\x0a"),
    CommandKind.MESSAGE: Batch("fenliu.v1.ReportMessagesBatchRequest", "events", b"\x1a", b""),
    CommandKind.ORDER: Batch("fenliu.v1.ReportOrdersRequest", "orders", b"\x12", b""),
}
