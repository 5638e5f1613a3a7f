//! Facts in the making: those that come with nearly every command hold the shop's numbers of agents and
//! groups instead of their ids. Knows no rule.

use std::sync::Arc;

use crate::buyers::Key;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::state::Shop;
use crate::wire::{HEAD, NUMBER, Pen};
use api::{Outcome, Reason};

/// An id that is also elsewhere; none: empty.
pub type Name = Option<Arc<str>>;

pub fn name(text: &str) -> Name {
    (!text.is_empty()).then(|| text.into())
}

/// Whom or what a fact names.
#[derive(Clone, Default)]
pub enum Named {
    #[default]
    Nobody,
    /// An agent's slot, or the number of a group's name.
    Number(u32),
    Text(Arc<str>),
}

/// A buyer's key.
#[derive(Clone, Copy, Default)]
pub enum Whose {
    /// To be found by the id.
    #[default]
    Sought,
    Known(Key),
    /// Nobody's yet.
    New,
}

impl From<Option<Key>> for Whose {
    fn from(found: Option<Key>) -> Self {
        found.map_or(Self::New, Self::Known)
    }
}

impl From<Name> for Named {
    fn from(name: Name) -> Self {
        name.map_or(Self::Nobody, Self::Text)
    }
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
    pub agent: Named,
    pub group: Named,
    pub pool_of_all_groups: bool,
    pub pool_group_ids: Vec<String>,
    pub charged: bool,
    /// Who the buyer is, where that has been found out.
    pub buyer: Whose,
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
    pub agent: Named,
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

    fn encode(&self, pen: &mut Pen, shop: &Shop) {
        pen.number(1, self.decision);
        pen.number(2, i64::from(self.outcome) as u64);
        pen.number(3, i64::from(self.reason) as u64);
        pen.number(4, self.conversation);
        pen.text(5, shop.agent_text(&self.agent));
        pen.text(6, shop.group_text(&self.group));
        pen.number(7, self.pool_of_all_groups.into());
        for id in &self.pool_group_ids {
            pen.bytes(8, id.as_bytes());
        }
        pen.number(9, self.charged.into());
        pen.text(10, &self.buyer_id);
        pen.number(11, self.at_ms as u64);
        pen.number(12, self.previous_conversation);
        pen.number(13, self.pool_entry.into());
        if let Some(owner) = &self.mixed_owner {
            pen.bytes(14, owner.as_bytes());
        }
        pen.number(15, self.queue_position.into());
        pen.number(16, self.estimated_wait_ms as u64);
    }

    fn most(&self, shop: &Shop) -> usize {
        let of_ids = self.pool_group_ids.iter().map(|id| HEAD + id.len());
        let owner = self.mixed_owner.as_ref().map_or(0, String::len);
        let names = shop.agent_text(&self.agent).len() + shop.group_text(&self.group).len();
        let texts = names + self.buyer_id.len() + owner;
        11 * NUMBER + 4 * HEAD + texts + of_ids.sum::<usize>()
    }
}

impl Noted {
    fn encode(&self, pen: &mut Pen, shop: &Shop) {
        pen.number(1, self.conversation);
        pen.number(2, self.at_ms as u64);
        pen.number(3, self.clamped.into());
        pen.text(4, shop.agent_text(&self.agent));
        pen.number(5, self.opened.into());
        pen.text(6, &self.buyer_id);
    }

    fn most(&self, shop: &Shop) -> usize {
        4 * NUMBER + 2 * HEAD + shop.agent_text(&self.agent).len() + self.buyer_id.len()
    }
}

impl Fact {
    /// Writes what `record::Fact` would be.
    pub fn encode(&self, pen: &mut Pen, shop: &Shop) {
        match self {
            Self::ConversationClosed(closed) => pen.message(1, |pen| {
                pen.number(1, closed.conversation);
                pen.number(2, i64::from(closed.cause) as u64);
                pen.number(3, closed.at_ms as u64);
            }),
            Self::Decided(decided) => pen.message(2, |pen| decided.encode(pen, shop)),
            Self::MessageNoted(noted) => pen.message(3, |pen| noted.encode(pen, shop)),
            Self::Other(other) => {
                let mut encoded = Vec::new();
                other.encode(&mut encoded);
                pen.raw(&encoded);
            }
        }
    }

    /// The most bytes that takes.
    pub fn most(&self, shop: &Shop) -> usize {
        match self {
            Self::ConversationClosed(_) => HEAD + 3 * NUMBER,
            Self::Decided(decided) => HEAD + decided.most(shop),
            Self::MessageNoted(noted) => HEAD + noted.most(shop),
            Self::Other(other) => other.encoded_len(),
        }
    }
}

impl Shop {
    /// A logged fact, with the shop's own numbers where it has them.
    pub fn read_fact(&mut self, fact: record::fact::Fact) -> Fact {
        match fact {
            record::fact::Fact::ConversationClosed(closed) => Fact::ConversationClosed(closed),
            record::fact::Fact::Decided(decided) => Fact::Decided(Decided {
                decision: decided.decision,
                outcome: decided.outcome,
                reason: decided.reason,
                conversation: decided.conversation,
                agent: self.agent_named(&decided.agent_id),
                group: self.group_named(&decided.group_id),
                pool_of_all_groups: decided.pool_of_all_groups,
                pool_group_ids: decided.pool_group_ids,
                charged: decided.charged,
                buyer: Whose::Sought,
                buyer_id: decided.buyer_id,
                at_ms: decided.at_ms,
                previous_conversation: decided.previous_conversation,
                pool_entry: decided.pool_entry,
                mixed_owner: decided.mixed_owner,
                queue_position: decided.queue_position,
                estimated_wait_ms: decided.estimated_wait_ms,
            }),
            record::fact::Fact::MessageNoted(noted) => Fact::MessageNoted(Noted {
                conversation: noted.conversation,
                at_ms: noted.at_ms,
                clamped: noted.clamped,
                agent: self.agent_named(&noted.agent_id),
                opened: noted.opened,
                buyer_id: noted.buyer_id,
            }),
            other => Fact::Other(other),
        }
    }

    pub fn agent_named(&self, id: &str) -> Named {
        match self.slot_of(id) {
            Some(slot) => Named::Number(slot),
            None => name(id).into(),
        }
    }

    pub fn group_named(&mut self, id: &str) -> Named {
        match id {
            "" => Named::Nobody,
            id => Named::Number(self.lookup.names.number(id)),
        }
    }

    pub fn agent_text<'a>(&'a self, named: &'a Named) -> &'a str {
        match named {
            Named::Nobody => "",
            Named::Number(slot) => &self.agent(*slot).id,
            Named::Text(text) => text,
        }
    }

    pub fn group_text<'a>(&'a self, named: &'a Named) -> &'a str {
        match named {
            Named::Nobody => "",
            Named::Number(number) => self.lookup.names.text(*number),
            Named::Text(text) => text,
        }
    }

    /// Has facts name by text: when the shop that has the numbers goes.
    pub fn spell_out(&self, facts: &mut [Fact]) {
        for fact in facts {
            match fact {
                Fact::Decided(decided) => {
                    decided.agent = name(self.agent_text(&decided.agent)).into();
                    decided.group = name(self.group_text(&decided.group)).into();
                }
                Fact::MessageNoted(noted) => {
                    noted.agent = name(self.agent_text(&noted.agent)).into();
                }
                Fact::ConversationClosed(_) | Fact::Other(_) => {}
            }
        }
    }
}
