"""Streams through a worker whose shops they are not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fenliu.client import FenliuClient
from fenliu.journal import SqliteReader
from fenliu.v1 import dispatch_pb2, insight_pb2, shop_pb2, types_pb2
from support.calls import Caller
from support.scene import entries_of
from support.several import inquiry, owner, shop_of, staffed
from support.watching import told

ROUTE_STREAM = "/fenliu.v1.DispatchService/RouteStream"
SHOPS = [shop_of(0), shop_of(1), shop_of(1, 1), shop_of(0, 1)]


async def answers_of(
    caller: Caller, batches: list[bytes]
) -> list[dispatch_pb2.RouteStreamResponse]:
    stream = caller.channel.stream_stream(ROUTE_STREAM)()
    for batch in batches:
        await stream.write(batch)
    await stream.done_writing()
    return [dispatch_pb2.RouteStreamResponse.FromString(raw) async for raw in stream]


@pytest.mark.parametrize("asked", [0, 1])
async def test_batches_of_a_stream_are_decided_and_answered_in_the_order_sent(
    together: Any, asked: int
):
    async with together() as workers:
        await staffed(workers[asked], *SHOPS)
        sizes = [40, 1, 300, 3, 70, 1, 1, 5]
        batches = [
            dispatch_pb2.RouteStreamRequest(
                batch_id=number,
                requests=[inquiry(SHOPS[i % 4], f"b{number}-{i}") for i in range(size)],
            ).SerializeToString()
            for number, size in enumerate(sizes, 7)
        ]
        answers = await answers_of(workers[asked], batches)
        assert [answer.batch_id for answer in answers] == list(range(7, 7 + len(sizes)))
        assert [len(answer.results) for answer in answers] == sizes
        decided: dict[str, list[str]] = {shop_id: [] for shop_id in SHOPS}
        for answer in answers:
            for i, result in enumerate(answer.results):
                decided[SHOPS[i % 4]].append(result.response.decision_id)
        for found in decided.values():
            assert found == [f"d{number}" for number in range(1, len(found) + 1)]


async def test_reported_messages_are_counted_whosever_they_are(together: Any):
    async with together() as workers:
        await staffed(workers[0], *SHOPS)
        for shop_id in SHOPS:
            await workers[1]("DispatchService/Route", inquiry(shop_id, "li"), Answer)

        async def batches() -> Any:
            for _ in range(3):
                yield dispatch_pb2.ReportMessagesRequest(
                    events=[
                        dispatch_pb2.MessageEvent(
                            shop_id=shop_id, buyer_id=buyer, sender=types_pb2.SENDER_BUYER
                        )
                        for shop_id in (*SHOPS, "nowhere")
                        for buyer in ("li",)
                    ]
                )

        async with FenliuClient(workers[1].address) as client:
            total = await client.report_messages(batches())
        assert (total.accepted, total.rejected) == (12, 3)
        assert total.first_rejection.message == "shop_id: unknown shop"


Answer = dispatch_pb2.RouteResponse


async def events(client: FenliuClient, count: int, shop_id: str = "", token: str = "") -> list[Any]:
    """The next so many events after the first message, which is one too."""
    found: list[Any] = []
    async with asyncio.timeout(30):
        async for event in client.watch_assignments(shop_id, resume_token=token):
            found.append(event)
            if len(found) > count:
                break
    return found


async def test_a_watcher_sees_what_other_workers_decide_and_resumes_at_any_of_them(together: Any):
    async with together() as workers:
        await staffed(workers[0], *SHOPS)
        async with (
            FenliuClient(workers[0].address) as zero,
            FenliuClient(workers[1].address) as one,
        ):
            everything = one.watch_assignments()
            single = zero.watch_assignments(SHOPS[1])
            begun = await anext(everything)
            await anext(single)
            for number, shop_id in enumerate(SHOPS * 2):
                await zero.route(inquiry(shop_id, f"b{number}"))
            async with asyncio.timeout(30):
                seen = [await anext(everything) for _ in range(8)]
                own = [await anext(single) for _ in range(2)]
            await everything.aclose()
            await single.aclose()
            assert {event.buyer_id for event in seen} == {f"b{number}" for number in range(8)}
            assert [event.buyer_id for event in own] == ["b1", "b5"]

            for client in (zero, one):
                again = await events(client, 8, token=begun.resume_token)
                assert sorted(map(told, again[1:])) == sorted(map(told, seen))
                rest = await events(client, 3, token=seen[4].resume_token)
                assert {told(event) for event in rest[1:]} == {told(event) for event in seen[5:]}
            # What came last, at whichever worker it was decided, is no place ahead of the log.
            late = await zero.route(inquiry(SHOPS[1], "late"))
            for client in (one, zero):
                (_, last) = await events(client, 1, SHOPS[1], own[-1].resume_token)
                assert last.assignment == late
                assert (await events(client, 0, SHOPS[1], last.resume_token))[0]


async def test_from_now_on_begins_behind_what_any_worker_has_answered(together: Any):
    async with together() as workers:
        await staffed(workers[0], *SHOPS)
        async with (
            FenliuClient(workers[0].address) as zero,
            FenliuClient(workers[1].address) as one,
        ):
            for number in range(20):
                shop_id = SHOPS[number % 4]
                asked, other = (zero, one) if owner(shop_id) else (one, zero)
                await asked.route(inquiry(shop_id, f"before-{number}"))
                watching = other.watch_assignments(shop_id)
                await anext(watching)
                await asked.route(inquiry(shop_id, f"after-{number}"))
                async with asyncio.timeout(30):
                    assert (await anext(watching)).buyer_id == f"after-{number}"
                await watching.aclose()


async def test_history_undo_and_explanations_of_another_workers_shops(together: Any):
    async with together() as workers:
        shop_id = shop_of(1)
        await staffed(workers[0], shop_id)
        decided = await workers[0]("DispatchService/Route", inquiry(shop_id, "li"), Answer)
        explained = await workers[0](
            "InsightService/ExplainDecision",
            insight_pb2.ExplainDecisionRequest(shop_id=shop_id, decision_id=decided.decision_id),
            insight_pb2.ExplainDecisionResponse,
        )
        assert explained.decision.agent_id == decided.agent_id == "a"
        weights = shop_pb2.SetWeightsRequest(
            shop_id=shop_id, weights=[shop_pb2.AgentWeight(agent_id="a", weight=9)]
        )
        changed = await workers[0]("ShopService/SetWeights", weights, shop_pb2.SetWeightsResponse)
        undone = await workers[0](
            "ShopService/UndoChange",
            shop_pb2.UndoChangeRequest(shop_id=shop_id, change_id=changed.etag),
            shop_pb2.UndoChangeResponse,
        )
        assert [agent.weight for agent in undone.shop.agents] == [5, 3]
        for index in (0, 1):
            history = await workers[index](
                "ShopService/ListAuditEntries",
                shop_pb2.ListAuditEntriesRequest(shop_id=shop_id),
                shop_pb2.ListAuditEntriesResponse,
            )
            assert len(history.entries) == 3
            assert history.entries[0].undoes_change_id == changed.etag


async def test_each_partition_is_written_by_its_owner_alone(together: Any, tmp_path: Any):
    async with together() as workers:
        await staffed(workers[0], *SHOPS)
        for number in range(40):
            await workers[number % 2](
                "DispatchService/Route", inquiry(SHOPS[number // 2 % 4], f"b{number}"), Answer
            )
    reader = SqliteReader(tmp_path / "data")
    writers: dict[int, set[bytes]] = {0: set(), 1: set()}
    inquiries = 0
    for partition in reader.heads():
        for record in reader.read(partition):
            writers[partition % 2].add(record.writer)
            inquiries += sum(entry.HasField("route") for entry in entries_of(record.entries))
    assert len(writers[0]) == len(writers[1]) == 1
    assert writers[0] != writers[1]
    assert inquiries == 40
