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
}

impl Timeline {
    pub fn push(&mut self, line: Line) {
        match self.in_order.last() {
            Some(last) if last > line => self.others.push(Reverse(line)),
            _ => self.in_order.push(line),
        }
    }

    pub fn first(&self) -> Option<Line> {
        let other = self.others.peek().map(|line| line.0);
        match (self.in_order.first(), other) {
            (Some(line), Some(other)) => Some(line.min(other)),
            (line, other) => line.or(other),
        }
    }

    /// About the first lines, in no order.
    pub fn next_ones(&self, count: usize) -> impl Iterator<Item = Line> {
        self.in_order.iter().take(count)
    }

    pub fn pop(&mut self) {
        if self.in_order.first() == self.first() {
            self.in_order.pop();
        } else {
            self.others.pop();
        }
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
            in_order: lines.into_iter().collect(),
            others: BinaryHeap::new(),
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
}
