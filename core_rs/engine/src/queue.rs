//! A queue in blocks: nothing moves when it grows, and what is taken out is given back. Knows nothing
//! of what is in it.

use std::collections::VecDeque;

const BLOCK: usize = 4096;

pub struct Queue<T> {
    /// None of them is empty but for the first's part before `front`; all but the last are full.
    blocks: VecDeque<Vec<T>>,
    front: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            blocks: VecDeque::new(),
            front: 0,
        }
    }
}

impl<T: Copy> FromIterator<T> for Queue<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut queue = Self::default();
        for item in items {
            queue.push(item);
        }
        queue
    }
}

impl<T: Copy> Queue<T> {
    pub fn push(&mut self, item: T) {
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK => block.push(item),
            _ => self.blocks.push_back(vec![item]),
        }
    }

    pub fn first(&self) -> Option<T> {
        self.blocks.front()?.get(self.front).copied()
    }

    /// The one behind the first `count`.
    pub fn nth(&self, count: usize) -> Option<T> {
        let at = self.front + count;
        self.blocks.get(at / BLOCK)?.get(at % BLOCK).copied()
    }

    pub fn last(&self) -> Option<T> {
        self.blocks.back()?.last().copied()
    }

    pub fn pop(&mut self) -> Option<T> {
        let block = self.blocks.front()?;
        let item = block.get(self.front).copied()?;
        self.front += 1;
        if self.front == block.len() {
            self.blocks.pop_front();
            self.front = 0;
        }
        Some(item)
    }

    /// All, the first first.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let items = self.blocks.iter().flatten().copied();
        items.skip(self.front)
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub fn len(&self) -> usize {
        let last = self.blocks.back().map_or(0, Vec::len);
        self.blocks.len().saturating_sub(1) * BLOCK + last - self.front
    }

    /// Bytes this takes.
    pub fn memory(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| block.capacity() * size_of::<T>())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn what_came_first_goes_first() {
        let mut queue = Queue::default();
        let (mut next, mut taken) = (0_u32, 0_u32);
        for step in 0..60_000_u32 {
            if step % 100 < 60 || step > 40_000 && step % 3 == 0 {
                queue.push(next);
                next += 1;
            } else {
                assert_eq!(queue.pop(), (taken < next).then_some(taken));
                taken += u32::from(taken < next);
            }
            assert_eq!(queue.first(), (taken < next).then_some(taken));
            assert_eq!(queue.last(), (taken < next).then(|| next - 1));
            assert_eq!(queue.is_empty(), taken == next);
            let three = taken..next.min(taken + 3);
            assert!(queue.iter().take(3).eq(three));
            for count in [0, 1, 4_095, 4_096, 9_000] {
                let there = taken + count < next;
                assert_eq!(queue.nth(count as usize), there.then_some(taken + count));
            }
            if step % 1_000 == 0 {
                assert_eq!(queue.len(), (next - taken) as usize);
            }
        }
        while queue.pop().is_some() {}
        assert_eq!((queue.len(), queue.memory()), (0, 0));
    }
}
