"""Why a call got no answer. The rpc layer maps each of these to a status."""


class DispatchError(Exception):
    """The root of them all."""


class Overloaded(DispatchError):
    """Too much waits already; nothing was decided. Worth retrying after a while."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("too much waits already")
        self.retry_after_ms = retry_after_ms


class DeadlineGone(DispatchError):
    """The caller's deadline passed before its call's turn came; nothing was decided."""

    def __init__(self) -> None:
        super().__init__("the deadline has passed")


class JournalUnavailable(DispatchError):
    """What the answer rests on could not be made durable; or nothing is served right now.

    As a rule nothing has happened. Where a storage error left that open, the log says, and a repeat
    with the same request id gets the right answer.
    """

    def __init__(self) -> None:
        super().__init__("nothing can be made durable right now")


class OwnerUnreachable(DispatchError):
    """The worker that owns the shop's partition does not answer; it is being started again.

    What was asked may have happened. A repeat with the same request id gets the right answer.
    """

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("the worker that owns this shop cannot be reached")
        self.retry_after_ms = retry_after_ms


class EngineFailure(DispatchError):
    """The engine failed at this call, which is a bug; the cause is chained."""

    def __init__(self) -> None:
        super().__init__("the engine failed")


class ClockRefused(DispatchError):
    """A time was given to a server that goes by its own clock."""

    def __init__(self) -> None:
        super().__init__("this server takes no time from callers")
