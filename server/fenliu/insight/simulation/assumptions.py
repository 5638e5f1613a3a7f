"""What a simulation takes for granted, in words: in Chinese and in English, side by side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fenliu.v1 import types_pb2


@dataclass(slots=True)
class Assumed:
    """What there is to say."""

    seed: int | None = None
    """Of what was drawn; None: nothing was."""
    repetitions: int = 1
    drawn_from_others: Collection[str] = ()
    """Agents who gave no reply of their own in the window."""
    changes_left_out: int = 0
    """Recorded changes of the shop."""
    moved: Collection[str] = ()
    """Agents at other times than recorded."""
    never_there: Collection[str] = ()
    """Agents who are in the changed shop and never come."""
    left_out: int = 0
    """Recorded and impossible here."""


def in_words(assumed: Assumed, language: types_pb2.Language) -> list[str]:
    """One sentence or two for each."""
    chinese = language != types_pb2.LANGUAGE_ENGLISH
    said: list[str] = []

    def say(zh: str, en: str) -> None:
        said.append(zh if chinese else en)

    say(
        "买家的咨询、消息、下单都和记录一样，不因由谁接待而改变。",
        "Buyers ask, write and order as recorded, whoever receives them.",
    )
    if assumed.seed is None:
        say(
            "每次回复用多久和记录相同（从所回复的消息或分配算起），由当时接待这位买家的客服发出；没有得到回复的，"
            "仍然没有回复。",
            "Each reply takes as long as it was recorded to, from what it answers or from the assignment, and comes"
            " from whoever has the buyer then; who got none gets none.",
        )
    else:
        say(
            f"每次回复用多久，从该客服在这段时间里自己的回复用时中随机抽取（种子 {assumed.seed}，"
            f"重复 {assumed.repetitions} 次）；一轮里后续的回复间隔和记录相同；没有得到回复的，仍然没有回复。",
            f"How long each reply takes is drawn from the agent's own in the window (seed {assumed.seed}, "
            f"repetitions {assumed.repetitions}); more words after a reply follow as recorded; who got none gets none.",
        )
    if assumed.drawn_from_others:
        who = _listed(assumed.drawn_from_others, chinese=chinese)
        say(
            f"这段时间里没有回复过的客服，用同组客服的用时：{who}。",
            f"Who gave no reply in the window draws from those in the same groups: {who}.",
        )
    if assumed.repetitions > 1:
        say(
            "数量是各次的平均，比率和时间按各次合计；区间是 5% 到 95% 分位：十次里有九次落在其中。",
            "Counts are means, ratios and times those of all repetitions together; intervals go from the 5th "
            "to the 95th percentile: nine repetitions of ten lie within.",
        )
    if assumed.moved:
        who = _listed(assumed.moved, chinese=chinese)
        say(
            f"按给定的时间在线：{who}；其他客服的在线时间和记录一样。",
            f"At the desk at the times given: {who}; all others as recorded.",
        )
    else:
        say("客服的在线时间和记录一样。", "Agents come and go as recorded.")
    if assumed.never_there:
        who = _listed(assumed.never_there, chinese=chinese)
        say(
            f"没有上线记录、也没有给出班次，所以一直离线：{who}。",
            f"Never recorded at the desk and given no shift, so OFFLINE all the time: {who}.",
        )
    if assumed.changes_left_out:
        count = assumed.changes_left_out
        say(
            f"这段时间里对店铺的 {count} 次修改不算：所设的配置从头到尾有效。",
            f"Changes of the shop recorded in the window ({count}) are left out: the configuration given holds"
            " throughout.",
        )
    if assumed.left_out:
        count = assumed.left_out
        say(
            f"有 {count} 件记录的事在这里不会发生（例如没有人接待那位买家），没有计入。",
            f"What was recorded and could not happen here (nobody has the buyer, for one) is left out: {count}.",
        )
    say(
        "只看这段时间里开始的会话，其中的消息算到结束后一小时。",
        "Only conversations that began in the window count, with what was said up to an hour after it.",
    )
    return said


def _listed(agents: Collection[str], *, chinese: bool) -> str:
    return ("、" if chinese else ", ").join(sorted(agents))
