"""The load generator against a real gRPC server: what it sends is understood, what it counts is so."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from fenliu.load.echo import started_echo
from fenliu.load.generator import at_random, closed_loop, evenly, open_loop
from fenliu.load.http2 import MAX_MESSAGE, Connection
from fenliu.load.workload import BATCH, REPORT, ROUTE, ROUTE_BATCH, ROUTE_STREAM, Workload, buyer_id
from fenliu.v1 import dispatch_pb2

Handler = Callable[[bytes, grpc.ServicerContext], bytes]


@contextmanager
def serving(answer: Handler, **options: int) -> Iterator[str]:
    """A gRPC server whose every method answers so, on a thread pool."""

    class Any(grpc.GenericRpcHandler):
        def service(self, _details: object) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(
        ThreadPoolExecutor(8), options=[(f"grpc.{key}", value) for key, value in options.items()]
    )
    server.add_generic_rpc_handlers((Any(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def test_all_messages_arrive_and_are_answered():
    seen: list[bytes] = []
    lock = threading.Lock()

    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        with lock:
            seen.append(request)
        return request[::-1]

    messages = [b"%d" % number * (number % 300) for number in range(1000)]
    with serving(answer) as target:
        loaded = closed_loop(target, ROUTE, messages, under_way=16, connections=3, samples=1000)
    assert sorted(seen) == sorted(messages)
    assert sorted(loaded.sample) == sorted(message[::-1] for message in messages)
    assert len(loaded.answers) == 1000
    assert loaded.refused == 0
    assert loaded.rate > 0


def test_metadata_and_deadline_are_what_grpc_understands():
    seen: list[tuple[str, float]] = []

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append((context.peer(), context.time_remaining()))
        return request

    with serving(answer) as target:
        # The later ones refer to the headers of the first.
        loaded = open_loop(target, ROUTE, [b"x"] * 20, evenly(100, 0.2), deadline_s=0.5)
    assert len(loaded.answers) == 20
    assert all(0 < left <= 0.5 for _, left in seen)


def test_refusals_count_and_are_no_answers():
    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if int(request) % 4 == 0:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no")
        return request

    with serving(answer) as target:
        messages = [b"%d" % number for number in range(100)]
        loaded = closed_loop(target, ROUTE, messages, under_way=8)
    assert loaded.refused == 25
    assert [number for number, one in enumerate(loaded.latency_s) if one is None] == list(
        range(0, 100, 4)
    )


def test_what_is_late_is_given_up_and_the_server_is_told():
    released = threading.Event()
    cancelled = threading.Event()

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"slow":
            context.add_callback(cancelled.set)
            released.wait(10)
        return request

    with serving(answer) as target:
        messages = [b"slow", *[b"fast"] * 9]
        loaded = open_loop(target, ROUTE, messages, evenly(100, 0.1), deadline_s=0.3)
        assert cancelled.wait(10)
        released.set()
    assert loaded.late == 1
    assert loaded.latency_s[0] is None
    assert len(loaded.answers) == 9


def test_calls_come_when_they_are_due_whatever_is_answered():
    release = threading.Event()

    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        release.wait(10)
        return request

    with serving(answer) as target:
        threading.Timer(0.5, release.set).start()
        loaded = open_loop(target, ROUTE, [b"x"] * 50, evenly(200, 0.25), connections=2)
    assert len(loaded.answers) == 50
    assert len(loaded.lag_s) == 50
    # From when it was due: the first has waited longer than the last.
    assert loaded.latency_s[0] > loaded.latency_s[-1] > 0.1
    assert max(loaded.lag_s) < 0.25  # none waited for an answer to another


def test_a_servers_limit_of_calls_under_way_is_kept():
    under_way, most = 0, 0
    lock = threading.Lock()

    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        with lock:
            under_way -= 1
        return request

    with serving(answer, max_concurrent_streams=4) as target:
        loaded = closed_loop(target, ROUTE, [b"x"] * 200, under_way=50)
    assert most <= 4
    # grpc may refuse a stream whose predecessor it is still cleaning up.
    assert len(loaded.answers) + loaded.refused == 200


def test_a_server_that_goes_away_is_said():
    with serving(lambda request, _: request) as target:
        connection = Connection(target, ROUTE)
    with pytest.raises(OSError):
        for number in range(200):
            connection.call(number, b"x")
            connection.flush()
            connection.receive()
    connection.close()


def test_what_does_not_fit_into_a_frame_is_refused():
    with serving(lambda request, _: request) as target:
        connection = Connection(target, ROUTE)
        with pytest.raises(ValueError, match="16379"):
            connection.call(1, b"x" * (MAX_MESSAGE + 1))
        connection.close()
        largest = closed_loop(target, ROUTE, [b"x" * MAX_MESSAGE] * 20, under_way=20, samples=20)
    assert [len(one) for one in largest.sample] == [MAX_MESSAGE] * 20


def test_random_arrivals_come_at_the_rate():
    due = at_random(1_000, 10)
    assert due == sorted(due)
    assert due[-1] < 10
    assert 9_000 < len(due) < 11_000
    assert evenly(10, 1) == [pytest.approx(number / 10) for number in range(10)]


def test_the_workload_is_as_it_says():
    workload = Workload(["shop-00000000001", "shop-00000000002"], known=50)
    batches = [workload.batch(100) for _ in range(10)]
    requests = [
        one
        for inquiries, _ in batches
        for one in dispatch_pb2.RouteBatchRequest.FromString(inquiries).requests
    ]
    events = [
        one
        for _, replies in batches
        for one in dispatch_pb2.ReportMessagesBatchRequest.FromString(replies).events
    ]
    assert [(one.shop_id, one.buyer_id) for one in requests] == [
        (one.shop_id, one.buyer_id) for one in events
    ]
    assert len({one.request_id for one in requests}) == 1000
    assert len({one.event_id for one in events}) == 1000
    assert {len(one.request_id) for one in requests} == {36}
    assert {len(one.buyer_id) for one in requests} == {16}
    known = {buyer_id(number).decode() for number in range(50)}
    assert sum(one.buyer_id not in known for one in requests) == 300
    assert len({one.buyer_id for one in requests}) == 350
    assert {one.shop_id for one in requests} == {"shop-00000000001", "shop-00000000002"}
    # A buyer always comes to the same shop.
    assert len({(one.shop_id, one.buyer_id) for one in requests}) == 350
    # Nothing in the ids is there to be packed: half of each hexadecimal digit is left.
    buyers = dict.fromkeys(one.buyer_id for one in requests)
    ids = "".join([*buyers, *(one.request_id.replace("-", "") for one in requests)])
    assert len(zlib.compress(ids.encode(), 9)) > 0.49 * len(ids)
    single = dispatch_pb2.RouteRequest.FromString(Workload().inquiries(1)[0])
    assert single.shop_id and single.buyer_id and len(single.request_id) == 36


def test_the_echo_answers_what_gateways_call():
    with started_echo() as target:
        workload = Workload()
        loaded = closed_loop(target, ROUTE, workload.inquiries(50), under_way=10)
        assert dispatch_pb2.RouteResponse.FromString(loaded.sample[0]).agent_id
        inquiries, events = workload.batch()
        with grpc.insecure_channel(target) as channel:
            routed = channel.unary_unary(ROUTE_BATCH)(inquiries, timeout=10)
            (streamed,) = channel.stream_stream(ROUTE_STREAM)(iter([inquiries]), timeout=10)
            reported = channel.unary_unary(REPORT)(events, timeout=10)
    assert routed == streamed
    assert len(dispatch_pb2.RouteBatchResponse.FromString(routed).results) == BATCH
    assert len(dispatch_pb2.ReportMessagesBatchResponse.FromString(reported).results) == BATCH
