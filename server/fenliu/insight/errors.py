"""Why there is no answer. `rule` is for the caller: what is wrong, and where to start over."""


class InsightError(Exception):
    """The root of them all."""

    def __init__(self, rule: str = "") -> None:
        super().__init__(rule)
        self.rule = rule


class TokenRefused(InsightError):
    """A resume token that this server did not give out, or not for this."""


class TokenAhead(InsightError):
    """A resume token of a place where the log has not come yet."""


class TokenTooOld(InsightError):
    """A resume token of a place that is not kept any more."""


class LogUnreadable(InsightError):
    """The storage failed; later it may work again."""


class TooBusy(InsightError):
    """Too many such questions wait already. Worth asking again after a while."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("too many questions of this kind are being answered")
        self.retry_after_ms = retry_after_ms


class DecisionNotMade(InsightError):
    """No decision of this shop has this id."""

    def __init__(self) -> None:
        super().__init__("never made")


class DecisionNotKept(InsightError):
    """The record of the decision is gone."""

    def __init__(self) -> None:
        super().__init__("no longer kept: decisions are kept for the retention period")


class AgentNotThen(InsightError):
    """The shop had no such agent when the decision was made."""

    def __init__(self) -> None:
        super().__init__("unknown agent at the time of the decision")


class ReportRefused(InsightError):
    """A report that cannot be made: `field` names what is wrong with the question."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


class SubjectNeverThere(InsightError):
    """An agent or group (`kind`) that the shop never had, as far as is kept."""

    def __init__(self, field: str, kind: str, subject_id: str) -> None:
        super().__init__(f"this shop never had the {kind} {subject_id!r}")
        self.field = field
        self.kind = kind
        self.subject_id = subject_id


class ReportsBehind(InsightError):
    """The reports' tables are not as far as the log. Worth asking again after a while."""

    def __init__(self, rule: str, retry_after_ms: int) -> None:
        super().__init__(rule)
        self.retry_after_ms = retry_after_ms


class TookTooLong(InsightError):
    """The caller's time, or what one question may take, ran out while the tables were read."""

    def __init__(self) -> None:
        super().__init__("took too long: ask for less at once")


class PageTokenRefused(InsightError):
    """A page token that no answer to this question gave."""

    def __init__(self) -> None:
        super().__init__("not one that an answer to the same question gave")


class EngineRefused(InsightError):
    """What was to be supposed is nothing that the engine takes: `status`, an encoded google.rpc.Status, says why."""

    def __init__(self, status: bytes) -> None:
        super().__init__("refused by the engine")
        self.status = status


class JobFailed(InsightError):
    """The process of a job ended without having said anything: out of memory, for one."""


class JobsStopped(InsightError):
    """The server is stopping, and its jobs with it."""
