"""The client for programs without an event loop, used from many threads against a real server."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import grpc
import pytest

from end_to_end.processes import Serving
from fenliu.client import FenliuError, FenliuGateway
from fenliu.v1 import dispatch_pb2, shop_pb2, types_pb2
from support.calls import ONLINE, demo_shop


@pytest.fixture
def address(core: ModuleType, tmp_path: Path) -> Iterator[str]:
    """A server process with the demo shop."""
    with Serving(
        "serve", "--listen", "127.0.0.1:0", "--core", core.CORE, "--data", tmp_path / "data"
    ) as server:
        with grpc.insecure_channel(server.address) as channel:
            apply = channel.unary_unary("/fenliu.v1.ShopService/ApplyShop")
            apply(shop_pb2.ApplyShopRequest(shop=demo_shop()).SerializeToString())
        yield server.address


def inquiry(buyer: str) -> dispatch_pb2.RouteRequest:
    return dispatch_pb2.RouteRequest(shop_id="demo", buyer_id=buyer)


def test_a_gateway_without_a_loop_does_its_days_work(address: str):
    heard: list[bool] = []
    with FenliuGateway(address, timeout_s=30, on_connected=heard.append) as gateway:
        gateway.set_presence("demo", "a", ONLINE)
        answer = gateway.route(inquiry("wang"))
        assert answer.agent_id == "a"
        gateway.report(
            dispatch_pb2.MessageEvent(
                shop_id="demo",
                conversation_id=answer.conversation_id,
                sender=types_pb2.SENDER_AGENT,
            )
        )
        gateway.set_presence("demo", "b", ONLINE)
        moved = gateway.transfer(
            dispatch_pb2.TransferRequest(
                shop_id="demo", conversation_id=answer.conversation_id, agent_id="b"
            )
        )
        assert moved.agent_id == "b"
        closed = gateway.close_conversation(
            dispatch_pb2.CloseConversationRequest(
                shop_id="demo", conversation_id=moved.conversation_id
            )
        )
        assert not closed.already_closed
        cancelled = gateway.cancel_inquiry(
            dispatch_pb2.CancelInquiryRequest(shop_id="demo", buyer_id="wang")
        )
        assert not cancelled.was_waiting
        with pytest.raises(FenliuError) as caught:
            gateway.route(inquiry(""))
        assert caught.value.field == "buyer_id"
    assert heard == [True, False]
    with pytest.raises(RuntimeError, match="not open"):
        gateway.route(inquiry("late"))


def test_many_threads_share_one_gateway_and_each_gets_its_own_answer(address: str):
    buyers = [f"b{number}" for number in range(400)]
    with FenliuGateway(address, timeout_s=30) as gateway:
        gateway.set_presence("demo", "a", ONLINE)
        gateway.set_presence("demo", "b", ONLINE)
        with ThreadPoolExecutor(32) as threads:
            first = list(threads.map(lambda buyer: gateway.route(inquiry(buyer)), buyers))
            again = list(threads.map(lambda buyer: gateway.route(inquiry(buyer)), buyers))
    assert len({answer.decision_id for answer in first + again}) == 800
    assert [one.conversation_id for one in first] == [one.conversation_id for one in again]
    shares = [one.agent_id for one in first].count("a")
    assert 200 < shares < 300  # 5 : 3


def test_leaving_answers_or_fails_the_calls_of_other_threads(address: str):
    answered = threading.Semaphore(0)

    def work(thread: int) -> str:
        """Asks until it is refused; says by what."""
        try:
            for number in itertools.count():
                gateway.route(inquiry(f"b{thread}-{number}"))
                answered.release()
        except (FenliuError, RuntimeError) as error:
            return str(error)
        raise AssertionError

    with ThreadPoolExecutor(8) as threads:
        with FenliuGateway(address, timeout_s=30) as gateway:
            calls = [threads.submit(work, thread) for thread in range(8)]
            for _ in range(40):
                answered.acquire()
        ends = [call.result(30) for call in calls]
    assert len(ends) == 8
    assert all("closed" in end or "not open" in end for end in ends)
