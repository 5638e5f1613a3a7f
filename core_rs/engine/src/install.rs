//! Applying a change of configuration: the document put in place, its pools carried over, a shop
//! deleted.

use prost::Message;

use crate::document::{Lookup, by_priority};
use crate::maps::Map;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::selection::{Member, Pool};
use crate::state::Shop;
use crate::volume::Limits;

/// A pool's state apart from the document: what a new document or a snapshot carries over.
pub struct PoolSeed {
    pub groups: Box<[u32]>,
    pub virtual_time: u128,
    pub members: Vec<Member>,
}

impl Shop {
    pub fn apply_weights(&mut self, set: &record::WeightsSet) {
        for weight in &set.weights {
            if let Some(slot) = self.member(&weight.agent_id) {
                let agent = self.agent_mut(slot);
                agent.weight = weight.weight.into();
                let index = agent.doc_index as usize;
                self.document.agents[index].weight = Some(weight.weight);
                self.refresh(slot);
            }
        }
        self.document.etag.clone_from(&set.etag);
    }

    pub fn apply_document(&mut self, document: &api::Shop, now: i64) {
        let settings = document.settings.clone().unwrap_or_default();
        let lookup = &self.lookup;
        let windows = (lookup.sticky_window_ms, lookup.sticky_suspended_window_ms);
        if self.exists()
            && (
                settings.sticky_window_ms(),
                settings.sticky_suspended_window_ms(),
            ) != windows
        {
            // A longer window brings nothing back.
            let since_ms = now.saturating_sub(lookup.contact_lifetime_ms());
            self.contacts_since_ms = self.contacts_since_ms.max(since_ms);
        }
        self.deleted = false;
        self.drop_accumulators(document);
        if self.agents.is_empty() {
            self.agents.reserve_exact(document.agents.len());
        }
        let slots = self.intern_all(document);
        let mut stays = vec![false; self.agents.len()];
        for &slot in &slots {
            stays[slot as usize] = true;
        }
        let seeds = self.pool_seeds(document, &stays);
        for (agent, stays) in self.agents.iter_mut().zip(stays) {
            let was_there = agent.in_document();
            if was_there {
                agent.leave_document();
                agent.volume.forget_stale(now);
            }
            if was_there != stays {
                agent.reset(now);
            }
        }
        self.install(document.clone(), &slots, seeds);
    }

    /// Nothing stays but the shop's id, its etag, its last time and its numbers.
    pub fn apply_deleted(&mut self, deleted: &record::ShopDeleted) {
        let mut left = Self::new(self.partition);
        left.document.shop_id = std::mem::take(&mut self.document.shop_id);
        left.document.etag.clone_from(&deleted.etag);
        left.last_now_ms = self.last_now_ms;
        left.last_decision = self.last_decision;
        left.last_conversation = self.last_conversation;
        left.deleted = true;
        left.scheduled = self.scheduled;
        left.keeping = std::mem::take(&mut self.keeping);
        left.keeping.fresh = true;
        left.keeping.stored.segments.clear();
        left.keeping.deleted_in = left.keeping.generation;
        *self = left;
    }

    /// Drops the accumulators of mixed mode whose owner has another percentage now, or is gone.
    fn drop_accumulators(&mut self, document: &api::Shop) {
        let of_shop = document.settings.as_ref().map(|s| s.robot_percent);
        let of_group = |owner: &str| {
            let mut groups = document.groups.iter();
            let group = groups.find(|group| group.group_id == owner)?;
            Some(group.robot_percent)
        };
        let lookup = &self.lookup;
        self.mixed.retain(|owner, _| {
            let before = match lookup.group_index(owner) {
                Some(index) => lookup.groups[index as usize].robot_percent,
                None => lookup.robot_percent,
            };
            let after = if owner.is_empty() {
                of_shop
            } else {
                of_group(owner)
            };
            after == Some(before)
        });
    }

    /// The slots of a document's agents, in its order, made if need be.
    pub fn intern_all(&mut self, document: &api::Shop) -> Vec<u32> {
        let agents = document.agents.iter();
        agents.map(|agent| self.intern(&agent.agent_id)).collect()
    }

    /// The pools that stay under a new document, their groups by its indexes; `stays`: by slot.
    fn pool_seeds(&self, document: &api::Shop, stays: &[bool]) -> Vec<PoolSeed> {
        let indexes: Map<&str, u32> = document
            .groups
            .iter()
            .map(|group| group.group_id.as_str())
            .zip(0..)
            .collect();
        let seed = |pool: &Pool| {
            let groups: Option<Box<[u32]>> = pool
                .groups
                .iter()
                .map(|&index| {
                    let id: &str = self.lookup.group_id(index);
                    indexes.get(id).copied()
                })
                .collect();
            let members = pool
                .members
                .iter()
                .filter(|m| m.joined && stays[m.agent as usize])
                .map(|m| Member::restored(m.agent, m.eligible_at, m.weight, m.available))
                .collect();
            Some(PoolSeed {
                groups: groups?,
                virtual_time: pool.virtual_time,
                members,
            })
        };
        self.pools
            .iter()
            .filter(|pool| pool.started)
            .filter_map(seed)
            .collect()
    }

    /// Puts a document, whose agents have these slots, and its pools in place. Presence and conversations
    /// are there already; nobody is marked as being in the document.
    pub fn install(&mut self, document: api::Shop, slots: &[u32], seeds: Vec<PoolSeed>) {
        for ((doc_index, agent), &slot) in (0..).zip(&document.agents).zip(slots) {
            let known = self.agent_mut(slot);
            known.doc_index = doc_index;
            known.weight = agent.weight().into();
            known.cap = agent.cap.into();
            known.limits = Limits {
                daily: agent.daily_limit,
                hourly: agent.hourly_limit,
            };
        }
        let names = std::mem::take(&mut self.lookup.names);
        self.lookup = Lookup::new(&document, names, |id| {
            self.slot_of(id)
                .expect("an agent of the document has a slot")
        });
        for index in by_priority(&document) {
            for &slot in &self.lookup.groups[index as usize].agents {
                self.agents[slot as usize].groups.push(index);
            }
        }
        self.online = 0;
        self.ready.clear();
        self.volume_resets.clear();
        for &slot in slots {
            let agent = &mut self.agents[slot as usize];
            agent.standing = agent.assess(&self.lookup);
            self.online += u32::from(agent.takes_part() && agent.is_online());
            if agent.standing.ready {
                self.ready.insert(slot);
            }
            if let Some(due) = agent.standing.volume_resets_at_ms {
                self.volume_resets.insert((due, agent.id.clone()));
            }
        }
        self.document_bytes = document.encoded_len();
        self.document = document;
        self.pools.clear();
        self.pools_by_groups.clear();
        for seed in seeds {
            self.add_pool(seed.groups, true, seed.virtual_time, seed.members);
        }
        let all: Vec<u32> = (0..).take(self.document.groups.len()).collect();
        self.pool_of_all = self.pool(&all);
        self.watch_replies_anew();
        self.line_up_anew();
        self.unsettled.anything = true;
    }

    /// The pool of these groups (sorted indexes). Making room for one is no change of state: it has
    /// none before its first pick.
    pub fn pool(&mut self, groups: &[u32]) -> u32 {
        match self.pools_by_groups.get(groups) {
            Some(&pool) => pool,
            None => self.add_pool(groups.into(), false, 0, Vec::new()),
        }
    }

    fn add_pool(
        &mut self,
        groups: Box<[u32]>,
        started: bool,
        virtual_time: u128,
        mut members: Vec<Member>,
    ) -> u32 {
        let number = u32::try_from(self.pools.len()).expect("fewer than 2^32 pools in a shop");
        let mut scope: Vec<u32> = groups
            .iter()
            .flat_map(|&index| &self.lookup.groups[index as usize].agents)
            .copied()
            .collect();
        scope.sort_unstable();
        scope.dedup();
        let mut known: Vec<u32> = members.iter().map(|member| member.agent).collect();
        known.sort_unstable();
        let new = |slot: &&u32| known.binary_search(slot).is_err();
        members.extend(scope.iter().filter(new).map(|&slot| Member::new(slot)));
        members.shrink_to_fit();
        members.sort_by_key(|member| self.agents[member.agent as usize].doc_index);
        for (place, member) in (0..).zip(&members) {
            if scope.binary_search(&member.agent).is_ok() {
                let agent = &mut self.agents[member.agent as usize];
                if agent.pools.is_empty() {
                    // Mostly it stays the only one.
                    agent.pools.reserve_exact(1);
                }
                agent.pools.push((number, place));
            }
        }
        let weight_now = |slot: u32| match scope.binary_search(&slot) {
            Ok(_) => self.agents[slot as usize].standing.weight(),
            Err(_) => 0,
        };
        let pool = Pool::new(groups.clone(), started, virtual_time, members, weight_now);
        self.pools.push(pool);
        self.pools_by_groups.insert(groups, number);
        number
    }
}
