//! The lines of those who wait: the queue, the pool, and who waits for which agent.
//!
//! Derived from the waiting entries, the contacts and the configuration. Only applying facts changes
//! them; settling reads them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::buyers::Key;
use crate::inquiry::{Asked, Kept};
use crate::lines::{Class, Order, Place, insert, remove};
use crate::proto::fenliu::v1 as api;
use crate::state::{Shop, Waiting};
use api::Outcome;

impl Waiting {
    pub fn order(&self) -> Order {
        let priority = match (self.outcome, &self.inquiry) {
            (Outcome::Queued, Some(inquiry)) => inquiry.priority,
            _ => 0,
        };
        (Reverse(priority), self.since_ms, self.decision)
    }
}

impl Shop {
    /// Puts the buyer's waiting entry, as it is now, in its lines.
    pub fn line_up(&mut self, buyer: Key) {
        let known = &self.buyers[buyer];
        let contact = known.contact().map(|contact| contact.agent);
        let Some(waiting) = &known.waiting else {
            return;
        };
        let key = (waiting.since_ms, waiting.decision);
        let order = waiting.order();
        let inquiry = waiting.inquiry.clone();
        let for_agent = waiting.target_agent_id.clone();
        let for_group = waiting.target_group_id.clone();
        match waiting.outcome {
            Outcome::Queued => {
                let place = self.place(order, buyer, &inquiry, "");
                insert(&mut self.lines.queue, place);
                self.lines.queued_since.insert(key, buyer);
            }
            Outcome::LeftMessage if !for_agent.is_empty() => {
                let agent = self.intern(&for_agent);
                self.lines.want(agent, key, buyer);
            }
            Outcome::LeftMessage if for_group.is_empty() => {}
            _ => {
                let place = self.place(order, buyer, &inquiry, &for_group);
                insert(&mut self.lines.pool, place);
                if for_group.is_empty()
                    && let Some(agent) = contact
                {
                    self.lines.want(agent, key, buyer);
                }
            }
        }
    }

    /// Takes the buyer's waiting entry out of its lines: before it, or the contact, changes.
    pub fn step_out(&mut self, buyer: Key) {
        let known = &self.buyers[buyer];
        let Some(waiting) = &known.waiting else {
            return;
        };
        let key = (waiting.since_ms, waiting.decision);
        let order = waiting.order();
        let target = self.slot_of(&waiting.target_agent_id);
        let lines = &mut self.lines;
        if waiting.outcome == Outcome::Queued {
            remove(&mut lines.queue, order);
            lines.queued_since.remove(&key);
        } else {
            remove(&mut lines.pool, order);
        }
        for agent in [known.contact().map(|contact| contact.agent), target]
            .into_iter()
            .flatten()
        {
            lines.want_no_more(agent, key);
        }
        if lines.is_empty() {
            lines.classes.clear();
            lines.class_numbers.clear();
        }
    }

    /// An entry's place; `for_group` names the only group it waits for, if it does.
    fn place(&mut self, order: Order, buyer: Key, inquiry: &Kept, for_group: &str) -> Place {
        let asked = Asked::from(inquiry);
        let (scope, dedicated) = match self.lookup.group_index(for_group) {
            Some(group) => (self.scope_of(group), None),
            None => (
                self.matched(&asked).scope,
                self.dedicated_slot(self.buyers[buyer].id(), &asked),
            ),
        };
        let excluded = self.excluded(&asked.exclude_agent_ids);
        Place {
            order,
            buyer,
            class: self.lines.class_number(Class { scope, excluded }),
            dedicated,
        }
    }

    /// Puts everybody in line anew, under another configuration.
    pub fn line_up_anew(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let wanted = lines.wanted.into_values().flat_map(BTreeMap::into_values);
        let places = lines.queue.into_iter().chain(lines.pool);
        let buyers: BTreeSet<Key> = places.map(|place| place.buyer).chain(wanted).collect();
        for buyer in buyers {
            self.line_up(buyer);
        }
    }
}
