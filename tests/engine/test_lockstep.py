"""Both cores and the naive model in lockstep, through random walks of every command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2, types_pb2
from model import commands
from model.cores import all_cores
from model.lockstep import Lockstep
from model.wire import COMMANDS, DAY, T0, Result, batch_bytes, document, request

# Seeded as hypothesis says, but drawing for themselves: hypothesis would prefer the rare cases.
rngs = st.randoms(use_true_random=True)


class Walk(RuleBasedStateMachine):
    """One walk through a small world of three shops; `steps` and `seen` count over all walks."""

    steps = 0
    seen: ClassVar[Counter[tuple[str, str]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.pair = Lockstep(all_cores())
        self.now = T0

    def teardown(self) -> None:
        self.pair.check()
        type(self).steps += self.pair.steps
        type(self).seen += self.pair.seen

    # What the walk knows of the state: enough to name things that exist.

    def issued(self) -> int:
        shop = self.pair.model.shops.get(commands.SHOPS[0])
        return shop.conversations_issued if shop else 0

    def etags(self) -> list[str]:
        return [shop.document.etag for shop in self.pair.model.shops.values()]

    def do(self, name: str, message: Any, actor: str = "") -> Result:
        result: Result = self.pair.do(name, message, self.now, actor)
        if result.entry:
            self.pair.check_shop(self.shop_of(name, message))
        return result

    @staticmethod
    def shop_of(name: str, message: Any) -> str:
        if name == "apply_shop":
            shop_id: str = message.shop.shop_id
        elif name == "update_presence":
            shop_id = message.update.shop_id
        else:
            shop_id = message.shop_id
        return shop_id

    @initialize(rng=rngs)
    def first_shops(self, rng: Any) -> None:
        """Two shops with people at the desks, so that a walk does not begin with refusals."""
        for shop_id in commands.SHOPS[:2]:
            document = commands.document(rng, shop_id)
            self.do("apply_shop", shop_pb2.ApplyShopRequest(shop=document), "boss")
            for agent in document.agents[:4]:
                update = presence_pb2.PresenceUpdate(
                    update_id="u", shop_id=shop_id, agent_id=agent.agent_id, status=1
                )
                session = engine_pb2.UpdatePresence(session_id="x", update=update)
                self.do("update_presence", session)

    @rule(rng=rngs)
    def time_passes(self, rng: Any) -> None:
        self.now += rng.choice(commands.JUMPS)

    @rule(rng=rngs)
    def apply_shop(self, rng: Any) -> None:
        message = commands.apply_shop(rng, self.etags())
        result = self.do("apply_shop", message, commands.actor(rng))
        if result.code == 0:
            again = shop_pb2.ApplyShopRequest(shop=result.ok.shop)
            assert not self.do("apply_shop", again).ok.changed

    @rule(rng=rngs)
    def set_weights(self, rng: Any) -> None:
        self.do("set_weights", commands.set_weights(rng, self.etags()), commands.actor(rng))

    @rule(rng=rngs)
    def a_stretch_of_everything(self, rng: Any) -> None:
        for _ in range(rng.randrange(1, 40)):
            self.now += rng.choice(commands.JUMPS[:16] if rng.randrange(20) else commands.JUMPS)
            self.do(*commands.any_command(rng, self.issued(), self.etags(), self.now))

    @rule(rng=rngs)
    def inquiries(self, rng: Any) -> None:
        for _ in range(rng.randrange(1, 12)):
            self.now += rng.choice(commands.JUMPS[:14])
            self.do("route", commands.route(rng))

    @rule(rng=rngs)
    def the_same_inquiry_twice(self, rng: Any) -> None:
        message: Any = commands.route(rng)
        message.request_id = rng.choice(commands.REQUEST_IDS)
        first = self.do("route", message)
        before = self.pair.model.shops[message.shop_id].last_now if first.code == 0 else 0
        self.now += rng.choice(commands.JUMPS)
        again = self.do("route", message)
        if first.code == 0 and self.now <= before + DAY:
            assert again.reply == first.reply

    @rule(rng=rngs)
    def close(self, rng: Any) -> None:
        self.do("close_conversation", commands.close_conversation(rng, self.issued()))

    @rule(rng=rngs)
    def messages(self, rng: Any) -> None:
        for _ in range(rng.randrange(1, 6)):
            self.now += rng.choice(commands.JUMPS[:14])
            self.do("message", commands.message(rng, self.issued(), self.now))

    @rule(rng=rngs)
    def transfers(self, rng: Any) -> None:
        for _ in range(rng.randrange(1, 5)):
            self.do("transfer", commands.transfer(rng, self.issued()))

    @rule(rng=rngs)
    def handed_on_and_on(self, rng: Any) -> None:
        """One conversation goes from agent to agent until nobody may hand it on any more."""
        shop = self.pair.model.shops[commands.SHOPS[0]]
        agents = [a.agent_id for a in shop.document.agents]
        if not shop.conversations or not agents:
            return
        number = rng.choice(shop.conversations)["conversation"]
        for _ in range(12):
            message = dispatch_pb2.TransferRequest(
                shop_id=commands.SHOPS[0], conversation_id=f"c{number}", agent_id=rng.choice(agents)
            )
            if self.do("transfer", message).code == 0:
                number = shop.conversations_issued
            if rng.randrange(3) == 0:
                self.now += rng.choice(commands.JUMPS[:14])

    @rule(rng=rngs)
    def cancels(self, rng: Any) -> None:
        self.do("cancel_inquiry", commands.cancel_inquiry(rng))

    @rule(rng=rngs)
    def orders(self, rng: Any) -> None:
        for _ in range(rng.randrange(1, 4)):
            self.do("order", commands.order(rng, self.now))

    @rule(rng=rngs)
    def presence_updates(self, rng: Any) -> None:
        for _ in range(rng.randrange(1, 4)):
            self.do("update_presence", commands.update_presence(rng), rng.choice(["", "m"]))

    @rule(rng=rngs)
    def set_presence(self, rng: Any) -> None:
        self.do("set_presence", commands.set_presence(rng), commands.actor(rng))

    @rule(rng=rngs)
    def expire(self, rng: Any) -> None:
        self.do("expire_session", commands.expire_session(rng))

    @rule(rng=rngs)
    def tick_one(self, rng: Any) -> None:
        self.do("tick", commands.tick(rng))

    @rule()
    def tick_all(self) -> None:
        self.pair.tick(self.now)

    @rule()
    def tick_what_is_next(self) -> None:
        due = self.pair.model.next_due()
        if due is not None:
            self.now = due
            self.pair.tick(due)

    @rule(rng=rngs)
    def inquiry_batch(self, rng: Any) -> None:
        items: list[Any] = [commands.route(rng) for _ in range(rng.randrange(6))]
        self.batch(rng, "route", items)

    @rule(rng=rngs)
    def message_batch(self, rng: Any) -> None:
        issued = self.issued()
        items = [commands.message(rng, issued, self.now) for _ in range(rng.randrange(6))]
        self.batch(rng, "message", items)

    @rule(rng=rngs)
    def order_batch(self, rng: Any) -> None:
        self.batch(rng, "order", [commands.order(rng, self.now) for _ in range(rng.randrange(6))])

    def batch(self, rng: Any, name: str, items: list[Any]) -> None:
        if items and rng.randrange(3) == 0:
            i = rng.randrange(len(items))
            items[i] = commands.spoiled_bytes(rng, items[i])
        batch_id = rng.choice([0, 7, 2**64 - 1])
        self.pair.batch(name, items, self.now, rng.choice([1, 2, 4096]), batch_id)

    @rule(rng=rngs)
    def unreadable(self, rng: Any) -> None:
        name, message = rng.choice(
            [
                ("route", commands.route(rng)),
                ("message", commands.message(rng, 1, self.now)),
                ("transfer", commands.transfer(rng, 1)),
                ("cancel_inquiry", commands.cancel_inquiry(rng)),
                ("order", commands.order(rng, self.now)),
                ("apply_shop", commands.apply_shop(rng, [])),
                ("update_presence", commands.update_presence(rng)),
            ]
        )
        self.pair.malformed(name, commands.spoiled_bytes(rng, message), self.now)

    @rule(rng=rngs)
    def queries(self, rng: Any) -> None:
        shop_id = commands.shop_id(rng)
        self.pair.query("list_presence", presence_pb2.ListPresenceRequest(shop_id=shop_id))
        self.pair.query("get_shop", shop_pb2.GetShopRequest(shop_id=shop_id))
        page = shop_pb2.ListShopsRequest(
            page_size=rng.choice([-1, 0, 1, 2, 1000, 1001]),
            page_token=rng.choice(["", "s", "t", "a\nb"]),
        )
        self.pair.query("list_shops", page)

    @rule()
    def start_again_from_snapshots(self) -> None:
        self.pair.reload()


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
            "HOP_LIMIT",
            "STALE_ETAG",
        )
    ),
}


def walk(examples: int, steps: int, *, derandomize: bool) -> int:
    """Runs walks and returns how many commands were compared."""
    Walk.steps = 0
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    return Walk.steps


def test_the_cores_and_the_model_agree_on_short_walks() -> None:
    steps = walk(40, 40, derandomize=True)
    print(f"{steps} steps compared")
    assert steps >= 1500


def long_walk(seed: int, commands_: int) -> Lockstep:
    """Commands as in life, for longer than hypothesis would walk; the engines start again at times."""
    rng, pair, now = Random(seed), Lockstep(all_cores()), T0
    for shop_id in commands.SHOPS[:2]:
        shop = commands.document(rng, shop_id)
        pair.do("apply_shop", shop_pb2.ApplyShopRequest(shop=shop), now)
    shops = pair.model.shops
    for _ in range(commands_):
        now += rng.choice(commands.JUMPS[:15] if rng.randrange(30) else commands.JUMPS)
        etags = [shop.document.etag for shop in shops.values()]
        issued = shops[commands.SHOPS[0]].conversations_issued
        name, message, actor = commands.any_command(rng, issued, etags, now)
        if pair.do(name, message, now, actor).entry:
            pair.check_shop(Walk.shop_of(name, message))
        turn = rng.randrange(100)
        if turn == 0:
            pair.reload()
        elif turn < 4:
            now = max(now, pair.model.next_due() or now)
            pair.tick(now)
    pair.check()
    return pair


@pytest.mark.slow
def test_the_cores_and_the_model_agree_over_ten_thousand_steps_and_every_rule_takes_part() -> None:
    steps = 0
    Walk.seen.clear()
    while steps < 10_000:
        done = walk(60, 50, derandomize=False)
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
