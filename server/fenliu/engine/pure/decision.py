"""How a decision becomes a fact and an answer (docs/engine.md section 8, from *One `Decided`* on)."""

from fenliu.engine.answers import conversation_id, decision_id
from fenliu.engine.pure.turn import Turn
from fenliu.engine.pure.waiting import estimated_wait_ms, queue_position
from fenliu.engine.v1 import engine_pb2
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.v1 import dispatch_pb2, types_pb2

_OPENS = (types_pb2.OUTCOME_AGENT, types_pb2.OUTCOME_ROBOT)


def record(
    turn: Turn,
    decided: Decided,
    buyer_id: str,
    *,
    previous: int = 0,
    priority: int = 0,
    named: bool = False,
) -> Decided:
    """Records what was decided for the buyer, with all that follows from it.

    `previous`: the conversation that ended before, 0: none; `priority`: the inquiry's; `named`: the
    command names the buyer and is about this.
    """
    shop = turn.shop
    conversation = shop.conversation_of_buyer.get(buyer_id)
    if (
        decided.outcome == types_pb2.OUTCOME_AGENT
        and conversation is not None
        and conversation.robot
    ):
        previous = conversation.number
        turn.close(previous, engine_pb2.CLOSE_CAUSE_TO_HUMAN)
    decided.decision = shop.last_decision + 1
    if decided.outcome in _OPENS and not decided.conversation:
        decided.conversation = shop.last_conversation + 1
    if decided.outcome == types_pb2.OUTCOME_QUEUED:
        decided.queue_position = queue_position(shop, buyer_id, priority)
        decided.estimated_wait_ms = estimated_wait_ms(shop, decided.queue_position)
    decided.previous_conversation = previous
    if not named:
        decided.buyer_id = buyer_id
    if turn.due_ms is not None:
        decided.at_ms = turn.due_ms
    turn.record(engine_pb2.Fact(decided=decided))
    return decided


def transfer_response(decided: Decided) -> dispatch_pb2.TransferResponse:
    return dispatch_pb2.TransferResponse(
        conversation_id=conversation_id(decided.conversation),
        decision_id=decision_id(decided.decision),
        outcome=decided.outcome,
        agent_id=decided.agent_id,
        group_id=decided.group_id,
        reason=decided.reason,
    )
