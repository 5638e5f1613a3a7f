"""A diagnosis in words: what each cause rested on, and what can be done about it. Chinese and English side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

from fenliu.insight.diagnosis.figures import Day, Hour, Person
from fenliu.v1 import insight_pb2, types_pb2

_SHANGHAI = timezone(timedelta(hours=8))
_TITLES = {
    insight_pb2.IMBALANCE_CAUSE_ONLINE_TIME: ("在线时长", "Online time"),
    insight_pb2.IMBALANCE_CAUSE_TIME_SLOT: ("在线时段", "Time of day"),
    insight_pb2.IMBALANCE_CAUSE_WEIGHT: ("权重", "Weight"),
    insight_pb2.IMBALANCE_CAUSE_GROUPS: ("分流组和绑定", "Groups and bindings"),
    insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS: ("最近联系人", "Recent contacts"),
    insight_pb2.IMBALANCE_CAUSE_PROXY: ("代理账号", "Proxy account"),
    insight_pb2.IMBALANCE_CAUSE_BUSYNESS: ("忙闲", "Busyness"),
    insight_pb2.IMBALANCE_CAUSE_REST: ("其余", "The rest"),
}
_OTHER_WAYS = (
    (types_pb2.REASON_DEDICATED, "专属客服", "dedicated"),
    (types_pb2.REASON_TRANSFER, "转接", "transfers"),
    (types_pb2.REASON_REPLY_TIMEOUT, "回复超时转来", "reply timeouts"),
    (types_pb2.REASON_UNSPECIFIED, "主动联系", "first words"),
)
_WORTH_ADVICE = Fraction(1, 20)
"""Of the larger of the receptions: below that a share is not worth a change."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told."""

    agent: Person
    others: Sequence[Person]
    """Those compared with; more than one: their mean, the agent among them."""
    difference: Fraction
    shares: dict[insight_pb2.ImbalanceCause, Fraction]
    busy_threshold: int
    charge_sticky: bool
    group_names: dict[str, str]
    hour: Callable[[bool], Hour | None]
    """The busiest hour that only the agent was there, or (True) only the other."""
    contacts: Day | None
    """Of whoever has more returning buyers."""
    away_that_day: bool | None
    """Whether the other of the two was OFFLINE all that day; None: not known, or there is no such day."""


class Sentences:
    """The texts of one diagnosis."""

    def __init__(self, facts: Facts, *, chinese: bool) -> None:
        self._facts = facts
        self._chinese = chinese
        agent = facts.agent
        self._one = self._name(agent)
        self._pair = len(facts.others) == 1
        count = len(facts.others)
        self._two = (
            self._name(facts.others[0])
            if self._pair
            else self._say(f"{count} 人平均", f"{count} agents on average")
        )

    def title(self, cause: insight_pb2.ImbalanceCause) -> str:
        """The cause's name."""
        return self._say(*_TITLES[cause])

    def summary(self) -> str:
        """The whole in a sentence or two."""
        facts = self._facts
        one, two = self._one, self._two
        mine = facts.agent.receptions
        theirs = self._number(mine - facts.difference)
        if facts.difference == 0:
            first = self._say(
                f"{one}和{two}都接待了 {mine} 次。", f"{one} and {two} both received {mine}."
            )
        else:
            by = self._number(abs(facts.difference))
            more = facts.difference > 0
            first = self._say(
                f"{one}接待了 {mine} 次，{two} {theirs} 次，{'多' if more else '少'} {by} 次。",
                f"{one} received {mine}, {two} {theirs}: {by} {'more' if more else 'fewer'}.",
            )
        main = self._main_causes()
        if not main:
            return first
        listed = self._say("、", ", ").join(
            f"{self.title(cause)} {self._signed(share)}" for cause, share in main
        )
        second = self._say(f"主要原因：{listed}。", f" Mainly: {listed}.")
        if main[0][0] == insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS:
            second += self._contacts_said(facts.difference > 0)
        return first + second

    def finding(self, cause: insight_pb2.ImbalanceCause) -> str:
        """What the cause rested on."""
        return self._findings()[cause]()

    def advice(self, cause: insight_pb2.ImbalanceCause) -> str:
        """What can be done; "": the share is not worth it, or nothing can."""
        share = self._facts.shares[cause]
        mine = Fraction(self._facts.agent.receptions)
        least = _WORTH_ADVICE * max(mine, mine - self._facts.difference)
        if abs(share) < max(Fraction(1), least) or cause == insight_pb2.IMBALANCE_CAUSE_REST:
            return ""
        return self._advices()[cause](share > 0)

    # --- What causes rested on ---

    def _findings(self) -> dict[int, Callable[[], str]]:
        return {
            insight_pb2.IMBALANCE_CAUSE_ONLINE_TIME: self._online_found,
            insight_pb2.IMBALANCE_CAUSE_TIME_SLOT: self._slot_found,
            insight_pb2.IMBALANCE_CAUSE_WEIGHT: self._weight_found,
            insight_pb2.IMBALANCE_CAUSE_GROUPS: self._groups_found,
            insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS: self._contacts_found,
            insight_pb2.IMBALANCE_CAUSE_PROXY: self._proxy_found,
            insight_pb2.IMBALANCE_CAUSE_BUSYNESS: self._busy_found,
            insight_pb2.IMBALANCE_CAUSE_REST: self._rest_found,
        }

    def _online_found(self) -> str:
        mine = self._duration(self._facts.agent.online_ms)
        theirs = self._duration(int(self._mean(lambda one: one.online_ms)))
        return self._say(
            f"{self._one}在线 {mine}，{self._two} {theirs}。",
            f"{self._one} was online for {mine}, {self._two} for {theirs}.",
        )

    def _slot_found(self) -> str:
        return self._counted("在线时来的咨询", "Inquiries while online", lambda one: one.inquiries)

    def _weight_found(self) -> str:
        mine = self._facts.agent.weight
        theirs = self._number(self._mean(lambda one: one.weight))
        return self._say(
            f"{self._one}权重 {mine}，{self._two} {theirs}。",
            f"{self._one} had weight {mine}, {self._two} {theirs}.",
        )

    def _groups_found(self) -> str:
        mine = self._facts.agent.groups
        theirs = frozenset().union(*(one.groups for one in self._facts.others))
        if not self._pair:
            count = self._number(self._mean(lambda one: len(one.groups)))
            return self._say(
                f"{self._one}在 {len(mine)} 个分流组，{self._two} {count} 个。",
                f"{self._one} was in {self._groups_counted(len(mine))}, {self._two} in {count}.",
            )
        if mine == theirs:
            return self._say("两人的分流组相同。", "Both were in the same groups.")
        parts = []
        for name, only in ((self._one, mine - theirs), (self._two, theirs - mine)):
            if only:
                listed = self._group_list(only)
                parts.append(self._say(f"只有{name}在{listed}", f"only {name} was in {listed}"))
        told = self._say("；", "; ").join(parts)
        return told[0].upper() + told[1:] + self._say("。", ".")

    def _contacts_found(self) -> str:
        return self._counted(
            "找最近联系人的回头客",
            "Buyers coming back to their recent contact",
            lambda one: one.returning,
        )

    def _proxy_found(self) -> str:
        mine = self._facts.agent.left_messages
        theirs = self._mean(lambda one: one.left_messages)
        if not mine and not theirs:
            return self._say(
                "无人在线时没有给他们的留言。",
                "No messages were left with them while nobody was online.",
            )
        return self._counted(
            "无人在线时收到的留言",
            "Messages left while nobody was online",
            lambda one: one.left_messages,
        )

    def _busy_found(self) -> str:
        agent = self._facts.agent
        threshold = self._facts.busy_threshold
        mine = self._delay(agent.delay_ms)
        if not self._pair:
            return self._say(
                f"{self._one}的回复用时（中位数）{mine}；待回复超过 {threshold} 人时分得更少。",
                f"{self._one} took {mine} to answer (median); who has more than {threshold} awaiting is"
                " given fewer.",
            )
        theirs = self._delay(self._facts.others[0].delay_ms)
        return self._say(
            f"回复用时（中位数）：{self._one} {mine}，{self._two} {theirs}；待回复超过 {threshold} 人时分得更少。",
            f"Time to answer (median): {self._one} {mine}, {self._two} {theirs}; who has more than"
            f" {threshold} awaiting is given fewer.",
        )

    def _counted(self, zh: str, en: str, of: Callable[[Person], int]) -> str:
        mine, theirs = of(self._facts.agent), self._number(self._mean(of))
        return self._say(
            f"{zh}：{self._one} {mine} 次，{self._two} {theirs} 次。",
            f"{en}: {self._one} {mine}, {self._two} {theirs}.",
        )

    def _rest_found(self) -> str:
        told = self._say("去掉七个原因后剩下的差。", "What differs with all seven causes removed.")
        return self._say("", " ").join([told, *self._company(), *self._other_ways()])

    def _company(self) -> list[str]:
        """With how many others each was there; said where that differs."""
        agent, other = self._facts.agent, self._facts.others[0]
        if not self._pair or not agent.online_ms or not other.online_ms:
            return []
        mine = Fraction(agent.company_ms, agent.online_ms)
        theirs = Fraction(other.company_ms, other.online_ms)
        if abs(mine - theirs) < Fraction(1, 10):
            return []
        return [
            self._say(
                f"同时在线的别的客服平均：{self._one} {self._number(mine)} 人，"
                f"{self._two} {self._number(theirs)} 人。",
                f"Others online at the same time, on average: {self._one} {self._number(mine)},"
                f" {self._two} {self._number(theirs)}.",
            )
        ]

    def _other_ways(self) -> list[str]:
        parts = []
        for reason, zh, en in _OTHER_WAYS:
            mine = self._facts.agent.reasons[reason]
            theirs = self._mean(lambda one, reason=reason: one.reasons[reason])  # type: ignore[misc]
            if mine or theirs:
                parts.append(f"{self._say(zh, en)} {mine} / {self._number(theirs)}")
        if not parts:
            return []
        listed = self._say("，", ", ").join(parts)
        return [
            self._say(
                f"别的来路（{self._one} / {self._two}）：{listed}。",
                f"Received otherwise ({self._one} / {self._two}): {listed}.",
            )
        ]

    # --- What can be done ---

    def _advices(self) -> dict[int, Callable[[bool], str]]:
        """By cause; given whether the agent gained by it."""
        return {
            insight_pb2.IMBALANCE_CAUSE_ONLINE_TIME: self._online_advice,
            insight_pb2.IMBALANCE_CAUSE_TIME_SLOT: self._slot_advice,
            insight_pb2.IMBALANCE_CAUSE_WEIGHT: self._weight_advice,
            insight_pb2.IMBALANCE_CAUSE_GROUPS: self._groups_advice,
            insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS: self._contacts_advice,
            insight_pb2.IMBALANCE_CAUSE_PROXY: self._proxy_advice,
            insight_pb2.IMBALANCE_CAUSE_BUSYNESS: self._busy_advice,
        }

    def _online_advice(self, gained: bool) -> str:
        apart = self._facts.agent.online_ms - int(self._mean(lambda one: one.online_ms))
        if (apart > 0) != gained or not apart:
            return ""
        less = self._less(gained)
        if less is None:
            return self._say(
                f"{self._one}比平均多在线 {self._duration(apart)}；要一样多，就排一样长的班。",
                f"{self._one} was online {self._duration(apart)} longer than the mean; equal shifts"
                " make it even.",
            )
        return self._say(
            f"要接得一样多，{less}要多在线 {self._duration(abs(apart))}。",
            f"To receive as many, {less} would have to be online {self._duration(abs(apart))} longer.",
        )

    def _slot_advice(self, gained: bool) -> str:
        less = self._less(gained)
        hour = self._facts.hour(not gained)
        if less is None or hour is None:
            return self._say("让大家轮流上咨询多的时段。", "Take turns in the busy hours.")
        at = f"{_at(hour.start_ms):%m-%d %H:00}"
        return self._say(
            f"{less}没上 {at} 这样咨询多的时段（那一小时 {hour.inquiries} 次）；轮流上就平均了。",
            f"{less} was not there in busy hours such as {at} ({hour.inquiries} inquiries then);"
            " taking turns makes it even.",
        )

    def _weight_advice(self, gained: bool) -> str:
        mine = self._facts.agent.weight
        theirs = self._mean(lambda one: one.weight)
        less = self._less(gained)
        if less is None or (mine > theirs) != gained:
            return self._say(
                f"把{self._one}的权重从 {mine} 改为 {round(theirs)}。",
                f"Set {self._one}'s weight from {mine} to {round(theirs)}.",
            )
        low, high = sorted((mine, int(theirs)))
        return self._say(
            f"把{less}的权重从 {low} 改为 {high}。", f"Set {less}'s weight from {low} to {high}."
        )

    def _groups_advice(self, gained: bool) -> str:
        mine = self._facts.agent.groups
        theirs = frozenset().union(*(one.groups for one in self._facts.others))
        missing = mine - theirs if gained else theirs - mine
        less = self._less(gained)
        if less is None or not missing:
            return self._say("让大家在同样的分流组里。", "Put everybody into the same groups.")
        listed = self._group_list(missing)
        return self._say(f"把{less}加进{listed}。", f"Add {less} to {listed}.")

    def _contacts_advice(self, gained: bool) -> str:
        said = self._contacts_said(gained).strip()
        if self._facts.charge_sticky:
            return said
        more = self._say(
            "要让总接待量跟着权重走，打开 charge_sticky。",
            "To have all receptions follow the weights, switch charge_sticky on.",
        )
        return f"{said}{more}" if self._chinese else f"{said} {more}".strip()

    def _contacts_said(self, gained: bool) -> str:
        day = self._facts.contacts
        if day is None:
            return ""
        winner, loser = (self._one, self._two) if gained else (self._two, self._one)
        on = f"{_at(day.start_ms):%Y-%m-%d}"
        if self._facts.away_that_day:
            return self._say(
                f"{winner}的回头客里 {day.buyers} 人是 {on} 来过的，那天{loser}不在。",
                f" {day.buyers} of {winner}'s returning buyers had been there on {on}, {loser}'s day off.",
            )
        return self._say(
            f"{winner}的回头客里 {day.buyers} 人是 {on} 来过的。",
            f" {day.buyers} of {winner}'s returning buyers had been there on {on}.",
        )

    def _proxy_advice(self, _gained: bool) -> str:
        return self._say(
            "要大家分着接，把无人在线时的去向改为消息池（offline_target: POOL）。",
            "To share them out, keep what comes while nobody is online in the pool"
            " (offline_target: POOL).",
        )

    def _busy_advice(self, gained: bool) -> str:
        threshold = self._facts.busy_threshold
        less = self._less(gained) or self._say("回复慢的客服", "Who answers slowly")
        return self._say(
            f"{less}常有超过 {threshold} 人待回复；回复快些，或提高繁忙阈值（busy_threshold，现在 {threshold}）。",
            f"{less} often had more than {threshold} awaiting: answer sooner, or raise busy_threshold"
            f" ({threshold} now).",
        )

    # --- Words ---

    def _say(self, zh: str, en: str) -> str:
        return zh if self._chinese else en

    def _name(self, person: Person) -> str:
        if person.name == person.agent_id:
            return person.name
        return self._say(
            f"{person.name}（{person.agent_id}）", f"{person.name} ({person.agent_id})"
        )

    def _less(self, gained: bool) -> str | None:
        """Who received less by a cause; None: many."""
        if not gained:
            return self._one
        return self._two if self._pair else None

    def _mean(self, of: Callable[[Person], int]) -> Fraction:
        others = self._facts.others
        return Fraction(sum(map(of, others)), len(others))

    def _main_causes(self) -> list[tuple[insight_pb2.ImbalanceCause, Fraction]]:
        """Those that went the way of the difference, the largest first: at most three, none below a tenth."""
        difference = self._facts.difference
        same_way = [
            (cause, share)
            for cause, share in self._facts.shares.items()
            if share * difference > 0 and abs(share) * 10 >= abs(difference) and abs(share) >= 1
        ]
        return sorted(same_way, key=lambda item: (-abs(item[1]), item[0]))[:3]

    def _group_list(self, ids: frozenset[str]) -> str:
        names = []
        for group_id in sorted(ids):
            name = self._facts.group_names.get(group_id, group_id)
            named = self._say(f"{name}（{group_id}）", f"{name} ({group_id})")
            names.append(group_id if name == group_id else named)
        return self._say("、", ", ").join(names)

    def _groups_counted(self, count: int) -> str:
        return f"{count} group" if count == 1 else f"{count} groups"

    def _duration(self, ms: int) -> str:
        minutes = round(ms / 60_000)
        hours, rest = divmod(minutes, 60)
        if not hours:
            return self._say(f"{rest} 分钟", f"{rest} min")
        if not rest:
            return self._say(f"{hours} 小时", f"{hours} h")
        return self._say(f"{hours} 小时 {rest} 分钟", f"{hours} h {rest} min")

    def _delay(self, ms: int | None) -> str:
        if ms is None:
            return "–"
        if ms < 120_000:
            return self._say(f"{round(ms / 1_000)} 秒", f"{round(ms / 1_000)} s")
        return self._duration(ms)

    def _number(self, value: Fraction) -> str:
        return number(value)

    def _signed(self, value: Fraction) -> str:
        return f"{'+' if value > 0 else '−' if value < 0 else ''}{number(abs(value))}"


def number(value: Fraction) -> str:
    """Whole, or with one digit behind the point."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value.numerator)
    tenths = (abs(value) * 20 + 1) // 2  # half goes up
    whole, digit = divmod(tenths, 10)
    return f"{'-' if value < 0 else ''}{whole}.{digit}"


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_SHANGHAI)
