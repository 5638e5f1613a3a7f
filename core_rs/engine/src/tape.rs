//! Records of bytes one behind the other, written at the end and freed from the front. Knows nothing
//! of what is in them.
//!
//! Blocks instead of one piece: nothing moves when the tape grows, and what is freed is given back.

use std::collections::VecDeque;

/// A block ends before the record with which it would be longer, unless it would be empty.
const BLOCK: usize = 65_536;
/// Records begin at multiples of this, so that a place fits into 32 bits.
const UNIT: usize = 8;
const UNITS: u32 = (BLOCK / UNIT) as u32;
/// The length before each record.
const LENGTH: usize = 4;

/// Where a record is. Places repeat after 32 GiB.
pub type Place = u32;

#[derive(Default)]
pub struct Tape {
    blocks: VecDeque<Vec<u8>>,
    /// The number of the first block, counted from the tape's beginning.
    first: u32,
    /// Where the first record begins in the first block.
    front: usize,
    bytes: usize,
}

impl Tape {
    /// Writes a record, given in parts, at the end.
    pub fn push(&mut self, parts: &[&[u8]]) -> Place {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let size = (LENGTH + length).next_multiple_of(UNIT);
        let full = |block: &Vec<u8>| !block.is_empty() && block.len() + size > BLOCK;
        if self.blocks.back().is_none_or(full) {
            self.blocks.push_back(Vec::new());
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let before = block.capacity();
        if before - block.len() < size {
            // No more than a whole block.
            let room = (2 * before).clamp(size, BLOCK.max(size));
            block.reserve_exact(room.max(block.len() + size) - block.len());
            self.bytes += block.capacity() - before;
        }
        let at = block.len();
        block.extend_from_slice(&(length as u32).to_le_bytes());
        for part in parts {
            block.extend_from_slice(part);
        }
        block.resize(at + size, 0);
        let number = self.first.wrapping_add(number as u32);
        number.wrapping_mul(UNITS) + (at / UNIT) as u32
    }

    /// The record at this place, if it is on the tape.
    pub fn get(&self, place: Place) -> &[u8] {
        let number = (place / UNITS).wrapping_sub(self.first) & (u32::MAX / UNITS);
        let block = self.blocks.get(number as usize);
        let rest = block.and_then(|block| block.get((place % UNITS) as usize * UNIT..));
        rest.map(record).unwrap_or_default()
    }

    /// The first record, and its place.
    pub fn first(&self) -> Option<(Place, &[u8])> {
        let rest = self.blocks.front()?.get(self.front..)?;
        (!rest.is_empty()).then(|| (self.place(0, self.front), record(rest)))
    }

    /// Has both ends brought from memory; the number means nothing.
    pub fn look_at_ends(&self) -> u32 {
        let byte = |byte: &u8| u32::from(*byte);
        let first = self.blocks.front().and_then(|block| block.get(self.front));
        let last = self.blocks.back().and_then(|block| block.last());
        first.map_or(0, byte) ^ last.map_or(0, byte)
    }

    /// Frees the first record.
    pub fn free_first(&mut self) {
        let Some((_, record)) = self.first() else {
            return;
        };
        self.front += (LENGTH + record.len()).next_multiple_of(UNIT);
        if self
            .blocks
            .front()
            .is_some_and(|block| self.front == block.len())
        {
            let block = self.blocks.pop_front().unwrap_or_default();
            self.bytes -= block.capacity();
            self.first = self.first.wrapping_add(1);
            self.front = 0;
        }
    }

    /// All records with their places, from the first on.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &[u8])> {
        let starts = [self.front].into_iter().chain(std::iter::repeat(0));
        (0..)
            .zip(&self.blocks)
            .zip(starts)
            .flat_map(move |((number, block), start)| {
                let mut at = start;
                std::iter::from_fn(move || {
                    let rest = block.get(at..).filter(|rest| !rest.is_empty())?;
                    let (place, record) = (self.place(number, at), record(rest));
                    at += (LENGTH + record.len()).next_multiple_of(UNIT);
                    Some((place, record))
                })
            })
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Bytes it takes.
    pub fn memory(&self) -> usize {
        self.bytes
    }

    fn place(&self, block: u32, at: usize) -> Place {
        let number = self.first.wrapping_add(block);
        number.wrapping_mul(UNITS) + (at / UNIT) as u32
    }
}

/// The record at the beginning of the bytes.
fn record(bytes: &[u8]) -> &[u8] {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else {
        return &[];
    };
    let length = u32::from_le_bytes(*length) as usize;
    rest.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Tape};

    fn texts(tape: &Tape) -> Vec<Vec<u8>> {
        tape.iter().map(|(_, record)| record.to_vec()).collect()
    }

    #[test]
    fn records_are_found_where_they_were_put_until_they_are_freed() {
        let mut tape = Tape::default();
        let mut places = Vec::new();
        // Far more than one block, empty records and one longer than a block among them.
        let wanted: Vec<Vec<u8>> = (0..9_000)
            .map(|n| match n {
                4_321 => vec![7; 2 * BLOCK],
                n => vec![n as u8; n % 61],
            })
            .collect();
        for record in &wanted {
            let (head, tail) = record.split_at(record.len() / 3);
            places.push(tape.push(&[head, tail]));
        }
        assert_eq!(texts(&tape), wanted);
        for (at, (record, &place)) in wanted.iter().zip(&places).enumerate() {
            assert_eq!(tape.get(place), record, "{at}");
            assert_eq!(tape.first(), Some((place, record.as_slice())), "{at}");
            if at % 1_000 == 0 {
                assert_eq!(texts(&tape), wanted[at..], "{at}");
            }
            tape.free_first();
        }
        assert!(tape.is_empty());
        assert_eq!((tape.first(), tape.memory()), (None, 0));
        let place = tape.push(&[b"again"]);
        assert_eq!(tape.get(place), b"again");
        assert!(tape.memory() < 100);
    }

    #[test]
    fn places_may_repeat_once_what_had_them_is_freed() {
        let mut tape = Tape {
            first: u32::MAX / super::UNITS - 5,
            ..Tape::default()
        };
        let long = vec![1; BLOCK / 3];
        for n in 0..60_u32 {
            let text = n.to_le_bytes();
            let place = tape.push(&[&text, &long]);
            assert_eq!(tape.get(place)[..4], text);
            if n >= 10 {
                let first = tape.first().unwrap();
                assert_eq!(first.1[..4], (n - 10).to_le_bytes());
                assert_eq!(tape.get(first.0), first.1);
                tape.free_first();
            }
        }
        assert_eq!(tape.iter().count(), 10);
        assert!(tape.memory() < 10 * BLOCK);
    }
}
