//! Message events: who wrote in which conversation, and when.

use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::Shop;
use api::Sender;
use record::entry::Command;
use record::fact::Fact;

impl Shop {
    pub fn decide_message(
        &mut self,
        event: &api::MessageEvent,
        command: &Command,
        now: i64,
        facts: &mut Vec<record::Fact>,
    ) -> Result<api::MessageResult, Refusal> {
        let noted = self.note(event, now)?;
        let clamped = noted.clamped;
        self.emit(Fact::MessageNoted(noted), command, now, facts);
        Ok(api::MessageResult {
            clamped,
            ..Default::default()
        })
    }

    fn note(&self, event: &api::MessageEvent, now: i64) -> Result<record::MessageNoted, Refusal> {
        let sender = event.sender();
        let named = match event.conversation_id.as_str() {
            "" => None,
            id => {
                let refused = || Refusal::of(Reason::ConversationNotFound, "conversation_id");
                Some(self.issued(id).ok_or_else(refused)?)
            }
        };
        if let Some(open) = named.and_then(|number| self.conversations.get(&number))
            && !event.buyer_id.is_empty()
            && *open.buyer != *event.buyer_id
        {
            return Err(Refusal::invalid("buyer_id", "not the conversation's buyer"));
        }
        let has_author = matches!(sender, Sender::Agent | Sender::AutoReply);
        let author = match event.agent_id.as_str() {
            id if has_author && !id.is_empty() => {
                let refused = || Refusal::of(Reason::AgentNotFound, "agent_id");
                Some(self.member(id).ok_or_else(refused)?)
            }
            _ => None,
        };
        let of_buyer = || self.buyers.get(event.buyer_id.as_str())?.open;
        let conversation = named.or_else(of_buyer);
        let open = conversation.and_then(|number| self.conversations.get(&number));
        let author = match (author, open) {
            (None, Some(open)) if has_author => Some(open.agent),
            (author, _) => author,
        };
        if author.is_none() && sender == Sender::Agent && named.is_none() {
            return Err(Refusal::invalid("agent_id", "required"));
        }
        let opened = sender == Sender::Agent && conversation.is_none();

        let skew = self.lookup.timestamp_skew_ms;
        let sent_at_ms = if event.sent_at_ms == 0 {
            now
        } else {
            event.sent_at_ms
        };
        let at_ms = sent_at_ms
            .max(now.saturating_sub(skew))
            .min(now.saturating_add(skew));
        Ok(record::MessageNoted {
            conversation: match conversation {
                Some(number) => number,
                None if opened => self.last_conversation + 1,
                None => 0,
            },
            at_ms,
            clamped: at_ms != sent_at_ms,
            agent_id: author.map_or_else(String::new, |slot| self.agent(slot).id.to_string()),
            opened,
        })
    }
}
