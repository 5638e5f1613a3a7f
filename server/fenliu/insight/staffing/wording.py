"""What a plan takes for granted, and what the guidance on reception volume says to it: in Chinese and English."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fenliu.insight.staffing.plan import Asked
from fenliu.insight.staffing.recorded import Recorded
from fenliu.v1 import insight_pb2, types_pb2

SHIFT_HOURS = 8


@dataclass(frozen=True, slots=True)
class _Size:
    """A line of the guidance on reception volume: shops with so many buyers a day have so many agents."""

    zh: str
    en: str
    buyers: tuple[int, int]
    agents: tuple[int, int | None]


GUIDE = (
    _Size("小型", "small", (30, 50), (1, 2)),
    _Size("中型", "medium", (100, 200), (3, 5)),
    _Size("大型", "large", (300, 500), (5, None)),
)


@dataclass(frozen=True, slots=True)
class Needed:
    """What the plan comes to."""

    arrivals: float
    """Of the day."""
    agent_hours: float
    peak_agents: int

    @property
    def people(self) -> int:
        """At least so many, for shifts of SHIFT_HOURS."""
        return max(self.peak_agents, math.ceil(self.agent_hours / SHIFT_HOURS))


def guidance(needed: Needed, language: types_pb2.Language) -> tuple[insight_pb2.Guidance, str]:
    """The verdict and the sentence. A shop is of the first size that has as many buyers as the day."""
    size = next((one for one in GUIDE if needed.arrivals <= one.buyers[1]), GUIDE[-1])
    least, most = size.agents
    people = needed.people
    if people < least:
        verdict = insight_pb2.GUIDANCE_FEWER_AGENTS
    elif most is not None and people > most:
        verdict = insight_pb2.GUIDANCE_MORE_AGENTS
    else:
        verdict = insight_pb2.GUIDANCE_WITHIN
    agents = f"{least}–{most}" if most is not None else f"{least}+"
    buyers = f"{size.buyers[0]}–{size.buyers[1]}"
    arrivals, hours = f"{needed.arrivals:.0f}", f"{needed.agent_hours:g}"
    beyond = needed.arrivals > GUIDE[-1].buyers[1]
    if language == types_pb2.LANGUAGE_ENGLISH:
        told = {
            insight_pb2.GUIDANCE_WITHIN: "that agrees",
            insight_pb2.GUIDANCE_MORE_AGENTS: "more than the guidance has: the target is stricter, the"
            " conversations are longer or the day is longer than what it was made for",
            insight_pb2.GUIDANCE_FEWER_AGENTS: "fewer than the guidance has: have somebody in reserve for"
            " breaks and peaks",
        }[verdict]
        day = (
            f"{arrivals} buyers a day are more than the guidance speaks of (a {size.en} shop: {buyers} buyers,"
            f" {agents} agents)"
            if beyond
            else f"{arrivals} buyers a day make a {size.en} shop (guidance: {buyers} buyers, {agents} agents)"
        )
        return verdict, (
            f"{day}. The plan needs {people} people ({needed.peak_agents} at once, {hours} agent hours, shifts of"
            f" {SHIFT_HOURS} hours): {told}."
        )
    told = {
        insight_pb2.GUIDANCE_WITHIN: "与指引相符",
        insight_pb2.GUIDANCE_MORE_AGENTS: "多于指引：目标更严、会话更长，或一天的时间比指引所想的长",
        insight_pb2.GUIDANCE_FEWER_AGENTS: "少于指引：留些人手应对休息和高峰",
    }[verdict]
    day = (
        f"每天 {arrivals} 位买家，超出了指引的范围（{size.zh}店铺：{buyers} 位买家，{agents} 位客服）"
        if beyond
        else f"每天 {arrivals} 位买家，属于{size.zh}店铺（指引：{buyers} 位买家，{agents} 位客服）"
    )
    return verdict, (
        f"{day}。本计划要 {people} 人（最多同时 {needed.peak_agents} 位，共 {hours} 客服小时，每班"
        f" {SHIFT_HOURS} 小时）：{told}。"
    )


def assumptions(
    asked: Asked,
    known: Recorded,
    *,
    multiplier_percent: int,
    shaped: bool,
    patience_given: bool,
    language: types_pb2.Language,
) -> list[str]:
    """One sentence or two each."""
    say = _english if language == types_pb2.LANGUAGE_ENGLISH else _chinese
    return say(asked, known, multiplier_percent, shaped=shaped, patience_given=patience_given)


def _chinese(
    asked: Asked, known: Recorded, multiplier: int, *, shaped: bool, patience_given: bool
) -> list[str]:
    alone = known.handling.with_buyers(1)
    times = f"{_minutes(alone, 0)} 分钟，首次回复平均 {_seconds(alone, 1)} 秒"
    told = [
        f"来客：窗口里各小时的平均（共 {_length(known, '天', '小时')}），不含机器人接待的，"
        "也不含会话中或仍在等候的再次咨询"
        + (f"；总量乘以 {multiplier}%" if multiplier != 100 else "")
        + ("；一天里的分布取自给定的另一段时间" if shaped else "")
        + "。每小时内随机到达（泊松），各小时互不影响。",
        f"接待时长：从接待开始算起，消息之间超过 longest_wait_ms 的沉默不算；取自 {known.handling.count} 次"
        "客服回复过的接待。会话开着但没有人说话，不占客服的时间。",
        "录得的时长已经含有当时的同时接待："
        + (
            f"这里只取客服手上没有别的买家时的接待（平均 {times}），服务时间按指数分布。"
            if asked.concurrency == 1 and asked.model != insight_pb2.STAFFING_MODEL_SIMULATION
            else f"手上有 j 位买家的客服，从录得的、手上同样有 j 位的接待里抽取（只有 1 位时平均 {times}）；"
            f"录得的最多是 {known.handling.most_buyers} 位，再多就按人数成比例延长。"
        ),
    ]
    if known.receptions_per_arrival > 1:
        told.append(
            f"每位来客平均带来 {known.receptions_per_arrival:.2f} 次接待（转接、超时再分、客服先开口），"
            "接待时长按此放大。"
        )
    if asked.patience_ms is None:
        told.append(
            f"没有人放弃排队（录得的放弃只有 {known.gave_up} 次，不足以估计耐心）：排队的买家一直等到有人接待。"
        )
    else:
        source = "给定" if patience_given else f"从 {known.gave_up} 次放弃排队估计"
        told.append(
            f"耐心：买家平均等 {asked.patience_ms / 1000:.0f} 秒后放弃（{source}），按指数分布。"
        )
    told.append(
        f"达标：排队加上客服的首次回复不超过 {asked.target_ms / 1000:g} 秒；放弃的不算达标。"
        "客服都一样，来客给手上买家最少的一位；没有算上休息、缺勤和培训。"
    )
    return told


def _english(
    asked: Asked, known: Recorded, multiplier: int, *, shaped: bool, patience_given: bool
) -> list[str]:
    alone = known.handling.with_buyers(1)
    times = f"{_minutes(alone, 0)} min on average, the first reply after {_seconds(alone, 1)} s"
    told = [
        f"Arrivals: each hour's average over the window ({_length(known, 'days', 'hours')}), without those"
        " whom the robot had and those who asked on in an open conversation or while waiting"
        + (f"; {multiplier}% of them" if multiplier != 100 else "")
        + ("; spread over the day as in the other window given" if shaped else "")
        + ". Within an hour they come at random (Poisson); no hour bears on the next.",
        "Handling time: from a conversation's beginning on, silences longer than longest_wait_ms left out; of"
        f" {known.handling.count} conversations in which the agent replied. A conversation that is open while nobody"
        " says anything takes no time.",
        "Recorded times already contain that agents had several buyers then: "
        + (
            f"only conversations of agents with no other buyer are used here ({times}); service times are exponential."
            if asked.concurrency == 1 and asked.model != insight_pb2.STAFFING_MODEL_SIMULATION
            else "an agent with j buyers takes as long as one of the recorded conversations of agents with j buyers"
            f" (with one: {times}); the most recorded is {known.handling.most_buyers}, beyond that times grow in"
            " proportion."
        ),
    ]
    if known.receptions_per_arrival > 1:
        told.append(
            f"Each buyer who comes makes {known.receptions_per_arrival:.2f} conversations (transfers, timeouts, an"
            " agent's first word); handling times are stretched by that."
        )
    if asked.patience_ms is None:
        told.append(
            f"Nobody gives up waiting (only {known.gave_up} are recorded to have, too few to say how patient buyers"
            " are): who is in line stays there."
        )
    else:
        source = "given" if patience_given else f"from {known.gave_up} who gave up"
        told.append(
            f"Patience: a buyer gives up after {asked.patience_ms / 1000:.0f} s on average ({source}), exponentially."
        )
    told.append(
        f"In time: line and the agent's first reply together take at most {asked.target_ms / 1000:g} s; who gives up is"
        " not. All agents are alike, who comes goes to the one with the fewest buyers; breaks, absence and training"
        " are not counted."
    )
    return told


def _length(known: Recorded, days: str, hours: str) -> str:
    """How long the window is."""
    return f"{known.days:.3g} {days}" if known.days >= 2 else f"{24 * known.days:.3g} {hours}"


def _minutes(pairs: Sequence[tuple[float, float]], which: int) -> str:
    return f"{statistics.fmean(one[which] for one in pairs) / 60_000:.1f}"


def _seconds(pairs: Sequence[tuple[float, float]], which: int) -> str:
    return f"{statistics.fmean(one[which] for one in pairs) / 1_000:.0f}"
