"""A hundred thousand random commands: both cores say the same and come to the same state."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from fenliu.v1 import dispatch_pb2
from model import commands
from model.cores import both_cores
from model.wire import COMMANDS, T0

COMMANDS_DECIDED, HASHED_EVERY = 100_000, 5_000
BEHIND = -2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20240601])
def test_the_cores_agree_over_a_hundred_thousand_random_commands(seed: int) -> None:
    cores = both_cores()
    engines: list[Any] = [core.Engine(4) for core in cores]
    rng, now, issued = Random(seed), T0, 0
    accepted = logged = deleted = behind = 0
    missing = list(commands.SHOPS[:2])
    for number in range(COMMANDS_DECIDED):
        if missing and (number < 2 or rng.randrange(3) == 0):
            name, message, actor = "apply_shop", commands.made_again(rng, missing.pop()), ""
        else:
            name, message, actor = commands.any_command(rng, issued, [], now)
        now += rng.choice(commands.JUMPS[:15]) if rng.randrange(200) else rng.choice(commands.JUMPS)
        body = message.SerializeToString(deterministic=True)
        most_due = rng.randrange(4)
        while True:
            kind = COMMANDS[name][0]
            answers = [engine.decide(kind, body, now, actor, most_due) for engine in engines]
            assert answers[0] == answers[1], (number, name, message, now)
            if answers[0][0] != BEHIND:
                break
            behind += 1
            shop_id = answers[0][1].decode() if rng.randrange(2) else ""
            ticked = [engine.tick(now, most_due, shop_id) for engine in engines]
            assert ticked[0] == ticked[1] != [], (number, name, now, most_due)
        code, reply, _, entry = answers[0]
        accepted += code == 0
        logged += entry != b""
        if name == "delete_shop" and code == 0:
            deleted += 1
            missing.append(message.shop_id)
        if name == "route" and code == 0:
            answer = dispatch_pb2.RouteResponse.FromString(reply)
            issued = int(answer.conversation_id[1:] or issued)
        if number % HASHED_EVERY == HASHED_EVERY - 1:
            assert engines[0].state_hash() == engines[1].state_hash(), number
            assert engines[0].next_due() == engines[1].next_due(), number
    assert engines[0].state_hash() == engines[1].state_hash()
    # Most of them did something: the walk is not a walk of refusals.
    assert accepted > COMMANDS_DECIDED // 2
    assert logged > COMMANDS_DECIDED * 2 // 5
    assert deleted > 10
    assert behind > 300
