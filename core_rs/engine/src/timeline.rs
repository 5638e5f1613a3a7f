//! A line of numbers by time, the earliest first. Knows nothing of what the numbers are of.
//!
//! What is added comes mostly in the order of time and then costs nothing to speak of; the rest, which
//! stays small, is in a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::queue::Queue;

type Line = (i64, u64);

#[derive(Default)]
pub struct Timeline {
    in_order: Queue<Line>,
    others: BinaryHeap<Reverse<Line>>,
    /// The first of all.
    first: Option<Line>,
}

impl Timeline {
    pub fn push(&mut self, line: Line) {
        if self.first.is_none_or(|first| line < first) {
            self.first = Some(line);
        }
        match self.in_order.last() {
            Some(last) if last > line => self.others.push(Reverse(line)),
            _ => self.in_order.push(line),
        }
    }

    pub fn first(&self) -> Option<Line> {
        self.first
    }

    fn find_first(&mut self) {
        self.first = self.in_order.first();
        if let Some(&Reverse(line)) = self.others.peek()
            && self.first.is_none_or(|first| line < first)
        {
            self.first = Some(line);
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
        let in_order = count.checked_sub(self.others.len());
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
        self.others.extend(firsts);
        self.find_first();
        behind
    }

    /// The last line of those that came in order.
    pub fn last(&self) -> Option<Line> {
        self.in_order.last()
    }

    /// About the first lines, in no order.
    pub fn next_ones(&self, count: usize) -> impl Iterator<Item = Line> {
        self.in_order.iter().take(count)
    }

    pub fn pop(&mut self) {
        match (self.in_order.first(), self.others.peek()) {
            (Some(line), Some(other)) if other.0 < line => drop(self.others.pop()),
            (Some(_), _) => drop(self.in_order.pop()),
            (None, _) => drop(self.others.pop()),
        }
        self.find_first();
    }

    pub fn len(&self) -> usize {
        self.in_order.len() + self.others.len()
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
}
