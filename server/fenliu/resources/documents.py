"""Parts of a shop document: finding, listing, adding, replacing and removing agents and groups.

Documents are taken as stored: parts sorted by id. May not judge whether a document is valid.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fenliu.v1 import shop_pb2


@dataclass(frozen=True, slots=True)
class Kind:
    """What a shop has several of: by its name, "agent" or "group"."""

    name: str
    message: type[Message]

    @property
    def id_field(self) -> str:
        """The field of the part that names it: "agent_id"."""
        return f"{self.name}_id"

    @property
    def list_field(self) -> str:
        """The field of the shop that holds them all: "agents"."""
        return f"{self.name}s"

    def parts(self, shop: shop_pb2.Shop) -> Any:
        """The shop's list of them, to be changed in place."""
        return getattr(shop, self.list_field)

    def id_of(self, part: Any) -> str:
        """The part's id."""
        return str(getattr(part, self.id_field))


AGENT = Kind("agent", shop_pb2.Agent)
GROUP = Kind("group", shop_pb2.Group)


def index_of(shop: shop_pb2.Shop, kind: Kind, part_id: str) -> int | None:
    """Where in its list the part with this id is; None: there is none."""
    for index, part in enumerate(kind.parts(shop)):
        if kind.id_of(part) == part_id:
            return index
    return None


def remove(shop: shop_pb2.Shop, kind: Kind, index: int) -> None:
    """Takes a part out; an agent also out of all groups and the buyers' mapping."""
    parts = kind.parts(shop)
    part_id = kind.id_of(parts[index])
    del parts[index]
    if kind is not AGENT:
        return
    for group in shop.groups:
        if part_id in group.agent_ids:
            group.agent_ids.remove(part_id)
    kept = [one for one in shop.settings.buyer_agents if one.agent_id != part_id]
    if len(kept) < len(shop.settings.buyer_agents):
        del shop.settings.buyer_agents[:]
        shop.settings.buyer_agents.extend(kept)


def page(shop: shop_pb2.Shop, kind: Kind, after: str, size: int) -> tuple[list[Any], str]:
    """At most `size` parts behind the id `after`, by id, and the next page's `after` ("": no more)."""
    parts = kind.parts(shop)
    # By code point, which for str is the order of the ids' UTF-8 bytes.
    start = bisect_right(parts, after, key=kind.id_of)
    chosen = list(parts[start : start + size])
    more = start + len(chosen) < len(parts)
    return chosen, kind.id_of(chosen[-1]) if more and chosen else ""


def without_etag(shop: shop_pb2.Shop) -> shop_pb2.Shop:
    """A copy that holds of any version."""
    copy = shop_pb2.Shop()
    copy.CopyFrom(shop)
    copy.ClearField("etag")
    return copy
