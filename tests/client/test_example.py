"""The example gateway does what it says, line by line, against a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import grpc
import pytest

from end_to_end.processes import PROJECT, Serving, environment, fenliu
from fenliu.v1 import presence_pb2


@pytest.fixture
def address(core: ModuleType, tmp_path: Path) -> Iterator[str]:
    with Serving(
        "serve", "--listen", "127.0.0.1:0", "--core", core.CORE, "--data", tmp_path / "data"
    ) as server:
        fenliu("apply", PROJECT / "demo" / "shop.yaml", "--target", server.address)
        yield server.address


def test_the_example_gateway_serves_a_shop(address: str):
    with subprocess.Popen(
        [sys.executable, PROJECT / "examples" / "gateway.py", address],
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as gateway:  # fmt: skip
        assert gateway.stdin is not None
        assert gateway.stdout is not None

        def happens(line: str) -> str:
            """What is printed next; events that print nothing are sent together with one that does."""
            gateway.stdin.write(line + "\n")
            gateway.stdin.flush()
            return gateway.stdout.readline().strip()

        try:
            assert happens("buyer wang 在吗") == "wang -> xiaocha"  # Nobody is there: the robot.
            # The buyer was kept for a human, who now sits down.
            assert happens("online lin") == "wang -> lin"
            assert happens("agent wang 在的\nbuyer li 这个多少钱") == "li -> lin"
            assert happens("online nobody").endswith("(AGENT_NOT_FOUND)")
            with grpc.insecure_channel(address) as channel:
                listing = presence_pb2.ListPresenceResponse.FromString(
                    channel.unary_unary("/fenliu.v1.PresenceService/ListPresence")(
                        presence_pb2.ListPresenceRequest(shop_id="demo").SerializeToString()
                    )
                )
            (lin,) = (one for one in listing.agents if one.agent_id == "lin")
            assert (lin.open_conversations, lin.awaiting) == (2, 1)  # wang has been answered.
            assert happens("bye wang\nsings lin") == "sings: no such thing happens here"
            gateway.stdin.close()
            assert gateway.wait(timeout=30) == 0
        finally:
            gateway.kill()
