"""Pictures as PNG files.

Needs matplotlib, which only those who draw install. Chinese where the machine has a font for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fenliu.cli.language import Words, words
from fenliu.v1 import shop_pb2

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.container import Container
    from matplotlib.figure import Figure

_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Heiti SC",
    "Microsoft YaHei",
    "SimHei",
)


@contextmanager
def picture(path: Path, *, height: float) -> Iterator[tuple[Figure, bool]]:
    """A figure, 10 inches wide and `height` high, that is written when the block ends; and whether it can
    have Chinese.

    Raises ClickException without matplotlib, OSError.
    """
    try:
        from matplotlib import font_manager, rc_context  # noqa: PLC0415 - optional
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional
    except ImportError:
        raise click.ClickException(
            words(
                "画图需要 matplotlib：pip install 'fenliu[plot]'",
                "drawing needs matplotlib: pip install 'fenliu[plot]'",
            )
        ) from None
    known = {font.name for font in font_manager.fontManager.ttflist}
    font = next((name for name in _CHINESE_FONTS if name in known), None)
    if font is None:
        click.echo(
            words(
                "没有找到中文字体，图里用英文和编号；装一个（如 Noto Sans CJK）就有中文",
                "no Chinese font was found: the picture has English and ids; one such as Noto Sans CJK"
                " brings Chinese",
            ),
            err=True,
        )
    families = [font, "DejaVu Sans"] if font else ["DejaVu Sans"]
    with rc_context({"font.sans-serif": families, "font.family": "sans-serif"}):
        figure = Figure(figsize=(10, height), layout="constrained")
        yield figure, font is not None
        figure.savefig(path, format="png", dpi=120)


def drawn(text: Words, *, chinese: bool) -> str:
    """In the language of now, if it can be drawn."""
    return str(text) if chinese else text.en


def legend_above(axes: Axes, handles: Sequence[Artist | Container] | None = None) -> None:
    """What the colours mean, above the drawing at the right, where it covers nothing.

    `handles`: of these; else of all that has a label.
    """
    labelled = axes.get_legend_handles_labels()[0] if handles is None else list(handles)
    axes.legend(
        handles=labelled, loc=4, bbox_to_anchor=(1.0, 1.0), ncols=len(labelled), frameon=False
    )


def agent_names(agents: Sequence[str], shop: shop_pb2.Shop, *, chinese: bool) -> list[str]:
    """The agents' display names, or ids where these cannot be drawn."""
    names = {agent.agent_id: agent.display_name or agent.agent_id for agent in shop.agents}
    return [drawable(names.get(agent, agent), agent, chinese=chinese) for agent in agents]


def drawable(name: str, other: str, *, chinese: bool) -> str:
    """The name, or the other where it cannot be drawn."""
    return name if chinese or name.isascii() else other
