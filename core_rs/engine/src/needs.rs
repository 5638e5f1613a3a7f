//! What a command reads of contacts and remembered ids: known in memory, or fetched from the segments
//! for as long as the command takes.

use crate::buyers::Contact;
use crate::cache::{Chunks, Missing};
use crate::chunks::{self, Bad};
use crate::keeping::Fetched;
use crate::remembered::{Answered, FETCHED};
use crate::state::Shop;
use crate::views::{Command, Whole};

/// What the ids of a command are needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Decide,
    /// Applying asks no rule, so it needs no remembered ids.
    Apply,
}

const BAD_CONTACT: Bad = "a bad contact";

struct Search<'a> {
    chunks: &'a mut Chunks,
    missing: &'a mut Missing,
}

impl Shop {
    /// Whether a command may need something that is not in memory.
    pub fn has_segments(&self) -> bool {
        !self.keeping.stored.segments.is_empty()
    }

    /// Fetches what the command needs and memory does not decide; names the chunks that it takes.
    pub fn fetch(
        &mut self,
        command: &Command,
        purpose: Purpose,
        chunks: &mut Chunks,
        missing: &mut Missing,
    ) -> Result<(), Bad> {
        let search = &mut Search { chunks, missing };
        if purpose == Purpose::Decide {
            match command {
                Command::Message(event) => self.fetch_message_event(event.event_id, search)?,
                Command::Other(Whole::Order(event)) => {
                    self.fetch_order_event(&event.event_id, search)?
                }
                _ => self.fetch_request(command.request_id(), search)?,
            }
        }
        match command {
            Command::Route(request) => self.fetch_contact(request.buyer_id, search),
            Command::Message(event) => {
                self.fetch_contact(event.buyer_id, search)?;
                match self.issued(event.conversation_id) {
                    Some(number) if !self.conversations.contains(number) => {
                        self.fetch_contact_of(number, search)
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Forgets what was fetched and has not become more than that.
    pub fn forget_fetched(&mut self) {
        while let Some(fetched) = self.keeping.fetched.pop() {
            match fetched {
                Fetched::Contact(key) => self.forget_fetched_contact(key),
                Fetched::Request(id) => self.requests.forget_fetched(&id),
                Fetched::MessageEvent(id) => self.message_events.forget_fetched(&id),
                Fetched::OrderEvent(id) => self.order_events.forget_fetched(&id),
            }
        }
    }

    fn find(
        &mut self,
        letter: u8,
        of: &[u8],
        search: &mut Search,
    ) -> Result<Option<(i64, Vec<u8>)>, Bad> {
        let Search { chunks, missing } = search;
        let keeping = &mut self.keeping;
        let segments = &mut keeping.stored.segments;
        chunks.search(segments, letter, of, keeping.used, missing)
    }

    fn fetch_message_event(&mut self, id: &str, search: &mut Search) -> Result<(), Bad> {
        if !id.is_empty()
            && !self.message_events.decides(id)
            && let Some((at_ms, _)) = self.find(chunks::MESSAGE_EVENT, id.as_bytes(), search)?
        {
            self.message_events.fetch(id, at_ms, &[]);
            let fetched = Fetched::MessageEvent(id.to_owned());
            self.keeping.fetched.push(fetched);
        }
        Ok(())
    }

    fn fetch_order_event(&mut self, id: &str, search: &mut Search) -> Result<(), Bad> {
        if !id.is_empty()
            && !self.order_events.decides(id)
            && let Some((at_ms, _)) = self.find(chunks::ORDER_EVENT, id.as_bytes(), search)?
        {
            self.order_events.fetch(id, at_ms, &[]);
            let fetched = Fetched::OrderEvent(id.to_owned());
            self.keeping.fetched.push(fetched);
        }
        Ok(())
    }

    fn fetch_request(&mut self, id: &str, search: &mut Search) -> Result<(), Bad> {
        if !id.is_empty()
            && !self.requests.decides(id)
            && let Some((at_ms, value)) = self.find(chunks::REQUEST, id.as_bytes(), search)?
        {
            read_answered(&value)?;
            self.requests.fetch(id, at_ms, &value);
            self.keeping.fetched.push(Fetched::Request(id.to_owned()));
        }
        Ok(())
    }

    fn fetch_contact(&mut self, buyer_id: &str, search: &mut Search) -> Result<(), Bad> {
        if buyer_id.is_empty() || self.buyers.find(buyer_id).is_some() {
            return Ok(());
        }
        let found = self.find(chunks::CONTACT, buyer_id.as_bytes(), search)?;
        if let Some((consulted_at_ms, value)) = found {
            let (conversation, agent_id) = read_contact(&value)?;
            let agent = self.intern(agent_id);
            let key = self.buyers.key_of(buyer_id);
            self.buyers.get_mut(key).left_in = FETCHED;
            let contact = Contact {
                agent,
                consulted_at_ms,
                conversation,
            };
            self.put_contact(key, contact);
            self.keeping.fetched.push(Fetched::Contact(key));
        }
        Ok(())
    }

    /// Of the buyer whose contact may be of this conversation.
    fn fetch_contact_of(&mut self, conversation: u64, search: &mut Search) -> Result<(), Bad> {
        if self.contact_buyers.contains(conversation) {
            return Ok(());
        }
        let of = conversation.to_be_bytes();
        if let Some((_, buyer_id)) = self.find(chunks::CONVERSATION, &of, search)? {
            let buyer_id = std::str::from_utf8(&buyer_id).map_err(|_| BAD_CONTACT)?;
            self.fetch_contact(buyer_id, search)?;
        }
        Ok(())
    }
}

/// Conversation and agent id.
pub fn read_contact(value: &[u8]) -> Result<(u64, &str), Bad> {
    let (conversation, agent_id) = value.split_first_chunk().ok_or(BAD_CONTACT)?;
    let agent_id = std::str::from_utf8(agent_id).map_err(|_| BAD_CONTACT)?;
    Ok((u64::from_be_bytes(*conversation), agent_id))
}

pub fn read_answered(value: &[u8]) -> Result<Answered<'_>, Bad> {
    Answered::read(value).ok_or("a bad request")
}
