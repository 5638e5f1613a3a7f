"""Where `now` comes from: this machine, or the recorded time a caller gives. Unix milliseconds."""

import time
from typing import Protocol

from fenliu.dispatch.errors import ClockRefused


class Clock(Protocol):
    """Tells the time of a command."""

    @property
    def runs(self) -> bool:
        """Whether time passes by itself, so that effects fall due without anybody calling."""
        ...

    def now_ms(self, given: int | None = None) -> int:
        """The time of a call for which the caller gave this time, or none. Raises ClockRefused."""
        ...


class WallClock:
    """The wall clock as it was at the start, carried on by the monotonic clock: never goes back."""

    runs = True

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ms(self, given: int | None = None) -> int:
        """As `Clock.now_ms`; refuses any given time."""
        if given is not None:
            raise ClockRefused
        return (time.monotonic_ns() + self._offset_ns) // 1_000_000


class TraceClock:
    """The time the caller gives, for replaying recorded days; without one, the wall clock's."""

    runs = False

    def __init__(self) -> None:
        self._wall = WallClock()

    def now_ms(self, given: int | None = None) -> int:
        """As `Clock.now_ms`; refuses nothing."""
        return self._wall.now_ms() if given is None else given
