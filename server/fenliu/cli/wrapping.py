"""Text broken into lines by the columns it takes: Chinese characters take two and may part anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

# Never first in a line, and never last.
_CLOSING = "，。；：！？、）】》”’…·,.;:!?)]}"
_OPENING = "（【《“‘(["
_WIDE = r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]"
_UNIT = re.compile(
    rf"\s+|\[\S+|[^\s\[]+\]|[{re.escape(_OPENING)}]*(?:{_WIDE}|(?:(?!{_WIDE})\S)+)[{re.escape(_CLOSING)}]*"
)


def wrap(text: str, width: int) -> list[str]:
    """The lines of one paragraph, each at most `width` columns; a longer word is folded."""
    lines: list[str] = []
    line = ""
    for unit in _units(text, width):
        if cell_len(line) + cell_len(unit.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += unit if line else unit.lstrip()
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def paragraphs(text: str, width: int) -> list[str]:
    """The lines of paragraphs that blank lines part."""
    lines: list[str] = []
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        lines += ["", *wrap(paragraph, width)] if number else wrap(paragraph, width)
    return lines


def _units(text: str, width: int) -> Iterator[str]:
    """What stays together: a word, a blank, a Chinese character with its punctuation, "[变量：X]"."""
    for found in _UNIT.finditer(text.strip()):
        unit = " " if found[0].isspace() else found[0]
        while cell_len(unit) > width:
            cut = next(n for n in range(len(unit), 0, -1) if n == 1 or cell_len(unit[:n]) <= width)
            yield unit[:cut]
            unit = unit[cut:]
        yield unit
