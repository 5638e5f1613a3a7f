"""The commands an engine decides: how each is read, checked, decided and answered.

What is the same for all of them is in `engine`.
"""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import Message

from fenliu.engine.kinds import CommandKind
from fenliu.engine.pure import (
    closing,
    config,
    messages,
    orders,
    presence,
    route,
    transfer,
    validation,
    waiting,
)
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2


class Command(NamedTuple):
    kind: CommandKind
    message: type[Message]
    shop_id: Callable[[Any], str]
    validate: Callable[[Any], None]
    decide: Callable[[Turn, Any], Message | None]
    # The answer, when it can only be given once everything is settled; else what `decide` returns.
    answer: Callable[[Turn, Any], Message] | None = None
    keeps_actor: bool = False

    @property
    def entry_field(self) -> str:
        """The command's field in `Entry`."""
        return engine_pb2.Entry.DESCRIPTOR.fields_by_number[self.kind].name


_of_itself = operator.attrgetter("shop_id")
_of_update = operator.attrgetter("update.shop_id")
_of_shop = operator.attrgetter("shop.shop_id")

COMMANDS = {
    command.kind: command
    for command in (
        Command(
            CommandKind.ROUTE,
            dispatch_pb2.RouteRequest,
            _of_itself,
            validation.route,
            route.decide_route,
        ),
        Command(
            CommandKind.CLOSE_CONVERSATION,
            dispatch_pb2.CloseConversationRequest,
            _of_itself,
            validation.close_conversation,
            closing.decide_close,
        ),
        Command(
            CommandKind.MESSAGE,
            dispatch_pb2.MessageEvent,
            _of_itself,
            validation.message,
            messages.decide_message,
        ),
        Command(
            CommandKind.UPDATE_PRESENCE,
            engine_pb2.UpdatePresence,
            _of_update,
            validation.update_presence,
            presence.decide_update,
        ),
        Command(
            CommandKind.SET_PRESENCE,
            presence_pb2.SetPresenceRequest,
            _of_itself,
            validation.set_presence,
            presence.decide_set,
            presence.set_response,
            keeps_actor=True,
        ),
        Command(
            CommandKind.EXPIRE_SESSION,
            engine_pb2.ExpireSession,
            _of_itself,
            validation.expire_session,
            presence.decide_expire_session,
        ),
        Command(
            CommandKind.APPLY_SHOP,
            shop_pb2.ApplyShopRequest,
            _of_shop,
            validation.apply_shop,
            config.decide_apply_shop,
            keeps_actor=True,
        ),
        Command(
            CommandKind.SET_WEIGHTS,
            shop_pb2.SetWeightsRequest,
            _of_itself,
            validation.set_weights,
            config.decide_set_weights,
            keeps_actor=True,
        ),
        Command(
            CommandKind.TICK,
            engine_pb2.Tick,
            _of_itself,
            validation.tick,
            lambda _turn, _command: None,  # what is due is applied before any command
        ),
        Command(
            CommandKind.TRANSFER,
            dispatch_pb2.TransferRequest,
            _of_itself,
            validation.transfer,
            transfer.decide_transfer,
        ),
        Command(
            CommandKind.CANCEL_INQUIRY,
            dispatch_pb2.CancelInquiryRequest,
            _of_itself,
            validation.cancel_inquiry,
            waiting.decide_cancel,
        ),
        Command(
            CommandKind.ORDER,
            dispatch_pb2.OrderEvent,
            _of_itself,
            validation.order,
            orders.decide_order,
        ),
        Command(
            CommandKind.DELETE_SHOP,
            shop_pb2.DeleteShopRequest,
            _of_itself,
            validation.delete_shop,
            config.decide_delete_shop,
            keeps_actor=True,
        ),
    )
}
