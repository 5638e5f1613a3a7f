//! A shop out of its `ShopSnapshot`, or of the head of a stored one.

use prost::Message;

use crate::RULES_VERSION;
use crate::buyers::Contact;
use crate::document::knows_its_agents;
use crate::ids;
use crate::inquiry;
use crate::install::PoolSeed;
use crate::maps::Map;
use crate::proto::fenliu::engine::v1 as record;
use crate::remembered::Generation;
use crate::selection::Member;
use crate::state::{Conversation, Hops, Shop, Waiting};
use crate::volume::Volume;

impl Shop {
    /// The shop a snapshot holds, or what is wrong with the bytes.
    ///
    /// `place_of` gives the shop's partition and the generation in which contacts of buyers who are
    /// not live, and remembered ids, are learned.
    pub fn from_snapshot(
        bytes: &[u8],
        place_of: impl Fn(&str) -> (u32, Generation),
    ) -> Result<Self, String> {
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
        if !knows_its_agents(&document) {
            return Err("the shop names an unknown agent".to_owned());
        }

        let (partition, generation) = place_of(&document.shop_id);
        let mut shop = Self::new(partition);
        shop.keeping.generation = generation;
        shop.contacts_since_ms = snapshot.contacts_since_ms;
        shop.deleted = snapshot.deleted;
        shop.last_now_ms = snapshot.last_now_ms;
        shop.last_decision = snapshot.last_decision;
        shop.last_conversation = snapshot.last_conversation;
        shop.clamped_timestamps = snapshot.clamped_timestamps;
        shop.agents.reserve_exact(snapshot.agents.len());
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
        let mut waiting = Vec::new();
        for state in snapshot.waiting {
            let buyer = shop.buyers.key_of(&state.buyer_id);
            waiting.push(buyer);
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
            shop.buyers.get_mut(buyer).waiting = Some(entry.into());
        }
        let mut contacts = snapshot.contacts;
        contacts.sort_by_key(|state| state.consulted_at_ms);
        for state in contacts {
            let agent = shop.intern(&state.agent_id);
            let contact = Contact {
                agent,
                consulted_at_ms: state.consulted_at_ms,
                conversation: state.conversation,
            };
            let buyer = shop.buyers.key_of(&state.buyer_id);
            shop.put_contact(buyer, contact);
            shop.leave(buyer);
        }
        for state in snapshot.mixed {
            shop.mixed.insert(state.owner, state.accumulator);
        }
        shop.slot_releases = snapshot.slot_releases_ms.into();
        let mut requests = snapshot.requests;
        requests.sort_by_key(|state| state.at_ms);
        for state in requests {
            if state.digest.len() != 16 {
                return Err("a digest has not 16 bytes".to_owned());
            }
            let value = [state.digest.as_slice(), &state.reply];
            let id = &state.request_id;
            let hash = ids::hash(id.as_bytes());
            shop.requests
                .remember(id, hash, value, state.at_ms, generation);
        }
        for (states, events) in [
            (snapshot.events, &mut shop.message_events),
            (snapshot.order_events, &mut shop.order_events),
        ] {
            let mut states = states;
            states.sort_by_key(|state| state.at_ms);
            for state in states {
                let id = &state.event_id;
                let hash = ids::hash(id.as_bytes());
                events.remember(id, hash, [&[], &[]], state.at_ms, generation);
            }
        }

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
        let slots = shop.intern_all(&document);
        shop.install(document, &slots, seeds);
        for buyer in waiting {
            shop.line_up(buyer);
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
        let group = match &*state.group_id {
            "" => None,
            id => Some(self.lookup.names.number(id)),
        };
        let buyer = self.buyers.key_of(&state.buyer_id);
        let known = self.buyers.get_mut(buyer);
        known.set_open(Some(state.conversation));
        let open = Conversation {
            buyer,
            agent: slot,
            group,
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
