//! A line of numbers by time, the earliest first. Knows nothing of what the numbers are of.
//!
//! What is added comes mostly in the order of time and then costs nothing to speak of. The rest is kept by
//! the unit of time it falls in, as in a calendar, and a unit is sorted when it is the next one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::queue::Queue;

type Line = (i64, u64);

/// A unit of time is 2 to this many ms: short enough for one to be sorted within a few ms at any load.
const UNIT: u32 = 9;

#[derive(Default)]
pub struct Timeline {
    in_order: Queue<Line>,
    /// Of most shops there is nothing else.
    calendar: Option<Box<Calendar>>,
    /// The first of all.
    first: Option<Line>,
}

/// What did not come in order.
#[derive(Default)]
struct Calendar {
    /// Of units that have begun, the first one last.
    sorted: Vec<Line>,
    /// Units that have not, and how many lines they have.
    units: BTreeMap<i64, Vec<Line>>,
    in_units: usize,
    /// What came for a unit that had begun.
    others: BinaryHeap<Reverse<Line>>,
    /// The last unit that has begun.
    begun: Option<i64>,
}

impl Calendar {
    /// `at_once`: it is the first of all, so that its unit begins, if it has not.
    fn push(&mut self, line: Line, at_once: bool) {
        let unit = line.0 >> UNIT;
        if at_once || Some(unit) <= self.begun {
            self.others.push(Reverse(line));
        } else {
            self.units.entry(unit).or_default().push(line);
            self.in_units += 1;
        }
    }

    /// The first, if it is before another line.
    fn first(&mut self, before: Option<Line>) -> Option<Line> {
        loop {
            let other = self.others.peek().map(|line| line.0);
            let lines = [before, self.sorted.last().copied(), other];
            let first = lines.into_iter().flatten().min();
            match self.units.first_entry() {
                Some(unit) if first.is_none_or(|first| *unit.key() <= first.0 >> UNIT) => {
                    self.begun = Some(*unit.key());
                    let lines = unit.remove();
                    self.in_units -= lines.len();
                    self.sorted.extend(lines);
                    self.sorted.sort_unstable_by(|a, b| b.cmp(a));
                }
                _ => return first,
            }
        }
    }

    fn pop(&mut self, first: Line) {
        if self.sorted.last() == Some(&first) {
            self.sorted.pop();
        } else {
            self.others.pop();
        }
    }

    fn len(&self) -> usize {
        self.sorted.len() + self.in_units + self.others.len()
    }

    /// How many there are up to then, or more.
    fn len_until(&self, until: i64) -> usize {
        let units = self.units.range(..=until >> UNIT);
        let in_units: usize = units.map(|unit| unit.1.len()).sum();
        self.sorted.len() + self.others.len() + in_units
    }
}

impl Timeline {
    pub fn push(&mut self, line: Line) {
        let is_first = self.first.is_none_or(|first| line < first);
        if is_first {
            self.first = Some(line);
        }
        match self.in_order.last() {
            Some(last) if last > line => {
                let calendar = self.calendar.get_or_insert_default();
                calendar.push(line, is_first);
            }
            _ => self.in_order.push(line),
        }
    }

    pub fn first(&self) -> Option<Line> {
        self.first
    }

    fn find_first(&mut self) {
        self.first = self.in_order.first();
        if let Some(calendar) = &mut self.calendar {
            self.first = calendar.first(self.first);
        }
    }

    /// The time behind the first `count` lines, if it is not after `until`. Lines are put right on the way:
    /// `time_of` says when each number is, or that it is gone.
    pub fn behind(
        &mut self,
        count: usize,
        until: i64,
        time_of: impl Fn(u64) -> Option<i64>,
    ) -> Option<i64> {
        let calendar = self.calendar.as_ref();
        let others = calendar.map_or(0, |calendar| calendar.len_until(until));
        let in_order = count.checked_sub(others);
        let later = |at: usize| self.in_order.nth(at).is_none_or(|line| line.0 > until);
        if in_order.is_some_and(later) {
            return None;
        }
        let mut firsts = Vec::new();
        while firsts.len() <= count
            && let Some(line) = self.first()
            && line.0 <= until
        {
            self.pop();
            match time_of(line.1) {
                Some(time) if time == line.0 => firsts.push(Reverse(line)),
                Some(time) => self.push((time, line.1)),
                None => {}
            }
        }
        let behind = firsts.get(count).map(|line| line.0.0);
        if !firsts.is_empty() {
            let calendar = self.calendar.get_or_insert_default();
            calendar.others.extend(firsts);
        }
        self.find_first();
        behind
    }

    /// The last line of those that came in order.
    pub fn last(&self) -> Option<Line> {
        self.in_order.last()
    }

    /// About the first lines, in no order.
    pub fn next_ones(&self, count: usize) -> impl Iterator<Item = Line> {
        let sorted = self.calendar.iter().flat_map(|calendar| &calendar.sorted);
        let in_order = self.in_order.iter().take(count);
        in_order.chain(sorted.copied().rev().take(count))
    }

    pub fn pop(&mut self) {
        if self.first == self.in_order.first() {
            self.in_order.pop();
        } else if let (Some(calendar), Some(first)) = (&mut self.calendar, self.first) {
            calendar.pop(first);
        }
        self.find_first();
    }

    pub fn len(&self) -> usize {
        let others = self.calendar.as_ref().map_or(0, |calendar| calendar.len());
        self.in_order.len() + others
    }
}

impl FromIterator<Line> for Timeline {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        let mut lines: Vec<Line> = lines.into_iter().collect();
        lines.sort_unstable();
        Self {
            first: lines.first().copied(),
            in_order: lines.into_iter().collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timeline;

    #[test]
    fn the_earliest_comes_first_whatever_the_order_they_came_in() {
        let lines = [(5, 1), (7, 2), (6, 3), (7, 1), (9, 4), (5, 0), (9, 4)];
        let mut timeline = Timeline::default();
        for line in lines {
            timeline.push(line);
        }
        assert_eq!(timeline.len(), lines.len());
        let mut sorted = lines;
        sorted.sort_unstable();
        let mut collected: Timeline = lines.into_iter().collect();
        for line in sorted {
            for timeline in [&mut timeline, &mut collected] {
                assert_eq!(timeline.first(), Some(line));
                timeline.pop();
            }
        }
        assert_eq!((timeline.first(), timeline.len()), (None, 0));
        timeline.pop();
    }

    #[test]
    fn the_time_behind_the_first_ones_goes_by_what_is_true_now() {
        let lines = (0..40).map(|number| (i64::from(number % 7) * 10, number as u64));
        let mut timeline: Timeline = lines.collect();
        timeline.push((5, 40));
        // Every third is gone, every fourth is later by now.
        let time_of = |number: u64| match (number, number as i64 % 7 * 10) {
            (number, _) if number % 3 == 0 => None,
            (40, _) => Some(35),
            (number, noted) if number % 4 == 0 => Some(noted.max(35)),
            (_, noted) => Some(noted),
        };
        let mut sorted: Vec<i64> = (0..41).filter_map(time_of).collect();
        sorted.sort_unstable();
        for until in [-1, 0, 5, 34, 35, 60, 100] {
            for count in 0..45 {
                let wanted = sorted.get(count).copied().filter(|time| *time <= until);
                assert_eq!(
                    timeline.behind(count, until, time_of),
                    wanted,
                    "{count} {until}"
                );
            }
        }
        let left = std::iter::from_fn(|| {
            let first = timeline.first();
            timeline.pop();
            first
        });
        assert_eq!(left.map(|line| line.0).collect::<Vec<_>>(), sorted);
    }
    #[test]
    fn it_is_a_sorted_list_whoever_comes_when() {
        let mut timeline = Timeline::default();
        let mut plain = std::collections::BTreeSet::new();
        let mut random = 9_u64;
        for step in 0..40_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005) ^ step;
            // Mostly in order, else up to some units earlier.
            let earlier = match random >> 40 & 3 {
                0 => random >> 45 & 0x7fff,
                _ => 0,
            };
            let time = (step * 10).saturating_sub(earlier) as i64 - 20_000;
            timeline.push((time, step));
            plain.insert((time, step));
            let pops = if step < 20_000 {
                random >> 50 & 1
            } else {
                random >> 50 & 3
            };
            for _ in 0..pops {
                timeline.pop();
                plain.pop_first();
            }
            assert_eq!(timeline.first(), plain.first().copied());
            assert_eq!(timeline.len(), plain.len());
        }
    }
}
