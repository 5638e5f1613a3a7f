//! Applying facts: the only place where a shop's state changes. Asks no rule and never refuses.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::config::Lookup;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::selection::{Member, Pool};
use crate::state::{
    Buyer, Contact, Conversation, Map, Remembered, Shop, Waiting, still_remembered,
};
use api::{Outcome, Sender};
use record::entry::Command;
use record::fact::Fact;

/// A pool's state apart from the document: what a new document or a snapshot carries over.
pub struct PoolSeed {
    pub groups: Box<[u32]>,
    pub virtual_time: u128,
    pub members: Vec<Member>,
}

impl Shop {
    /// Applies a fact as it is made and keeps it for the log.
    pub fn emit(&mut self, fact: Fact, command: &Command, now: i64, facts: &mut Vec<record::Fact>) {
        self.apply_fact(&fact, command, now);
        facts.push(record::Fact { fact: Some(fact) });
    }

    /// `command` is the one that led to the fact; `now` its time.
    pub fn apply_fact(&mut self, fact: &Fact, command: &Command, now: i64) {
        match (fact, command) {
            (Fact::ConversationClosed(closed), _) => self.close(closed.conversation),
            (Fact::Decided(decided), Command::Route(request)) => {
                self.apply_decided(decided, &request.buyer_id, now);
            }
            (Fact::MessageNoted(noted), Command::Message(event)) => {
                self.apply_message(noted, event, now);
            }
            (Fact::PresenceChanged(changed), _) => self.apply_presence(changed, now),
            (Fact::ShopApplied(applied), _) => {
                if let Some(document) = &applied.shop {
                    self.apply_document(document, now);
                }
            }
            (Fact::WeightsSet(set), _) => self.apply_weights(set),
            // No command leads to such a fact.
            (Fact::Decided(_) | Fact::MessageNoted(_), _) => {}
        }
    }

    fn apply_decided(&mut self, decided: &record::Decided, buyer_id: &str, now: i64) {
        self.last_decision = decided.decision;
        if decided.outcome != Outcome::Agent as i32 {
            self.wait(decided, buyer_id, now);
            return;
        }
        let agent = self.intern(&decided.agent_id);
        if let Some(pool) = self.pool_named(decided) {
            self.pick(pool, agent);
        }
        let conversation = decided.conversation;
        if conversation > self.last_conversation {
            self.open(
                conversation,
                buyer_id,
                agent,
                &decided.group_id,
                now,
                now,
                true,
            );
            let agent = self.agent_mut(agent);
            agent.absolute_awaiting = agent.absolute_awaiting.map(|n| n.saturating_add(1));
        } else if let Some(open) = self.conversations.get_mut(&conversation) {
            open.last_activity_ms = open.last_activity_ms.max(now);
        }
        self.refresh(agent);
        let contact = Contact {
            agent,
            consulted_at_ms: now,
            conversation,
        };
        self.set_contact(buyer_id, contact);
    }

    /// The pool a decision names; none: no pick.
    fn pool_named(&mut self, decided: &record::Decided) -> Option<u32> {
        if decided.pool_of_all_groups {
            return Some(self.pool_of_all);
        }
        if decided.pool_group_ids.is_empty() {
            return None;
        }
        let indexes = &self.lookup.group_indexes;
        let groups: Option<Vec<u32>> = decided
            .pool_group_ids
            .iter()
            .map(|id| indexes.get(id.as_str()).copied())
            .collect();
        Some(self.pool(&groups?))
    }

    fn pick(&mut self, pool: u32, agent: u32) {
        let pools = &self.agent(agent).pools;
        let Ok(at) = pools.binary_search_by_key(&pool, |entry| entry.0) else {
            return;
        };
        let place = pools[at].1;
        let pool = &mut self.pools[pool as usize];
        pool.bring_up_to_date(&self.agents);
        pool.pick(place);
    }

    fn wait(&mut self, decided: &record::Decided, buyer_id: &str, now: i64) {
        let buyer = self.buyer(buyer_id);
        if buyer.waiting.is_none() {
            buyer.waiting = Some(Waiting {
                outcome: decided.outcome,
                agent_id: decided.agent_id.clone(),
                since_ms: now,
                decision: decided.decision,
            });
        }
    }

    /// Opens a conversation; the buyer waits no more. The caller refreshes the agent.
    #[allow(clippy::too_many_arguments)]
    fn open(
        &mut self,
        number: u64,
        buyer_id: &str,
        agent: u32,
        group_id: &str,
        opened_at_ms: i64,
        last_activity_ms: i64,
        awaiting: bool,
    ) {
        self.last_conversation = number;
        let group = match self.lookup.group_indexes.get_key_value(group_id) {
            Some((id, _)) => id.clone(),
            None => group_id.into(),
        };
        let buyer = self.buyer_key(buyer_id);
        if let Some(known) = self.buyers.get_mut(&buyer) {
            known.open = Some(number);
            known.waiting = None;
        }
        self.conversations.insert(
            number,
            Conversation {
                buyer,
                agent,
                group,
                opened_at_ms,
                last_activity_ms,
                awaiting,
            },
        );
        let agent = self.agent_mut(agent);
        agent.open += 1;
        agent.derived_awaiting += u32::from(awaiting);
        self.watch_idle(last_activity_ms, number);
    }

    fn close(&mut self, number: u64) {
        let Some(closed) = self.conversations.remove(&number) else {
            return;
        };
        let agent = self.agent_mut(closed.agent);
        agent.open -= 1;
        agent.derived_awaiting -= u32::from(closed.awaiting);
        self.refresh(closed.agent);
        if let Some(buyer) = self.buyers.get_mut(&closed.buyer) {
            buyer.open = None;
        }
        self.forget_buyer(&closed.buyer);
    }

    fn apply_message(&mut self, noted: &record::MessageNoted, event: &api::MessageEvent, now: i64) {
        let sender = event.sender();
        let author = match noted.agent_id.as_str() {
            "" => None,
            id => Some(self.intern(id)),
        };
        let consulted_at_ms = noted.at_ms.min(now);
        let conversation = noted.conversation;
        self.clamped_timestamps += u64::from(noted.clamped);

        if noted.opened {
            let Some(author) = author else { return };
            let group = self.first_group(author).cloned().unwrap_or_default();
            let t = noted.at_ms;
            self.open(conversation, &event.buyer_id, author, &group, now, t, false);
            self.derive_awaiting(author);
            self.consult(&event.buyer_id, author, consulted_at_ms, conversation, now);
            return;
        }
        if let Some(author) = author {
            self.derive_awaiting(author);
        }
        let Some(open) = self.conversations.get_mut(&conversation) else {
            if let (Some(author), Sender::Agent) = (author, sender) {
                self.prolong_contact(conversation, author, consulted_at_ms, now);
            }
            return;
        };
        open.last_activity_ms = open.last_activity_ms.max(noted.at_ms);
        let handler = open.agent;
        let buyer = open.buyer.clone();
        let awaiting = match sender {
            Sender::Buyer => true,
            Sender::Agent if author == Some(handler) => false,
            _ => open.awaiting,
        };
        let before = std::mem::replace(&mut open.awaiting, awaiting);
        let agent = self.agent_mut(handler);
        agent.derived_awaiting += u32::from(awaiting);
        agent.derived_awaiting -= u32::from(before);
        self.derive_awaiting(handler);
        let consulted = match sender {
            Sender::Buyer => Some(handler),
            Sender::Agent => author,
            _ => None,
        };
        if let Some(consulted) = consulted {
            self.consult(&buyer, consulted, consulted_at_ms, conversation, now);
        }
    }

    /// The agent's awaiting is derived from now on.
    fn derive_awaiting(&mut self, slot: u32) {
        self.agent_mut(slot).absolute_awaiting = None;
        self.refresh(slot);
    }

    /// The buyer consulted an agent; an older consultation changes nothing.
    fn consult(&mut self, buyer_id: &str, agent: u32, at_ms: i64, conversation: u64, now: i64) {
        let contact = self.contact(buyer_id, now);
        if contact.is_none_or(|contact| at_ms >= contact.consulted_at_ms) {
            let contact = Contact {
                agent,
                consulted_at_ms: at_ms,
                conversation,
            };
            self.set_contact(buyer_id, contact);
        }
    }

    /// The agent's word to a closed conversation renews the contact made in it.
    fn prolong_contact(&mut self, conversation: u64, author: u32, at_ms: i64, now: i64) {
        let Some(buyer_id) = self.contact_buyers.get(&conversation).cloned() else {
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
            self.set_contact(&buyer_id, contact);
        }
    }

    fn apply_presence(&mut self, changed: &record::PresenceChanged, now: i64) {
        let Some(slot) = self.member(&changed.agent_id) else {
            return;
        };
        let agent = self.agent_mut(slot);
        let was_online = agent.is_online();
        if agent.status != changed.status() {
            agent.status = changed.status();
            agent.since_ms = now;
        }
        agent.cause = changed.cause;
        agent.session_id.clone_from(&changed.session_id);
        if changed.awaiting.is_some() {
            agent.absolute_awaiting = changed.awaiting;
        }
        if agent.takes_part() {
            let online = u32::from(agent.is_online());
            self.online += online;
            self.online -= u32::from(was_online);
        }
        self.refresh(slot);
    }

    fn apply_weights(&mut self, set: &record::WeightsSet) {
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

    fn apply_document(&mut self, document: &api::Shop, now: i64) {
        let settings = document.settings.clone().unwrap_or_default();
        if settings.sticky_window_ms() != self.lookup.sticky_window_ms
            || settings.sticky_suspended_window_ms() != self.lookup.sticky_suspended_window_ms
        {
            self.drop_contacts(now);
        }
        let seeds = self.pool_seeds(document);
        let before: Vec<u32> = self.members().collect();
        let mut staying = Map::default();
        for agent in &document.agents {
            let slot = self.intern(&agent.agent_id);
            staying.insert(slot, ());
            if !self.agent(slot).in_document() {
                self.agent_mut(slot).reset_presence(now);
            }
        }
        for slot in before {
            self.agent_mut(slot).leave_document();
            if !staying.contains_key(&slot) {
                self.agent_mut(slot).reset_presence(now);
            }
        }
        self.install(document.clone(), seeds);
    }

    /// Frees the contacts that do not exist now, so that a longer window brings nothing back.
    fn drop_contacts(&mut self, now: i64) {
        let window = self.lookup.contact_window_ms();
        let gone: Vec<Arc<str>> = self
            .buyers
            .iter()
            .filter(|(_, buyer)| {
                buyer
                    .contact
                    .is_some_and(|c| now.saturating_sub(c.consulted_at_ms) > window)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for buyer_id in gone {
            self.drop_contact(&buyer_id);
        }
        let buyers = &self.buyers;
        self.contact_queue
            .retain(|(_, id)| buyers.get(id).is_some_and(|b| b.contact.is_some()));
    }

    /// The pools that stay under a new document, their groups by its indexes.
    fn pool_seeds(&self, document: &api::Shop) -> Vec<PoolSeed> {
        let indexes: Map<&str, u32> = document
            .groups
            .iter()
            .map(|group| group.group_id.as_str())
            .zip(0..)
            .collect();
        let staying: Map<&str, ()> = document
            .agents
            .iter()
            .map(|agent| (agent.agent_id.as_str(), ()))
            .collect();
        let seed = |pool: &Pool| {
            let groups: Option<Box<[u32]>> = pool
                .groups
                .iter()
                .map(|&index| {
                    let id: &str = &self.lookup.groups[index as usize].id;
                    indexes.get(id).copied()
                })
                .collect();
            let members = pool
                .members
                .iter()
                .filter(|m| m.joined && staying.contains_key(&*self.agent(m.agent).id))
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

    /// Puts a document and its pools in place. Presence and conversations are there already; nobody
    /// is marked as being in the document.
    pub fn install(&mut self, document: api::Shop, seeds: Vec<PoolSeed>) {
        let slots: Vec<u32> = document
            .agents
            .iter()
            .map(|agent| self.intern(&agent.agent_id))
            .collect();
        for ((doc_index, agent), &slot) in (0..).zip(&document.agents).zip(&slots) {
            let known = self.agent_mut(slot);
            known.doc_index = doc_index;
            known.weight = agent.weight().into();
            known.cap = agent.cap.into();
        }
        self.lookup = Lookup::new(&document, |id| self.slots[id]);
        let mut order: Vec<u32> = (0..).take(document.groups.len()).collect();
        order.sort_by_key(|&index| document.groups[index as usize].priority);
        for index in order {
            for &slot in &self.lookup.groups[index as usize].agents {
                self.agents[slot as usize].groups.push(index);
            }
        }
        self.online = 0;
        for slot in slots {
            let agent = &mut self.agents[slot as usize];
            (agent.free, agent.effective_weight) = agent.standing(&self.lookup);
            self.online += u32::from(agent.takes_part() && agent.is_online());
        }
        self.document = document;
        self.pools.clear();
        self.pools_by_groups.clear();
        for seed in seeds {
            self.add_pool(seed.groups, true, seed.virtual_time, seed.members);
        }
        let all: Vec<u32> = (0..).take(self.document.groups.len()).collect();
        self.pool_of_all = self.pool(&all);
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
        members.sort_by_key(|member| self.agents[member.agent as usize].doc_index);
        for (place, member) in (0..).zip(&members) {
            if scope.binary_search(&member.agent).is_ok() {
                let agent = &mut self.agents[member.agent as usize];
                agent.pools.push((number, place));
            }
        }
        let is_free =
            |slot: u32| self.agents[slot as usize].free && scope.binary_search(&slot).is_ok();
        let pool = Pool::new(groups.clone(), started, virtual_time, members, is_free);
        self.pools.push(pool);
        self.pools_by_groups.insert(groups, number);
        number
    }

    /// Tells the pools when an agent's availability or effective weight is another.
    fn refresh(&mut self, slot: u32) {
        let agent = &mut self.agents[slot as usize];
        let (free, weight) = agent.standing(&self.lookup);
        if (free, weight) == (agent.free, agent.effective_weight) {
            return;
        }
        (agent.free, agent.effective_weight) = (free, weight);
        for &(pool, place) in &agent.pools {
            self.pools[pool as usize].note(place, free);
        }
    }

    /// The buyer, made if need be.
    fn buyer(&mut self, buyer_id: &str) -> &mut Buyer {
        let key = self.buyer_key(buyer_id);
        self.buyers.entry(key).or_default()
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

    /// Frees a buyer of whom nothing is known any more.
    fn forget_buyer(&mut self, buyer_id: &str) {
        if let Some(buyer) = self.buyers.get(buyer_id)
            && buyer.open.is_none()
            && buyer.contact.is_none()
            && buyer.waiting.is_none()
        {
            self.buyers.remove(buyer_id);
        }
    }

    pub fn set_contact(&mut self, buyer_id: &str, contact: Contact) {
        let key = self.buyer_key(buyer_id);
        let before = self
            .buyers
            .get_mut(&key)
            .and_then(|buyer| buyer.contact.replace(contact));
        match before {
            Some(before) if before.conversation == contact.conversation => return,
            Some(before) => {
                self.contact_buyers.remove(&before.conversation);
            }
            None => self
                .contact_queue
                .push_back((contact.consulted_at_ms, key.clone())),
        }
        self.contact_buyers.insert(contact.conversation, key);
    }

    /// Drops a contact; the caller takes the buyer out of the queue.
    fn drop_contact(&mut self, buyer_id: &str) {
        if let Some(buyer) = self.buyers.get_mut(buyer_id)
            && let Some(contact) = buyer.contact.take()
        {
            self.contact_buyers.remove(&contact.conversation);
            self.forget_buyer(buyer_id);
        }
    }

    /// Remembers a request's id and reply.
    pub fn remember_request(&mut self, id: &str, digest: [u8; 16], reply: &[u8], now: i64) {
        let id: Arc<str> = id.into();
        let request = Remembered {
            digest,
            at_ms: now,
            reply: reply.to_vec(),
        };
        self.requests.insert(id.clone(), request);
        self.request_queue.push_back((now, id));
    }

    pub fn remember_event(&mut self, id: &str, now: i64) {
        let id: Arc<str> = id.into();
        self.events.insert(id.clone(), now);
        self.event_queue.push_back((now, id));
    }

    /// Frees some of what has expired: a little with every entry, so that no entry pays for many.
    pub fn free_expired(&mut self, now: i64) {
        for _ in 0..2 {
            if let Some((at_ms, id)) = self.request_queue.front()
                && !still_remembered(*at_ms, now)
            {
                // A younger request of the same id has another entry in the queue.
                if self.requests.get(id).is_some_and(|r| r.at_ms == *at_ms) {
                    self.requests.remove(id);
                }
                self.request_queue.pop_front();
            }
            if let Some((at_ms, id)) = self.event_queue.front()
                && !still_remembered(*at_ms, now)
            {
                if self.events.get(id) == Some(at_ms) {
                    self.events.remove(id);
                }
                self.event_queue.pop_front();
            }
            let window = self.lookup.contact_window_ms();
            if let Some((at_ms, _)) = self.contact_queue.front()
                && now.saturating_sub(*at_ms) > window
                && let Some((_, id)) = self.contact_queue.pop_front()
                && let Some(contact) = self.buyers.get(&id).and_then(|buyer| buyer.contact)
            {
                if self.contact_exists(&contact, now) {
                    self.contact_queue.push_back((contact.consulted_at_ms, id));
                } else {
                    self.drop_contact(&id);
                }
            }
        }
    }

    /// Puts a conversation in the line for the idle close.
    pub fn watch_idle(&mut self, last_activity_ms: i64, number: u64) {
        // Closed conversations leave the line only at its head; make room when they prevail.
        if self.idle.len() > 64 + 2 * self.conversations.len() {
            self.idle = self
                .conversations
                .iter()
                .map(|(&number, open)| Reverse((open.last_activity_ms, number)))
                .collect();
        } else {
            self.idle.push(Reverse((last_activity_ms, number)));
        }
    }
}
