"""Errors as one line: what other parts raise, and in Chinese what the server's reason codes mean.

The server's own texts are English; its reason codes are those of docs/gateway.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from fenliu.cli.language import language, words
from fenliu.client import FenliuError

REASONS = {
    "INVALID_FIELD": "有一项内容不合规则",
    "MALFORMED_MESSAGE": "请求无法解析",
    "REQUEST_ID_REUSED": "这个 request_id 在 24 小时内已用于别的请求",
    "SHOP_NOT_FOUND": "没有这家店铺",
    "AGENT_NOT_FOUND": "没有这位客服",
    "GROUP_NOT_FOUND": "没有这个分流组",
    "CONVERSATION_NOT_FOUND": "没有这个会话",
    "CHANGE_NOT_FOUND": "没有这次修改",
    "DECISION_NOT_FOUND": "没有这次分流",
    "ALREADY_EXISTS": "已经存在",
    "CONVERSATION_CLOSED": "会话已经结束",
    "RECEIVER_UNAVAILABLE": "接收方现在不能接待",
    "HOP_LIMIT": "转接次数已到上限",
    "SHOP_IN_USE": "店铺还有进行中的会话或等候的买家",
    "NOT_UNDOABLE": "这次修改不能撤销",
    "STALE_ETAG": "店铺已被别人修改，版本过期",
    "SESSION_RESUMED": "会话已在别处恢复",
    "SESSION_EXPIRED": "会话已过期",
    "NOT_ALLOWED": "没有权限",
    "RESUME_TOKEN_MISMATCH": "续接令牌不属于这个会话",
    "RESUME_TOKEN_AHEAD": "续接令牌不属于这份数据",
    "RESUME_TOKEN_TOO_OLD": "续接令牌太旧",
    "SLOW_READER": "读得太慢，连接已断开",
    "REPORTS_BEHIND": "报表还在读取日志，请稍后再试",
    "TOOK_TOO_LONG": "用时太长，请缩小范围",
    "OVERLOADED": "服务器过载，请稍后再试",
    "DEADLINE_GONE": "轮到这次调用之前已经超时",
    "JOURNAL_UNAVAILABLE": "存储暂时不可用，请稍后再试",
    "OWNER_UNREACHABLE": "负责这家店铺的进程正在重启，请稍后再试",
    "SHOP_UNAVAILABLE": "这家店铺出错后正在恢复，请稍后再试",
    "DRAINING": "服务器正在停止",
    "INTERNAL": "服务器内部错误",
}


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Whatever is raised becomes one line on standard error and exit code 1."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        raise click.ClickException(_one_line(error)) from error


def refused_text(error: FenliuError) -> str:
    """What the server said; in Chinese with what its reason means."""
    meaning = REASONS.get(error.reason) if language() == "zh" else None
    return f"{meaning}：{error}" if meaning else str(error)


def _one_line(error: Exception) -> str:
    if isinstance(error, FenliuError):
        return " ".join(refused_text(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    ours = not isinstance(error, (LookupError, TypeError, AttributeError, AssertionError))
    kind = type(error).__name__
    return text if text and ours else f"{words('内部错误', 'internal error')}: {kind}: {text}"
