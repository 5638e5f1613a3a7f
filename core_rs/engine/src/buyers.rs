//! The buyers of a shop, by id and by key: what is known of each, in one cache line. Knows no rule.
//!
//! A key is a place in a page. It stays as long as the buyer is known and is then given to another; it
//! never reaches a reply, a log entry or a snapshot.

use crate::ids;
use crate::index::{Bucket, Index};
use crate::remembered::Generation;
use crate::short::Id;
use crate::state::Waiting;

pub type Key = u32;

/// Buyers of a page: as many as a word has bits.
const PAGE: usize = 64;
const NOBODY: u32 = u32::MAX;

/// The agent a buyer consulted last.
#[derive(Clone, Copy)]
pub struct Contact {
    pub agent: u32,
    pub consulted_at_ms: i64,
    pub conversation: u64,
}

/// What is known of a buyer.
#[repr(align(64))]
pub struct Buyer {
    id: Id,
    /// The open conversation; 0: none.
    open: u64,
    contact_conversation: u64,
    consulted_at_ms: i64,
    pub waiting: Option<Box<Waiting>>,
    contact_agent: u32,
    /// The generation that the contact was left to last, as far as it is in memory.
    pub left_in: Generation,
}

impl Buyer {
    fn new(id: &str) -> Self {
        Self {
            id: Id::new(id),
            open: 0,
            contact_conversation: 0,
            consulted_at_ms: 0,
            waiting: None,
            contact_agent: NOBODY,
            left_in: 0,
        }
    }

    pub fn id(&self) -> &str {
        std::str::from_utf8(self.id.bytes()).unwrap_or_default()
    }

    pub fn is(&self, id: &str) -> bool {
        self.id.bytes() == id.as_bytes()
    }

    /// The open conversation.
    pub fn open(&self) -> Option<u64> {
        (self.open != 0).then_some(self.open)
    }

    pub fn set_open(&mut self, conversation: Option<u64>) {
        self.open = conversation.unwrap_or(0);
    }

    pub fn contact(&self) -> Option<Contact> {
        (self.contact_agent != NOBODY).then_some(Contact {
            agent: self.contact_agent,
            consulted_at_ms: self.consulted_at_ms,
            conversation: self.contact_conversation,
        })
    }

    pub fn set_contact(&mut self, contact: Contact) {
        self.contact_agent = contact.agent;
        self.consulted_at_ms = contact.consulted_at_ms;
        self.contact_conversation = contact.conversation;
    }

    pub fn is_live(&self) -> bool {
        self.open != 0 || self.waiting.is_some()
    }
}

/// What is free in a page.
#[derive(Default)]
struct Room {
    /// A bit for each place that is taken.
    taken: u64,
    /// Whether the page is in `roomy`.
    noted: bool,
}

/// All that are known.
#[derive(Default)]
pub struct Buyers {
    /// A page is as long as it was when most of its places were taken.
    pages: Vec<Vec<Buyer>>,
    rooms: Vec<Room>,
    /// Pages that have room again, or had and are full by now.
    roomy: Vec<u32>,
    index: Index,
    len: usize,
    bytes: usize,
}

const fn place(key: Key) -> (usize, usize) {
    (key as usize / PAGE, key as usize % PAGE)
}

impl Buyers {
    pub fn find(&self, id: &str) -> Option<Key> {
        self.find_hashed(id, ids::hash(id.as_bytes()))
    }

    /// The same with the id's hash, where that is known.
    pub fn find_hashed(&self, id: &str, hash: u32) -> Option<Key> {
        self.index.find(hash, |key| self[key].is(id))
    }

    /// Where an id with this hash stands, if it is known, probably.
    pub fn bucket(&self, hash: u32) -> Option<&Bucket> {
        self.index.bucket(hash)
    }

    /// The buyer with this key, if there is one.
    pub fn peek(&self, key: Key) -> Option<&Buyer> {
        let (number, at) = place(key);
        self.pages.get(number)?.get(at)
    }

    /// The buyer with this id, made if need be.
    pub fn key_of(&mut self, id: &str) -> Key {
        self.key_of_hashed(id, ids::hash(id.as_bytes()))
    }

    /// The same with the id's hash.
    pub fn key_of_hashed(&mut self, id: &str, hash: u32) -> Key {
        match self.find_hashed(id, hash) {
            Some(key) => key,
            None => self.begin(id, hash),
        }
    }

    /// The buyer with this id, who is not known; with the id's hash.
    pub fn begin(&mut self, id: &str, hash: u32) -> Key {
        let key = self.add(Buyer::new(id));
        self.index.insert(hash, key);
        key
    }

    fn add(&mut self, buyer: Buyer) -> Key {
        self.len += 1;
        self.bytes += buyer.id.memory();
        let number = self.page_with_room();
        let (page, room) = (&mut self.pages[number], &mut self.rooms[number]);
        let at = room.taken.trailing_ones() as usize;
        room.taken |= 1 << at;
        match page.get_mut(at) {
            Some(place) => *place = buyer,
            None => {
                let before = page.capacity();
                if before == page.len() {
                    // Small shops have small pages.
                    let more = if number < 4 { before.max(1) } else { PAGE };
                    page.reserve_exact(more);
                    self.bytes += (page.capacity() - before) * size_of::<Buyer>();
                }
                page.push(buyer);
            }
        }
        (number * PAGE + at) as Key
    }

    /// Rather one that is used already.
    fn page_with_room(&mut self) -> usize {
        while let Some(&number) = self.roomy.last() {
            let room = &mut self.rooms[number as usize];
            if room.taken != u64::MAX {
                return number as usize;
            }
            room.noted = false;
            self.roomy.pop();
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::new());
            self.rooms.push(Room::default());
        }
        self.pages.len() - 1
    }

    /// Nothing is known of the buyer any more.
    pub fn remove(&mut self, key: Key) {
        let (number, at) = place(key);
        let (page, room) = (&mut self.pages[number], &mut self.rooms[number]);
        debug_assert!(room.taken >> at & 1 == 1);
        let buyer = std::mem::replace(&mut page[at], Buyer::new(""));
        let hash = ids::hash(buyer.id.bytes());
        self.index.remove(hash, |other| other == key);
        self.len -= 1;
        self.bytes -= buyer.id.memory();
        room.taken &= !(1 << at);
        if room.taken == 0 {
            let page = std::mem::take(page);
            self.bytes -= page.capacity() * size_of::<Buyer>();
        }
        if !room.noted {
            room.noted = true;
            self.roomy.push(number as u32);
        }
        if self.len == 0 {
            (self.pages, self.rooms, self.roomy) = Default::default();
        }
    }

    pub fn get_mut(&mut self, key: Key) -> &mut Buyer {
        let (number, at) = place(key);
        &mut self.pages[number][at]
    }

    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Buyer)> {
        let keys = (0..).step_by(PAGE);
        let pages = keys.zip(self.pages.iter().zip(&self.rooms));
        pages.flat_map(|(first, (page, room))| {
            let places = (0..).zip(page);
            let taken = places.filter(move |(at, _)| room.taken >> at & 1 == 1);
            taken.map(move |(at, buyer)| (first + at, buyer))
        })
    }

    /// Bytes this takes, apart from waiting entries.
    pub fn memory(&self) -> usize {
        let page = size_of::<Vec<Buyer>>() + size_of::<Room>() + size_of::<u32>();
        self.bytes + self.pages.capacity() * page + self.index.memory()
    }
}

impl std::ops::Index<Key> for Buyers {
    type Output = Buyer;

    fn index(&self, key: Key) -> &Buyer {
        let (number, at) = place(key);
        &self.pages[number][at]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Buyer, Buyers, Key};

    #[test]
    fn a_buyer_is_one_cache_line() {
        assert_eq!((size_of::<Buyer>(), align_of::<Buyer>()), (64, 64));
    }

    #[test]
    fn keys_lead_to_their_buyers_whoever_comes_and_goes() {
        let mut buyers = Buyers::default();
        let mut known: BTreeMap<String, Key> = BTreeMap::new();
        let mut random = 1_u32;
        for step in 0..60_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = random >> 8 & 0x3fff;
            // Short ids, and ids that stand elsewhere.
            let id = format!("{number:0>width$}", width = 17 + number as usize % 12);
            assert_eq!(buyers.find(&id), known.get(&id).copied());
            if random % 5 < 3 + step / 30_000 * 2 - step / 45_000 * 5 {
                let key = buyers.key_of(&id);
                assert_eq!(known.insert(id.clone(), key).unwrap_or(key), key);
                assert!(buyers[key].is(&id) && buyers[key].id() == id);
            } else if let Some(key) = known.remove(&id) {
                buyers.remove(key);
            }
        }
        let all: BTreeMap<String, Key> = buyers
            .iter()
            .map(|(key, buyer)| (buyer.id().to_owned(), key))
            .collect();
        assert!(known.len() > 100);
        assert_eq!(all, known);
        for key in known.into_values() {
            buyers.remove(key);
        }
        assert!(buyers.iter().next().is_none());
        assert!(buyers.memory() < 100, "{}", buyers.memory());
    }

    #[test]
    fn room_that_is_free_is_used_again() {
        let mut buyers = Buyers::default();
        let ids: Vec<String> = (0..20_000)
            .map(|number| format!("buyer-{number:010}"))
            .collect();
        let keys: Vec<Key> = ids.iter().map(|id| buyers.key_of(id)).collect();
        let before = buyers.memory();
        assert!(before < ids.len() * 96, "{before}");
        for (_, key) in keys.iter().enumerate().filter(|(at, _)| at % 100 > 0) {
            buyers.remove(*key);
        }
        for number in 0..19_000 {
            buyers.key_of(&format!("other-{number:010}"));
        }
        assert!(buyers.memory() <= before, "{} > {before}", buyers.memory());
        assert!(buyers.iter().all(|(key, _)| (key as usize) < 20_100));
    }
}
