//! Fields of a message, as prost would write them. Knows no message.

use prost::encoding::encoded_len_varint;

/// The most bytes a number takes with its key, of a field below 2048.
pub const NUMBER: usize = 12;
/// The most bytes key and length of what has a length take.
pub const HEAD: usize = 7;

/// Appends what is written with a pen, at most so many bytes.
pub fn write(out: &mut Vec<u8>, most: usize, work: impl FnOnce(&mut Pen)) {
    let start = out.len();
    out.resize(start + most, 0);
    let mut pen = Pen {
        room: &mut out[start..],
        at: 0,
    };
    work(&mut pen);
    let end = start + pen.at;
    out.truncate(end);
}

/// Writes in room that is enough, so that no byte needs to look for more.
pub struct Pen<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Pen<'_> {
    /// A number as a varint.
    #[inline]
    pub fn varint(&mut self, mut number: u64) {
        let mut at = self.at;
        while number >= 0x80 {
            self.room[at] = number as u8 | 0x80;
            at += 1;
            number >>= 7;
        }
        self.room[at] = number as u8;
        self.at = at + 1;
    }

    /// A key and a number, which mostly take one byte each.
    #[inline]
    fn pair(&mut self, key: u32, number: u64) {
        if key < 0x80 && number < 0x80 {
            self.room[self.at..][..2].copy_from_slice(&[key as u8, number as u8]);
            self.at += 2;
        } else {
            self.varint(key.into());
            self.varint(number);
        }
    }

    /// A number that is left out when it is 0.
    pub fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.pair(field << 3, number);
        }
    }

    /// Bytes without a key.
    pub fn raw(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        self.room[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.pair(field << 3 | 2, bytes.len() as u64);
        self.raw(bytes);
    }

    /// A text that is left out when it is empty.
    pub fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// A message of this field, which is mostly short.
    pub fn message(&mut self, field: u32, work: impl FnOnce(&mut Self)) {
        self.varint((field << 3 | 2).into());
        self.with_length(1, work);
    }

    /// What is written behind its length, which mostly takes so many bytes.
    pub fn with_length(&mut self, mostly: usize, work: impl FnOnce(&mut Self)) {
        let before = self.at;
        let start = before + mostly;
        self.at = start;
        work(self);
        let length = self.at - start;
        let takes = encoded_len_varint(length as u64);
        if takes != mostly {
            self.room.copy_within(start..self.at, before + takes);
        }
        self.at = before;
        self.varint(length as u64);
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use prost::encoding::encode_varint;

    use super::{Pen, write};

    #[test]
    fn a_number_has_the_bytes_that_prost_would_write() {
        for bits in 0..64 {
            for number in [
                (1 << bits) - 1,
                1 << bits,
                (1 << bits) + 1,
                u64::MAX >> bits,
            ] {
                let mut wanted = b"before".to_vec();
                encode_varint(number, &mut wanted);
                encode_varint(5 << 3, &mut wanted);
                encode_varint(number.max(1), &mut wanted);
                encode_varint(16 << 3, &mut wanted);
                encode_varint(number.max(1), &mut wanted);
                let mut out = b"before".to_vec();
                write(&mut out, 40, |pen| {
                    pen.varint(number);
                    pen.number(5, number.max(1));
                    pen.number(16, number.max(1));
                    pen.number(7, 0);
                });
                assert_eq!(out, wanted, "{number}");
            }
        }
    }

    #[test]
    fn what_has_a_length_may_be_of_any() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000] {
            let bytes = vec![7; length];
            let mut wanted = Vec::new();
            encode_varint(length as u64, &mut wanted);
            wanted.extend(&bytes);
            wanted.push(1);
            for mostly in [1, 2] {
                let mut out = Vec::new();
                write(&mut out, length + 10, |pen| {
                    pen.with_length(mostly, |pen: &mut Pen| pen.raw(&bytes));
                    pen.varint(1);
                });
                assert!(out == wanted, "{length}");
            }
        }
    }
}
