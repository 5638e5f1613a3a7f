//! Chunks of segments, as docs/formats.md says: read and searched as they are, cut, and merged.
//! Knows what a key's letter means for how long its entry exists; knows no shop.

use crate::remembered::still_remembered;

/// The most bytes of a segment's chunk with more than one entry.
const MOST_BYTES: usize = 65_536;
/// Count and latest time.
const HEAD: usize = 12;
const OFFSET: usize = 4;
const KEY_LENGTH: usize = 2;
const TIME: usize = 8;

/// The kinds of keys.
pub const CONTACT: u8 = b'b';
pub const CONVERSATION: u8 = b'c';
pub const MESSAGE_EVENT: u8 = b'e';
pub const ORDER_EVENT: u8 = b'o';
pub const REQUEST: u8 = b'r';

/// What is wrong with bytes that should be a chunk's.
pub type Bad = &'static str;
const NO_CHUNK: Bad = "not a segment's chunk";

pub fn key(kind: u8, of: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + of.len());
    key.push(kind);
    key.extend_from_slice(of);
    key
}

/// Puts a key in place of what is there.
pub fn put_key(out: &mut Vec<u8>, kind: u8, of: &[u8]) {
    out.clear();
    out.push(kind);
    out.extend_from_slice(of);
}

/// An entry where it stands.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub key: &'a [u8],
    pub at_ms: i64,
    pub value: &'a [u8],
}

/// How long what stands in segments exists.
#[derive(Clone, Copy)]
pub struct Lifetimes {
    pub now: i64,
    pub contact_lifetime_ms: i64,
    /// Contacts from before do not exist; 0: no such limit.
    pub contacts_since_ms: i64,
}

impl Lifetimes {
    /// Whether a contact of this time exists.
    pub fn contact(&self, consulted_at_ms: i64) -> bool {
        self.now.saturating_sub(consulted_at_ms) <= self.contact_lifetime_ms
            && (self.contacts_since_ms == 0 || consulted_at_ms >= self.contacts_since_ms)
    }

    /// Whether an entry exists.
    pub fn entry(&self, entry: &Entry) -> Result<bool, Bad> {
        match entry.key.first() {
            Some(&(CONTACT | CONVERSATION)) => Ok(self.contact(entry.at_ms)),
            Some(&(MESSAGE_EVENT | ORDER_EVENT | REQUEST)) => {
                Ok(still_remembered(entry.at_ms, self.now))
            }
            _ => Err("a key of no known kind"),
        }
    }

    /// Whether something may exist where the latest time is this.
    pub fn anything(&self, newest_ms: i64) -> bool {
        still_remembered(newest_ms, self.now)
            || self.now.saturating_sub(newest_ms) <= self.contact_lifetime_ms
    }
}

/// A chunk's content, its shape checked where it is read.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    content: &'a [u8],
    count: usize,
}

impl<'a> Chunk<'a> {
    pub fn open(content: &'a [u8]) -> Result<Self, Bad> {
        let count = content
            .first_chunk()
            .map(|count| u32::from_be_bytes(*count) as usize)
            .ok_or(NO_CHUNK)?;
        if count == 0 || (content.len() - OFFSET) / OFFSET < count {
            return Err(NO_CHUNK);
        }
        Ok(Self { content, count })
    }

    /// How many entries it says it has; at least one.
    pub fn len(self) -> usize {
        self.count
    }

    pub fn entries(self) -> impl Iterator<Item = Result<Entry<'a>, Bad>> {
        (0..self.count).map(move |at| self.entry(at))
    }

    /// The entry with this key.
    pub fn find(self, key: &[u8]) -> Result<Option<Entry<'a>>, Bad> {
        let at = self.first_from(key)?;
        if at == self.count {
            return Ok(None);
        }
        let entry = self.entry(at)?;
        Ok((entry.key == key).then_some(entry))
    }

    /// The place of the first entry whose key is not below this one.
    fn first_from(self, key: &[u8]) -> Result<usize, Bad> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.key < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn entry(self, at: usize) -> Result<Entry<'a>, Bad> {
        let start = self.offset(at)?;
        let end = if at + 1 < self.count {
            self.offset(at + 1)?
        } else {
            self.content.len()
        };
        let bytes = self.content.get(start..end).ok_or(NO_CHUNK)?;
        let (length, rest) = bytes.split_first_chunk::<KEY_LENGTH>().ok_or(NO_CHUNK)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (key, rest) = rest.split_at_checked(length).ok_or(NO_CHUNK)?;
        let (at_ms, value) = rest.split_first_chunk::<TIME>().ok_or(NO_CHUNK)?;
        Ok(Entry {
            key,
            at_ms: i64::from_be_bytes(*at_ms),
            value,
        })
    }

    fn offset(self, at: usize) -> Result<usize, Bad> {
        let from = HEAD + OFFSET * at;
        let bytes = self.content.get(from..from + OFFSET).ok_or(NO_CHUNK)?;
        let offset = bytes.first_chunk().ok_or(NO_CHUNK)?;
        Ok(u32::from_be_bytes(*offset) as usize)
    }
}

/// Cuts entries, given in the order of their keys, into the contents of a segment's chunks.
#[derive(Default)]
pub struct Cutter {
    chunks: Vec<Vec<u8>>,
    offsets: Vec<u32>,
    entries: Vec<u8>,
    newest_ms: Option<i64>,
}

impl Cutter {
    pub fn add(&mut self, entry: &Entry) -> Result<(), Bad> {
        let key_length = u16::try_from(entry.key.len()).map_err(|_| "a key is too long")?;
        let length = KEY_LENGTH + entry.key.len() + TIME + entry.value.len();
        let size = HEAD + OFFSET * (self.offsets.len() + 1) + self.entries.len() + length;
        if size > MOST_BYTES && !self.offsets.is_empty() {
            self.end_chunk();
        }
        let offset = u32::try_from(self.entries.len()).map_err(|_| "an entry is too long")?;
        self.offsets.push(offset);
        self.entries.extend_from_slice(&key_length.to_be_bytes());
        self.entries.extend_from_slice(entry.key);
        self.entries.extend_from_slice(&entry.at_ms.to_be_bytes());
        self.entries.extend_from_slice(entry.value);
        self.newest_ms = self.newest_ms.max(Some(entry.at_ms));
        Ok(())
    }

    fn end_chunk(&mut self) {
        let Some(newest_ms) = self.newest_ms.take() else {
            return;
        };
        let first = HEAD + OFFSET * self.offsets.len();
        let mut content = Vec::with_capacity(first + self.entries.len());
        content.extend_from_slice(&(self.offsets.len() as u32).to_be_bytes());
        content.extend_from_slice(&newest_ms.to_be_bytes());
        for offset in self.offsets.drain(..) {
            content.extend_from_slice(&(first as u32 + offset).to_be_bytes());
        }
        content.append(&mut self.entries);
        self.chunks.push(content);
    }

    pub fn finish(mut self) -> Vec<Vec<u8>> {
        self.end_chunk();
        self.chunks
    }
}

/// A segment's entries in order, one after the other.
struct Reader<'a> {
    chunks: std::slice::Iter<'a, &'a [u8]>,
    chunk: Option<Chunk<'a>>,
    at: usize,
    current: Option<Entry<'a>>,
}

impl<'a> Reader<'a> {
    fn new(chunks: &'a [&'a [u8]], first: &[u8]) -> Result<Self, Bad> {
        let mut reader = Self {
            chunks: chunks.iter(),
            chunk: None,
            at: 0,
            current: None,
        };
        reader.advance()?;
        while reader.current.is_some_and(|entry| entry.key < first) {
            reader.advance()?;
        }
        Ok(reader)
    }

    fn advance(&mut self) -> Result<(), Bad> {
        let before = self.current.take();
        while self.chunk.is_none_or(|chunk| self.at == chunk.count) {
            let Some(content) = self.chunks.next() else {
                return Ok(());
            };
            self.chunk = Some(Chunk::open(content)?);
            self.at = 0;
        }
        if let Some(chunk) = self.chunk {
            let entry = chunk.entry(self.at)?;
            if before.is_some_and(|before| before.key >= entry.key) {
                return Err("keys out of order");
            }
            self.at += 1;
            self.current = Some(entry);
        }
        Ok(())
    }
}

/// One segment's chunks out of several segments' (newest first): of equal keys the newest's entry
/// within `first <= key < end` (an empty `end` is no end), if it exists.
pub fn merge(
    sources: &[Vec<&[u8]>],
    first: &[u8],
    end: &[u8],
    lifetimes: Lifetimes,
) -> Result<Vec<Vec<u8>>, Bad> {
    let mut readers = sources
        .iter()
        .map(|chunks| Reader::new(chunks, first))
        .collect::<Result<Vec<_>, _>>()?;
    let mut cutter = Cutter::default();
    loop {
        // Of equal keys the first, the newest.
        let current = readers.iter().filter_map(|reader| reader.current);
        let Some(entry) = current.min_by_key(|entry| entry.key) else {
            break;
        };
        if !end.is_empty() && entry.key >= end {
            break;
        }
        if lifetimes.entry(&entry)? {
            cutter.add(&entry)?;
        }
        for reader in &mut readers {
            if reader.current.is_some_and(|other| other.key == entry.key) {
                reader.advance()?;
            }
        }
    }
    Ok(cutter.finish())
}

#[cfg(test)]
mod tests {
    use super::{Bad, Chunk, Cutter, Entry, Lifetimes, merge};

    const LIFETIMES: Lifetimes = Lifetimes {
        now: 100,
        contact_lifetime_ms: 50,
        contacts_since_ms: 0,
    };

    fn cut(entries: &[(&[u8], i64, &[u8])]) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::default();
        for &(key, at_ms, value) in entries {
            cutter.add(&Entry { key, at_ms, value }).unwrap();
        }
        cutter.finish()
    }

    fn read(chunks: &[Vec<u8>]) -> Vec<(Vec<u8>, i64, Vec<u8>)> {
        let entries = chunks
            .iter()
            .flat_map(|c| Chunk::open(c).unwrap().entries());
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.key.to_vec(), entry.at_ms, entry.value.to_vec())
            })
            .collect()
    }

    fn borrowed(chunks: &[Vec<u8>]) -> Vec<&[u8]> {
        chunks.iter().map(Vec::as_slice).collect()
    }

    fn keys(chunks: &[Vec<u8>]) -> Vec<String> {
        let keys = read(chunks).into_iter().map(|(key, _, _)| key);
        keys.map(|key| String::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn the_bytes_are_those_of_the_text() {
        let chunks = cut(&[(b"bx", 7, b"v"), (b"e", -1, b"")]);
        let wanted: &[&[u8]] = &[
            &2u32.to_be_bytes(),
            &7i64.to_be_bytes(),
            &20u32.to_be_bytes(),
            &33u32.to_be_bytes(),
            b"\x00\x02bx",
            &7i64.to_be_bytes(),
            b"v",
            b"\x00\x01e",
            &(-1i64).to_be_bytes(),
        ];
        assert_eq!(chunks, [wanted.concat()]);
        assert_eq!(cut(&[]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_chunk_ends_before_it_would_have_more_than_64_kib() {
        // The head has 12 bytes; an entry 4 in the offsets, 2 + 2 + 8 and its value.
        let exact = vec![0; 65_536 - 12 - 2 * 16];
        let over = vec![0; exact.len() + 1];
        let sizes = |first: &[u8], second: &[u8]| -> Vec<usize> {
            let chunks = cut(&[(b"ba", 1, first), (b"bb", 2, second), (b"bc", 3, b"")]);
            assert_eq!(keys(&chunks), ["ba", "bb", "bc"]);
            chunks.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&exact, b""), [65_536, 28]);
        assert_eq!(sizes(&over, b""), [65_521, 44]);
        // One entry alone may have more.
        let large = vec![0; 70_000];
        assert_eq!(sizes(&large, &large), [70_028, 70_028, 28]);
    }

    #[test]
    fn every_key_is_found_and_no_other() {
        let numbers: Vec<String> = (0..300).map(|n| format!("b{:03}", n * 2)).collect();
        let entries: Vec<(&[u8], i64, &[u8])> = (0..)
            .zip(&numbers)
            .map(|(n, key)| (key.as_bytes(), n, key.as_bytes()))
            .collect();
        let chunks = cut(&entries);
        let chunk = Chunk::open(&chunks[0]).unwrap();
        for n in 0..601 {
            let key = format!("b{n:03}");
            let found = chunk.find(key.as_bytes()).unwrap();
            let value = found.map(|entry| entry.value);
            let wanted = n % 2 == 0 && n < 600;
            assert_eq!(value, wanted.then_some(key.as_bytes()), "{key}");
        }
        assert!(chunk.find(b"").unwrap().is_none());
        assert!(chunk.find(b"c").unwrap().is_none());
    }

    #[test]
    fn bytes_that_are_no_chunk_are_told_so() {
        let good = cut(&[(b"ba", 1, b"value"), (b"bb", 2, b"")]).remove(0);
        let look = |content: &[u8]| -> Result<(), Bad> {
            let chunk = Chunk::open(content)?;
            for entry in chunk.entries() {
                entry?;
            }
            chunk.find(b"ba")?;
            Ok(())
        };
        look(&good).unwrap();
        for length in 0..good.len() {
            assert!(look(&good[..length]).is_err(), "{length} bytes");
        }
        // Whatever a byte becomes, nothing fails but the search.
        for at in 0..good.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = look(&bad);
                let _ = merge(&[vec![bad.as_slice()]], b"", b"", LIFETIMES);
            }
        }
        assert!(look(&0u32.to_be_bytes()).is_err());
        assert!(look(&[0xff; 40]).is_err());
    }

    #[test]
    fn merging_keeps_the_newest_and_leaves_out_what_does_not_exist() {
        let newest = cut(&[(b"ba", 90, b"new"), (b"bb", 49, b"gone"), (b"e1", 1, b"")]);
        let older = cut(&[(b"ba", 80, b"old"), (b"bb", 60, b"shadowed")]);
        let other = cut(&[(b"bc", 50, b"limit"), (b"r1", -86_399_901, b"gone")]);
        let sources = [&newest, &older, &other].map(|chunks| borrowed(chunks));
        let merged = merge(&sources, b"", b"", LIFETIMES).unwrap();
        assert_eq!(
            read(&merged),
            [
                (b"ba".to_vec(), 90, b"new".to_vec()),
                (b"bc".to_vec(), 50, b"limit".to_vec()),
                (b"e1".to_vec(), 1, Vec::new()),
            ]
        );
        let since = Lifetimes {
            contacts_since_ms: 51,
            ..LIFETIMES
        };
        let merged = merge(&sources, b"", b"", since).unwrap();
        assert_eq!(keys(&merged), ["ba", "e1"]);
    }

    #[test]
    fn merging_stays_within_the_keys_asked_for() {
        let first = cut(&[(b"ba", 90, b""), (b"bc", 90, b"")]);
        let second = cut(&[(b"bb", 90, b""), (b"bd", 90, b"")]);
        let sources = [borrowed(&first), borrowed(&second), Vec::new()];
        let within = |first: &[u8], end: &[u8]| {
            keys(&merge(&sources, first, end, LIFETIMES).unwrap()).join(" ")
        };
        assert_eq!(within(b"", b""), "ba bb bc bd");
        assert_eq!(within(b"bb", b""), "bb bc bd");
        assert_eq!(within(b"bab", b"bd"), "bb bc");
        assert_eq!(within(b"bc", b"bc"), "");
        assert!(merge(&[], b"", b"", LIFETIMES).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_segment_is_not_merged() {
        let ordered = cut(&[(b"ba", 1, b""), (b"bb", 1, b"")]);
        let twice = [borrowed(&ordered), borrowed(&ordered)].concat();
        assert!(merge(&[twice], b"", b"", LIFETIMES).is_err());
        let unordered = cut(&[(b"bb", 1, b""), (b"ba", 1, b"")]);
        assert!(merge(&[borrowed(&unordered)], b"", b"", LIFETIMES).is_err());
        let unknown = cut(&[(b"x", 1, b"")]);
        assert!(merge(&[borrowed(&unknown)], b"", b"", LIFETIMES).is_err());
        assert!(merge(&[vec![b"".as_slice()]], b"", b"", LIFETIMES).is_err());
    }
}
