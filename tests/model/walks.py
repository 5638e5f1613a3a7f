"""Random walks of every command through a small world, for hypothesis, and long ones without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fenliu.engine.v1 import engine_pb2
from fenliu.v1 import dispatch_pb2, presence_pb2, shop_pb2
from model import commands
from model.cores import all_cores
from model.lockstep import Lockstep
from model.wire import DAY, T0, Result

# Seeded as hypothesis says, but drawing for themselves: hypothesis would prefer the rare cases.
rngs = st.randoms(use_true_random=True)


class Walk(RuleBasedStateMachine):
    """One walk through a small world of three shops; `steps` and `seen` count over all walks."""

    stored = False
    steps = 0
    seen: ClassVar[Counter[tuple[str, str]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.pair = Lockstep(all_cores(), stored=self.stored)
        self.now = T0

    def teardown(self) -> None:
        self.pair.check()
        Walk.steps += self.pair.steps
        Walk.seen += self.pair.seen

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
    def settings_are_shortened(self, rng: Any) -> None:
        """Much falls due at once, before the last command."""
        shops = list(self.pair.model.existing().values())
        if shops:
            self.do("apply_shop", commands.shortened(rng, rng.choice(shops).document))

    @rule(rng=rngs)
    def delete_shop(self, rng: Any) -> None:
        """Mostly made again soon, or there would be nothing but refusals."""
        message: Any = commands.delete_shop(rng, self.etags())
        if self.do("delete_shop", message, commands.actor(rng)).code == 0 and rng.randrange(4):
            self.now += rng.choice(commands.JUMPS)
            self.do("route", commands.route(rng))
            self.do("apply_shop", commands.made_again(rng, message.shop_id), commands.actor(rng))

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
        def transfer(message: dispatch_pb2.TransferRequest) -> Result:
            if rng.randrange(12) == 0:
                self.now += rng.choice(commands.JUMPS[:14])
            return self.do("transfer", message)

        hand_on_and_on(self.pair, rng, transfer)

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


class StoredWalk(Walk):
    """The same world, of which much is stored at any time."""

    stored = True

    @rule(rng=rngs)
    def something_is_stored(self, rng: Any) -> None:
        store_something(self.pair, rng)

    @rule(rng=rngs)
    def everything_is_stored(self, rng: Any) -> None:
        """From then on commands find nothing in memory."""
        for partition in range(self.pair.partitions):
            self.pair.rotate(partition)
            self.pair.storage.store(partition, rng)
            self.pair.storage.install(partition)
        self.pair.storage.shrink()


def hand_on_and_on(
    pair: Lockstep, rng: Random, transfer: Callable[[dispatch_pb2.TransferRequest], Result]
) -> None:
    """One conversation goes from agent to agent until nobody may hand it on any more."""
    shop = pair.model.shops[commands.SHOPS[0]]
    agents = [a.agent_id for a in shop.document.agents]
    if not shop.conversations or not agents:
        return
    number = rng.choice(shop.conversations)["conversation"]
    for _ in range(24):
        message = dispatch_pb2.TransferRequest(
            shop_id=commands.SHOPS[0], conversation_id=f"c{number}", agent_id=rng.choice(agents)
        )
        if transfer(message).code == 0:
            number = shop.conversations_issued


def store_something(pair: Lockstep, rng: Random) -> None:
    """One of the things that happen to stored state, to a partition or to all."""
    storage = pair.storage
    turn, partition = rng.randrange(12), rng.randrange(pair.partitions)
    rotated = storage.rotated.get(partition)
    if turn < 4:
        pair.rotate(partition)
        if turn < 2:
            storage.store(partition, rng)
            storage.install(partition)
            storage.shrink()
    elif turn < 8:
        if rotated is not None and not rotated.stored:
            storage.store(partition, rng)
        elif rotated is not None:
            storage.install(partition)
    elif turn < 10:
        storage.shrink()
    elif turn < 11:
        storage.start_again()
    else:
        storage.partition_again(partition)


def walk(machine: type[Walk], examples: int, steps: int, *, derandomize: bool) -> int:
    """Runs walks and returns how many commands were compared."""
    Walk.steps = 0
    run_state_machine_as_test(
        machine,
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


def long_walk(seed: int, commands_: int, *, stored: bool = False) -> Lockstep:
    """Commands as in life, for longer than hypothesis would walk; engines start again at times."""
    rng, pair, now = Random(seed), Lockstep(all_cores(), stored=stored), T0
    for shop_id in commands.SHOPS[:2]:
        made = shop_pb2.ApplyShopRequest(shop=commands.document(rng, shop_id))
        if stored:
            commands.with_long_memory(rng, made)
        pair.do("apply_shop", made, now)
        for agent in made.shop.agents:
            update = presence_pb2.PresenceUpdate(
                update_id="u", shop_id=shop_id, agent_id=agent.agent_id, status=1
            )
            session = engine_pb2.UpdatePresence(session_id="x", update=update)
            pair.do("update_presence", session, now)
    shops = pair.model.shops
    for _ in range(commands_):
        now += rng.choice(commands.JUMPS[:15] if rng.randrange(30) else commands.JUMPS)
        etags = [shop.document.etag for shop in shops.values()]
        issued = shops[commands.SHOPS[0]].conversations_issued
        name, message, actor = commands.any_command(rng, issued, etags, now)
        gone = [shop_id for shop_id, shop in shops.items() if not shop.exists]
        if gone and rng.randrange(6) == 0:
            name, message = "apply_shop", commands.made_again(rng, rng.choice(gone))
        elif rng.randrange(60) == 0 and not stored and shops[commands.SHOPS[0]].exists:
            name, actor = "apply_shop", ""
            message = commands.shortened(rng, shops[commands.SHOPS[0]].document)
        elif stored and rng.randrange(80) == 0:
            doomed = shop_pb2.DeleteShopRequest(shop_id=rng.choice(commands.SHOPS), force=True)
            name, message, actor = "delete_shop", doomed, ""
        if stored and name == "apply_shop":
            commands.with_long_memory(rng, message)
        if pair.do(name, message, now, actor).entry:
            pair.check_shop(Walk.shop_of(name, message))
        turn = rng.randrange(100)
        if turn == 0:
            pair.reload()
        elif turn < 4:
            now = max(now, pair.model.next_due() or now)
            pair.tick(now)
        elif stored and turn < 20:
            store_something(pair, rng)
    hand_on_and_on(pair, rng, lambda message: pair.do("transfer", message, now, ""))
    pair.check()
    return pair
