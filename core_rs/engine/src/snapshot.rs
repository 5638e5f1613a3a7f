//! A shop's state as its canonical `ShopSnapshot`, and back.

use std::sync::Arc;

use prost::Message;

use crate::RULES_VERSION;
use crate::apply::PoolSeed;
use crate::events::EventIds;
use crate::inquiry;
use crate::proto::fenliu::engine::v1 as record;
use crate::selection::Member;
use crate::state::{
    Contact, Conversation, Hops, Map, Remembered, Shop, Waiting, agent_state, still_remembered,
};
use crate::volume::Volume;

impl Shop {
    /// Equal states give equal bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let now = self.last_now_ms;
        record::ShopSnapshot {
            rules_version: RULES_VERSION,
            shop: Some(self.document.clone()),
            last_now_ms: now,
            last_decision: self.last_decision,
            last_conversation: self.last_conversation,
            clamped_timestamps: self.clamped_timestamps,
            agents: self
                .members()
                .map(|slot| agent_state(self.agent(slot)))
                .collect(),
            conversations: self.conversation_states(),
            contacts: self.contact_states(now),
            waiting: self.waiting_states(),
            requests: self.request_states(now),
            events: self.message_events.states(now),
            pools: self.pool_states(),
            mixed: self.mixed_states(),
            slot_releases_ms: self.slot_releases.iter().copied().collect(),
            order_events: self.order_events.states(now),
        }
        .encode_to_vec()
    }

    fn conversation_states(&self) -> Vec<record::ConversationState> {
        let state = |(&conversation, open): (&u64, &Conversation)| record::ConversationState {
            conversation,
            buyer_id: open.buyer.to_string(),
            agent_id: open
                .agent
                .map_or_else(String::new, |slot| self.agent(slot).id.to_string()),
            group_id: open.group.to_string(),
            opened_at_ms: open.opened_at_ms,
            last_activity_ms: open.last_activity_ms,
            awaiting: open.awaiting,
            robot: open.agent.is_none(),
            answered: open.answered,
            reply_timeout_spent: open.reply_timeout_spent,
            reply_hops: open.hops.reply,
            transfer_hops: open.hops.transfer,
            inquiry: inquiry::stored(&open.inquiry),
        };
        let mut states: Vec<_> = self.conversations.iter().map(state).collect();
        states.sort_unstable_by_key(|state| state.conversation);
        states
    }

    fn contact_states(&self, now: i64) -> Vec<record::ContactState> {
        let mut states: Vec<_> = self
            .buyers
            .iter()
            .filter_map(|(id, buyer)| Some((id, buyer.contact?)))
            .filter(|(_, contact)| self.contact_exists(contact, now))
            .map(|(id, contact)| record::ContactState {
                buyer_id: id.to_string(),
                agent_id: self.agent(contact.agent).id.to_string(),
                consulted_at_ms: contact.consulted_at_ms,
                conversation: contact.conversation,
            })
            .collect();
        states.sort_unstable_by(|a, b| a.buyer_id.cmp(&b.buyer_id));
        states
    }

    fn waiting_states(&self) -> Vec<record::WaitingState> {
        let mut states: Vec<_> = self
            .buyers
            .iter()
            .filter_map(|(id, buyer)| Some((id, buyer.waiting.as_deref()?)))
            .map(|(id, waiting)| record::WaitingState {
                buyer_id: id.to_string(),
                outcome: waiting.outcome.into(),
                agent_id: waiting.agent_id.clone(),
                since_ms: waiting.since_ms,
                decision: waiting.decision,
                inquiry: inquiry::stored(&waiting.inquiry),
                target_agent_id: waiting.target_agent_id.clone(),
                target_group_id: waiting.target_group_id.clone(),
                reply_hops: waiting.hops.reply,
                transfer_hops: waiting.hops.transfer,
            })
            .collect();
        states.sort_unstable_by(|a, b| a.buyer_id.cmp(&b.buyer_id));
        states
    }

    fn request_states(&self, now: i64) -> Vec<record::RequestState> {
        let mut states: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| still_remembered(request.at_ms, now))
            .map(|(id, request)| record::RequestState {
                request_id: id.to_string(),
                digest: request.digest.to_vec(),
                at_ms: request.at_ms,
                reply: request.reply.clone(),
            })
            .collect();
        states.sort_unstable_by(|a, b| a.request_id.cmp(&b.request_id));
        states
    }

    fn mixed_states(&self) -> Vec<record::MixedState> {
        let state = |(owner, &accumulator): (&String, &i32)| record::MixedState {
            owner: owner.clone(),
            accumulator,
        };
        self.mixed.iter().map(state).collect()
    }

    fn pool_states(&self) -> Vec<record::PoolState> {
        let member = |member: &Member| record::PoolMember {
            agent_id: self.agent(member.agent).id.to_string(),
            eligible_at: member.eligible_at.to_be_bytes().to_vec(),
            weight: i64::try_from(member.weight).unwrap_or(i64::MAX),
            available: member.available,
        };
        let mut pools: Vec<_> = self.pools.iter().filter(|pool| pool.started).collect();
        // Groups are sorted by id, so their indexes sort as their ids do.
        pools.sort_unstable_by(|a, b| a.groups.cmp(&b.groups));
        pools
            .into_iter()
            .map(|pool| record::PoolState {
                group_ids: pool
                    .groups
                    .iter()
                    .map(|&index| self.lookup.groups[index as usize].id.to_string())
                    .collect(),
                virtual_time: pool.virtual_time.to_be_bytes().to_vec(),
                members: pool
                    .members
                    .iter()
                    .filter(|m| m.joined)
                    .map(member)
                    .collect(),
            })
            .collect()
    }

    /// The shop a snapshot holds, or what is wrong with the bytes.
    pub fn from_snapshot(bytes: &[u8], partition_of: impl Fn(&str) -> u32) -> Result<Self, String> {
        let snapshot = record::ShopSnapshot::decode(bytes).map_err(|e| e.to_string())?;
        if snapshot.rules_version != RULES_VERSION {
            let version = snapshot.rules_version;
            return Err(format!("rules version {version} is not known"));
        }
        let document = snapshot.shop.ok_or("no shop in the snapshot")?;
        if document.shop_id.is_empty() {
            return Err("the shop has no id".to_owned());
        }
        let same_agents = document.agents.len() == snapshot.agents.len()
            && document
                .agents
                .iter()
                .zip(&snapshot.agents)
                .all(|(agent, state)| agent.agent_id == state.agent_id);
        if !same_agents {
            return Err("agents and their states differ".to_owned());
        }
        let agents: Map<&str, ()> = document
            .agents
            .iter()
            .map(|agent| (agent.agent_id.as_str(), ()))
            .collect();
        let known = |id: &String| agents.contains_key(id.as_str());
        let buyers = document.settings.iter().flat_map(|s| &s.buyer_agents);
        if !document.groups.iter().flat_map(|g| &g.agent_ids).all(known)
            || !buyers.map(|buyer| &buyer.agent_id).all(known)
        {
            return Err("the shop names an unknown agent".to_owned());
        }

        let mut shop = Self::new(partition_of(&document.shop_id));
        shop.last_now_ms = snapshot.last_now_ms;
        shop.last_decision = snapshot.last_decision;
        shop.last_conversation = snapshot.last_conversation;
        shop.clamped_timestamps = snapshot.clamped_timestamps;
        for state in snapshot.agents {
            let slot = shop.intern(&state.agent_id);
            let agent = shop.agent_mut(slot);
            agent.status = state.status();
            agent.since_ms = state.since_ms;
            agent.cause = state.cause;
            agent.session_id = state.session_id;
            agent.absolute_awaiting = state.absolute_awaiting;
            agent.volume = Volume {
                day: state.volume_day,
                received_today: state.received_today,
                hour: state.volume_hour,
                received_this_hour: state.received_this_hour,
            };
        }
        for state in snapshot.conversations {
            shop.load_conversation(state);
        }
        for state in snapshot.contacts {
            let agent = shop.intern(&state.agent_id);
            let contact = Contact {
                agent,
                consulted_at_ms: state.consulted_at_ms,
                conversation: state.conversation,
            };
            let buyer = shop.buyer_key(&state.buyer_id);
            shop.set_contact(buyer, contact);
        }
        let mut waiting = Vec::new();
        for state in snapshot.waiting {
            let buyer = shop.buyer_key(&state.buyer_id);
            waiting.push(buyer.clone());
            let entry = Waiting {
                outcome: state.outcome(),
                agent_id: state.agent_id,
                since_ms: state.since_ms,
                decision: state.decision,
                inquiry: inquiry::kept(state.inquiry),
                target_agent_id: state.target_agent_id,
                target_group_id: state.target_group_id,
                hops: Hops {
                    reply: state.reply_hops,
                    transfer: state.transfer_hops,
                },
            };
            shop.buyers.entry(buyer).or_default().waiting = Some(entry.into());
        }
        for state in snapshot.mixed {
            shop.mixed.insert(state.owner, state.accumulator);
        }
        shop.slot_releases = snapshot.slot_releases_ms.into();
        for state in snapshot.requests {
            let id: Arc<str> = state.request_id.into();
            let digest = state
                .digest
                .try_into()
                .map_err(|_| "a digest has not 16 bytes")?;
            let (at_ms, reply) = (state.at_ms, state.reply);
            let request = Remembered {
                digest,
                at_ms,
                reply,
            };
            shop.requests.insert(id.clone(), request);
            shop.request_queue.push_back((at_ms, id));
        }
        shop.message_events = EventIds::load(snapshot.events);
        shop.order_events = EventIds::load(snapshot.order_events);
        shop.request_queue.make_contiguous().sort_unstable();
        shop.contact_queue.make_contiguous().sort_unstable();

        let groups: Map<&str, u32> = document
            .groups
            .iter()
            .map(|group| group.group_id.as_str())
            .zip(0..)
            .collect();
        let mut seeds = Vec::new();
        for pool in &snapshot.pools {
            let find = |id: &String| groups.get(id.as_str()).copied();
            let indexes: Option<Box<[u32]>> = pool.group_ids.iter().map(find).collect();
            let mut members = Vec::new();
            for member in &pool.members {
                if !known(&member.agent_id) || member.weight < 1 {
                    return Err(format!("bad pool member {}", member.agent_id));
                }
                members.push(Member::restored(
                    shop.intern(&member.agent_id),
                    u128_of(&member.eligible_at)?,
                    member.weight.unsigned_abs(),
                    member.available,
                ));
            }
            seeds.push(PoolSeed {
                groups: indexes
                    .filter(|indexes| indexes.is_sorted_by(|a, b| a < b))
                    .ok_or("a pool's groups are not the shop's, sorted")?,
                virtual_time: u128_of(&pool.virtual_time)?,
                members,
            });
        }
        shop.install(document, seeds);
        for buyer in waiting {
            shop.line_up(&buyer);
        }
        Ok(shop)
    }

    fn load_conversation(&mut self, state: record::ConversationState) {
        let slot = (!state.robot).then(|| self.intern(&state.agent_id));
        if let Some(slot) = slot {
            let agent = self.agent_mut(slot);
            agent.open += 1;
            agent.derived_awaiting += u32::from(state.awaiting);
        }
        let buyer = self.buyer_key(&state.buyer_id);
        self.buyers.entry(buyer.clone()).or_default().open = Some(state.conversation);
        let open = Conversation {
            buyer,
            agent: slot,
            group: state.group_id.as_str().into(),
            opened_at_ms: state.opened_at_ms,
            last_activity_ms: state.last_activity_ms,
            awaiting: state.awaiting,
            answered: state.answered,
            reply_timeout_spent: state.reply_timeout_spent,
            inquiry: inquiry::kept(state.inquiry),
            hops: Hops {
                reply: state.reply_hops,
                transfer: state.transfer_hops,
            },
        };
        self.conversations.insert(state.conversation, open);
        self.watch_idle(state.last_activity_ms, state.conversation);
    }
}

fn u128_of(bytes: &[u8]) -> Result<u128, String> {
    let bytes = bytes
        .try_into()
        .map_err(|_| "a pool's number has not 16 bytes")?;
    Ok(u128::from_be_bytes(bytes))
}
