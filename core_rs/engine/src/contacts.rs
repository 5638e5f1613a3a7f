//! Contacts: whom each buyer consulted last, while the buyer is live and after.

use std::collections::VecDeque;

use crate::buyers::{Contact, Key};
use crate::chunks::Lifetimes;
use crate::queue::Queue;
use crate::remembered::{FETCHED, Generation};
use crate::state::{ContactOf, Shop};

/// By generation, about in the order the contacts run out: each buyer who left a contact to one, under
/// the generation the buyer left it to last; others have gone on.
#[derive(Default)]
pub struct Leavers {
    generations: VecDeque<(Generation, Queue<Leaver>)>,
    /// Those up to this one are stored; what is still here of them waits to be freed.
    dropped: Generation,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaver {
    /// When the agent was consulted, in units of 4096 ms, rounded down; never later than that.
    consulted_at: u32,
    buyer: Key,
}

impl Leaver {
    pub fn new(consulted_at_ms: i64, buyer: Key) -> Self {
        let consulted_at = (consulted_at_ms >> 12).clamp(0, u32::MAX.into()) as u32;
        Self {
            consulted_at,
            buyer,
        }
    }

    fn consulted_at_ms(self) -> i64 {
        i64::from(self.consulted_at) << 12
    }
}

impl Leavers {
    pub fn push(&mut self, generation: Generation, leaver: Leaver) {
        match self.generations.back_mut() {
            Some((last, queue)) if *last == generation => queue.push(leaver),
            _ => {
                let mut queue = Queue::default();
                queue.push(leaver);
                self.generations.push_back((generation, queue));
            }
        }
    }

    /// Has both ends brought from memory; the number means nothing.
    pub fn look_at_ends(&self) -> u32 {
        let last = self.generations.back().and_then(|last| last.1.last());
        let ends = [self.first().map(|first| first.1), last];
        let looked = ends.into_iter().flatten();
        looked.fold(0, |all, leaver| all ^ leaver.buyer)
    }

    fn first(&self) -> Option<(Generation, Leaver)> {
        let (generation, queue) = self.generations.front()?;
        Some((*generation, queue.first()?))
    }

    fn pop(&mut self) -> Option<(Generation, Leaver)> {
        let (generation, queue) = self.generations.front_mut()?;
        let popped = (*generation, queue.pop()?);
        if queue.is_empty() {
            self.generations.pop_front();
        }
        Some(popped)
    }

    /// The generations up to this one are stored: `Shop::free_dropped_contact` frees them.
    pub fn drop_through(&mut self, generation: Generation) {
        self.dropped = self.dropped.max(generation);
    }

    /// Whether what was left to this generation is stored.
    pub const fn has_dropped(&self, generation: Generation) -> bool {
        generation <= self.dropped
    }

    /// Whether there is nothing but dropped generations.
    pub fn is_empty(&self) -> bool {
        let latest = self.generations.back();
        latest.is_none_or(|(latest, _)| self.has_dropped(*latest))
    }

    /// Bytes this takes.
    pub fn memory(&self) -> usize {
        self.generations
            .iter()
            .map(|(_, queue)| queue.memory())
            .sum()
    }
}

impl Shop {
    /// How long contacts exist, seen from `now`.
    pub fn lifetimes(&self, now: i64) -> Lifetimes {
        Lifetimes {
            now,
            contact_lifetime_ms: self.lookup.contact_lifetime_ms(),
            contacts_since_ms: self.contacts_since_ms,
        }
    }

    /// The buyer's contact, if one exists at `now`.
    pub fn contact(&self, buyer: Option<Key>, now: i64) -> Option<Contact> {
        let contact = self.buyers[buyer?].contact()?;
        let exists = self.lifetimes(now).contact(contact.consulted_at_ms);
        exists.then_some(contact)
    }

    /// Who is not live any more leaves the contact to the recent generation; without one nothing is
    /// known of the buyer, who is forgotten when the command is done.
    pub fn leave(&mut self, key: Key) {
        let generation = self.keeping.generation;
        let buyer = self.buyers.get_mut(key);
        if buyer.is_live() {
            return;
        }
        match buyer.contact() {
            None => self.strangers.push(key),
            Some(contact) if buyer.left_in != generation => {
                buyer.left_in = generation;
                let leaver = Leaver::new(contact.consulted_at_ms, key);
                self.leavers.push(generation, leaver);
            }
            Some(_) => {}
        }
    }

    pub fn set_contact(&mut self, key: Key, contact: Contact) {
        let buyer = &self.buyers[key];
        if buyer.waiting.is_some() {
            self.step_out(key);
            self.put_contact(key, contact);
            self.line_up(key);
            self.unsettled.anything = true;
        } else {
            let live = buyer.is_live();
            self.put_contact(key, contact);
            if !live {
                self.leave(key);
            }
        }
    }

    /// Puts the contact in its places, apart from the lines and the generations.
    pub fn put_contact(&mut self, key: Key, contact: Contact) {
        let buyer = self.buyers.get_mut(key);
        let before = buyer.contact();
        buyer.set_contact(contact);
        match before {
            Some(before) if before.conversation == contact.conversation => return,
            Some(before) => {
                self.contact_buyers.remove(before.conversation);
            }
            None => {}
        }
        self.contact_buyers
            .insert(contact.conversation, ContactOf::new(key));
    }

    /// The buyer consulted an agent; an older consultation changes nothing.
    pub fn consult(&mut self, key: Key, agent: u32, at_ms: i64, conversation: u64, now: i64) {
        let contact = self.contact(Some(key), now);
        if contact.is_none_or(|contact| at_ms >= contact.consulted_at_ms) {
            let contact = Contact {
                agent,
                consulted_at_ms: at_ms,
                conversation,
            };
            self.set_contact(key, contact);
        }
    }

    /// The agent's word to a closed conversation renews the contact made in it.
    pub fn prolong_contact(&mut self, conversation: u64, author: u32, at_ms: i64, now: i64) {
        let Some(buyer) = self.contact_buyers.get(conversation) else {
            return;
        };
        let key = buyer.buyer();
        if let Some(contact) = self.contact(Some(key), now)
            && contact.agent == author
        {
            let consulted_at_ms = contact.consulted_at_ms.max(at_ms);
            let contact = Contact {
                consulted_at_ms,
                ..contact
            };
            self.set_contact(key, contact);
        }
    }

    /// Forgets those who have left and of whom nothing is known.
    pub fn forget_strangers(&mut self) {
        // One may have left several times.
        self.strangers.sort_unstable();
        self.strangers.dedup();
        while let Some(key) = self.strangers.pop() {
            let buyer = &self.buyers[key];
            if !buyer.is_live() && buyer.contact().is_none() {
                self.buyers.remove(key);
            }
        }
    }

    /// Frees the contact at the head of the queue if it has expired; whether there was something to do.
    pub fn free_contact(&mut self, now: i64) -> bool {
        let Some((generation, leaver)) = self.leavers.first() else {
            return false;
        };
        let age = now.saturating_sub(leaver.consulted_at_ms());
        if age <= self.lookup.contact_lifetime_ms() {
            return false;
        }
        let buyer = &self.buyers[leaver.buyer];
        let kept = buyer.left_in == generation && !buyer.is_live();
        match buyer.contact().filter(|_| kept) {
            Some(contact) if self.lifetimes(now).contact(contact.consulted_at_ms) => {
                // Renewed since. The queue is in the order of generations.
                if generation == self.keeping.generation {
                    self.leavers.pop();
                    let leaver = Leaver::new(contact.consulted_at_ms, leaver.buyer);
                    self.leavers.push(generation, leaver);
                }
            }
            _ => self.drop_first_contact(),
        }
        true
    }

    /// Forgets one contact of a dropped generation; whether there was one.
    pub fn free_dropped_contact(&mut self) -> bool {
        let first = self.leavers.first();
        let dropped = first.is_some_and(|(generation, _)| self.leavers.has_dropped(generation));
        if dropped {
            self.drop_first_contact();
        }
        dropped
    }

    fn drop_first_contact(&mut self) {
        let Some((generation, leaver)) = self.leavers.pop() else {
            return;
        };
        let buyer = self.buyers.get_mut(leaver.buyer);
        // Left again since, the contact has another place in the queue.
        if buyer.left_in != generation {
            return;
        }
        buyer.left_in = FETCHED;
        self.forget_fetched_contact(leaver.buyer);
    }

    /// Forgets a buyer who is neither live nor in a generation.
    pub fn forget_fetched_contact(&mut self, key: Key) {
        let buyer = &self.buyers[key];
        if buyer.left_in == FETCHED && !buyer.is_live() {
            if let Some(contact) = buyer.contact() {
                self.contact_buyers.remove(contact.conversation);
            }
            self.buyers.remove(key);
        }
    }
}
