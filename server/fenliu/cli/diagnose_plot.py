"""A diagnosis as a waterfall: from the receptions of the one, cause by cause, to those of the other."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from fenliu.cli.diagnose_tables import difference_of, share_of, signed
from fenliu.cli.language import Words
from fenliu.cli.pictures import agent_names, drawn, picture
from fenliu.v1 import insight_pb2, shop_pb2

_CAUSES = {
    insight_pb2.IMBALANCE_CAUSE_ONLINE_TIME: Words("在线时长", "Online time"),
    insight_pb2.IMBALANCE_CAUSE_TIME_SLOT: Words("在线时段", "Time of day"),
    insight_pb2.IMBALANCE_CAUSE_WEIGHT: Words("权重", "Weight"),
    insight_pb2.IMBALANCE_CAUSE_GROUPS: Words("分流组和绑定", "Groups"),
    insight_pb2.IMBALANCE_CAUSE_RECENT_CONTACTS: Words("最近联系人", "Recent contacts"),
    insight_pb2.IMBALANCE_CAUSE_PROXY: Words("代理账号", "Proxy"),
    insight_pb2.IMBALANCE_CAUSE_BUSYNESS: Words("忙闲", "Busyness"),
    insight_pb2.IMBALANCE_CAUSE_REST: Words("其余", "The rest"),
}
_WHOLE, _MORE, _LESS = "#4a6fa5", "#2e8b57", "#c0504d"


def draw(
    path: Path,
    response: insight_pb2.DiagnoseImbalanceResponse,
    shop: shop_pb2.Shop,
    request: insight_pb2.DiagnoseImbalanceRequest,
) -> None:
    """Writes the PNG. Raises ClickException without matplotlib, OSError."""
    with picture(path, height=6) as (figure, chinese):
        axes = figure.subplots()
        mine = Fraction(response.receptions)
        theirs = mine - difference_of(response)
        asked = [request.agent_id, request.other_agent_id or request.agent_id]
        one, two = agent_names(asked, shop, chinese=chinese)
        if not request.other_agent_id:
            two = drawn(Words("平均", "Mean"), chinese=chinese)
        # From the other up (or down) to the agent: what each cause added.
        names = [two, *(drawn(_CAUSES[row.cause], chinese=chinese) for row in response.shares), one]
        bars = [(Fraction(0), theirs, _WHOLE, _shown(theirs))]
        level = theirs
        levels = [float(theirs)]
        for row in response.shares:
            share = share_of(row)
            color = _MORE if share >= 0 else _LESS
            bars.append((level, share, color, signed(share)))
            level += share
            levels.append(float(level))
        bars.append((Fraction(0), mine, _WHOLE, _shown(mine)))
        for place, (bottom, height, color, told) in enumerate(bars):
            axes.bar(place, float(height), bottom=float(bottom), color=color, width=0.6)
            top = float(max(bottom, bottom + height))
            axes.text(place, top, told.replace("−", "-"), ha="center", va="bottom")
        for place, reached in enumerate(levels):
            axes.plot([place + 0.3, place + 1.3], [reached] * 2, color="gray", linewidth=0.8)
        ends = [float(end) for bottom, height, *_ in bars for end in (bottom, bottom + height)]
        axes.set_ylim(1.08 * min(0.0, *ends), 1.08 * max(1.0, *ends))
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_title(
            drawn(Words("接待次数的差从哪里来", "Where the difference comes from"), chinese=chinese)
        )
        axes.set_ylabel(drawn(Words("接待次数", "Receptions"), chinese=chinese))


def _shown(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):.1f}"
