//! An agent of a shop: what the document says, presence, load, and what follows from these.

use std::sync::Arc;

use crate::document::Lookup;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::supposed::Supposed;
use crate::volume::{Limits, Volume};
use api::PresenceStatus;

/// `doc_index` of an agent who is not in the document.
const ABSENT: u32 = u32::MAX;

pub struct Agent {
    pub id: Arc<str>,
    /// Place in the document, which is sorted by id.
    pub doc_index: u32,
    pub weight: i64,
    pub cap: i64,
    pub limits: Limits,
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
    pub volume: Volume,

    pub standing: Standing,
    /// Not part of the state.
    pub supposed: Supposed,
    /// (pool, place in it) of every pool one of the agent's groups is in, by pool.
    pub pools: Vec<(u32, u32)>,
}

/// What follows from an agent's state as it is now.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// May take a new buyer: ONLINE, weight above 0, below the cap, not at volume.
    pub available: bool,
    pub effective_weight: u64,
    /// ONLINE, and awaiting so few that the pool may give another buyer.
    pub ready: bool,
    /// When an agent at volume starts again.
    pub volume_resets_at_ms: Option<i64>,
}

impl Standing {
    /// The effective weight of who is available, which is above 0; 0 of others.
    pub fn weight(self) -> u64 {
        if self.available {
            self.effective_weight
        } else {
            0
        }
    }
}

impl Agent {
    pub fn new(id: Arc<str>) -> Self {
        Self {
            id,
            doc_index: ABSENT,
            weight: 0,
            cap: 0,
            limits: Limits::default(),
            groups: Vec::new(),
            status: PresenceStatus::Offline,
            since_ms: 0,
            cause: 0,
            session_id: String::new(),
            absolute_awaiting: None,
            open: 0,
            derived_awaiting: 0,
            volume: Volume::default(),
            standing: Standing::default(),
            supposed: Supposed::default(),
            pools: Vec::new(),
        }
    }

    /// As an agent starts: OFFLINE since `now`, cause unspecified, nobody received.
    pub fn reset(&mut self, now: i64) {
        self.volume = Volume::default();
        self.status = PresenceStatus::Offline;
        self.since_ms = now;
        self.cause = 0;
        self.session_id.clear();
        self.absolute_awaiting = None;
    }

    /// The agent's place in a pool that one of the agent's groups is in.
    pub fn place_in(&self, pool: u32) -> Option<u32> {
        let at = self.pools.binary_search_by_key(&pool, |entry| entry.0);
        at.ok().map(|at| self.pools[at].1)
    }

    pub const fn in_document(&self) -> bool {
        self.doc_index != ABSENT
    }

    pub fn leave_document(&mut self) {
        self.doc_index = ABSENT;
        self.groups.clear();
        self.pools.clear();
        self.standing = Standing::default();
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

    /// What follows from the state as it is, under this configuration.
    pub fn assess(&self, lookup: &Lookup) -> Standing {
        let volume_resets_at_ms = if self.in_document() {
            self.volume.resets_at_ms(self.limits)
        } else {
            None
        };
        let available = self.in_document()
            && self.is_online()
            && self.weight > 0
            && (self.cap == 0 || i64::from(self.open) < self.cap)
            && volume_resets_at_ms.is_none();
        let weight = if lookup.even {
            self.weight.min(1)
        } else {
            self.weight
        };
        let full = weight * 1024;
        let awaiting = self.awaiting();
        let at_ease = full == 0 || awaiting <= lookup.busy_threshold || !self.in_document();
        let effective = if at_ease || self.supposed.is_at_ease() {
            full
        } else {
            (full * (lookup.busy_threshold + 1) / (awaiting + 1)).max(1)
        };
        Standing {
            available,
            effective_weight: effective.unsigned_abs(),
            ready: self.is_online() && awaiting < lookup.busy_threshold.max(1),
            volume_resets_at_ms,
        }
    }
}

/// An agent's presence at `now` as the API shows it.
pub fn presence(agent: &Agent, now: i64) -> api::AgentPresence {
    let (received_today, received_this_hour) = agent.volume.at(now);
    api::AgentPresence {
        received_today,
        received_this_hour,
        agent_id: agent.id.to_string(),
        status: agent.status.into(),
        since_ms: agent.since_ms,
        cause: agent.cause,
        session_id: agent.session_id.clone(),
        awaiting: i32::try_from(agent.awaiting()).unwrap_or(i32::MAX),
        open_conversations: i32::try_from(agent.open).unwrap_or(i32::MAX),
        effective_weight: i64::try_from(agent.standing.effective_weight).unwrap_or(i64::MAX),
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
        volume_day: agent.volume.day,
        received_today: agent.volume.received_today,
        volume_hour: agent.volume.hour,
        received_this_hour: agent.volume.received_this_hour,
    }
}
