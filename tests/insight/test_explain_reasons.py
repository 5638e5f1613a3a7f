"""Every decision of random walks, explained: who was taken, and why nobody else, as the model says."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from random import Random
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.message import Message

from fenliu.engine.explanation import Explanation, Finding
from fenliu.engine.pure.explain import explain
from fenliu.insight.explanations import CATALOGUES, Sentences
from fenliu.v1 import dispatch_pb2, insight_pb2, presence_pb2, shop_pb2, types_pb2
from model import commands
from model.naive import NaiveModel
from model.reasons import Seen, watched
from model.wire import COMMANDS, T0, parse_entry, split_entries

pytestmark = pytest.mark.slow

SEEDS = (3, 5, 8, 13, 20, 22)
COMMANDS_DECIDED = 2_500


def check(found: Explanation, seen: Seen) -> None:
    """Holds an explanation against what the model saw."""
    decided = found.decided
    candidates = {one.agent_id: one for one in found.candidates}
    assert list(candidates) == [agent.agent_id for agent in found.shop.agents]
    assert {a: one.reason for a, one in candidates.items()} == seen.reasons
    assert {a: one.place for a, one in candidates.items()} == seen.places
    for agent_id, figures in seen.figures.items():
        one = candidates[agent_id]
        assert {name: getattr(one, name) for name in figures if name != "group_ids"} | {
            "group_ids": list(one.group_ids)
        } == figures
    has_it = decided.outcome in (types_pb2.OUTCOME_AGENT, types_pb2.OUTCOME_LEFT_MESSAGE)
    chosen = [a for a, one in candidates.items() if one.chosen]
    assert chosen == [a for a in candidates if has_it and a == decided.agent_id]
    # One step decided: the last. Where the reason does not say which, the model does.
    assert [step.decided for step in found.steps] == [False] * (len(found.steps) - 1) + [True]
    if seen.steps_ended is not None:
        assert found.steps[-1].number == seen.steps_ended
    numbers = [step.number for step in found.steps]
    assert numbers == sorted(numbers)


def check_words(say: Sentences, found: Explanation) -> None:
    """Whatever there is to say can be said."""
    said = [say.decision()]
    said += (say.step(step) for step in found.steps)
    said += (say.candidate(one) for one in found.candidates)
    for text in said:
        assert text.strip() and not re.search(r"[{}]|\s{2}|\bNone\b", text), text


class Walked:
    """What some walks came to."""

    def __init__(self) -> None:
        self.decisions = 0
        self.reasons: Counter[int] = Counter()
        self.candidate_reasons: Counter[int] = Counter()
        self.findings: Counter[Finding] = Counter()

    def walk(self, core: ModuleType, seed: int) -> None:
        """Random commands."""
        rng, now, issued = Random(seed), T0, 0
        engine, model = core.Engine(4), NaiveModel()
        for number in range(COMMANDS_DECIDED):
            if number < 2:
                shop = commands.document(rng, commands.SHOPS[number])
                name, message, actor = "apply_shop", shop_pb2.ApplyShopRequest(shop=shop), ""
            else:
                name, message, actor = commands.any_command(rng, issued, [], now)
            jumps = commands.JUMPS if rng.randrange(50) == 0 else commands.JUMPS[:15]
            now += rng.choice(jumps)
            code, reply = self.decide(engine, model, name, message, now, actor)
            if name == "route" and code == 0:
                answer = dispatch_pb2.RouteResponse.FromString(reply)
                issued = int(answer.conversation_id[1:] or issued)

    def decide(
        self, engine: Any, model: NaiveModel, name: str, message: Message, now: int, actor: str = ""
    ) -> tuple[int, bytes]:
        """One command, by the engine and by the model; every decision in it is explained."""
        before = {one: engine.snapshot(one) for one in engine.shop_ids()}
        body = message.SerializeToString(deterministic=True)
        code, reply, _, logged = engine.decide(COMMANDS[name][0], body, now, actor)
        with watched() as log:
            model.decide(name, message, now, actor)
        for entry in split_entries(logged):
            self._check(before, entry, log)
        return code, reply

    def _check(self, before: dict[str, bytes], entry: bytes, log: dict[Any, Seen]) -> None:
        for fact in parse_entry(entry).facts:
            number = fact.decided.decision
            if number:
                shop_id = _shop_of(parse_entry(entry))
                found = explain(before[shop_id], entry, number)
                assert found.decided == fact.decided
                check(found, log[shop_id, number])
                for catalogue in CATALOGUES.values():
                    check_words(Sentences(catalogue, found), found)
                self.decisions += 1
                self.reasons[found.decided.reason] += 1
                self.candidate_reasons.update(one.reason for one in found.candidates)
                self.findings.update(step.finding for step in found.steps)


def _shop_of(entry: Any) -> str:
    command = getattr(entry, entry.WhichOneof("command"))
    if hasattr(command, "update"):
        command = command.update
    if hasattr(command, "shop"):
        command = command.shop
    return str(command.shop_id)


@cache
def walks_of(core: ModuleType) -> Walked:
    """The walks of a core, once for the module."""
    done = Walked()
    for seed in SEEDS:
        done.walk(core, seed)
    _dedicated_agent_leaves_the_shop(done, core)
    return done


def _shop(*agent_ids: str) -> shop_pb2.Shop:
    return shop_pb2.Shop(
        shop_id="s",
        agents=[shop_pb2.Agent(agent_id=agent_id) for agent_id in agent_ids],
        groups=[shop_pb2.Group(group_id="all", agent_ids=agent_ids)],
    )


def _dedicated_agent_leaves_the_shop(done: Walked, core: ModuleType) -> None:
    """What random walks hardly meet: the buyer waits for somebody who leaves the shop meanwhile."""
    engine, model = core.Engine(4), NaiveModel()
    shop = _shop("a", "b")
    ask = dispatch_pb2.RouteRequest(shop_id="s", buyer_id="wang", dedicated_agent_id="a")
    come = presence_pb2.SetPresenceRequest(shop_id="s", agent_id="b", status=1)
    done.decide(engine, model, "apply_shop", shop_pb2.ApplyShopRequest(shop=shop), T0)
    done.decide(engine, model, "route", ask, T0 + 1)
    shop = _shop("b")
    done.decide(engine, model, "apply_shop", shop_pb2.ApplyShopRequest(shop=shop), T0 + 2)
    done.decide(engine, model, "set_presence", come, T0 + 3)


def test_every_decision_is_explained_as_the_model_sees_it(core: ModuleType):
    assert walks_of(core).decisions > 2_000


def test_every_reason_and_every_candidate_reason_occurs(core: ModuleType):
    done = walks_of(core)
    reasons = [name for name, number in types_pb2.Reason.items() if number]
    assert not [name for name in reasons if not done.reasons[types_pb2.Reason.Value(name)]]
    candidate_reasons = [name for name, number in insight_pb2.CandidateReason.items() if number]
    assert not [
        name
        for name in candidate_reasons
        if not done.candidate_reasons[insight_pb2.CandidateReason.Value(name)]
    ]


def test_every_finding_occurs(core: ModuleType):
    done = walks_of(core)
    assert not [finding.name for finding in Finding if not done.findings[finding]]
