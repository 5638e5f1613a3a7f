"""Shops from YAML: what is read, and how what is wrong is named."""

from pathlib import Path

import pytest

from fenliu.cli.shopfile import ShopFileError, read_shops
from fenliu.v1 import shop_pb2, types_pb2

PROJECT = Path(__file__).parents[2]

WHOLE = """\
shop_id: demo
display_name: 演示店
owner_agent_id: boss
settings: {busy_threshold: 0, selection_mode: WEIGHTED, sticky_window_ms: 259200000,
  charge_sticky: false, binding_precedence: [BINDING_DIMENSION_INTENT, PRODUCT]}
agents:
  - {agent_id: a, display_name: 小王, weight: 0, cap: 3}
  - {agent_id: 007}
groups:
  - group_id: presale
    agent_ids: [a, 007]
    priority: 0
    bindings: {product_ids: [], intents: [yes, 5], order_statuses: [NO_ACTIVE_ORDER]}
    when_unavailable: SPILL
"""


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str | bytes, name: str = "shop.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_whole_shop_is_read(file):
    (shop,) = read_shops([file(WHOLE)])
    assert shop == shop_pb2.Shop(
        shop_id="demo",
        display_name="演示店",
        owner_agent_id="boss",
        settings=shop_pb2.ShopSettings(
            busy_threshold=0,
            selection_mode=shop_pb2.SELECTION_MODE_WEIGHTED,
            sticky_window_ms=259_200_000,
            binding_precedence=[
                shop_pb2.BINDING_DIMENSION_INTENT,
                shop_pb2.BINDING_DIMENSION_PRODUCT,
            ],
        ),
        agents=[
            shop_pb2.Agent(agent_id="a", display_name="小王", weight=0, cap=3),
            shop_pb2.Agent(agent_id="007"),
        ],
        groups=[
            shop_pb2.Group(
                group_id="presale",
                agent_ids=["a", "007"],
                bindings=shop_pb2.Bindings(
                    intents=["yes", "5"],
                    order_statuses=[types_pb2.ORDER_STATUS_NO_ACTIVE_ORDER],
                ),
                when_unavailable=shop_pb2.UNAVAILABLE_POLICY_SPILL,
            )
        ],
    )


def test_a_setting_of_zero_is_not_an_absent_one(file):
    (shop,) = read_shops([file(WHOLE)])
    assert shop.settings.HasField("busy_threshold")
    assert not shop.settings.HasField("idle_close_ms")
    assert shop.agents[0].HasField("weight")
    assert not shop.agents[1].HasField("weight")


def test_a_file_may_hold_several_shops_and_anchors(file):
    text = "---\nshop_id: a\nsettings: &s {busy_threshold: 2}\n---\nshop_id: b\n---\n"
    other = file("shop_id: c\nagents: [&x {agent_id: q}]\ngroups:\n", "other.yaml")
    shops = read_shops([file(text), other])
    assert [shop.shop_id for shop in shops] == ["a", "b", "c"]


def test_the_demo_shops_are_read():
    files = sorted((PROJECT / "demo").glob("*.yaml"))
    assert "demo" in [shop.shop_id for shop in read_shops(files)]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("shop_id: a\nagent: []\n", "2:1", "agent is no known key: did you mean agents?"),
        (
            "shop_id: a\nsettings:\n  busy_treshold: 4\n",
            "3:3",
            "settings.busy_treshold is no known key: did you mean busy_threshold?",
        ),
        (
            "shop_id: a\nagents:\n- agent_id: x\n  wieght: 3\n",
            "4:3",
            "agents[0].wieght is no known key: did you mean weight?",
        ),
        (
            "shop_id: a\ngroups:\n- {group_id: g, bindings: {zzz: []}}\n",
            "3:28",
            "groups[0].bindings.zzz is no known key:"
            " known are product_ids, intents, order_statuses, page_sources",
        ),
        (
            "shop_id: a\nsettings:\n  selection_mode: WEIGHT\n",
            "3:19",
            "settings.selection_mode is WEIGHT: must be one of WEIGHTED, EVEN",
        ),
        (
            "shop_id: a\ngroups:\n- bindings:\n    order_statuses:\n    - UNPAID\n    - LOST\n",
            "6:7",
            "groups[0].bindings.order_statuses[1] is LOST: must be one of NO_ACTIVE_ORDER, UNPAID,"
            " UNSHIPPED, SHIPPED, COMPLETED, REFUNDING",
        ),
        (
            "shop_id: a\nagents:\n- weight: heavy\n",
            "3:11",
            "agents[0].weight must be a whole number, not heavy",
        ),
        (
            "shop_id: a\nagents:\n- weight: 5000000000\n",
            "3:11",
            "agents[0].weight must be a whole number, not 5000000000",
        ),
        (
            "shop_id: a\nagents: [{weight: 2026-13-45}]\n",
            "2:19",
            "agents[0].weight must be a whole number, not 2026-13-45",
        ),
        (
            "shop_id: a\nsettings: {charge_sticky: 3}\n",
            "2:27",
            "settings.charge_sticky must be true or false, not 3",
        ),
        ("shop_id: a\nagents: {agent_id: x}\n", "2:9", "agents must be a list"),
        ("shop_id: a\nagents:\n- x\n", "3:3", "agents[0] must be a mapping of keys to values"),
        (
            "shop_id: a\ngroups:\n- agent_ids: [[x]]\n",
            "3:15",
            "groups[0].agent_ids[0] must be one value",
        ),
        ("shop_id: [a]\n", "1:10", "shop_id must be one value"),
        ("shop_id: a\nshop_id: b\n", "2:1", "shop_id occurs twice"),
        ("display_name: x\n", "1:1", "shop_id is missing"),
        ("- shop_id: a\n", "1:1", "a shop must be a mapping of keys to values"),
        ("shop_id: a\n---\nshop_id: a\n", "3", "shop a is at {path}:1 already"),
        ("shop_id: a\nagents: ]\n", "2:9", "not YAML: expected the node content, but found ']'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_column(file, text: str, place: str, problem: str):
    path = file(text)
    with pytest.raises(ShopFileError) as caught:
        read_shops([path])
    assert str(caught.value) == f"{path}:{place}: {problem.format(path=path)}"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_a_file_without_a_shop_says_so(file, text: str):
    with pytest.raises(ShopFileError, match="no shop in it"):
        read_shops([file(text)])


def test_bytes_that_are_not_text_say_so(file):
    with pytest.raises(ShopFileError, match="not UTF-8"):
        read_shops([file(b"shop_id: \xff\n")])
    with pytest.raises(ShopFileError, match="not YAML"):
        read_shops([file("shop_id: \x01\n")])
