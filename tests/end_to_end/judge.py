"""The naive model over a whole log: would it have decided every command the same?"""

from __future__ import annotations

from end_to_end.days import Log, core_named, shop_of
from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2
from model.compare import compare_snapshot
from model.naive import NaiveModel
from model.wire import plain_facts


def judge(log: Log, partitions: int) -> dict[tuple[str, str], dispatch_pb2.RouteResponse]:
    """Holds every fact, reply and the final state of each shop against the model.

    Returns the model's answer to each inquiry, by (shop id, request id).
    """
    model = NaiveModel()
    engine = core_named("python").engine(partitions)
    answers = {}
    for data, entry in log:
        name = entry.WhichOneof("command")
        assert name is not None
        command = getattr(entry, name)
        answer = model.decide(name, command, entry.now_ms, entry.actor)
        assert answer.refusal is None, f"{name} {command}: {answer.refusal}"
        assert answer.logged is not None, f"{name} {command}: no facts"
        assert answer.logged.facts == plain_facts(entry), f"{name} {command}"
        assert (answer.logged.command, answer.logged.now_ms) == (name, entry.now_ms)
        _, reply, _, _ = engine.redecide(data)
        assert reply == (b"" if answer.reply is None else answer.reply.SerializeToString())
        if name == "route":
            answers[shop_of(entry), command.request_id] = answer.reply
    assert sorted(model.shops) == sorted({shop_of(entry) for _, entry in log})
    for shop_id in model.shops:
        snapshot = engine_pb2.ShopSnapshot.FromString(engine.snapshot(shop_id))
        compare_snapshot(snapshot, model, shop_id)
    return answers
