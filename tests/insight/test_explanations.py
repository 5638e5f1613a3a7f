"""The texts of explained decisions: complete and alike in both languages."""

from __future__ import annotations

import string
from collections.abc import Iterator

import pytest

from fenliu.engine.explanation import Explanation, Finding, Step
from fenliu.engine.v1.engine_pb2 import Decided
from fenliu.insight.explanations import CATALOGUES, Catalogue, Sentences
from fenliu.v1 import insight_pb2, shop_pb2, types_pb2

CHINESE = CATALOGUES[types_pb2.LANGUAGE_CHINESE]
ENGLISH = CATALOGUES[types_pb2.LANGUAGE_ENGLISH]
ENUMS = {
    "candidates": insight_pb2.CandidateReason,
    "decisions": types_pb2.Reason,
    "statuses": types_pb2.PresenceStatus,
    "dimensions": shop_pb2.BindingDimension,
    "order_statuses": types_pb2.OrderStatus,
}
BESIDES = {"candidates": {"TAKEN_MESSAGE"}, "decisions": {"TRANSFER_LEFT"}}


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def texts(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Every text by what it is for."""
    for name in Catalogue.__slots__:
        value = getattr(catalogue, name)
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, tuple):
            yield from ((f"{name}[{place}]", text) for place, text in enumerate(value))
        else:
            yield from ((f"{name}[{key}]", text) for key, text in value.items())


@pytest.mark.parametrize("language", types_pb2.Language.values()[1:])
def test_every_language_has_every_text(language: types_pb2.Language):
    catalogue = CATALOGUES[language]
    assert set(catalogue.steps) == set(Finding)
    for name, enum in ENUMS.items():
        names = {value.removeprefix(_prefix(enum)) for value, number in enum.items() if number}
        assert set(getattr(catalogue, name)) == names | BESIDES.get(name, set())
    assert all(text for _, text in texts(catalogue))


def _prefix(enum: object) -> str:
    name: str = enum.DESCRIPTOR.name  # type: ignore[attr-defined]
    return "".join("_" + c if c.isupper() else c.upper() for c in name).lstrip("_").upper() + "_"


def test_both_languages_say_the_same_things():
    chinese, english = dict(texts(CHINESE)), dict(texts(ENGLISH))
    assert chinese.keys() == english.keys()
    told = {name: (fields(chinese[name]), fields(english[name])) for name in chinese}
    assert not {name: both for name, both in told.items() if both[0] != both[1]}


def test_each_is_in_its_own_language():
    def is_chinese(text: str) -> bool:
        return any("\u4e00" <= letter <= "\u9fff" for letter in text)

    assert not [text for _, text in texts(ENGLISH) if is_chinese(text)]
    worded = [
        text
        for name, text in texts(CHINESE)
        if text.strip("{} _，。；、：（）" + string.ascii_letters)
    ]
    assert not [text for text in worded if not is_chinese(text)]


@pytest.mark.parametrize(
    ("ms", "chinese", "english"),
    [
        (0, "0 秒", "0 s"),
        (40, "40 毫秒", "40 ms"),
        (1_999, "1 秒", "1 s"),
        (65_000, "1 分 5 秒", "1 min 5 s"),
        (3_600_000, "1 小时", "1 h"),
        (3_605_000, "1 小时", "1 h"),
        (259_200_000, "3 天", "3 d"),
        (266_399_999, "3 天 1 小时", "3 d 1 h"),
    ],
)
def test_durations_are_said_in_their_largest_units(ms: int, chinese: str, english: str):
    explained = Explanation(shop_pb2.Shop(), Decided(), "", 0, 0, [], [])
    step = Step(9, Finding.QUEUE_TIMED_OUT, {"waited_ms": ms})
    assert f"排队 {chinese}，" in Sentences(CHINESE, explained).step(step)
    assert f"queue for {english}:" in Sentences(ENGLISH, explained).step(step)


def test_names_of_people_and_groups_are_never_read_as_templates():
    shop = shop_pb2.Shop(
        agents=[shop_pb2.Agent(agent_id="{0}", display_name="{x}")],
        groups=[shop_pb2.Group(group_id="{agent}"), shop_pb2.Group(group_id="h")],
    )
    explained = Explanation(shop, Decided(), "{buyer}", 0, 0, [], [])
    step = Step(7, Finding.PICKED, {"in_line": 1}, "{0}", ["{agent}"])
    assert Sentences(ENGLISH, explained).step(step) == (
        "by weight in {agent}, where 1 could: it was the turn of {x} ({0})"
    )
