"""Fixtures of the dispatch tests: each core behind the facade, the journal, a started dispatcher."""

import pytest

from dispatch.world import HandledJournal, trace_dispatcher
from fenliu.engine import load_core


@pytest.fixture
def core(core):
    """Each core in turn, as the facade gives it."""
    return load_core(core.CORE)


@pytest.fixture
def journal(tmp_path):
    journal = HandledJournal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
async def dispatcher(core, journal):
    dispatcher = trace_dispatcher(core, journal)
    await dispatcher.start()
    yield dispatcher
    journal.release()
    await dispatcher.close()
