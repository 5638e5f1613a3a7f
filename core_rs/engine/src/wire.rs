//! Fields of a message, as prost would write them. Knows no message.

use prost::encoding::{encode_varint, encoded_len_varint};

/// A number as a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field's key; wire type 0 is a varint, 2 what has a length.
pub fn put_key(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    put_varint(out, (field << 3 | wire_type).into());
}

/// A number that is left out when it is 0.
pub fn put_number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_key(out, field, 0);
        put_varint(out, number);
    }
}

pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_key(out, field, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A text that is left out when it is empty.
pub fn put_text(out: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(out, field, text.as_bytes());
    }
}

/// Begins a message of this field; its length, mostly short, is put in at the `end`.
pub fn begin(out: &mut Vec<u8>, field: u32) -> usize {
    put_key(out, field, 2);
    begin_length(out)
}

/// Leaves room for a short length.
pub fn begin_length(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Puts the length of what was written since in its place.
pub fn end(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    let more = encoded_len_varint(length as u64) - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(start..start + length, start + more);
    let mut place = &mut out[start - 1..start + more];
    encode_varint(length as u64, &mut place);
}
