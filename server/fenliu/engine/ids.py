"""What every id must be (docs/engine.md section 3, *the id rule*), for the Python core and for rpc."""

import re

MAX_ID_BYTES = 128

CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f]")
"""Unicode category Cc."""


def broken_id_rule(value: str) -> str | None:
    """The rule that an id breaks, in words; None: it is one."""
    if not value:
        return "required"
    if len(value.encode()) > MAX_ID_BYTES:
        return f"at most {MAX_ID_BYTES} bytes"
    if CONTROL.search(value):
        return "no control characters"
    return None
