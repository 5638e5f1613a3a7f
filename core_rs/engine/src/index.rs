//! An index from hashes to numbers: what they are of stands elsewhere. Knows nothing of it.
//!
//! Extendible hashing (Fagin, Nievergelt, Pippenger, Strong 1979): the top bits of a hash lead over a
//! directory to a segment, the low bits to one of its buckets. A segment that is full is split in two,
//! so growing never moves more than one segment, however many lines there are. A bucket is one cache
//! line, and most lines stand in the first bucket that is looked at: one miss for a look-up. Which
//! buckets were passed over is counted in them (as in F14), so a line is removed without a trace.

/// Lines of a bucket.
const LINES: usize = 7;
/// A segment with more buckets is split instead of doubled.
const BUCKETS: usize = 256;
/// The directory has at most 2 to this many places; from there on segments are doubled.
const DEEPEST: u32 = 20;

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub struct Bucket {
    hashes: [u32; LINES],
    /// A bit for each line that is taken.
    taken: u32,
    values: [u32; LINES],
    /// How many lines would have come here, but stand behind.
    passed: u32,
}

#[derive(Default)]
struct Segment {
    /// Power of two.
    buckets: Box<[Bucket]>,
    len: u32,
    /// How many top bits of a hash lead here.
    depth: u32,
}

/// Numbers by hash; a hash may have several.
#[derive(Default)]
pub struct Index {
    /// Segments by the top bits of a hash; none: the first is the only one.
    directory: Box<[u32]>,
    /// Most indexes are small and have no other. Without buckets there is nothing.
    first: Segment,
    others: Vec<Segment>,
    depth: u32,
    len: u32,
    buckets: u32,
}

fn top(hash: u32, bits: u32) -> usize {
    (u64::from(hash) << bits >> 32) as usize
}

impl Bucket {
    fn matches(&self, hash: u32) -> u32 {
        let mut matches = 0;
        for (at, other) in self.hashes.iter().enumerate() {
            matches |= u32::from(*other == hash) << at;
        }
        matches & self.taken
    }

    /// Has the bucket brought from memory; the number means nothing.
    pub fn look(&self) -> u32 {
        self.taken
    }

    /// A number that stands here under this hash. Finds nothing out for certain.
    pub fn guess(&self, hash: u32) -> Option<u32> {
        let line = self.matches(hash).trailing_zeros() as usize;
        self.values.get(line).copied()
    }
}

impl Segment {
    fn new(buckets: usize, depth: u32) -> Self {
        Self {
            buckets: vec![Bucket::default(); buckets].into(),
            len: 0,
            depth,
        }
    }

    fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<(usize, usize)> {
        let mask = self.buckets.len() - 1;
        let mut at = hash as usize & mask;
        for _ in 0..=mask {
            let bucket = &self.buckets[at];
            let mut matches = bucket.matches(hash);
            while matches != 0 {
                let line = matches.trailing_zeros() as usize;
                if is_it(bucket.values[line]) {
                    return Some((at, line));
                }
                matches &= matches - 1;
            }
            if bucket.passed == 0 {
                break;
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// There is room.
    fn insert(&mut self, hash: u32, value: u32) {
        let mask = self.buckets.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let bucket = &mut self.buckets[at];
            let line = bucket.taken.trailing_ones() as usize;
            if line < LINES {
                bucket.hashes[line] = hash;
                bucket.values[line] = value;
                bucket.taken |= 1 << line;
                self.len += 1;
                return;
            }
            bucket.passed += 1;
            at = (at + 1) & mask;
        }
    }

    fn remove(&mut self, hash: u32, (at, line): (usize, usize)) {
        self.buckets[at].taken &= !(1 << line);
        self.len -= 1;
        let mask = self.buckets.len() - 1;
        let mut passed = hash as usize & mask;
        while passed != at {
            self.buckets[passed].passed -= 1;
            passed = (passed + 1) & mask;
        }
    }

    fn lines(&self) -> impl Iterator<Item = (u32, u32)> {
        self.buckets.iter().flat_map(|bucket| {
            let taken = (0..LINES).filter(|line| bucket.taken >> line & 1 == 1);
            taken.map(|line| (bucket.hashes[line], bucket.values[line]))
        })
    }

    /// Whether another line would be too many to be found quickly.
    fn is_full(&self) -> bool {
        (self.len as usize + 1) * 8 > self.buckets.len() * LINES * 7
    }

    /// The same lines in this many buckets.
    fn resized(&self, buckets: usize) -> Self {
        let mut segment = Self::new(buckets, self.depth);
        for (hash, value) in self.lines() {
            segment.insert(hash, value);
        }
        segment
    }
}

impl Index {
    /// The number of the segment that a hash leads to; the first is 0.
    fn number(&self, hash: u32) -> usize {
        let number = self.directory.get(top(hash, self.depth));
        number.map_or(0, |&number| number as usize)
    }

    fn segment(&self, hash: u32) -> Option<&Segment> {
        let segment = match self.number(hash).checked_sub(1) {
            Some(other) => self.others.get(other)?,
            None => &self.first,
        };
        (!segment.buckets.is_empty()).then_some(segment)
    }

    fn segment_mut(&mut self, number: usize) -> &mut Segment {
        match number.checked_sub(1) {
            Some(other) => &mut self.others[other],
            None => &mut self.first,
        }
    }

    /// The number under this hash that is the one.
    pub fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let segment = self.segment(hash)?;
        let (at, line) = segment.find(hash, is_it)?;
        Some(segment.buckets[at].values[line])
    }

    /// The first bucket that a hash leads to, not looked at yet.
    pub fn bucket(&self, hash: u32) -> Option<&Bucket> {
        let segment = self.segment(hash)?;
        let mask = segment.buckets.len() - 1;
        segment.buckets.get(hash as usize & mask)
    }

    /// Puts a number in the place of the one under this hash that is it; adds it if there is none.
    pub fn put(&mut self, hash: u32, value: u32, is_it: impl Fn(u32) -> bool) {
        if self.len > 0 {
            let segment = self.segment_mut(self.number(hash));
            if let Some((at, line)) = segment.find(hash, is_it) {
                segment.buckets[at].values[line] = value;
                return;
            }
        }
        self.insert(hash, value);
    }

    /// Adds a number under a hash.
    pub fn insert(&mut self, hash: u32, value: u32) {
        if self.len == 0 {
            self.first = Segment::new(1, 0);
            self.buckets = 1;
        }
        loop {
            let number = self.number(hash);
            let segment = self.segment_mut(number);
            if !segment.is_full() {
                segment.insert(hash, value);
                self.len += 1;
                return;
            }
            let buckets = segment.buckets.len();
            if buckets < BUCKETS || segment.depth == DEEPEST {
                *segment = segment.resized(2 * buckets);
                self.buckets += buckets as u32;
            } else {
                self.split(number);
            }
        }
    }

    fn split(&mut self, number: usize) {
        let depth = self.segment_mut(number).depth;
        if depth == self.depth {
            self.directory = match &*self.directory {
                [] => [0, 0].into(),
                places => places.iter().flat_map(|&to| [to, to]).collect(),
            };
            self.depth += 1;
        }
        let lower = self.segment_mut(number);
        let full = std::mem::replace(lower, Segment::new(BUCKETS, depth + 1));
        let mut upper = Segment::new(BUCKETS, depth + 1);
        let mut first = None;
        for (hash, value) in full.lines() {
            first.get_or_insert(hash);
            if top(hash, depth + 1) & 1 == 0 {
                lower.insert(hash, value);
            } else {
                upper.insert(hash, value);
            }
        }
        self.others.push(upper);
        let added = self.others.len() as u32;
        self.buckets += (2 * BUCKETS - full.buckets.len()) as u32;
        // The places whose top bits are those of the upper half.
        let prefix = top(first.unwrap_or_default(), depth) << 1 | 1;
        let shift = self.depth - (depth + 1);
        self.directory[prefix << shift..(prefix + 1) << shift].fill(added);
    }

    /// Removes the number under this hash that is the one; false: there is none.
    pub fn remove(&mut self, hash: u32, is_it: impl Fn(u32) -> bool) -> bool {
        if self.len == 0 {
            return false;
        }
        let segment = self.segment_mut(self.number(hash));
        let Some(place) = segment.find(hash, is_it) else {
            return false;
        };
        segment.remove(hash, place);
        // What is not needed any more need not keep its room.
        let buckets = segment.buckets.len();
        if buckets > 1 && (segment.len as usize) * 8 < buckets * LINES {
            *segment = segment.resized(buckets / 2);
            self.buckets -= buckets as u32 / 2;
        }
        self.len -= 1;
        if self.len == 0 {
            *self = Self::default();
        }
        true
    }

    /// Bytes this takes.
    pub fn memory(&self) -> usize {
        size_of::<Bucket>() * self.buckets as usize
            + size_of::<Segment>() * self.others.len()
            + size_of::<u32>() * self.directory.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Bucket, Index, top};

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
        assert_eq!(
            [top(u32::MAX, 0), top(1 << 31, 1), top(1 << 31, 3)],
            [0, 1, 4]
        );
    }

    /// Every number under its hash; hashes that differ little, and hashes that are equal, among them.
    #[test]
    fn it_is_a_map_while_it_grows_and_shrinks() {
        let mut index = Index::default();
        let mut plain: BTreeMap<u32, u32> = BTreeMap::new();
        let hash = |value: u32| match value % 5 {
            0 => value / 50,
            _ => value.wrapping_mul(0x9e37_79b9),
        };
        let mut random = 7_u32;
        for step in 0..120_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = random >> 8 & 0x7fff;
            let grows = step < 60_000;
            let known = plain.contains_key(&value);
            assert_eq!(
                index.find(hash(value), |found| found == value),
                known.then_some(value)
            );
            if known && (!grows || random.is_multiple_of(7)) {
                assert!(index.remove(hash(value), |found| found == value));
                plain.remove(&value);
            } else if !known && grows {
                index.insert(hash(value), value);
                plain.insert(value, hash(value));
            }
            assert!(!index.remove(hash(value), |_| false));
        }
        for (&value, &hash) in &plain {
            assert_eq!(index.find(hash, |found| found == value), Some(value));
            index.put(hash, value | 1 << 20, |found| found == value);
        }
        assert!(!plain.is_empty() && index.len as usize == plain.len());
        let segments = || [&index.first].into_iter().chain(&index.others);
        let lines: usize = segments().map(|segment| segment.lines().count()).sum();
        assert_eq!(lines, plain.len());
        let buckets: usize = segments().map(|segment| segment.buckets.len()).sum();
        assert_eq!(buckets, index.buckets as usize);
        for (value, hash) in plain {
            assert!(index.remove(hash, |found| found == value | 1 << 20));
        }
        assert_eq!(index.len, 0);
        assert!(index.memory() < 100);
    }

    #[test]
    fn it_takes_little_room() {
        let mut index = Index::default();
        for value in 0..300_000_u32 {
            index.insert(value.wrapping_mul(0x9e37_79b9), value);
        }
        assert!(index.others.len() > 100);
        assert!(index.memory() < 300_000 * 22, "{}", index.memory());
        let mut looked = 0;
        for value in 0..300_000_u32 {
            let hash = value.wrapping_mul(0x9e37_79b9);
            assert_eq!(index.find(hash, |found| found == value), Some(value));
            let guess = index.bucket(hash).and_then(|bucket| bucket.guess(hash));
            looked += u32::from(guess == Some(value));
            if value % 50 > 0 {
                assert!(index.remove(hash, |found| found == value));
            }
        }
        assert!(looked > 270_000, "{looked}");
        assert!(index.memory() < 6_000 * 100, "{}", index.memory());
    }
}
