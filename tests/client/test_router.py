"""The router against a real server, with a man in the middle: batches, retries, deadlines, credits."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from client.middle import Middle
from fenliu.client import FenliuError, Router
from fenliu.v1 import dispatch_pb2, types_pb2
from support.calls import Caller, demo_shop

LONG_S = 30.0


def inquiry(buyer: str, **fields: Any) -> dispatch_pb2.RouteRequest:
    return dispatch_pb2.RouteRequest(**({"shop_id": "demo", "buyer_id": buyer} | fields))


def sizes(middle: Middle) -> list[int]:
    return [len(batch.requests) for batch in middle.batches]


async def until(condition: Any, patience_s: float = 20.0) -> None:
    """Waits for something that must come; how long is not what is tested."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - looks at another task's doing
            await asyncio.sleep(0.005)


async def refusal(call: Any) -> FenliuError:
    with pytest.raises(FenliuError) as caught:
        await call
    return caught.value


# --- batches --------------------------------------------------------------------------------------


async def test_calls_at_once_share_a_batch_and_each_gets_its_own_answer(middle: Middle):
    async with Router(middle.address, timeout_s=LONG_S) as router:
        buyers = [f"b{number}" for number in range(300)]
        answers = await asyncio.gather(*(router.route(inquiry(buyer)) for buyer in buyers))
        again = await asyncio.gather(*(router.route(inquiry(buyer)) for buyer in buyers))
    assert sum(sizes(middle)) == 600
    assert sizes(middle)[0] == 64  # A new connection begins gently,
    assert len(sizes(middle)) < 10  # and takes what there is soon after.
    assert middle.streams == 1
    assert [answer.conversation_id for answer in again] == [
        answer.conversation_id for answer in answers
    ]
    assert {answer.reason for answer in again} == {types_pb2.REASON_OPEN_CONVERSATION}
    assert len({answer.conversation_id for answer in answers}) == 300


async def test_what_comes_while_a_batch_is_under_way_goes_together_when_it_is_answered(
    middle: Middle,
):
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S) as router:
        first = asyncio.create_task(router.route(inquiry("first")))
        await until(lambda: middle.batches)
        others = [asyncio.create_task(router.route(inquiry(f"b{i}"))) for i in range(50)]
        await until(lambda: router.waiting == 50)
        assert sizes(middle) == [1]
        middle.open.set()
        await asyncio.gather(first, *others)
    assert sizes(middle) == [1, 50]


async def test_full_batches_do_not_wait_for_the_last_and_no_more_than_allowed_are_under_way(
    middle: Middle,
):
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S, max_batch=10, max_batches=3) as router:
        calls = [asyncio.create_task(router.route(inquiry(f"b{i}"))) for i in range(100)]
        await until(lambda: router.under_way == 30)
        await until(lambda: len(middle.batches) == 3)
        assert router.waiting == 70
        middle.open.set()
        await asyncio.gather(*calls)
    assert middle.most_under_way == 30
    assert max(sizes(middle)) == 10


async def test_with_a_bound_on_waiting_a_batch_goes_before_the_last_is_answered(middle: Middle):
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S, max_wait_s=0.02) as router:
        first = asyncio.create_task(router.route(inquiry("first")))
        await until(lambda: middle.batches)
        second = asyncio.create_task(router.route(inquiry("second")))
        await until(lambda: len(middle.batches) == 2)
        middle.open.set()
        await asyncio.gather(first, second)


async def test_a_batch_stays_below_the_servers_bytes(middle: Middle):
    excluded = [f"{number:03}" + "x" * 120 for number in range(100)]
    async with Router(middle.address, timeout_s=LONG_S) as router:
        answers = await asyncio.gather(
            *(router.route(inquiry(f"b{i}", exclude_agent_ids=excluded)) for i in range(200))
        )
    assert len(answers) == 200
    assert all(batch.ByteSize() <= 1_048_576 for batch in middle.batches)
    assert len(middle.batches) > 2


async def test_a_bad_inquiry_fails_alone_with_its_field(middle: Middle):
    async with Router(middle.address, timeout_s=LONG_S) as router:
        good, bad, missing = await asyncio.gather(
            router.route(inquiry("wang")),
            router.route(inquiry("li", priority=10)),
            router.route(dispatch_pb2.RouteRequest(shop_id="nowhere", buyer_id="li")),
            return_exceptions=True,
        )
    assert sizes(middle) == [3]
    assert isinstance(good, dispatch_pb2.RouteResponse)
    assert isinstance(bad, FenliuError)
    assert (bad.code, bad.reason, bad.field) == (
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "priority",
    )  # fmt: skip
    assert isinstance(missing, FenliuError)
    assert missing.reason == "SHOP_NOT_FOUND"


async def test_an_inquiry_that_fits_no_batch_is_refused_here_and_harms_nobody(middle: Middle):
    async with Router(middle.address, timeout_s=LONG_S) as router:
        huge = router.route(inquiry("wang", intent="x" * 1_048_576))
        error, answer = await asyncio.gather(
            huge, router.route(inquiry("li")), return_exceptions=True
        )
    assert isinstance(error, FenliuError)
    assert (error.code, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, "request")
    assert isinstance(answer, dispatch_pb2.RouteResponse)
    assert middle.asked == ["li"]


async def test_an_id_is_made_where_there_is_none_and_the_callers_message_stays_as_it_is(
    middle: Middle,
):
    request, named = inquiry("wang"), inquiry("li", request_id="mine")
    async with Router(middle.address, timeout_s=LONG_S) as router:
        await asyncio.gather(router.route(request), router.route(named))
    made, kept = (one.request_id for one in middle.batches[0].requests)
    assert made
    assert kept == "mine"
    assert request.request_id == ""


# --- retries --------------------------------------------------------------------------------------


async def test_answers_lost_on_the_way_are_asked_for_again_and_nothing_is_decided_twice(
    middle: Middle,
):
    middle.cuts = 2
    async with Router(middle.address, timeout_s=LONG_S) as router:
        answers = await asyncio.gather(*(router.route(inquiry(f"b{i}")) for i in range(20)))
        last = await router.route(inquiry("last"))
    assert middle.streams == 3
    assert sizes(middle) == [20, 20, 20, 1]
    ids = [[one.request_id for one in batch.requests] for batch in middle.batches[:3]]
    assert ids[0] == ids[1] == ids[2]
    assert [answer.decision_id for answer in answers] == [f"d{n}" for n in range(1, 21)]
    assert last.decision_id == "d21"


async def test_a_stream_the_server_is_too_busy_for_is_opened_again_after_the_pause_it_asked_for(
    middle: Middle,
):
    middle.refusals = [(grpc.StatusCode.RESOURCE_EXHAUSTED, (("grpc-retry-pushback-ms", "50"),))]
    async with Router(middle.address, timeout_s=LONG_S) as router:
        before = asyncio.get_running_loop().time()
        answer = await router.route(inquiry("wang"))
        assert asyncio.get_running_loop().time() - before >= 0.05
    assert answer.decision_id == "d1"
    assert middle.streams == 2


async def test_a_pause_beyond_the_deadline_fails_at_once_with_what_the_server_said(
    middle: Middle,
):
    pushback = (("grpc-retry-pushback-ms", "3600000"),)
    middle.refusals = [(grpc.StatusCode.RESOURCE_EXHAUSTED, pushback)]
    async with asyncio.timeout(LONG_S / 2), Router(middle.address, timeout_s=LONG_S) as router:
        error = await refusal(router.route(inquiry("wang")))
    assert (error.code, error.pushback_ms) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 3_600_000)


@pytest.mark.parametrize(
    ("code", "trailers"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, ()),
        (grpc.StatusCode.UNAVAILABLE, (("grpc-retry-pushback-ms", "-1"),)),
    ],
)
async def test_a_refused_batch_fails_alone_and_is_not_sent_again(
    middle: Middle, code: grpc.StatusCode, trailers: Any
):
    middle.refusals = [(code, trailers)]
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S, max_batch=2) as router:
        calls = [asyncio.create_task(router.route(inquiry(f"b{i}"))) for i in range(6)]
        await until(lambda: len(middle.batches) == 3)
        middle.open.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(one, FenliuError) and one.code == code for one in results[:2]] == [True] * 2
    assert all(isinstance(one, dispatch_pb2.RouteResponse) for one in results[2:])
    assert middle.asked.count("b0") == 1
    assert middle.asked.count("b5") == 2


async def test_an_inquiry_to_be_tried_later_is_tried_later_by_itself(middle: Middle):
    def not_now(answer: dispatch_pb2.RouteStreamResponse) -> None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(30)
        status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="not now")
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason="X", domain="fenliu"))
        status.details.add().Pack(retry)
        answer.results[1].status.CopyFrom(status)

    middle.rewrite = not_now
    async with Router(middle.address, timeout_s=LONG_S) as router:
        answers = await asyncio.gather(*(router.route(inquiry(b)) for b in ("wang", "li", "zhao")))
    assert middle.asked == ["wang", "li", "zhao", "li"]
    assert middle.batches[1].requests[0].request_id == middle.batches[0].requests[1].request_id
    assert [answer.decision_id for answer in answers] == ["d1", "d2", "d3"]


@pytest.mark.alone
async def test_a_connection_on_which_nothing_comes_back_is_given_up(middle: Middle):
    middle.swallowed = 1
    async with Router(middle.address, timeout_s=LONG_S, stall_s=0.2) as router:
        answer = await router.route(inquiry("wang"))
    assert answer.decision_id == "d1"
    assert middle.streams == 2


async def test_an_answer_that_does_not_fit_fails_its_batch_and_the_next_is_answered(
    middle: Middle,
):
    middle.rewrite = lambda answer: answer.results.add()
    async with Router(middle.address, timeout_s=LONG_S) as router:
        error = await refusal(router.route(inquiry("wang")))
        assert error.code == grpc.StatusCode.INTERNAL
        assert (await router.route(inquiry("li"))).decision_id == "d2"


async def test_nobody_listening_is_unavailable_when_the_time_is_up():
    async with Router("127.0.0.1:1", timeout_s=0.3) as router:
        error = await refusal(router.route(inquiry("wang")))
    assert error.code == grpc.StatusCode.UNAVAILABLE


# --- deadlines and back-pressure ------------------------------------------------------------------


async def test_a_call_whose_time_is_up_in_the_queue_is_never_sent(middle: Middle):
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S, max_batches=1) as router:
        first = asyncio.create_task(router.route(inquiry("first")))
        await until(lambda: middle.batches)
        error = await refusal(router.route(inquiry("late"), timeout_s=0.05))
        assert error.code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "not sent" in error.message
        assert router.waiting == 0
        middle.open.set()
        await first
        await router.route(inquiry("next"))
    assert middle.asked == ["first", "next"]


async def test_a_slow_server_is_waited_for_until_the_deadline_and_no_longer(middle: Middle):
    middle.open.clear()
    async with Router(middle.address) as router:
        error = await refusal(router.route(inquiry("wang", request_id="mine"), timeout_s=0.1))
        assert error.code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "no answer" in error.message
        middle.open.set()
        # It was decided all the same; the same id tells what.
        assert (await router.route(inquiry("wang", request_id="mine"))).decision_id == "d1"


async def test_a_cancelled_caller_is_dropped_from_the_queue(middle: Middle):
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S) as router:
        first = asyncio.create_task(router.route(inquiry("first")))
        await until(lambda: middle.batches)
        gone = asyncio.create_task(router.route(inquiry("gone")))
        await until(lambda: router.waiting == 1)
        gone.cancel()
        await until(lambda: router.waiting == 0)
        middle.open.set()
        await first
        await router.route(inquiry("next"))
    assert middle.asked == ["first", "next"]


@pytest.mark.parametrize(
    ("lost", "next_ones"),
    [
        (0, "demo0 quiet0 demo1 quiet1 demo2 quiet2 demo3"),
        (1, "first quiet0 demo0 quiet1 demo1 quiet2 demo2"),
    ],
)
async def test_shops_take_turns_however_many_calls_of_one_of_them_wait(
    middle: Middle, call: Caller, lost: int, next_ones: str
):
    quiet = demo_shop()
    quiet.shop_id = "quiet"
    await call.apply(quiet)
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S, max_batch=8, max_batches=1) as router:
        calls = [asyncio.create_task(router.route(inquiry("first")))]
        await until(lambda: middle.batches)
        for shop_id, count in (("demo", 40), ("quiet", 3)):
            waiting = router.waiting
            for number in range(count):
                one = inquiry(f"{shop_id}{number}", shop_id=shop_id)
                calls.append(asyncio.create_task(router.route(one)))
            await until(lambda expected=waiting + count: router.waiting == expected)
        middle.cuts = lost
        middle.open.set()
        await asyncio.gather(*calls)
    assert middle.asked[1:8] == next_ones.split()
    # Of each shop in the order of the calls.
    assert [one for one in middle.asked if "demo" in one] == [f"demo{n}" for n in range(40)]


@pytest.mark.alone
async def test_at_twice_the_capacity_what_is_sent_is_answered_in_time(middle: Middle):
    """The rest waits in the client and is dropped there: the server works for nobody in vain."""
    middle.work_s = 0.002
    timeout_s, offered = 0.4, 2_000
    answered = 0

    async def ask(router: Router, number: int) -> None:
        nonlocal answered
        try:
            await router.route(inquiry(f"b{number}"))
        except FenliuError as error:
            assert error.code == grpc.StatusCode.DEADLINE_EXCEEDED
        else:
            answered += 1

    async with (
        Router(middle.address, timeout_s=timeout_s, max_batch=16, max_batches=2) as router,
        asyncio.TaskGroup() as group,
    ):
        for number in range(offered):
            group.create_task(ask(router, number))
            await asyncio.sleep(middle.work_s / 2)
    assert middle.most_under_way <= 32
    assert len(middle.asked) < offered * 0.9
    assert answered >= 0.9 * len(middle.asked)


@pytest.mark.alone
async def test_a_slow_server_gets_less_at_a_time_and_a_quick_one_more_again(middle: Middle):
    middle.work_s = 0.002
    async with Router(middle.address, timeout_s=LONG_S) as router:
        calls = [asyncio.create_task(router.route(inquiry(f"b{i}"))) for i in range(700)]
        await asyncio.gather(*calls)
        slow = sizes(middle)
        middle.work_s = 0.0
        for _ in range(20):
            await asyncio.gather(*(router.route(inquiry(f"b{i}")) for i in range(200)))
    assert max(slow) <= 200  # A fifth of a second's work is 100.
    assert sizes(middle)[-1] == 200


# --- messages -------------------------------------------------------------------------------------


async def test_messages_arrive_in_the_order_of_the_calls_also_when_an_answer_is_lost(
    middle: Middle, call: Caller
):
    conversation = (await call.route("wang")).conversation_id
    middle.cuts = 1
    async with Router(middle.address, timeout_s=LONG_S) as router:
        results = await asyncio.gather(
            *(
                router.report(
                    dispatch_pb2.MessageEvent(
                        shop_id="demo",
                        conversation_id=conversation,
                        sender=types_pb2.SENDER_AGENT if number % 2 else types_pb2.SENDER_BUYER,
                    )
                )
                for number in range(61)
            )
        )
    assert len(results) == 61
    lost, again = middle.reports
    assert lost == again
    senders = [event.sender for event in again.events]
    assert senders == [types_pb2.SENDER_BUYER, types_pb2.SENDER_AGENT] * 30 + [
        types_pb2.SENDER_BUYER
    ]
    assert all(result.duplicate for result in results)  # The server had them already.
    assert (await call.presence())["a"].awaiting == 1


async def test_a_refused_message_raises_and_the_others_count(middle: Middle, call: Caller):
    conversation = (await call.route("wang")).conversation_id
    good = dispatch_pb2.MessageEvent(
        shop_id="demo", conversation_id=conversation, sender=types_pb2.SENDER_BUYER
    )
    bad = dispatch_pb2.MessageEvent(
        shop_id="demo", conversation_id="c99", sender=types_pb2.SENDER_BUYER
    )
    async with Router(middle.address, timeout_s=LONG_S) as router:
        taken, refused = await asyncio.gather(
            router.report(good), router.report(bad), return_exceptions=True
        )
    assert isinstance(taken, dispatch_pb2.MessageResult)
    assert isinstance(refused, FenliuError)
    assert refused.reason == "CONVERSATION_NOT_FOUND"


# --- the router's life ----------------------------------------------------------------------------


async def test_leaving_waits_for_what_is_under_way_and_for_what_waits(middle: Middle):
    middle.open.clear()
    router = Router(middle.address, timeout_s=LONG_S, max_batch=2, max_batches=1)
    async with router:
        calls = [asyncio.create_task(router.route(inquiry(f"b{i}"))) for i in range(6)]
        await until(lambda: middle.batches)
        asyncio.get_running_loop().call_later(0.05, middle.open.set)
    assert {(await one).outcome for one in calls} == {types_pb2.OUTCOME_AGENT}
    with pytest.raises(RuntimeError, match="closed"):
        await router.route(inquiry("late"))


async def test_closing_without_grace_fails_every_call(middle: Middle):
    middle.open.clear()
    async with Router(middle.address, timeout_s=LONG_S, max_batch=2, max_batches=1) as router:
        calls = [asyncio.create_task(router.route(inquiry(f"b{i}"))) for i in range(6)]
        await until(lambda: middle.batches)
        await router.close(0)
        assert {(await refusal(one)).code for one in calls} == {grpc.StatusCode.CANCELLED}


async def test_a_router_that_is_not_open_says_so():
    with pytest.raises(RuntimeError, match="not open"):
        await Router("127.0.0.1:1").route(inquiry("wang"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_batch", 0),
        ("max_batch", 4_097),
        ("max_batches", 0),
        ("max_wait_s", -0.1),
        ("timeout_s", 0),
        ("stall_s", 0),
    ],
)
def test_a_value_outside_of_its_bounds_is_refused_by_name(field: str, value: float):
    with pytest.raises(ValueError, match=f"^{field}: must "):
        Router("127.0.0.1:1", **{field: value})  # type: ignore[arg-type]


def test_a_connection_that_breaks_while_sending_is_no_error_of_the_server():
    """grpc.aio calls it INTERNAL by itself, seldom: a server killed at the right moment."""

    def error(text: str) -> FenliuError:
        return FenliuError.from_rpc(
            grpc.aio.AioRpcError(
                grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), text
            )
        )

    assert error("Internal error from Core").code == grpc.StatusCode.UNAVAILABLE
    assert error("the engine failed").code == grpc.StatusCode.INTERNAL
