"""Why a watch cannot begin or go on. `rule` is for the caller: what is wrong, and where to start over."""


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
