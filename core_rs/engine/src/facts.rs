//! Facts in the making: those that come with nearly every command hold names that the shop has already
//! instead of copies of them. Knows no rule.

use std::sync::Arc;

use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::state::Shop;
use crate::wire::{begin, end, put_bytes, put_number, put_text};
use api::{Outcome, Reason};

/// An id that is also elsewhere; none: empty.
pub type Name = Option<Arc<str>>;

pub fn name(text: &str) -> Name {
    (!text.is_empty()).then(|| text.into())
}

pub fn text(name: &Name) -> &str {
    name.as_deref().unwrap_or_default()
}

pub enum Fact {
    ConversationClosed(record::ConversationClosed),
    Decided(Decided),
    MessageNoted(Noted),
    /// Any other.
    Other(record::fact::Fact),
}

/// A `record::Decided`.
#[derive(Clone, Default)]
pub struct Decided {
    pub decision: u64,
    pub outcome: i32,
    pub reason: i32,
    pub conversation: u64,
    pub agent_id: Name,
    /// The agent's, where it is known.
    pub slot: Option<u32>,
    pub group_id: Name,
    pub pool_of_all_groups: bool,
    pub pool_group_ids: Vec<String>,
    pub charged: bool,
    pub buyer_id: String,
    pub at_ms: i64,
    pub previous_conversation: u64,
    pub pool_entry: bool,
    pub mixed_owner: Option<String>,
    pub queue_position: u32,
    pub estimated_wait_ms: i64,
}

/// A `record::MessageNoted`.
#[derive(Default)]
pub struct Noted {
    pub conversation: u64,
    pub at_ms: i64,
    pub clamped: bool,
    pub agent_id: Name,
    /// The agent's, where it is known.
    pub slot: Option<u32>,
    pub opened: bool,
    pub buyer_id: String,
}

impl Decided {
    pub fn outcome(&self) -> Outcome {
        Outcome::try_from(self.outcome).unwrap_or_default()
    }

    pub fn reason(&self) -> Reason {
        Reason::try_from(self.reason).unwrap_or_default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, 1, self.decision);
        put_number(out, 2, i64::from(self.outcome) as u64);
        put_number(out, 3, i64::from(self.reason) as u64);
        put_number(out, 4, self.conversation);
        put_text(out, 5, text(&self.agent_id));
        put_text(out, 6, text(&self.group_id));
        put_number(out, 7, self.pool_of_all_groups.into());
        for id in &self.pool_group_ids {
            put_bytes(out, 8, id.as_bytes());
        }
        put_number(out, 9, self.charged.into());
        put_text(out, 10, &self.buyer_id);
        put_number(out, 11, self.at_ms as u64);
        put_number(out, 12, self.previous_conversation);
        put_number(out, 13, self.pool_entry.into());
        if let Some(owner) = &self.mixed_owner {
            put_bytes(out, 14, owner.as_bytes());
        }
        put_number(out, 15, self.queue_position.into());
        put_number(out, 16, self.estimated_wait_ms as u64);
    }
}

impl Noted {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, 1, self.conversation);
        put_number(out, 2, self.at_ms as u64);
        put_number(out, 3, self.clamped.into());
        put_text(out, 4, text(&self.agent_id));
        put_number(out, 5, self.opened.into());
        put_text(out, 6, &self.buyer_id);
    }
}

impl Fact {
    /// Writes what `record::Fact` would be.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::ConversationClosed(closed) => {
                let start = begin(out, 1);
                put_number(out, 1, closed.conversation);
                put_number(out, 2, i64::from(closed.cause) as u64);
                put_number(out, 3, closed.at_ms as u64);
                end(out, start);
            }
            Self::Decided(decided) => {
                let start = begin(out, 2);
                decided.encode(out);
                end(out, start);
            }
            Self::MessageNoted(noted) => {
                let start = begin(out, 3);
                noted.encode(out);
                end(out, start);
            }
            Self::Other(other) => other.encode(out),
        }
    }
}

impl Shop {
    /// A logged fact, with the shop's own names where it has them.
    pub fn read_fact(&self, fact: record::fact::Fact) -> Fact {
        match fact {
            record::fact::Fact::ConversationClosed(closed) => Fact::ConversationClosed(closed),
            record::fact::Fact::Decided(decided) => {
                let (agent_id, slot) = self.agent_named(&decided.agent_id);
                Fact::Decided(Decided {
                    decision: decided.decision,
                    outcome: decided.outcome,
                    reason: decided.reason,
                    conversation: decided.conversation,
                    agent_id,
                    slot,
                    group_id: self.group_named(&decided.group_id),
                    pool_of_all_groups: decided.pool_of_all_groups,
                    pool_group_ids: decided.pool_group_ids,
                    charged: decided.charged,
                    buyer_id: decided.buyer_id,
                    at_ms: decided.at_ms,
                    previous_conversation: decided.previous_conversation,
                    pool_entry: decided.pool_entry,
                    mixed_owner: decided.mixed_owner,
                    queue_position: decided.queue_position,
                    estimated_wait_ms: decided.estimated_wait_ms,
                })
            }
            record::fact::Fact::MessageNoted(noted) => {
                let (agent_id, slot) = self.agent_named(&noted.agent_id);
                Fact::MessageNoted(Noted {
                    conversation: noted.conversation,
                    at_ms: noted.at_ms,
                    clamped: noted.clamped,
                    agent_id,
                    slot,
                    opened: noted.opened,
                    buyer_id: noted.buyer_id,
                })
            }
            other => Fact::Other(other),
        }
    }

    fn agent_named(&self, id: &str) -> (Name, Option<u32>) {
        match self.slot_of(id) {
            Some(slot) => (Some(self.agent(slot).id.clone()), Some(slot)),
            None => (name(id), None),
        }
    }

    pub fn group_named(&self, id: &str) -> Name {
        match self.lookup.group_indexes.get_key_value(id) {
            Some((id, _)) => Some(id.clone()),
            None => name(id),
        }
    }
}
