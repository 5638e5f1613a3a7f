"""Reading recorded days, and making shops of them."""

from pathlib import Path

import pytest

from end_to_end.days import recorded_trace
from fenliu.traffic.events import AgentReply, BuyerMessage, Presence
from fenliu.traffic.trace import MARGIN_MS, TraceError, as_traffic, read_trace
from fenliu.v1 import types_pb2

HEADER = "sent_at_ms,shop_id,buyer_id,sender,agent_sign,message_id,in_reply_to\n"
ONLINE = types_pb2.PRESENCE_STATUS_ONLINE
OFFLINE = types_pb2.PRESENCE_STATUS_OFFLINE


@pytest.fixture
def trace(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "day.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_rows_come_by_time_and_equal_times_in_the_files_order(trace):
    rows = read_trace(
        trace(
            HEADER
            + "2000,s,b,buyer,,m1,\n"
            + "1000,s,b,buyer,,m2,\n"
            + "2000,s,b,agent,KO,m3,m1\n"
            + "1000,t,b,buyer,,m2,\n"
        )
    )
    assert [(row.shop_id, row.message_id) for row in rows] == [
        ("s", "m2"),
        ("t", "m2"),
        ("s", "m1"),
        ("s", "m3"),
    ]


def test_a_byte_order_mark_crlf_quotes_and_blank_lines_are_read(trace):
    header = HEADER.replace("\n", "\r\n")
    (row,) = read_trace(trace(f'\ufeff{header}1000,"a,b",7,agent,,m1,\r\n\r\n'))
    assert (row.shop_id, row.from_buyer, row.agent_sign) == ("a,b", False, "")


def test_a_trace_without_rows_is_empty(trace):
    assert read_trace(trace(HEADER)) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1000,s,b,buyer,,m2", "7 columns expected, not 6"),
        ("1000,s,b,buyer,,m2,,", "7 columns expected, not 8"),
        ("soon,s,b,buyer,,m2,", "sent_at_ms must be Unix milliseconds, not 'soon'"),
        ("-5,s,b,buyer,,m2,", "sent_at_ms must be Unix milliseconds, not '-5'"),
        ("1000,,b,buyer,,m2,", "shop_id is empty"),
        ("1000,s,,buyer,,m2,", "buyer_id is empty"),
        ("1000,s,b,buyer,,,", "message_id is empty"),
        ("1000,s,b,robot,,m2,", "sender must be buyer or agent, not 'robot'"),
        ("1000,s,b,buyer,,m1,", "message_id m1 is on line 2 already"),
        ('1000,s,b,buyer,,"m2"x,', "',' expected after '\"'"),
    ],
)
def test_a_broken_line_is_named_by_its_number(trace, line: str, problem: str):
    path = trace(f"{HEADER}1000,s,b,buyer,,m1,\n{line}\n1000,s,b,buyer,,m9,\n")
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value) == f"{path}: line 3: {problem}"


@pytest.mark.parametrize("text", ["", "shop_id,buyer_id\n", HEADER.replace("sender", "from")])
def test_another_header_is_refused_on_line_1(trace, text: str):
    with pytest.raises(TraceError, match="line 1: the header must be sent_at_ms,shop_id"):
        read_trace(trace(text))


def test_bytes_that_are_not_utf8_are_named_by_line(trace):
    with pytest.raises(TraceError, match="line 2: not UTF-8"):
        read_trace(trace(HEADER.encode() + b"1000,s,\xff,buyer,,m1,\n"))


def test_messages_become_questions_and_replies(trace):
    rows = read_trace(trace(HEADER + "1000,s,b,buyer,,m1,\n2000,s,b,agent,KO,m2,m1\n"))
    traffic = as_traffic(rows)
    assert traffic.shops == ()
    assert traffic.events == (BuyerMessage(1000, "s", "b", "m1"), AgentReply(2000, "s", "b", "m2"))


def test_created_shops_have_the_agents_who_signed_online_around_their_signatures(trace):
    start = 10 * MARGIN_MS
    rows = read_trace(
        trace(
            HEADER
            + f"{start},s,b,buyer,,m1,\n"
            + f"{start + 1},s,b,agent,RK,m2,m1\n"
            + f"{start + 2},s,b,agent,,m3,m1\n"
            + f"{start + 3},s,b,agent,KO,m4,m1\n"
            + f"{start + 4},s,b,agent,RK,m5,m1\n"
        )
    )
    traffic = as_traffic(rows, create_shops=True)
    (shop,) = traffic.shops
    assert [agent.agent_id for agent in shop.agents] == ["KO", "RK"]
    assert [list(group.agent_ids) for group in shop.groups] == [["KO", "RK"]]
    assert [event for event in traffic.events if isinstance(event, Presence)] == [
        Presence(start + 1 - MARGIN_MS, "s", "RK", ONLINE),
        Presence(start + 3 - MARGIN_MS, "s", "KO", ONLINE),
        Presence(start + 3 + MARGIN_MS, "s", "KO", OFFLINE),
        Presence(start + 4 + MARGIN_MS, "s", "RK", OFFLINE),
    ]


def test_a_shop_nobody_signed_for_gets_five_agents_always_online(trace):
    start = 10 * MARGIN_MS
    rows = read_trace(trace(HEADER + f"{start},s,b,buyer,,m1,\n{start + 1},s,b,agent,,m2,m1\n"))
    traffic = as_traffic(rows, create_shops=True)
    (shop,) = traffic.shops
    assert len(shop.agents) == 5
    assert list(traffic.events[:5]) == [
        Presence(start - MARGIN_MS, "s", agent.agent_id, ONLINE) for agent in shop.agents
    ]
    assert not any(isinstance(event, Presence) for event in traffic.events[5:])


def test_the_sample_is_read_whole():
    rows = read_trace(recorded_trace())
    traffic = as_traffic(rows, create_shops=True)
    assert (len(rows), sum(row.from_buyer for row in rows)) == (3331, 1753)
    assert len(traffic.shops) == 66
    assert sum(len(shop.agents) == 5 for shop in traffic.shops) >= 20
