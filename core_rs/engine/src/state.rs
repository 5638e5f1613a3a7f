//! A shop's state: what the snapshot lists, and what is derived from it for speed.
//!
//! Agents are numbered by *slots* inside a shop. A slot is never given to another agent, stays when
//! the agent leaves the document, and never reaches a reply, a log entry or a snapshot.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::config::Lookup;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::selection::Pool;
use api::PresenceStatus;

pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
pub type Set<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;

/// How long request and event ids are remembered.
pub const REMEMBERED_MS: i64 = 86_400_000;

/// `doc_index` of an agent who is not in the document.
const ABSENT: u32 = u32::MAX;

pub struct Shop {
    /// As stored, etag included; without an id while the shop is only about to be created.
    pub document: api::Shop,
    pub partition: u32,
    pub last_now_ms: i64,
    pub last_decision: u64,
    pub last_conversation: u64,
    pub clamped_timestamps: u64,

    pub agents: Vec<Agent>,
    pub slots: Map<Arc<str>, u32>,
    pub lookup: Lookup,
    /// How many agents that take part are ONLINE.
    pub online: u32,

    pub buyers: Map<Arc<str>, Buyer>,
    /// Open ones only.
    pub conversations: Map<u64, Conversation>,
    /// The buyer whose contact was in this conversation.
    pub contact_buyers: Map<u64, Arc<str>>,
    /// Each buyer who has a contact once, about in the order the contacts run out.
    pub contact_queue: VecDeque<(i64, Arc<str>)>,

    pub requests: Map<Arc<str>, Remembered>,
    pub request_queue: VecDeque<(i64, Arc<str>)>,
    pub events: Map<Arc<str>, i64>,
    pub event_queue: VecDeque<(i64, Arc<str>)>,

    pub pools: Vec<Pool>,
    pub pools_by_groups: Map<Box<[u32]>, u32>,
    /// The pool of all groups.
    pub pool_of_all: u32,

    /// (last activity when put here, conversation): see `due`.
    pub idle: BinaryHeap<Reverse<(i64, u64)>>,
    /// The time under which the engine's own queue holds this shop.
    pub scheduled: Option<i64>,
}

pub struct Agent {
    pub id: Arc<str>,
    /// Place in the document, which is sorted by id.
    pub doc_index: u32,
    pub weight: i64,
    pub cap: i64,
    /// Indexes of the groups that have the agent, by (priority, id).
    pub groups: Vec<u32>,

    pub status: PresenceStatus,
    pub since_ms: i64,
    pub cause: i32,
    pub session_id: String,
    pub absolute_awaiting: Option<i32>,

    /// Open conversations, and how many of them are awaiting.
    pub open: u32,
    pub derived_awaiting: u32,

    /// May take a new buyer now: ONLINE, weight above 0, below the cap.
    pub free: bool,
    pub effective_weight: u64,
    /// (pool, place in it) of every pool one of the agent's groups is in, by pool.
    pub pools: Vec<(u32, u32)>,
}

/// What is known of a buyer; gone when all three are.
#[derive(Default)]
pub struct Buyer {
    pub open: Option<u64>,
    pub contact: Option<Contact>,
    pub waiting: Option<Waiting>,
}

#[derive(Clone, Copy)]
pub struct Contact {
    pub agent: u32,
    pub consulted_at_ms: i64,
    pub conversation: u64,
}

pub struct Waiting {
    pub outcome: i32,
    pub agent_id: String,
    pub since_ms: i64,
    pub decision: u64,
}

pub struct Conversation {
    pub buyer: Arc<str>,
    pub agent: u32,
    pub group: Arc<str>,
    pub opened_at_ms: i64,
    pub last_activity_ms: i64,
    pub awaiting: bool,
}

pub struct Remembered {
    pub digest: [u8; 16],
    pub at_ms: i64,
    pub reply: Vec<u8>,
}

impl Agent {
    fn new(id: Arc<str>) -> Self {
        Self {
            id,
            doc_index: ABSENT,
            weight: 0,
            cap: 0,
            groups: Vec::new(),
            status: PresenceStatus::Offline,
            since_ms: 0,
            cause: 0,
            session_id: String::new(),
            absolute_awaiting: None,
            open: 0,
            derived_awaiting: 0,
            free: false,
            effective_weight: 0,
            pools: Vec::new(),
        }
    }

    /// As an agent starts: OFFLINE since `now`, cause unspecified.
    pub fn reset_presence(&mut self, now: i64) {
        self.status = PresenceStatus::Offline;
        self.since_ms = now;
        self.cause = 0;
        self.session_id.clear();
        self.absolute_awaiting = None;
    }

    pub const fn in_document(&self) -> bool {
        self.doc_index != ABSENT
    }

    pub fn leave_document(&mut self) {
        self.doc_index = ABSENT;
        self.groups.clear();
        self.pools.clear();
        self.free = false;
    }

    /// In the document and in at least one group.
    pub fn takes_part(&self) -> bool {
        self.in_document() && !self.groups.is_empty()
    }

    pub fn is_online(&self) -> bool {
        self.status == PresenceStatus::Online
    }

    pub fn awaiting(&self) -> i64 {
        self.absolute_awaiting
            .map_or(self.derived_awaiting.into(), i64::from)
    }

    /// Whether the agent may take a new buyer, and the effective weight, from the state as it is.
    pub fn standing(&self, lookup: &Lookup) -> (bool, u64) {
        let free = self.in_document()
            && self.is_online()
            && self.weight > 0
            && (self.cap == 0 || i64::from(self.open) < self.cap);
        let weight = if lookup.even {
            self.weight.min(1)
        } else {
            self.weight
        };
        let full = weight * 1024;
        let awaiting = self.awaiting();
        let effective = if full == 0 || awaiting <= lookup.busy_threshold {
            full
        } else {
            (full * (lookup.busy_threshold + 1) / (awaiting + 1)).max(1)
        };
        (free, effective.unsigned_abs())
    }
}

impl Shop {
    pub fn new(partition: u32) -> Self {
        Self {
            document: api::Shop::default(),
            partition,
            last_now_ms: i64::MIN,
            last_decision: 0,
            last_conversation: 0,
            clamped_timestamps: 0,
            agents: Vec::new(),
            slots: Map::default(),
            lookup: Lookup::default(),
            online: 0,
            buyers: Map::default(),
            conversations: Map::default(),
            contact_buyers: Map::default(),
            contact_queue: VecDeque::new(),
            requests: Map::default(),
            request_queue: VecDeque::new(),
            events: Map::default(),
            event_queue: VecDeque::new(),
            pools: Vec::new(),
            pools_by_groups: Map::default(),
            pool_of_all: 0,
            idle: BinaryHeap::new(),
            scheduled: None,
        }
    }

    pub fn agent(&self, slot: u32) -> &Agent {
        &self.agents[slot as usize]
    }

    pub fn agent_mut(&mut self, slot: u32) -> &mut Agent {
        &mut self.agents[slot as usize]
    }

    /// The slot of an agent of the document.
    pub fn member(&self, agent_id: &str) -> Option<u32> {
        let slot = *self.slots.get(agent_id)?;
        self.agent(slot).in_document().then_some(slot)
    }

    /// The slot of any agent id, made if need be.
    pub fn intern(&mut self, agent_id: &str) -> u32 {
        if let Some(&slot) = self.slots.get(agent_id) {
            return slot;
        }
        let slot = u32::try_from(self.agents.len()).expect("fewer than 2^32 agents in a shop");
        let id: Arc<str> = agent_id.into();
        self.agents.push(Agent::new(id.clone()));
        self.slots.insert(id, slot);
        slot
    }

    /// Slots of the agents in the document, by id.
    pub fn members(&self) -> impl Iterator<Item = u32> {
        self.document
            .agents
            .iter()
            .filter_map(|agent| self.member(&agent.agent_id))
    }

    /// The buyer's contact, if one exists at `now`.
    pub fn contact(&self, buyer_id: &str, now: i64) -> Option<Contact> {
        let contact = self.buyers.get(buyer_id)?.contact?;
        self.contact_exists(&contact, now).then_some(contact)
    }

    pub fn contact_exists(&self, contact: &Contact, now: i64) -> bool {
        now.saturating_sub(contact.consulted_at_ms) <= self.lookup.contact_window_ms()
    }

    /// The number in a conversation id, if it was ever issued.
    pub fn issued(&self, conversation_id: &str) -> Option<u64> {
        let digits = conversation_id.strip_prefix('c')?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let number: u64 = if plain {
            digits.parse().ok()?
        } else {
            return None;
        };
        (number <= self.last_conversation).then_some(number)
    }

    /// The id of the first group by (priority, id) that has the agent.
    pub fn first_group(&self, slot: u32) -> Option<&Arc<str>> {
        let &index = self.agent(slot).groups.first()?;
        Some(&self.lookup.groups[index as usize].id)
    }

    /// The remembered request of this id, if it exists at `now`.
    pub fn remembered(&self, request_id: &str, now: i64) -> Option<&Remembered> {
        self.requests
            .get(request_id)
            .filter(|request| still_remembered(request.at_ms, now))
    }

    pub fn knows_event(&self, event_id: &str, now: i64) -> bool {
        self.events
            .get(event_id)
            .is_some_and(|&at_ms| still_remembered(at_ms, now))
    }
}

/// Whether an id remembered at `at_ms` still exists.
pub fn still_remembered(at_ms: i64, now: i64) -> bool {
    now.saturating_sub(at_ms) <= REMEMBERED_MS
}

/// An agent's presence as the API shows it.
pub fn presence(agent: &Agent) -> api::AgentPresence {
    api::AgentPresence {
        agent_id: agent.id.to_string(),
        status: agent.status.into(),
        since_ms: agent.since_ms,
        cause: agent.cause,
        session_id: agent.session_id.clone(),
        awaiting: i32::try_from(agent.awaiting()).unwrap_or(i32::MAX),
        open_conversations: i32::try_from(agent.open).unwrap_or(i32::MAX),
        effective_weight: i64::try_from(agent.effective_weight).unwrap_or(i64::MAX),
    }
}

/// The snapshot's form of an agent's presence.
pub fn agent_state(agent: &Agent) -> record::AgentState {
    record::AgentState {
        agent_id: agent.id.to_string(),
        status: agent.status.into(),
        since_ms: agent.since_ms,
        cause: agent.cause,
        session_id: agent.session_id.clone(),
        absolute_awaiting: agent.absolute_awaiting,
    }
}
