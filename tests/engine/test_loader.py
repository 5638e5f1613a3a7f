"""Which core is loaded, and what is said when it is not the one asked for."""

import sys
from types import ModuleType

import pytest

from fenliu import engine
from fenliu.engine import pure
from fenliu.engine.v1 import engine_pb2

EXTENSION = "fenliu.engine._core"


def an_extension(**changed: object) -> ModuleType:
    """A module with the extension's face, standing in for builds that are not at hand."""
    module = ModuleType(EXTENSION)
    face = {
        "CORE": "rust",
        "API_VERSION": engine.API_VERSION,
        "RULES_VERSION": engine.RULES_VERSION,
        "Engine": pure.Engine,
        "merge_chunks": pure.merge_chunks,
        "filter_of": pure.filter_of,
        "partition_of": pure.partition_of,
    }
    for name, value in (face | changed).items():
        if value is not None:
            setattr(module, name, value)
    return module


@pytest.fixture
def extension(monkeypatch):
    """Puts an extension (None: one that does not load) in place of whatever is installed."""

    def put(module):
        monkeypatch.setitem(sys.modules, EXTENSION, module)

    monkeypatch.delenv("FENLIU_CORE", raising=False)
    return put


def test_python_is_the_twin_whatever_else_is_there(extension):
    extension(an_extension())
    core = engine.load_core("python")
    assert (core.name, core.notice) == ("python", None)
    assert core.engine is pure.Engine


@pytest.mark.parametrize("choice", [None, "auto", ""])
def test_auto_takes_the_extension_when_it_loads(extension, choice):
    extension(an_extension())
    core = engine.load_core(choice)
    assert (core.name, core.notice) == ("rust", None)


def test_auto_falls_back_with_one_line_of_notice(extension):
    extension(None)
    core = engine.load_core("auto")
    assert core.name == "python"
    assert core.notice is not None
    assert "is not built" in core.notice
    assert len(core.notice) <= 80
    assert "\n" not in core.notice


def test_rust_fails_loudly_when_it_does_not_load(extension):
    extension(None)
    with pytest.raises(engine.CoreUnavailableError, match="is not built"):
        engine.load_core("rust")


STALE = {
    "another API version": an_extension(API_VERSION=engine.API_VERSION + 1),
    "another rules version": an_extension(RULES_VERSION=engine.RULES_VERSION + 1),
    "no partition_of": an_extension(partition_of=None),
    "an Engine without the calls": an_extension(Engine=object),
}


@pytest.mark.parametrize("module", STALE.values(), ids=STALE.keys())
def test_a_stale_extension_is_not_loaded_and_is_named(extension, module):
    extension(module)
    core = engine.load_core("auto")
    assert core.name == "python"
    assert core.notice is not None
    assert "stale" in core.notice
    assert "\n" not in core.notice
    with pytest.raises(engine.CoreUnavailableError, match="stale"):
        engine.load_core("rust")


def test_the_environment_chooses_only_when_nobody_else_does(extension, monkeypatch):
    extension(an_extension())
    monkeypatch.setenv("FENLIU_CORE", "python")
    assert engine.load_core().name == "python"
    assert engine.load_core("rust").name == "rust"


def test_another_choice_is_an_error_that_names_the_choices(extension, monkeypatch):
    monkeypatch.setenv("FENLIU_CORE", "fast")
    with pytest.raises(ValueError, match="auto, rust or python"):
        engine.load_core()


def test_loading_prints_nothing(extension, capfd):
    extension(None)
    engine.load_core("auto")
    assert capfd.readouterr() == ("", "")


def test_a_core_makes_engines_of_so_many_partitions():
    core = engine.load_core("python")
    assert core.engine(65_536).shop_ids() == []
    for partitions in (0, 65_537):
        with pytest.raises(ValueError, match=r"1\.\.65536"):
            core.engine(partitions)


def test_the_kinds_are_those_of_the_contract():
    for ours, theirs, prefix in (
        (engine.CommandKind, engine_pb2.CommandKind, "COMMAND_KIND_"),
        (engine.QueryKind, engine_pb2.QueryKind, "QUERY_KIND_"),
    ):
        contract = {name.removeprefix(prefix): number for name, number in theirs.items() if number}
        assert {kind.name: kind.value for kind in ours} == contract


def test_partitions_follow_crc_32c():
    # The check value of CRC-32C: its sum over "123456789" is 0xE3069283.
    assert engine.partition_of("123456789", 2**32) == 0xE3069283
    assert engine.partition_of("123456789", 64) == 0xE3069283 % 64
    assert engine.partition_of("演示店", 1) == 0
