"""Agents' states (docs/engine.md section 5, first half)."""

from fenliu.engine.pure.refusals import Refusal
from fenliu.engine.pure.turn import Turn
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import presence_pb2, types_pb2


def decide_update(turn: Turn, command: engine_pb2.UpdatePresence) -> presence_pb2.PresenceAck:
    """A session says how one of its agents is."""
    _set(turn, command.update, types_pb2.PRESENCE_CAUSE_SESSION, command.session_id)
    return presence_pb2.PresenceAck(update_id=command.update.update_id)


def decide_set(turn: Turn, request: presence_pb2.SetPresenceRequest) -> None:
    """A manager says how an agent is: it belongs to no session from now on."""
    _set(turn, request, types_pb2.PRESENCE_CAUSE_MANAGER, "")


def set_response(
    turn: Turn, request: presence_pb2.SetPresenceRequest
) -> presence_pb2.SetPresenceResponse:
    """How the agent is once it has taken who waited for it."""
    presence = turn.shop.agents[request.agent_id].presence(turn.now)
    return presence_pb2.SetPresenceResponse(presence=presence)


def _set(
    turn: Turn,
    wanted: presence_pb2.PresenceUpdate | presence_pb2.SetPresenceRequest,
    cause: types_pb2.PresenceCause,
    session_id: str,
) -> None:
    agent = turn.shop.agents.get(wanted.agent_id)
    if agent is None:
        raise Refusal("AGENT_NOT_FOUND", "agent_id")
    awaiting = wanted.awaiting if wanted.HasField("awaiting") else None
    if (agent.status, agent.session_id, agent.cause) == (
        wanted.status,
        session_id,
        cause,
    ) and awaiting in (None, agent.absolute_awaiting):
        return
    changed = engine_pb2.PresenceChanged(
        agent_id=wanted.agent_id,
        status=wanted.status,
        cause=cause,
        session_id=session_id,
        awaiting=awaiting,
    )
    turn.record(engine_pb2.Fact(presence_changed=changed))


def decide_expire_session(turn: Turn, command: engine_pb2.ExpireSession) -> None:
    """A session's lease ran out: its agents go OFFLINE and belong to nobody."""
    for agent_id in sorted(turn.shop.sessions.get(command.session_id, ())):
        agent = turn.shop.agents[agent_id]
        changed = engine_pb2.PresenceChanged(
            agent_id=agent_id, status=agent.status, cause=agent.cause
        )
        if agent.status != types_pb2.PRESENCE_STATUS_OFFLINE:
            changed.status = types_pb2.PRESENCE_STATUS_OFFLINE
            changed.cause = types_pb2.PRESENCE_CAUSE_LEASE_EXPIRED
        turn.record(engine_pb2.Fact(presence_changed=changed))
