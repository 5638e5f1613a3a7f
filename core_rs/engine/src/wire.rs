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
    fn byte(&mut self, byte: u8) {
        self.room[self.at] = byte;
        self.at += 1;
    }

    /// A number as a varint.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// A field's key; wire type 0 is a varint, 2 what has a length.
    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint((field << 3 | wire_type).into());
    }

    /// A number that is left out when it is 0.
    pub fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.key(field, 0);
            self.varint(number);
        }
    }

    /// Bytes without a key.
    pub fn raw(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        self.room[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
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
        self.key(field, 2);
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
