//! Message events: who wrote in which conversation, and when.

use crate::draft::{Draft, When};
use crate::facts::{Decided, Fact, Named, Noted};
use crate::inquiry::Asked;
use crate::proto::fenliu::engine::v1::CloseCause;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::{Conversation, Shop};
use crate::views::Event;
use api::Sender;

impl Shop {
    pub fn decide_message(
        &mut self,
        event: &Event,
        draft: &mut Draft,
    ) -> Result<api::MessageResult, Refusal> {
        let mut noted = self.note(event, draft.now)?;
        let mut reassigned = None;
        if event.sender() == Sender::Buyer && self.is_stranded(noted.conversation) {
            let decided = self.move_on(noted.conversation, draft);
            noted.conversation = decided.conversation;
            reassigned = Some(self.response(&decided));
        }
        if noted.opened
            && let Some(conversation) = self.robot_conversation_of(event)
        {
            self.emit_close(conversation, CloseCause::ToHuman, draft.now, draft);
        }
        let clamped = noted.clamped;
        self.emit(Fact::MessageNoted(noted), draft);
        Ok(api::MessageResult {
            clamped,
            reassigned,
            ..Default::default()
        })
    }

    /// What the event says, as a fact; refuses what cannot be.
    fn note(&self, event: &Event, now: i64) -> Result<Noted, Refusal> {
        let sender = event.sender();
        let named = match event.conversation_id {
            "" => None,
            id => {
                let refused = || Refusal::of(Reason::ConversationNotFound, "conversation_id");
                Some(self.issued(id).ok_or_else(refused)?)
            }
        };
        if let Some(open) = named.and_then(|number| self.conversations.get(number))
            && !event.buyer_id.is_empty()
            && !self.buyers[open.buyer].is(event.buyer_id)
        {
            return Err(Refusal::invalid("buyer_id", "not the conversation's buyer"));
        }
        let has_author = matches!(sender, Sender::Agent | Sender::AutoReply);
        let author = match event.agent_id {
            id if has_author && !id.is_empty() => {
                let refused = || Refusal::of(Reason::AgentNotFound, "agent_id");
                Some(self.member(id).ok_or_else(refused)?)
            }
            _ => None,
        };
        let of_buyer = || self.buyers[self.buyers.find(event.buyer_id)?].open();
        let conversation = named.or_else(of_buyer);
        let open = conversation.and_then(|number| self.conversations.get(number));
        let author = match (author, open) {
            (None, Some(open)) if has_author => open.agent,
            (author, _) => author,
        };
        let robot = open.filter(|open| open.agent.is_none());
        let opened = sender == Sender::Agent && (conversation.is_none() || robot.is_some());
        if opened && author.is_none() {
            return Err(Refusal::invalid("agent_id", "required"));
        }

        let skew = self.lookup.timestamp_skew_ms;
        let sent_at_ms = if event.sent_at_ms == 0 {
            now
        } else {
            event.sent_at_ms
        };
        let at_ms = sent_at_ms
            .max(now.saturating_sub(skew))
            .min(now.saturating_add(skew));
        let unnamed = |open: &Conversation| {
            let buyer = &self.buyers[open.buyer];
            event.buyer_id.is_empty().then(|| buyer.id().to_owned())
        };
        Ok(Noted {
            conversation: if opened {
                self.last_conversation + 1
            } else {
                conversation.unwrap_or(0)
            },
            at_ms,
            clamped: at_ms != sent_at_ms,
            agent: author.map_or(Named::Nobody, Named::Number),
            opened,
            buyer_id: match robot {
                Some(open) if opened => unnamed(open).unwrap_or_default(),
                _ => String::new(),
            },
        })
    }

    /// The robot's open conversation that the event belongs to.
    fn robot_conversation_of(&self, event: &Event) -> Option<u64> {
        match event.conversation_id {
            "" => self.robot_conversation(self.buyers.find(event.buyer_id)),
            id => self.issued(id),
        }
    }

    /// Whether the conversation is open and its agent has left.
    fn is_stranded(&self, conversation: u64) -> bool {
        let open = self.conversations.get(conversation);
        open.and_then(|open| open.agent)
            .is_some_and(|slot| self.has_left(slot))
    }

    /// The buyer writes, but the conversation's agent has left: the buyer is routed again.
    fn move_on(&mut self, conversation: u64, draft: &mut Draft) -> Decided {
        let open = &self.conversations[conversation];
        let buyer = open.buyer;
        let inquiry = open.inquiry.clone();
        self.emit_close(conversation, CloseCause::HandlerOffline, draft.now, draft);
        let ask = self.ask_of(buyer, Asked::from(&inquiry), draft.now);
        let decided = Decided {
            previous_conversation: conversation,
            ..self.decide_steps(&ask, false)
        };
        self.emit_decided_for(buyer, When::Now, decided.clone(), draft);
        decided
    }
}
