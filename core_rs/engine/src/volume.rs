//! Reception volume (接待量): how many new buyers an agent took this day and this hour.
//!
//! Days and hours are those of Asia/Shanghai, UTC+8 all year.

const UTC_OFFSET_MS: i64 = 28_800_000;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// An agent's counts, each with the number of the day or hour it is of.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Volume {
    pub day: i64,
    pub received_today: i32,
    pub hour: i64,
    pub received_this_hour: i32,
}

/// The most new buyers; 0: no limit.
#[derive(Clone, Copy, Default)]
pub struct Limits {
    pub daily: i32,
    pub hourly: i32,
}

fn day_of(time_ms: i64) -> i64 {
    time_ms.saturating_add(UTC_OFFSET_MS).div_euclid(DAY_MS)
}

fn hour_of(time_ms: i64) -> i64 {
    time_ms.saturating_add(UTC_OFFSET_MS).div_euclid(HOUR_MS)
}

/// When the day or hour of this number starts.
fn starts(number: i64, length_ms: i64) -> i64 {
    number.saturating_mul(length_ms) - UTC_OFFSET_MS
}

impl Volume {
    /// Another new buyer at this time.
    pub fn count(&mut self, at_ms: i64) {
        self.turn_to(at_ms);
        self.received_today = self.received_today.saturating_add(1);
        self.received_this_hour = self.received_this_hour.saturating_add(1);
    }

    /// Counts of another day or hour than this time's start again.
    pub fn turn_to(&mut self, at_ms: i64) {
        let (day, hour) = (day_of(at_ms), hour_of(at_ms));
        if self.day != day {
            (self.day, self.received_today) = (day, 0);
        }
        if self.hour != hour {
            (self.hour, self.received_this_hour) = (hour, 0);
        }
    }

    /// Counts of another day or hour than this time's are forgotten, with their numbers.
    pub fn forget_stale(&mut self, now: i64) {
        if self.day != day_of(now) {
            (self.day, self.received_today) = (0, 0);
        }
        if self.hour != hour_of(now) {
            (self.hour, self.received_this_hour) = (0, 0);
        }
    }

    /// The counts of this time's day and hour.
    pub fn at(mut self, now: i64) -> (i32, i32) {
        self.forget_stale(now);
        (self.received_today, self.received_this_hour)
    }

    /// When an agent at volume starts again; none when the agent is not at volume.
    pub fn resets_at_ms(&self, limits: Limits) -> Option<i64> {
        let reached = |count: i32, limit: i32| limit > 0 && count >= limit;
        let next_day = reached(self.received_today, limits.daily)
            .then(|| starts(self.day.saturating_add(1), DAY_MS));
        let next_hour = reached(self.received_this_hour, limits.hourly)
            .then(|| starts(self.hour.saturating_add(1), HOUR_MS));
        next_day.max(next_hour)
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Volume};

    /// 2023-11-15 00:00 in Shanghai is 2023-11-14 16:00 UTC.
    const MIDNIGHT: i64 = 1_699_977_600_000;

    #[test]
    fn days_and_hours_turn_in_shanghai() {
        let mut volume = Volume::default();
        volume.count(MIDNIGHT - 1);
        volume.count(MIDNIGHT - 1);
        assert_eq!(volume.at(MIDNIGHT - 1), (2, 2));
        assert_eq!(volume.at(MIDNIGHT), (0, 0));
        volume.count(MIDNIGHT);
        assert_eq!(volume.at(MIDNIGHT), (1, 1));
        assert_eq!(volume.at(MIDNIGHT + 3_600_000), (1, 0));
    }

    #[test]
    fn who_is_held_by_both_limits_starts_again_at_the_later_turn() {
        let mut volume = Volume::default();
        volume.count(MIDNIGHT + 7_200_000);
        let resets = |daily, hourly| volume.resets_at_ms(Limits { daily, hourly });
        assert_eq!(resets(0, 0), None);
        assert_eq!(resets(2, 2), None);
        assert_eq!(resets(2, 1), Some(MIDNIGHT + 3 * 3_600_000));
        assert_eq!(resets(1, 0), Some(MIDNIGHT + 86_400_000));
        assert_eq!(resets(1, 1), Some(MIDNIGHT + 86_400_000));
    }
}
