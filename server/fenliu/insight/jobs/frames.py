"""What passes between the server and a job's process: frames of a kind and bytes.

| bytes | what |
|---|---|
| 1 | kind |
| 4 | length, big-endian |
| n | content |

The server sends one REQUEST. The process answers with any number of MESSAGEs, and at its end with one DONE or
REFUSED; without these it has failed.
"""

from __future__ import annotations

import json
import struct
from enum import IntEnum

from fenliu.insight.errors import (
    EngineRefused,
    InsightError,
    LogUnreadable,
    ReportRefused,
    ReportsBehind,
    SubjectNeverThere,
)

HEAD = struct.Struct(">BI")


class Kind(IntEnum):
    """What a frame is."""

    REQUEST = 1
    MESSAGE = 2
    DONE = 3
    REFUSED = 4


def frame(kind: Kind, content: bytes = b"") -> bytes:
    """A frame whole."""
    return HEAD.pack(kind, len(content)) + content


def refusal(error: InsightError) -> bytes:
    """The content of a REFUSED."""
    told: list[str | int]
    match error:
        case ReportRefused():
            told = ["report", error.field, error.rule]
        case ReportsBehind():
            told = ["behind", error.rule, error.retry_after_ms]
        case SubjectNeverThere():
            told = ["never", error.field, error.kind, error.subject_id]
        case EngineRefused():
            told = ["engine", error.status.hex()]
        case _:
            told = ["log"]
    return json.dumps(told).encode()


def refused(content: bytes) -> InsightError:
    """What was refused, to be raised."""
    match json.loads(content):
        case ["report", field, rule]:
            return ReportRefused(field, rule)
        case ["behind", rule, retry_after_ms]:
            return ReportsBehind(rule, retry_after_ms)
        case ["never", field, kind, subject_id]:
            return SubjectNeverThere(field, kind, subject_id)
        case ["engine", status]:
            return EngineRefused(bytes.fromhex(status))
        case _:
            return LogUnreadable()
