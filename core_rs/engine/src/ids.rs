//! Ids: the hash by which every index finds one, and those of conversations and decisions, a letter and
//! the number, without leading zeros.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::fast::RandomState;

/// One for all indexes, so that a request's ids are hashed once. Another one in each process: nobody can
/// choose ids that meet in one place.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The hash of an id. Nothing that leaves the engine may depend on it.
pub fn hash(id: &[u8]) -> u32 {
    let mut hasher = HASHER.build_hasher();
    hasher.write(id);
    hasher.finish() as u32
}

/// A conversation's id; empty for number 0, none.
pub fn conversation(number: u64) -> String {
    if number == 0 {
        return String::new();
    }
    id(b'c', number)
}

pub fn decision(number: u64) -> String {
    id(b'd', number)
}

fn id(letter: u8, number: u64) -> String {
    let id = Id::new(letter, number);
    String::from_utf8_lossy(id.bytes()).into_owned()
}

/// The most bytes such an id has.
pub const LONGEST: usize = 21;

/// An id without an allocation.
pub struct Id {
    text: [u8; LONGEST],
    start: usize,
}

impl Id {
    /// By hand: formatting would be a noticeable part of a decision's time.
    pub fn new(letter: u8, mut number: u64) -> Self {
        let mut text = [0; LONGEST];
        let mut start = text.len();
        loop {
            start -= 1;
            text[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        start -= 1;
        text[start] = letter;
        Self { text, start }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// The number in a conversation id, if the id has the form of one.
pub fn conversation_number(id: &str) -> Option<u64> {
    let digits = id.strip_prefix('c')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{conversation, conversation_number, decision};

    #[test]
    fn numbers_come_back_from_their_ids() {
        for number in [1, 9, 10, 4096, u64::MAX] {
            assert_eq!(conversation(number), format!("c{number}"));
            assert_eq!(decision(number), format!("d{number}"));
            assert_eq!(conversation_number(&conversation(number)), Some(number));
        }
        assert_eq!(conversation(0), "");
        for id in [
            "",
            "c",
            "c01",
            "c0",
            "1",
            "d1",
            "c+1",
            "c18446744073709551616",
        ] {
            assert_eq!(conversation_number(id), None, "{id}");
        }
    }
}
