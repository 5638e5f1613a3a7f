"""What is stored beside what is in memory, judged by the model: on no core may it make a difference."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from fenliu.v1 import shop_pb2
from model.cores import all_cores
from model.lockstep import Lockstep
from model.walks import StoredWalk, long_walk, walk
from model.wire import AGENT, BUYER, ONLINE, T0, document, request


class Story:
    """One shop on one partition, told step by step."""

    def __init__(self, seed: int = 1) -> None:
        self.pair, self.rng, self.now = Lockstep(all_cores(), 1, stored=True), Random(seed), T0
        self.storage = self.pair.storage
        self.make()

    def make(self) -> None:
        shop = shop_pb2.Shop(shop_id="s", **document({"a": 5, "b": 5}))
        self.pair.do("apply_shop", shop_pb2.ApplyShopRequest(shop=shop), self.now)
        for agent in "ab":
            self.do("set_presence", agent_id=agent, status=ONLINE)

    def do(self, name: str, **fields: Any) -> Any:
        self.now += 1
        return self.pair.do(name, request(name, shop_id="s", **fields), self.now)

    def meets(self, buyer: str, **fields: Any) -> Any:
        """The buyer is taken, and the conversation closed at once."""
        answer = self.do("route", buyer_id=buyer, **fields).ok
        self.do("close_conversation", conversation_id=answer.conversation_id)
        return answer

    def asks_everything(self) -> None:
        """Whatever may be known of buyers, conversations, requests and events."""
        for n in range(1, self.pair.model.shops["s"].conversations_issued + 1):
            self.do("message", conversation_id=f"c{n}", sender=AGENT, agent_id="b")
        for buyer in ("m1", "m2", "m3"):
            self.meets(buyer)
            self.do("message", buyer_id=buyer, sender=BUYER, event_id="e1")
            self.do("order", buyer_id=buyer, order_id="o", type=1, event_id="e1")
            self.do("route", buyer_id=buyer, request_id="r1")
        self.pair.check()

    def rotates(self) -> None:
        self.pair.rotate(0)

    def stores(self) -> None:
        self.storage.store(0, self.rng)

    def installs(self) -> None:
        self.storage.install(0)
        self.storage.shrink()

    def is_stored(self) -> None:
        self.rotates()
        self.stores()
        self.installs()


@pytest.fixture
def story() -> Story:
    told = Story()
    told.meets("m1", request_id="r1")
    told.meets("m2")
    told.do("message", buyer_id="m1", sender=BUYER, event_id="e1")
    told.do("order", buyer_id="m1", order_id="o", type=1, event_id="e1")
    return told


@pytest.mark.parametrize("stored_before", [False, True])
@pytest.mark.parametrize("made_again", [False, True])
def test_a_shop_deleted_while_it_is_being_stored_knows_nothing_of_before(
    story: Story, stored_before: bool, made_again: bool
) -> None:
    if stored_before:
        story.is_stored()
        story.meets("m1")
    story.rotates()
    story.do("delete_shop", force=True)
    if made_again:
        story.make()
    story.stores()
    story.installs()
    if not made_again:
        story.is_stored()
        story.make()
    story.asks_everything()
    story.is_stored()
    story.asks_everything()


def test_a_shop_made_while_others_are_being_stored_is_stored_the_next_time(story: Story) -> None:
    story.rotates()
    shop = shop_pb2.Shop(shop_id="later", **document(["a"]))
    story.pair.do("apply_shop", shop_pb2.ApplyShopRequest(shop=shop), story.now)
    story.do("message", buyer_id="m9", sender=AGENT, agent_id="a")
    story.stores()
    story.installs()
    story.asks_everything()
    story.is_stored()
    story.asks_everything()


def test_of_several_generations_the_newest_decides(story: Story) -> None:
    """Rotated again and again without being stored: nothing is lost and the last contact counts."""
    for agents in (["a"], ["b"], ["a"], ["b"]):
        story.rotates()
        story.meets("m1", exclude_agent_ids=agents)
        story.meets("m2", exclude_agent_ids=agents, request_id=f"r{agents[0]}")
        story.do("close_conversation", conversation_id="c1")
    assert story.do("route", buyer_id="m1").said[2] == "a"
    story.asks_everything()
    story.stores()
    story.installs()
    story.asks_everything()


def test_of_several_segments_the_newest_decides(story: Story) -> None:
    for agents in (["a"], ["b"], ["a"], ["b"]):
        story.is_stored()
        story.meets("m1", exclude_agent_ids=agents)
        story.meets("m2", exclude_agent_ids=agents, request_id=f"r{agents[0]}")
    story.is_stored()
    assert story.do("route", buyer_id="m1").said[2] == "a"
    story.asks_everything()


def test_a_buyer_who_comes_and_goes_between_storings_keeps_the_last_contact(story: Story) -> None:
    story.is_stored()
    live = story.do("route", buyer_id="m1").ok
    story.is_stored()
    story.do("transfer", conversation_id=live.conversation_id, agent_id="b")
    story.do("transfer", conversation_id="c4", agent_id="a")
    story.rotates()
    story.do("close_conversation", conversation_id="c5")
    story.stores()
    story.installs()
    story.do("message", conversation_id="c5", sender=AGENT, agent_id="a")
    story.is_stored()
    story.asks_everything()


def test_what_is_stored_and_the_log_behind_it_are_the_state(story: Story) -> None:
    story.is_stored()
    story.meets("m3")
    story.storage.start_again()
    story.asks_everything()
    story.rotates()
    story.meets("m1")
    story.stores()
    # The manifest is there, and nobody has heard of it.
    story.storage.start_again()
    story.asks_everything()
    story.is_stored()
    story.storage.partition_again(0)
    story.asks_everything()


def test_what_is_stored_makes_no_difference_on_short_walks() -> None:
    assert walk(StoredWalk, 6, 25, derandomize=True) >= 100


@pytest.mark.parametrize("seed", range(8))
def test_what_is_stored_makes_no_difference_on_a_walk(seed: int) -> None:
    pair = long_walk(seed, 400, stored=True)
    assert any(disk.manifests for disk in pair.storage.disks)


@pytest.mark.slow
def test_what_is_stored_makes_no_difference_on_long_walks() -> None:
    assert walk(StoredWalk, 60, 50, derandomize=False) > 0
    for seed in range(100, 140):
        long_walk(seed, 400, stored=True)
