"""Reception volume: how many new buyers an agent has taken this day and hour (docs/engine.md section 7).

Days and hours are those of Asia/Shanghai, which is UTC+8 all year.
"""

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
_OFFSET_MS = 28_800_000


def day_number(at_ms: int) -> int:
    return (at_ms + _OFFSET_MS) // DAY_MS


def hour_number(at_ms: int) -> int:
    return (at_ms + _OFFSET_MS) // HOUR_MS


class Volume:
    """An agent's new buyers in the day and the hour last counted."""

    __slots__ = ("day", "hour", "this_hour", "today")

    def __init__(self, day: int = 0, today: int = 0, hour: int = 0, this_hour: int = 0) -> None:
        self.day = day
        self.today = today
        self.hour = hour
        self.this_hour = this_hour

    def count(self, at_ms: int) -> None:
        """One more."""
        self.turn_to(at_ms)
        self.today += 1
        self.this_hour += 1

    def turn_to(self, at_ms: int) -> None:
        """Counts from 0 what is in another day or hour than was counted."""
        if self.day != day_number(at_ms):
            self.day, self.today = day_number(at_ms), 0
        if self.hour != hour_number(at_ms):
            self.hour, self.this_hour = hour_number(at_ms), 0

    def forget_all_but(self, at_ms: int) -> None:
        """Clears what is not of this time's day or hour."""
        if self.day != day_number(at_ms):
            self.day = self.today = 0
        if self.hour != hour_number(at_ms):
            self.hour = self.this_hour = 0

    def received_today(self, at_ms: int) -> int:
        return self.today if self.day == day_number(at_ms) else 0

    def received_this_hour(self, at_ms: int) -> int:
        return self.this_hour if self.hour == hour_number(at_ms) else 0

    def held_until(self, daily_limit: int, hourly_limit: int) -> int | None:
        """When an agent at volume may take new buyers again, Unix ms; None: it is not at volume."""
        ends = []
        if self.today >= daily_limit > 0:
            ends.append((self.day + 1) * DAY_MS - _OFFSET_MS)
        if self.this_hour >= hourly_limit > 0:
            ends.append((self.hour + 1) * HOUR_MS - _OFFSET_MS)
        return max(ends, default=None)
