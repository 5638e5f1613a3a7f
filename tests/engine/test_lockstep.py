"""Both cores and the naive model in lockstep, through random walks of every command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2
from model.cores import all_cores
from model.lockstep import Lockstep
from model.walks import Walk, long_walk, walk
from model.wire import COMMANDS, T0, batch_bytes, document, request

# Everything that can come of a command. Nothing is ever unspecified.
EXPECTED = {
    *(("reason", r.removeprefix("REASON_")) for r in types_pb2.Reason.keys()[1:]),
    *(("outcome", o.removeprefix("OUTCOME_")) for o in types_pb2.Outcome.keys()[1:]),
    *(("cause", c.removeprefix("CLOSE_CAUSE_")) for c in engine_pb2.CloseCause.keys()[1:]),
    *(("fact", f.name) for f in engine_pb2.Fact.DESCRIPTOR.fields),
    *(("with", w) for w in ("charged", "pool_entry", "at_ms", "estimated_wait_ms")),
    *(
        ("refusal", reason)
        for reason in (
            "MALFORMED_MESSAGE",
            "INVALID_FIELD",
            "REQUEST_ID_REUSED",
            "SHOP_NOT_FOUND",
            "AGENT_NOT_FOUND",
            "CONVERSATION_NOT_FOUND",
            "GROUP_NOT_FOUND",
            "NOT_ALLOWED",
            "CONVERSATION_CLOSED",
            "RECEIVER_UNAVAILABLE",
            "SHOP_IN_USE",
            "HOP_LIMIT",
            "STALE_ETAG",
        )
    ),
}


def test_the_cores_and_the_model_agree_on_short_walks() -> None:
    steps = walk(Walk, 40, 40, derandomize=True)
    print(f"{steps} steps compared")
    assert steps >= 1500


@pytest.mark.slow
def test_the_cores_and_the_model_agree_over_ten_thousand_steps_and_every_rule_takes_part() -> None:
    steps = 0
    Walk.seen.clear()
    while steps < 10_000:
        done = walk(Walk, 60, 50, derandomize=False)
        assert done > 0
        steps += done
        print(f"{steps} steps compared")
    seen = Counter(Walk.seen)
    for seed in range(60):
        pair = long_walk(seed, 400)
        steps += pair.steps
        seen += pair.seen
    print(f"{steps} steps compared")
    for what, times in sorted(seen.items()):
        print(*what, times)
    assert not {what for what in EXPECTED if not seen[what]}
    assert {
        w for w in seen if w[0] in ("reason", "outcome", "cause", "fact", "refusal")
    } <= EXPECTED


def test_a_request_repeated_in_a_batch_gets_the_answer_of_the_first() -> None:
    pair = Lockstep(all_cores())
    shop = shop_pb2.Shop(shop_id="s")
    shop.agents.add(agent_id="a")
    shop.groups.add(group_id="g", agent_ids=["a"])
    pair.do("apply_shop", shop_pb2.ApplyShopRequest(shop=shop), T0)
    pair.do(
        "set_presence", presence_pb2.SetPresenceRequest(shop_id="s", agent_id="a", status=1), T0
    )
    twice = dispatch_pb2.RouteRequest(shop_id="s", buyer_id="b", request_id="r")
    pair.batch("route", [twice, twice], T0, 4096)
    pair.check()
    assert pair.model.shops["s"].decisions == 1


def test_thousands_of_buyers_are_handled_as_a_few_are() -> None:
    """Beyond what the model can scan: the cores, a follower of the log, and one fresh from a snapshot."""
    rng = Random(3)
    cores = all_cores()
    engines = [core.Engine(4) for core in cores] + [cores[0].Engine(4)]
    follower = engines.pop()
    agents = [f"a{i}" for i in range(40)]

    def on_all(call: Callable[[Any], Any]) -> Any:
        answers = [call(engine) for engine in engines]
        assert all(answer == answers[0] for answer in answers)
        return answers[0]

    def decide(name: str, message: Any, now: int) -> None:
        kind, body = COMMANDS[name][0], message.SerializeToString()
        code, _, _, entry = on_all(lambda e: e.decide(kind, body, now))
        assert code == 0
        follower.apply(entry)

    weights = {a: rng.choice([1, 5, 9]) for a in agents}
    shop = document(
        weights,
        {"g": agents[:25], "h": agents[15:]},
        caps=dict.fromkeys(agents[::3], 30),
        bindings={"h": {"intents": ["size"]}},
        sticky_window_ms=90_000,
        sticky_suspended_window_ms=5000,
        idle_close_ms=60_000,
    )
    decide("apply_shop", shop_pb2.ApplyShopRequest(shop=shop_pb2.Shop(shop_id="s", **shop)), T0)
    for agent in agents:
        message = request("set_presence", shop_id="s", agent_id=agent, status=1)
        decide("set_presence", message, T0)
    now, seen = T0, 0
    for turn in range(24):
        now += rng.choice([500, 9000, 20_000])
        inquiries, said = [], []
        for _ in range(rng.choice([60, 300])):
            buyer = f"m{rng.randrange(6000)}"
            inquiries.append(
                request(
                    "route",
                    shop_id="s",
                    buyer_id=buyer,
                    intent=rng.choice(["", "", "size"]),
                    request_id=rng.choice(["", f"{turn}-{seen}"]),
                    exclude_agent_ids=rng.choice([[], [], agents[:20], agents[5:6]]),
                )
            )
            seen += 1
            said.append(
                request(
                    "message",
                    shop_id="s",
                    buyer_id=rng.choice([buyer, f"m{rng.randrange(6000)}"]),
                    sender=rng.choice([1, 2, 2, 4]),
                    agent_id=rng.choice(["", *agents]),
                    event_id=f"{turn}-{seen}",
                )
            )
        for name, messages in (("route", inquiries), ("message", said)):
            data = batch_bytes([m.SerializeToString() for m in messages])
            kind, at = COMMANDS[name][0], now
            for _, _, entries in on_all(lambda e, k=kind, d=data, t=at: e.decide_batch(k, d, t))[4]:
                follower.apply(entries)
        agent, status = rng.choice(agents), rng.choice([1, 1, 2, 3])
        message = request("set_presence", shop_id="s", agent_id=agent, status=status)
        decide("set_presence", message, now)
        if turn % 4 == 3:
            # Three agents leave the shop and come back at once: new, and OFFLINE.
            left = rng.sample(agents, 3)
            for gone in (left, []):
                made = shop_pb2.Shop(shop_id="s", **shop)
                kept = [a for a in made.agents if a.agent_id not in gone]
                del made.agents[:]
                made.agents.extend(kept)
                for group in made.groups:
                    members = [a for a in group.agent_ids if a not in gone]
                    group.agent_ids[:] = members
                decide("apply_shop", shop_pb2.ApplyShopRequest(shop=made), now)
            for agent in left:
                message = request("set_presence", shop_id="s", agent_id=agent, status=1)
                decide("set_presence", message, now)
        if turn % 5 == 4:
            for i, core in enumerate(cores):
                fresh = core.Engine(4)
                fresh.load_snapshot(engines[i].snapshot("s"))
                engines[i] = fresh
        snapshot = on_all(lambda e: e.snapshot("s"))
        assert follower.snapshot("s") == snapshot
        assert on_all(lambda e: e.next_due()) == follower.next_due()
    assert seen > 2000
    state = engine_pb2.ShopSnapshot.FromString(snapshot)
    # More than were asked for: buyers who wrote to an agent gone OFFLINE were decided again.
    assert state.last_decision >= seen
    assert len(state.contacts) > 1024
