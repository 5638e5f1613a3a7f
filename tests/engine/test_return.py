"""An agent who left the shop and came back starts anew; nothing of before is left over."""

from types import ModuleType

from model.wire import ONLINE, Desk, document

NEVER_BUSY = 1_000_000


def test_who_left_the_shop_and_came_back_has_no_turn_left_from_before(core: ModuleType) -> None:
    everybody = document({"a": 1, "b": 5, "c": 5, "d": 5}, busy_threshold=NEVER_BUSY)
    desk = Desk(core)
    desk.apply(**everybody)
    for agent in "abcd":
        desk.set_presence(agent, ONLINE)
    # The turn of "a" is long due, but these inquiries exclude it.
    for n in range(22):
        desk.route(f"before{n}", exclude_agent_ids=["a"])

    desk.apply(**document({"b": 5, "c": 5, "d": 5}, busy_threshold=NEVER_BUSY))
    desk.apply(**everybody)
    desk.set_presence("a", ONLINE)
    restored = Desk(core)
    restored.engine.load_snapshot(desk.engine.snapshot("s"))

    picks = [desk.route(f"after{n}").ok.agent_id for n in range(32)]
    assert "".join(picks[:4]) == "cdab", "those whose turn ends sooner go first"
    assert picks.count("a") == 2, "its share is 1 in 16"
    assert [restored.route(f"after{n}").ok.agent_id for n in range(32)] == picks
    assert restored.engine.state_hash() == desk.engine.state_hash()
