"""The numbers by which commands and queries are named at the engine's face.

The same as `CommandKind` and `QueryKind` in proto/fenliu/engine/v1/engine.proto, as Python enums.
"""

from enum import IntEnum


class CommandKind(IntEnum):
    """What an engine decides; the number is the command's field in `Entry`."""

    ROUTE = 4
    CLOSE_CONVERSATION = 5
    MESSAGE = 6
    UPDATE_PRESENCE = 7
    SET_PRESENCE = 8
    EXPIRE_SESSION = 9
    APPLY_SHOP = 10
    SET_WEIGHTS = 11
    TICK = 12
    TRANSFER = 13
    CANCEL_INQUIRY = 14
    ORDER = 15
    DELETE_SHOP = 16


class QueryKind(IntEnum):
    """What an engine answers without changing anything."""

    GET_SHOP = 1
    LIST_SHOPS = 2
    LIST_PRESENCE = 3
