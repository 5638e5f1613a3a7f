"""The KPIs: the one table of what each is made of (docs/kpis.md). Knows no tables and no log.

A KPI is one figure over another, or a figure as it is; integers only. It is known at once, or a number of
days after the day on which its window ends, when what it depends on can no longer happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fenliu.v1 import insight_pb2

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHANGHAI_MS = 8 * HOUR_MS
"""Asia/Shanghai is UTC+8 all year."""

_COUNT = insight_pb2.KPI_UNIT_COUNT
_RATIO = insight_pb2.KPI_UNIT_RATIO
_MS = insight_pb2.KPI_UNIT_MILLISECONDS
_CENTS = insight_pb2.KPI_UNIT_CENTS


@dataclass(frozen=True, slots=True)
class KpiDefinition:
    """One KPI. `numerator` and `denominator` name figures of figures.py."""

    name: str
    zh: str
    en: str
    unit: insight_pb2.KpiUnit
    numerator: str
    denominator: str = ""
    """Empty: 1."""
    known_after_days: int = 0
    """Days after the last day of the window; 0: known at once."""


KPIS = (
    KpiDefinition("consulted", "咨询人数", "Consulted", _COUNT, "consulted"),
    KpiDefinition("filtered", "接待过滤人数", "Filtered", _COUNT, "filtered"),
    KpiDefinition("received", "接待人数", "Received", _COUNT, "received"),
    KpiDefinition("unreplied", "未回复人数", "Unreplied", _COUNT, "unreplied"),
    KpiDefinition(
        "presale_inquirers", "询单人数", "Pre-sale inquirers", _COUNT, "presale", known_after_days=1
    ),
    KpiDefinition(
        "answer_ratio", "答问比", "Answer ratio", _RATIO, "agent_messages", "buyer_messages"
    ),
    KpiDefinition("reply_rate", "回复率", "Reply rate", _RATIO, "replied", "received"),
    KpiDefinition(
        "first_response", "首次响应时间", "First response", _MS, "first_reply_ms", "first_replies"
    ),
    KpiDefinition(
        "average_response", "平均响应时间", "Average response", _MS, "reply_ms", "answered_rounds"
    ),
    KpiDefinition("handling_time", "平均接待时长", "Handling time", _MS, "handling_ms", "replied"),
    KpiDefinition("slow_responses", "慢响应人数", "Slow responses", _COUNT, "slow"),
    KpiDefinition("prompt_rate", "3分钟响应率", "Within 3 min", _RATIO, "prompt_rounds", "rounds"),
    KpiDefinition("online_time", "在线时长", "Online", _MS, "online_ms"),
    KpiDefinition("suspended_time", "挂起时长", "Suspended", _MS, "suspended_ms"),
    KpiDefinition("sales_amount", "销售额", "Sales", _CENTS, "sales_cents"),
    KpiDefinition("sales_items", "销售量", "Items sold", _COUNT, "sales_items"),
    KpiDefinition("sales_buyers", "销售人数", "Paying buyers", _COUNT, "sales_buyers"),
    KpiDefinition(
        "amount_per_buyer", "客单价", "Amount per buyer", _CENTS, "sales_cents", "sales_buyers"
    ),
    KpiDefinition(
        "items_per_buyer", "客件数", "Items per buyer", _COUNT, "sales_items", "sales_buyers"
    ),
    KpiDefinition(
        "next_day_conversion",
        "询单→次日付款成功率",
        "Paid by next day",
        _RATIO,
        "paid_next_day",
        "presale",
        known_after_days=1,
    ),
    KpiDefinition(
        "final_conversion",
        "询单→最终付款成功率",
        "Paid finally",
        _RATIO,
        "paid_finally",
        "presale",
        known_after_days=4,
    ),
)

NEXT_DAY, FINALLY = 1, 4
"""How many days after the day of the inquiry a payment counts for the two conversions."""


def day_of(at_ms: int) -> int:
    """The number of the day in Asia/Shanghai."""
    return (at_ms + SHANGHAI_MS) // DAY_MS


def day_start_ms(day: int) -> int:
    """When a day begins in Asia/Shanghai."""
    return day * DAY_MS - SHANGHAI_MS


def kpis_of(figures: Mapping[str, int], end_ms: int, as_of_ms: int) -> list[insight_pb2.Kpi]:
    """The KPIs of a window that ends at `end_ms`, as they are known at `as_of_ms`; absent figures are 0."""
    return [_kpi(definition, figures, end_ms, as_of_ms) for definition in KPIS]


def _kpi(
    definition: KpiDefinition, figures: Mapping[str, int], end_ms: int, as_of_ms: int
) -> insight_pb2.Kpi:
    kpi = insight_pb2.Kpi(name=definition.name)
    if definition.known_after_days:
        known_at_ms = day_start_ms(day_of(end_ms - 1) + definition.known_after_days + 1)
        if as_of_ms < known_at_ms:
            kpi.state = insight_pb2.KPI_STATE_NOT_YET_KNOWN
            kpi.known_at_ms = known_at_ms
            return kpi
    kpi.numerator = figures.get(definition.numerator, 0)
    kpi.denominator = figures.get(definition.denominator, 0) if definition.denominator else 1
    kpi.state = insight_pb2.KPI_STATE_KNOWN if kpi.denominator else insight_pb2.KPI_STATE_UNDEFINED
    return kpi
