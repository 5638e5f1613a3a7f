//! Which keys a segment's chunk may hold, at two bytes a key, so that it is not looked in for others: a Bloom
//! filter in blocks of a cache line (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom
//! Filters, 2007). Of a thousand keys that a chunk does not hold it names about one. For one process: its
//! hashes are nobody else's.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use crate::chunks::{Bad, Chunk};

const WORDS: usize = 8;
const BLOCK_BYTES: usize = WORDS * 8;
const BLOCK_BITS: u64 = 512;
const KEYS_PER_BLOCK: usize = 32;
const PROBES: u32 = 7;
/// Bits that say where in a block a probe looks.
const PROBE_BITS: u32 = 9;

static HASHER: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);

/// Of a key, for filters.
#[derive(Clone, Copy)]
pub struct Hash(u64);

/// Of the key with this letter.
pub fn hash(letter: u8, of: &[u8]) -> Hash {
    let mut hasher = HASHER.build_hasher();
    hasher.write_u8(letter);
    hasher.write(of);
    Hash(hasher.finish())
}

/// One cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub struct Block([u64; WORDS]);

impl Block {
    /// Has the block brought from memory; the number means nothing.
    pub fn look(&self) -> u32 {
        self.0[0] as u32
    }
}

pub struct Filter {
    blocks: Box<[Block]>,
}

impl Filter {
    /// Of all keys of a chunk.
    pub fn of(chunk: Chunk) -> Result<Self, Bad> {
        let count = chunk.len().div_ceil(KEYS_PER_BLOCK);
        let mut blocks = vec![Block::default(); count].into_boxed_slice();
        for entry in chunk.entries() {
            let (letter, of) = entry?.key.split_first().ok_or("an empty key")?;
            let hash = hash(*letter, of);
            let block = &mut blocks[place(hash, count)];
            for (word, bit) in probes(hash) {
                block.0[word] |= bit;
            }
        }
        Ok(Self { blocks })
    }

    /// As `to_bytes` gave it.
    pub fn read(bytes: &[u8]) -> Result<Self, Bad> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        if blocks.is_empty() || !rest.is_empty() {
            return Err("not a filter");
        }
        let word = |of: &[u8; BLOCK_BYTES], at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&of[8 * at..8 * at + 8]);
            u64::from_le_bytes(word)
        };
        let block = |of: &[u8; BLOCK_BYTES]| Block(std::array::from_fn(|at| word(of, at)));
        Ok(Self {
            blocks: blocks.iter().map(block).collect(),
        })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.blocks.iter().flat_map(|block| block.0);
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Whether the chunk may hold the key; it does not where this says no.
    pub fn may_hold(&self, hash: Hash) -> bool {
        let block = &self.blocks[place(hash, self.blocks.len())];
        // All of them: where the first miss is no processor foresees.
        let missed = probes(hash).fold(0, |missed, (word, bit)| missed | (!block.0[word] & bit));
        missed == 0
    }

    /// What `may_hold` would read.
    pub fn block(&self, hash: Hash) -> Option<&Block> {
        self.blocks.get(place(hash, self.blocks.len()))
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&*self.blocks)
    }
}

fn place(hash: Hash, blocks: usize) -> usize {
    ((u128::from(hash.0) * blocks as u128) >> 64) as usize
}

/// Words of a block, and the bit in each.
fn probes(hash: Hash) -> impl Iterator<Item = (usize, u64)> {
    // Not the bits that have chosen the block.
    let bits = hash.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..PROBES).map(move |probe| {
        let at = (bits >> (PROBE_BITS * probe)) % BLOCK_BITS;
        ((at / 64) as usize, 1 << (at % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::{Filter, hash};
    use crate::chunks::{Chunk, Cutter, Entry};

    fn chunk(keys: std::ops::Range<u32>) -> Vec<u8> {
        let mut cutter = Cutter::default();
        for key in keys {
            let entry = Entry {
                key: &[b"r".as_slice(), &key.to_be_bytes()].concat(),
                at_ms: 1,
                value: b"",
            };
            cutter.add(&entry).unwrap();
        }
        cutter.finish().remove(0)
    }

    #[test]
    fn every_key_held_is_said_to_be_and_few_others() {
        let content = chunk(0..1000);
        let filter = Filter::of(Chunk::open(&content).unwrap()).unwrap();
        let again = Filter::read(&filter.to_bytes()).unwrap();
        let of = |number: u32| hash(b'r', &number.to_be_bytes());
        for number in 0..1000 {
            assert!(filter.may_hold(of(number)));
            assert!(again.may_hold(of(number)));
        }
        let others = 1000..101_000;
        let wrong = others.filter(|number| filter.may_hold(of(*number)));
        assert!(wrong.count() < 500);
        assert_eq!(filter.bytes(), 1000_usize.div_ceil(32) * 64);
    }

    #[test]
    fn bytes_that_are_no_filter_are_told_so() {
        for length in [0, 1, 63, 65] {
            assert!(Filter::read(&vec![0; length]).is_err(), "{length}");
        }
    }
}
