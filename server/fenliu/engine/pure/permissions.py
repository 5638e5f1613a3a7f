"""Who may change a shop (docs/engine.md section 4, *Who may*)."""

from fenliu.engine.pure.document import MANAGE
from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.state import Shop
from fenliu.v1 import shop_pb2

ACTOR = "fenliu-actor"
"""Where the actor is named."""


def require_manager(shop: Shop, actor: str) -> None:
    """Refuses an actor who is neither the operator, the owner nor an agent with the permission."""
    if _is_owner(shop, actor):
        return
    agent = shop.agents.get(actor)
    if agent is None or MANAGE not in agent.document.permissions:
        raise Refusal("NOT_ALLOWED", ACTOR, f"needs {MANAGE}")


def require_owner_for_grants(shop: Shop, actor: str, wanted: shop_pb2.Shop) -> None:
    """Refuses a change of owner or permissions by anybody but the operator and the owner."""
    if _is_owner(shop, actor):
        return
    if wanted.owner_agent_id != shop.document.owner_agent_id or _grants(wanted) != _grants(
        shop.document
    ):
        raise Refusal("NOT_ALLOWED", ACTOR, "only the owner grants permissions")


def require_owner_for_deleting(shop: Shop, actor: str) -> None:
    """Refuses anybody but the operator and the owner."""
    if not _is_owner(shop, actor):
        raise Refusal("NOT_ALLOWED", ACTOR, "only the owner deletes the shop")


def _is_owner(shop: Shop, actor: str) -> bool:
    """The owner account, or nobody: the operator's own tools."""
    return actor in ("", shop.config.owner_agent_id)


def _grants(document: shop_pb2.Shop) -> dict[str, list[str]]:
    return {
        agent.agent_id: list(agent.permissions) for agent in document.agents if agent.permissions
    }
