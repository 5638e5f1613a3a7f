"""What dispatch says of where the logs durably end."""

import asyncio

import pytest

from dispatch.world import OTHER_SHOP, PARTITIONS, SHOP, route, staffed, trace_dispatcher
from fenliu.dispatch import JournalUnavailable
from fenliu.engine import CommandKind, partition_of

HERE, THERE = partition_of(SHOP, PARTITIONS), partition_of(OTHER_SHOP, PARTITIONS)


class Told:
    """Keeps what it was told."""

    def __init__(self, dispatcher):
        self.ends = {}
        self.calls = []
        dispatcher.on_durable = self

    def __call__(self, ends):
        assert all(end > self.ends.get(partition, 0) for partition, end in ends.items())
        self.ends.update(ends)
        self.calls.append(dict(ends))


def heads(journal):
    return {partition: head.seq for partition, head in journal.heads().items()}


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - of other threads, too
            await asyncio.sleep(0.005)


async def test_it_tells_where_all_logs_end_at_the_start(core, journal, dispatcher):
    await staffed(dispatcher, SHOP, OTHER_SHOP)
    await dispatcher.close()
    again = trace_dispatcher(core, journal)
    told = Told(again)
    await again.start()
    assert told.calls == [heads(journal)]
    assert set(told.ends) == {HERE, THERE}
    await again.close()


async def test_it_tells_of_each_commit_once_it_is_durable(journal, dispatcher):
    await staffed(dispatcher, SHOP, OTHER_SHOP)
    told = Told(dispatcher)
    journal.hold()
    answer = asyncio.create_task(dispatcher.command(CommandKind.ROUTE, route("wang")))
    await until(lambda: len(journal.groups) > 6)
    assert told.calls == []
    journal.release()
    await answer
    await until(lambda: told.calls)
    assert told.calls == [{HERE: heads(journal)[HERE]}]


async def test_what_was_lost_is_not_told(journal, dispatcher):
    await staffed(dispatcher)
    told = Told(dispatcher)
    journal.fail_before = True
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(CommandKind.ROUTE, route("wang"))
    journal.fail_before = False
    await until(lambda: dispatcher.healthy)
    before = heads(journal)
    assert all(before[partition] == end for partition, end in told.ends.items())
    await dispatcher.command(CommandKind.ROUTE, route("li"))
    await until(lambda: told.ends == heads(journal))


async def test_what_went_in_though_the_answer_was_an_error_is_told(journal, dispatcher):
    await staffed(dispatcher)
    told = Told(dispatcher)
    journal.fail_after = True
    await dispatcher.command(CommandKind.ROUTE, route("wang"))
    await until(lambda: told.ends == heads(journal))


async def test_what_was_found_in_the_log_after_a_loss_is_told(journal, dispatcher):
    await staffed(dispatcher)
    told = Told(dispatcher)
    journal.fail_after = journal.fail_reads = True
    with pytest.raises(JournalUnavailable):
        await dispatcher.command(CommandKind.ROUTE, route("wang"))
    journal.fail_after = journal.fail_reads = False
    await until(lambda: dispatcher.healthy)
    assert told.ends == heads(journal)
