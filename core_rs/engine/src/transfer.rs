//! Transfer (转接): an open conversation handed to another agent or group.

use crate::draft::{Draft, When};
use crate::facts::Decided;
use crate::ids;
use crate::inquiry::Asked;
use crate::lines::Scope;
use crate::proto::fenliu::engine::v1::CloseCause;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason as Refused, Refusal};
use crate::state::Shop;
use crate::steps::{Allowed, Ask};
use api::transfer_request::Target;
use api::{Outcome, Reason};

/// The most hops along a chain of conversations before one is handed on.
const MOST_HOPS: u32 = 10;

/// The response that a transfer's decision leads to.
pub fn response(decided: &Decided, shop: &Shop) -> api::TransferResponse {
    api::TransferResponse {
        conversation_id: ids::conversation(decided.conversation),
        decision_id: ids::decision(decided.decision),
        outcome: decided.outcome,
        agent_id: shop.agent_text(&decided.agent).to_owned(),
        group_id: shop.group_text(&decided.group).to_owned(),
        reason: decided.reason,
    }
}

/// Who receives the buyer.
enum Receiver {
    Agent(u32),
    Group(Scope),
    /// Nobody now: a message left to this agent or this group.
    Message {
        agent_id: String,
        group_id: String,
    },
}

impl Shop {
    pub fn decide_transfer(
        &mut self,
        request: &api::TransferRequest,
        draft: &mut Draft,
    ) -> Result<api::TransferResponse, Refusal> {
        let number = self
            .issued(&request.conversation_id)
            .ok_or_else(|| Refusal::of(Refused::ConversationNotFound, "conversation_id"))?;
        let open = self
            .conversations
            .get(number)
            .ok_or_else(|| Refusal::of(Refused::ConversationClosed, "conversation_id"))?;
        let buyer = open.buyer;
        let ask = Ask {
            buyer: Some(buyer),
            dedicated: None,
            inquiry: Asked::default(),
            at_ms: draft.now,
            who: Allowed {
                excluded: open.agent.into_iter().collect(),
                only: None,
            },
        };
        let hops = open.hops.reply + open.hops.transfer;
        let receiver = match &request.target {
            Some(Target::GroupId(group_id)) => {
                self.receiving_group(group_id, hops, &ask, request.allow_offline)?
            }
            Some(Target::AgentId(agent_id)) => {
                self.receiving_agent(agent_id, hops, &ask, request.allow_offline)?
            }
            None => return Err(Refusal::invalid("agent_id", "required")),
        };
        self.emit_close(number, CloseCause::Transfer, draft.now, draft);
        // Chosen only now: the close may have changed weights in the pool.
        let decided = match receiver {
            Receiver::Agent(slot) => {
                Some(self.to_agent(Reason::Transfer, slot, self.first_group(slot)))
            }
            Receiver::Group(scope) => self.select(&scope, &ask),
            Receiver::Message { agent_id, group_id } => Some(Decided {
                agent: self.agent_named(&agent_id),
                group: self.group_named(&group_id),
                ..self.decision(Outcome::LeftMessage, Reason::Transfer)
            }),
        };
        let decided = Decided {
            reason: Reason::Transfer.into(),
            previous_conversation: number,
            ..decided
                .expect("an agent that was available stays so when another's conversation ends")
        };
        let response = response(&decided, self);
        self.emit_decided_for(buyer, When::Now, decided, draft);
        Ok(response)
    }

    fn receiving_agent(
        &self,
        agent_id: &str,
        hops: u32,
        ask: &Ask,
        allow_offline: bool,
    ) -> Result<Receiver, Refusal> {
        let slot = self
            .member(agent_id)
            .ok_or_else(|| Refusal::of(Refused::AgentNotFound, "agent_id"))?;
        if !ask.who.has(slot) {
            return Err(Refusal::invalid(
                "agent_id",
                "already has this conversation",
            ));
        }
        check_hops(hops)?;
        if !self.has_left(slot) {
            return Ok(Receiver::Agent(slot));
        }
        if allow_offline {
            return Ok(Receiver::Message {
                agent_id: agent_id.to_owned(),
                group_id: String::new(),
            });
        }
        let rule = "the agent is OFFLINE";
        Err(Refusal::with_rule(
            Refused::ReceiverUnavailable,
            "agent_id",
            rule,
        ))
    }

    fn receiving_group(
        &mut self,
        group_id: &str,
        hops: u32,
        ask: &Ask,
        allow_offline: bool,
    ) -> Result<Receiver, Refusal> {
        let group = self
            .lookup
            .group_index(group_id)
            .ok_or_else(|| Refusal::of(Refused::GroupNotFound, "group_id"))?;
        check_hops(hops)?;
        let scope = self.scope_of(group);
        if self.taking_pool(&scope, &ask.who).is_some() {
            return Ok(Receiver::Group(scope));
        }
        if allow_offline {
            return Ok(Receiver::Message {
                agent_id: String::new(),
                group_id: group_id.to_owned(),
            });
        }
        let rule = "nobody in the group may take a buyer";
        Err(Refusal::with_rule(
            Refused::ReceiverUnavailable,
            "group_id",
            rule,
        ))
    }
}

fn check_hops(hops: u32) -> Result<(), Refusal> {
    if hops < MOST_HOPS {
        return Ok(());
    }
    Err(Refusal::of(Refused::HopLimit, "conversation_id"))
}
