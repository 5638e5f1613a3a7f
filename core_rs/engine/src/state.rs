//! A shop's state: what the snapshot lists, and what is derived from it for speed.
//!
//! Agents are numbered by *slots* inside a shop. A slot is never given to another agent, stays when
//! the agent leaves the document, and never reaches a reply, a log entry or a snapshot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::agent::Agent;
use crate::buyers::{Buyers, Key};
use crate::contacts::Leavers;
use crate::document::Lookup;
use crate::ids;
use crate::inquiry::Kept;
use crate::keeping::Keeping;
use crate::lines::Lines;
use crate::maps::Map;
use crate::numbered::Numbered;
use crate::proto::fenliu::v1 as api;
use crate::remembered::Remembered;
use crate::selection::Pool;
use crate::slots::Slots;
use crate::timeline::Timeline;
use api::Outcome;

pub struct Shop {
    /// As stored, etag included; without an id while the shop is only about to be created.
    pub document: api::Shop,
    /// Bytes of the document, encoded.
    pub document_bytes: usize,
    pub partition: u32,
    pub last_now_ms: i64,
    pub last_decision: u64,
    pub last_conversation: u64,
    pub clamped_timestamps: u64,
    /// Contacts from before do not exist; 0: no such limit.
    pub contacts_since_ms: i64,
    /// Of the shop only its id, its etag and its numbers are left.
    pub deleted: bool,
    /// Accumulators of mixed mode above 0, by owner: "" the shop, else a group's id.
    pub mixed: BTreeMap<String, i32>,
    /// When conversations last ended and freed a slot; the last 21.
    pub slot_releases: VecDeque<i64>,

    pub agents: Vec<Agent>,
    slots: Slots,
    pub lookup: Lookup,
    /// How many agents that take part are ONLINE.
    pub online: u32,
    /// Agents, also those who take no part, who are ONLINE and below the pool's threshold.
    pub ready: BTreeSet<u32>,

    /// Those who are live, and those whose contact is in a generation.
    pub buyers: Buyers,
    /// Open ones only.
    pub conversations: Numbered<Conversation, 8>,
    /// The conversation that closed last: the next fact may move its buyer on.
    pub closed_last: Option<(u64, Conversation)>,
    /// The buyer whose contact was in this conversation.
    pub contact_buyers: Numbered<ContactOf, 64>,
    pub leavers: Leavers,
    /// Those who left without a contact in the command at hand.
    pub strangers: Vec<Key>,

    /// Each with what was answered.
    pub requests: Remembered,
    pub message_events: Remembered,
    pub order_events: Remembered,
    pub keeping: Keeping,

    pub pools: Vec<Pool>,
    pub pools_by_groups: Map<Box<[u32]>, u32>,
    /// The pool of all groups.
    pub pool_of_all: u32,

    /// The queue and the pool.
    pub lines: Lines,
    /// What has changed since settling last looked.
    pub unsettled: Unsettled,

    /// (last activity when put here, conversation): see `due`.
    pub idle: Timeline,
    /// (opened at, conversation) of those that may time out unanswered; empty while that is off.
    pub unanswered: Timeline,
    /// (when, agent id) of the agents at volume.
    pub volume_resets: BTreeSet<(i64, Arc<str>)>,
    /// The time under which the engine's own queue holds this shop.
    pub scheduled: Option<i64>,
}

/// Why somebody who waits may be taken now who could not be before.
#[derive(Clone, Copy, Default)]
pub struct Unsettled {
    /// An agent became available or ready, or a buyer waits for a group.
    pub load: bool,
    /// Presence, a contact of somebody who waits, or the configuration: anything may be possible.
    pub anything: bool,
}

/// A buyer's key, which is never the greatest number, so that none takes no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContactOf(NonZeroU32);

impl ContactOf {
    pub fn new(buyer: Key) -> Self {
        Self(NonZeroU32::MIN.saturating_add(buyer))
    }

    pub fn buyer(self) -> Key {
        self.0.get() - 1
    }
}

pub struct Waiting {
    pub outcome: Outcome,
    pub agent_id: String,
    pub since_ms: i64,
    pub decision: u64,
    pub inquiry: Kept,
    /// A transfer that waits for this agent only, or
    pub target_agent_id: String,
    /// for this group only.
    pub target_group_id: String,
    pub hops: Hops,
}

pub struct Conversation {
    pub buyer: Key,
    /// None: the robot's.
    pub agent: Option<u32>,
    /// The number of the group's name.
    pub group: Option<u32>,
    pub opened_at_ms: i64,
    pub last_activity_ms: i64,
    pub awaiting: bool,
    pub answered: bool,
    pub reply_timeout_spent: bool,
    pub inquiry: Kept,
    pub hops: Hops,
}

/// How often the buyer was moved along the chain of conversations before.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hops {
    pub reply: u32,
    pub transfer: u32,
}

impl Conversation {
    /// Whether a reply timeout can still come.
    pub fn may_time_out(&self) -> bool {
        self.agent.is_some() && !self.answered && !self.reply_timeout_spent
    }
}

impl Shop {
    pub fn new(partition: u32) -> Self {
        Self {
            document: api::Shop::default(),
            document_bytes: 0,
            partition,
            last_now_ms: i64::MIN,
            last_decision: 0,
            last_conversation: 0,
            clamped_timestamps: 0,
            contacts_since_ms: 0,
            deleted: false,
            mixed: BTreeMap::new(),
            slot_releases: VecDeque::new(),
            agents: Vec::new(),
            slots: Slots::default(),
            lookup: Lookup::default(),
            online: 0,
            ready: BTreeSet::new(),
            buyers: Buyers::default(),
            conversations: Numbered::default(),
            closed_last: None,
            contact_buyers: Numbered::default(),
            leavers: Leavers::default(),
            strangers: Vec::new(),
            requests: Remembered::default(),
            message_events: Remembered::default(),
            order_events: Remembered::default(),
            keeping: Keeping {
                fresh: true,
                ..Keeping::default()
            },
            pools: Vec::new(),
            pools_by_groups: Map::default(),
            pool_of_all: 0,
            lines: Lines::default(),
            unsettled: Unsettled::default(),
            idle: Timeline::default(),
            unanswered: Timeline::default(),
            volume_resets: BTreeSet::new(),
            scheduled: None,
        }
    }

    /// Whether commands and queries find it: it has been made, and not deleted.
    pub fn exists(&self) -> bool {
        !self.document.shop_id.is_empty() && !self.deleted
    }

    pub fn agent(&self, slot: u32) -> &Agent {
        &self.agents[slot as usize]
    }

    pub fn agent_mut(&mut self, slot: u32) -> &mut Agent {
        &mut self.agents[slot as usize]
    }

    /// The slot of an agent id, if it has one.
    pub fn slot_of(&self, agent_id: &str) -> Option<u32> {
        self.slots.find(agent_id, &self.agents)
    }

    /// The slot of an agent of the document.
    pub fn member(&self, agent_id: &str) -> Option<u32> {
        let slot = self.slot_of(agent_id)?;
        self.agent(slot).in_document().then_some(slot)
    }

    /// The slot of any agent id, made if need be.
    pub fn intern(&mut self, agent_id: &str) -> u32 {
        if let Some(slot) = self.slot_of(agent_id) {
            return slot;
        }
        let slot = u32::try_from(self.agents.len()).expect("fewer than 2^32 agents in a shop");
        self.agents.push(Agent::new(agent_id.into()));
        self.slots.insert(agent_id, slot);
        slot
    }

    /// Slots of the agents in the document, by id.
    pub fn members(&self) -> impl Iterator<Item = u32> {
        self.document
            .agents
            .iter()
            .filter_map(|agent| self.member(&agent.agent_id))
    }

    /// The presence sessions that have agents here, sorted.
    pub fn session_ids(&self) -> BTreeSet<&str> {
        let sessions = self.members().map(|slot| &*self.agent(slot).session_id);
        sessions.filter(|session| !session.is_empty()).collect()
    }

    /// The number in a conversation id, if it was ever issued.
    pub fn issued(&self, conversation_id: &str) -> Option<u64> {
        let number = ids::conversation_number(conversation_id)?;
        (number <= self.last_conversation).then_some(number)
    }

    /// The number of the name of the first group by (priority, id) that has the agent.
    pub fn first_group(&self, slot: u32) -> Option<u32> {
        let &index = self.agent(slot).groups.first()?;
        Some(self.lookup.groups[index as usize].name)
    }

    /// The buyer's open conversation, if it is the robot's.
    pub fn robot_conversation(&self, buyer: Option<Key>) -> Option<u64> {
        let number = self.buyers[buyer?].open()?;
        let open = self.conversations.get(number)?;
        open.agent.is_none().then_some(number)
    }

    pub fn waiting(&self, buyer: Option<Key>) -> Option<&Waiting> {
        self.buyers[buyer?].waiting.as_deref()
    }
}
