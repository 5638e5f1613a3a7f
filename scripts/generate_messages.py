"""Makes the compiled catalogue of click's texts (`locale/zh/LC_MESSAGES/messages.mo`) from `locale/zh.po`.

Reads what the file uses of the po format: one-line strings, plurals, comments.
"""

from __future__ import annotations

import ast
import struct
from pathlib import Path

LOCALE = Path(__file__).resolve().parent.parent / "server" / "fenliu" / "cli" / "locale"
MADE = LOCALE / "zh" / "LC_MESSAGES" / "messages.mo"
MAGIC = 0x950412DE


def read(text: str) -> dict[str, str]:
    """Message by message id; a plural's ids are joined by a NUL, as in the compiled form."""
    messages: dict[str, str] = {}
    message_id = ""
    for line in text.splitlines():
        keyword, _, rest = line.partition(" ")
        if keyword == "msgid":
            message_id = ast.literal_eval(rest)
        elif keyword == "msgid_plural":
            message_id += "\0" + ast.literal_eval(rest)
        elif keyword.startswith("msgstr"):
            messages[message_id] = ast.literal_eval(rest)
        elif line and not line.startswith("#"):
            raise ValueError(f"not understood: {line}")
    return messages


def compiled(messages: dict[str, str]) -> bytes:
    """The same as GNU gettext's .mo: two tables of (length, offset), then the strings."""
    pairs = sorted((key.encode(), value.encode()) for key, value in messages.items())
    keys, values = zip(*pairs, strict=True)
    header = struct.calcsize("<7I")
    tables, strings = b"", b""
    start = header + 2 * 8 * len(pairs)
    for text in (*keys, *values):
        tables += struct.pack("<2I", len(text), start + len(strings))
        strings += text + b"\0"
    sizes = struct.pack("<7I", MAGIC, 0, len(pairs), header, header + 8 * len(pairs), 0, 0)
    return sizes + tables + strings


def main() -> None:
    made = compiled(read((LOCALE / "zh.po").read_text(encoding="utf-8")))
    MADE.parent.mkdir(parents=True, exist_ok=True)
    MADE.write_bytes(made)


if __name__ == "__main__":
    main()
