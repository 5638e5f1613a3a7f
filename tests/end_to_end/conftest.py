"""The days that several tests look at, played once."""

import pytest

from end_to_end.days import Days


@pytest.fixture(scope="session")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    return Days(tmp_path_factory.mktemp("days"))
