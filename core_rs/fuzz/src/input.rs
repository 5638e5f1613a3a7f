//! Bytes of a fuzzer, read as the arguments of calls.

/// What is left of the bytes. Reading beyond the end gives zeros and nothing.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; none at the end.
    pub fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// As many bytes as the one or two in front of them say, or fewer at the end.
    pub fn body(&mut self) -> &'a [u8] {
        const LONG: u8 = 0x80;
        let mut length = usize::from(self.byte());
        if length >= usize::from(LONG) {
            length = (length & 0x7f) << 8 | usize::from(self.byte());
        }
        let (body, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        body
    }

    /// Milliseconds that pass: up to 63 of one of four units, which are up to two days.
    pub fn pause_ms(&mut self) -> i64 {
        const UNITS: [i64; 4] = [1, 1_000, 60_000, 2_760_000];
        let byte = self.byte();
        UNITS[usize::from(byte & 3)] * i64::from(byte >> 2)
    }
}
