//! A shop's state as its canonical `ShopSnapshot`; of a stored shop, its head and what it has learned.

use std::mem::take;

use prost::Message;
use prost::encoding::message;

use crate::RULES_VERSION;
use crate::agent::agent_state;
use crate::buyers::Contact;
use crate::cache::Chunks;
use crate::chunks::{self, Bad, Chunk, Entry};
use crate::inquiry;
use crate::needs::{read_answered, read_contact};
use crate::proto::fenliu::engine::v1 as record;
use crate::selection::Member;
use crate::state::{Conversation, Shop};
use crate::stored::beginning;

/// Fields of `ShopSnapshot`.
const CONVERSATIONS: u32 = 8;
const CONTACTS: u32 = 9;

const BAD_KEY: Bad = "a bad key";
const CHUNKS_MISSING: Bad = "chunks of the shop are missing";

/// An entry, out of the generations or of a segment.
struct Learned {
    key: Vec<u8>,
    at_ms: i64,
    value: Vec<u8>,
}

impl Learned {
    fn as_entry(&self) -> Entry<'_> {
        Entry {
            key: &self.key,
            at_ms: self.at_ms,
            value: &self.value,
        }
    }
}

impl From<Entry<'_>> for Learned {
    fn from(entry: Entry<'_>) -> Self {
        Self {
            key: entry.key.to_vec(),
            at_ms: entry.at_ms,
            value: entry.value.to_vec(),
        }
    }
}

impl Shop {
    /// Everything that exists, canonical: equal states give equal bytes. Fails when chunks are not
    /// there that may hold something.
    pub fn snapshot(&self, chunks: &Chunks) -> Result<Vec<u8>, Bad> {
        let now = self.last_now_ms;
        let lifetimes = self.lifetimes(now);
        let mut entries = Vec::new();
        self.each_learned(|entry| -> Result<(), Bad> {
            entries.push(Learned::from(entry));
            Ok(())
        })?;
        for segment in &self.keeping.stored.segments {
            for chunk in &segment.chunks {
                match chunks.content(&chunk.id) {
                    Some(content) => {
                        for entry in Chunk::open(content)?.entries() {
                            entries.push(Learned::from(entry?));
                        }
                    }
                    None if lifetimes.anything(chunk.newest_ms) => return Err(CHUNKS_MISSING),
                    None => {}
                }
            }
        }
        // Of equal keys the first, the newest, decides.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries.dedup_by(|later, first| later.key == first.key);
        let mut snapshot = self.head_state();
        for entry in &entries {
            if lifetimes.entry(&entry.as_entry())? {
                self.add_entry(entry, &mut snapshot)?;
            }
        }
        snapshot
            .contacts
            .sort_unstable_by(|a, b| a.buyer_id.cmp(&b.buyer_id));
        Ok(snapshot.encode_to_vec())
    }

    /// The head: everything but what stands in segments.
    pub fn head(&self) -> Vec<u8> {
        let mut before = self.state_but_live();
        let behind = record::ShopSnapshot {
            waiting: take(&mut before.waiting),
            pools: take(&mut before.pools),
            mixed: take(&mut before.mixed),
            slot_releases_ms: take(&mut before.slot_releases_ms),
            contacts_since_ms: take(&mut before.contacts_since_ms),
            deleted: take(&mut before.deleted),
            ..Default::default()
        };
        // One by one and in the place of their fields, since there may be millions.
        let mut head = before.encode_to_vec();
        for conversation in self.conversation_states() {
            message::encode(CONVERSATIONS, &conversation, &mut head);
        }
        for contact in self.live_contact_states() {
            message::encode(CONTACTS, &contact, &mut head);
        }
        behind
            .encode(&mut head)
            .expect("a Vec takes as much as there is");
        head
    }

    /// Everything but remembered ids and the contacts of buyers who are not live.
    fn head_state(&self) -> record::ShopSnapshot {
        record::ShopSnapshot {
            conversations: self.conversation_states().collect(),
            contacts: self.live_contact_states().collect(),
            ..self.state_but_live()
        }
    }

    /// The same without conversations and contacts.
    fn state_but_live(&self) -> record::ShopSnapshot {
        record::ShopSnapshot {
            rules_version: RULES_VERSION,
            shop: Some(self.document.clone()),
            last_now_ms: self.last_now_ms,
            last_decision: self.last_decision,
            last_conversation: self.last_conversation,
            clamped_timestamps: self.clamped_timestamps,
            agents: self
                .members()
                .map(|slot| agent_state(self.agent(slot)))
                .collect(),
            waiting: self.waiting_states(),
            pools: self.pool_states(),
            mixed: self.mixed_states(),
            slot_releases_ms: self.slot_releases.iter().copied().collect(),
            contacts_since_ms: self.contacts_since_ms,
            deleted: self.deleted,
            ..Default::default()
        }
    }

    /// An entry of a segment, as a snapshot lists it.
    fn add_entry(&self, entry: &Learned, to: &mut record::ShopSnapshot) -> Result<(), Bad> {
        let at_ms = entry.at_ms;
        let (&kind, id) = entry.key.split_first().ok_or(BAD_KEY)?;
        if kind == chunks::CONVERSATION {
            return Ok(());
        }
        let id = std::str::from_utf8(id).map_err(|_| BAD_KEY)?;
        let event = |event_id: &str| record::EventState {
            event_id: event_id.to_owned(),
            at_ms,
        };
        match kind {
            chunks::CONTACT if self.is_live(id) => {}
            chunks::CONTACT => {
                let (conversation, agent_id) = read_contact(&entry.value)?;
                to.contacts.push(record::ContactState {
                    buyer_id: id.to_owned(),
                    agent_id: agent_id.to_owned(),
                    consulted_at_ms: at_ms,
                    conversation,
                });
            }
            chunks::REQUEST => {
                let answered = read_answered(&entry.value)?;
                to.requests.push(record::RequestState {
                    request_id: id.to_owned(),
                    digest: answered.digest.to_vec(),
                    at_ms,
                    reply: answered.reply.to_vec(),
                });
            }
            chunks::MESSAGE_EVENT => to.events.push(event(id)),
            chunks::ORDER_EVENT => to.order_events.push(event(id)),
            _ => return Err(BAD_KEY),
        }
        Ok(())
    }

    fn is_live(&self, buyer_id: &str) -> bool {
        let buyer = self.buyers.find(buyer_id);
        buyer.is_some_and(|buyer| self.buyers[buyer].is_live())
    }

    /// By number.
    fn conversation_states(&self) -> impl Iterator<Item = record::ConversationState> {
        let state = |(conversation, open): (u64, &Conversation)| record::ConversationState {
            conversation,
            buyer_id: self.buyers[open.buyer].id().to_owned(),
            agent_id: open
                .agent
                .map_or_else(String::new, |slot| self.agent(slot).id.to_string()),
            group_id: open.group.map_or_else(String::new, |number| {
                self.lookup.names.text(number).to_owned()
            }),
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
        let mut open: Vec<_> = self.conversations.iter().collect();
        open.sort_unstable_by_key(|(conversation, _)| *conversation);
        open.into_iter().map(state)
    }

    /// By buyer.
    fn live_contact_states(&self) -> impl Iterator<Item = record::ContactState> {
        let lifetimes = self.lifetimes(self.last_now_ms);
        let live = self
            .buyers
            .iter()
            .filter(|(_, buyer)| buyer.is_live())
            .filter_map(|(_, buyer)| Some((buyer.id(), buyer.contact()?)))
            .filter(|(_, contact)| lifetimes.contact(contact.consulted_at_ms));
        let mut contacts: Vec<_> = live
            .map(|(id, contact)| (beginning(id.as_bytes()), id, contact))
            .collect();
        contacts.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let state = |(_, id, contact): (u64, &str, Contact)| record::ContactState {
            buyer_id: id.to_string(),
            agent_id: self.agent(contact.agent).id.to_string(),
            consulted_at_ms: contact.consulted_at_ms,
            conversation: contact.conversation,
        };
        contacts.into_iter().map(state)
    }

    fn waiting_states(&self) -> Vec<record::WaitingState> {
        let mut states: Vec<_> = self
            .buyers
            .iter()
            .filter_map(|(_, buyer)| Some((buyer.id(), buyer.waiting.as_deref()?)))
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
                    .map(|&index| self.lookup.group_id(index).to_owned())
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
}
