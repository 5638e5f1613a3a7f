//! Contacts: whom each buyer consulted last, while the buyer is live and after.

use std::sync::Arc;

use crate::chunks::Lifetimes;
use crate::remembered::{FETCHED, Generation};
use crate::state::{Buyer, Contact, Shop};

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
    pub fn contact(&self, buyer_id: &str, now: i64) -> Option<Contact> {
        let contact = self.buyers.get(buyer_id)?.contact?;
        let exists = self.lifetimes(now).contact(contact.consulted_at_ms);
        exists.then_some(contact)
    }

    /// The key under which the buyer stands, made if need be.
    pub fn buyer_key(&mut self, buyer_id: &str) -> Arc<str> {
        if let Some((key, _)) = self.buyers.get_key_value(buyer_id) {
            return key.clone();
        }
        let key: Arc<str> = buyer_id.into();
        self.buyers.insert(key.clone(), Buyer::default());
        key
    }

    /// Who is not live any more leaves the contact to the recent generation; without one nothing is
    /// known of the buyer.
    pub fn leave(&mut self, key: &Arc<str>) {
        let Some(buyer) = self.buyers.get_mut(key) else {
            return;
        };
        if buyer.is_live() {
            return;
        }
        let generation = self.keeping.generation;
        match buyer.contact {
            None => {
                self.buyers.remove(key);
            }
            Some(contact) if buyer.left_in != generation => {
                buyer.left_in = generation;
                self.contact_queue
                    .push_back((generation, contact.consulted_at_ms, key.clone()));
            }
            Some(_) => {}
        }
    }

    /// `key`: the buyer's, who is known.
    pub fn set_contact(&mut self, key: Arc<str>, contact: Contact) {
        let Some(buyer) = self.buyers.get_mut(&key) else {
            return;
        };
        if buyer.waiting.is_some() {
            self.step_out(&key);
            self.put_contact(&key, contact);
            self.line_up(&key);
            self.unsettled.anything = true;
        } else {
            let live = buyer.is_live();
            let before = buyer.contact.replace(contact);
            self.move_contact(before, contact.conversation, &key);
            if !live {
                self.leave(&key);
            }
        }
    }

    /// Puts the contact in its places, apart from the lines and the generations.
    pub fn put_contact(&mut self, key: &Arc<str>, contact: Contact) {
        let buyer = self.buyers.entry(key.clone()).or_default();
        let before = buyer.contact.replace(contact);
        self.move_contact(before, contact.conversation, key);
    }

    /// The buyer's contact is of this conversation now.
    fn move_contact(&mut self, before: Option<Contact>, conversation: u64, key: &Arc<str>) {
        match before {
            Some(before) if before.conversation == conversation => return,
            Some(before) => {
                self.contact_buyers.remove(before.conversation);
            }
            None => {}
        }
        self.contact_buyers.insert(conversation, key.clone());
    }

    /// The buyer consulted an agent; an older consultation changes nothing.
    pub fn consult(&mut self, buyer_id: &str, agent: u32, at_ms: i64, conversation: u64, now: i64) {
        let contact = self.contact(buyer_id, now);
        if contact.is_none_or(|contact| at_ms >= contact.consulted_at_ms) {
            let contact = Contact {
                agent,
                consulted_at_ms: at_ms,
                conversation,
            };
            let buyer = self.buyer_key(buyer_id);
            self.set_contact(buyer, contact);
        }
    }

    /// The agent's word to a closed conversation renews the contact made in it.
    pub fn prolong_contact(&mut self, conversation: u64, author: u32, at_ms: i64, now: i64) {
        let Some(buyer_id) = self.contact_buyers.get(conversation).cloned() else {
            return;
        };
        if let Some(contact) = self.contact(&buyer_id, now)
            && contact.agent == author
        {
            let consulted_at_ms = contact.consulted_at_ms.max(at_ms);
            let contact = Contact {
                consulted_at_ms,
                ..contact
            };
            self.set_contact(buyer_id, contact);
        }
    }

    /// Frees the contact at the head of the queue if it has expired.
    pub fn free_contact(&mut self, now: i64) {
        let Some(&(generation, at_ms, ref key)) = self.contact_queue.front() else {
            return;
        };
        if now.saturating_sub(at_ms) <= self.lookup.contact_lifetime_ms() {
            return;
        }
        let buyer = self.buyers.get(key).filter(|b| b.left_in == generation);
        let kept = buyer.filter(|buyer| !buyer.is_live());
        match kept.and_then(|buyer| buyer.contact) {
            Some(contact) if self.lifetimes(now).contact(contact.consulted_at_ms) => {
                // Renewed since. The queue is in the order of generations.
                if generation == self.keeping.generation
                    && let Some((_, _, key)) = self.contact_queue.pop_front()
                {
                    self.contact_queue
                        .push_back((generation, contact.consulted_at_ms, key));
                }
            }
            _ => self.drop_first_contact(),
        }
    }

    /// Forgets the contacts of generations up to this one: they are stored.
    pub fn drop_contacts_through(&mut self, generation: Generation) {
        while self
            .contact_queue
            .front()
            .is_some_and(|at| at.0 <= generation)
        {
            self.drop_first_contact();
        }
        // What is stored now need not keep its room.
        let known = self.buyers.len();
        if self.buyers.capacity() > 64 + 4 * known {
            self.buyers.shrink_to(2 * known);
            self.contact_queue.shrink_to(2 * known);
        }
    }

    fn drop_first_contact(&mut self) {
        let Some((generation, _, key)) = self.contact_queue.pop_front() else {
            return;
        };
        let Some(buyer) = self.buyers.get_mut(&key) else {
            return;
        };
        // Left again since, the contact has another place in the queue.
        if buyer.left_in != generation {
            return;
        }
        buyer.left_in = FETCHED;
        self.forget_fetched_contact(&key);
    }

    /// Forgets a buyer who is neither live nor in a generation.
    pub fn forget_fetched_contact(&mut self, key: &str) {
        if let Some(buyer) = self.buyers.get(key)
            && buyer.left_in == FETCHED
            && !buyer.is_live()
        {
            if let Some(contact) = buyer.contact {
                self.contact_buyers.remove(contact.conversation);
            }
            self.buyers.remove(key);
        }
    }
}
