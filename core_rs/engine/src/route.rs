//! The decision: who receives a buyer, step by step from the open conversation on.

use crate::buyers::{Buyer, Key};
use crate::draft::{Draft, When};
use crate::facts::{Decided, Fact};
use crate::ids;
use crate::inquiry::Asked;
use crate::proto::fenliu::engine::v1::CloseCause;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason as Refused, Refusal};
use crate::robot::Reception;
use crate::state::Shop;
use crate::steps::Ask;
use crate::views::Route;
use crate::wire::{self, HEAD, NUMBER, Pen};
use api::{Outcome, PresenceStatus, Reason, UnavailablePolicy};

fn put_id(pen: &mut Pen, field: u32, letter: u8, number: u64) {
    if number != 0 || letter == b'd' {
        pen.bytes(field, ids::Id::new(letter, number).bytes());
    }
}

/// What step 2 makes of the buyer's open conversation.
enum Open {
    None,
    /// It goes on: the decision.
    GoesOn(Decided),
    /// Its handler cannot go on with it.
    Ends(u64, CloseCause),
    /// The robot's, and a human was asked for: it stays while one is looked for.
    Robot,
}

impl Shop {
    /// The response that a decision's fact leads to.
    pub fn response(&self, decided: &Decided) -> api::RouteResponse {
        api::RouteResponse {
            conversation_id: ids::conversation(decided.conversation),
            decision_id: ids::decision(decided.decision),
            outcome: decided.outcome,
            agent_id: self.agent_text(&decided.agent).to_owned(),
            group_id: self.group_text(&decided.group).to_owned(),
            reason: decided.reason,
            queue_position: i32::try_from(decided.queue_position).unwrap_or(i32::MAX),
            estimated_wait_ms: decided.estimated_wait_ms,
        }
    }

    /// The same, encoded.
    pub fn reply(&self, decided: &Decided, reply: &mut Vec<u8>) {
        let agent_id = self.agent_text(&decided.agent);
        let group_id = self.group_text(&decided.group);
        let most = 6 * NUMBER + 4 * HEAD + 2 * ids::LONGEST + agent_id.len() + group_id.len();
        wire::write(reply, most, |pen| {
            put_id(pen, 1, b'c', decided.conversation);
            put_id(pen, 2, b'd', decided.decision);
            pen.number(3, i64::from(decided.outcome) as u64);
            pen.text(4, agent_id);
            pen.text(5, group_id);
            pen.number(6, i64::from(decided.reason) as u64);
            let position = decided.queue_position.min(i32::MAX.unsigned_abs());
            pen.number(7, position.into());
            pen.number(8, decided.estimated_wait_ms as u64);
        });
    }

    pub fn decide_route(
        &mut self,
        request: &Route,
        draft: &mut Draft,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let dedicated = request.dedicated_agent_id;
        if !dedicated.is_empty() && self.member(dedicated).is_none() {
            return Err(Refusal::of(Refused::AgentNotFound, "dedicated_agent_id"));
        }
        let buyer_id = request.buyer_id;
        let buyer = self.buyers.find_hashed(buyer_id, request.buyer_hash);
        let ask = self.ask(buyer, buyer_id, Asked::from(request), draft.now);
        let decided = match self.open_conversation(&ask, request.handoff) {
            Open::GoesOn(decided) => decided,
            Open::None => self.decide_steps(&ask, request.handoff),
            Open::Ends(conversation, cause) => {
                self.emit_close(conversation, cause, draft.now, draft);
                Decided {
                    previous_conversation: conversation,
                    ..self.decide_steps(&ask, request.handoff)
                }
            }
            Open::Robot => {
                let decided = self.decide_steps(&ask, request.handoff);
                self.hand_over(decided, ask.buyer, When::Now, draft)
            }
        };
        let decided = Decided {
            buyer: buyer.into(),
            ..decided
        };
        self.reply(&decided, reply);
        self.emit(Fact::Decided(decided), draft);
        Ok(())
    }

    /// Step 2.
    fn open_conversation(&self, ask: &Ask, handoff: bool) -> Open {
        let known = ask.buyer.map(|buyer| &self.buyers[buyer]);
        let Some(number) = known.and_then(Buyer::open) else {
            return Open::None;
        };
        let open = &self.conversations[number];
        let goes_on = |decided: Decided| {
            Open::GoesOn(Decided {
                conversation: number,
                ..decided
            })
        };
        let Some(slot) = open.agent else {
            return if !self.has_robot() {
                Open::Ends(number, CloseCause::HandlerOffline)
            } else if handoff {
                Open::Robot
            } else {
                goes_on(self.to_robot(Reason::OpenConversation))
            };
        };
        if self.has_left(slot) {
            Open::Ends(number, CloseCause::HandlerOffline)
        } else if !ask.who.has(slot) {
            Open::Ends(number, CloseCause::HandlerExcluded)
        } else {
            goes_on(self.to_agent(Reason::OpenConversation, slot, open.group))
        }
    }

    /// Whether the agent is OFFLINE or not in the document.
    pub fn has_left(&self, slot: u32) -> bool {
        let agent = self.agent(slot);
        !agent.in_document() || agent.status == PresenceStatus::Offline
    }

    /// Steps 3 to 10.
    pub fn decide_steps(&mut self, ask: &Ask, handoff: bool) -> Decided {
        if let Some(decided) = self.find_own_agent(ask) {
            return decided;
        }
        let matched = self.matched(&ask.inquiry);
        let robot = self.has_robot() && !handoff;
        let mut mixed_owner = None;
        if robot {
            match self.reception(matched.first) {
                Reception::Human => {}
                Reception::Robot => return self.to_robot(Reason::RobotFirst),
                Reception::Mixed {
                    owner,
                    robot: false,
                } => mixed_owner = Some(owner),
                Reception::Mixed { owner, robot: true } => {
                    return Decided {
                        mixed_owner: Some(owner),
                        ..self.to_robot(Reason::MixedRobot)
                    };
                }
            }
        }
        let decided = match self.select(&matched.scope, ask) {
            Some(decided) => decided,
            None => self.unavailable(matched.first, robot, ask, handoff),
        };
        Decided {
            mixed_owner,
            ..decided
        }
    }

    /// Step 8's other policies, by the first matched group, then steps 9 and 10.
    fn unavailable(&self, first: Option<u32>, robot: bool, ask: &Ask, handoff: bool) -> Decided {
        let policy = first.map(|index| self.lookup.groups[index as usize].when_unavailable);
        if policy == Some(UnavailablePolicy::Robot) && robot {
            return self.to_robot(Reason::GroupRobot);
        }
        let queued = match policy {
            Some(UnavailablePolicy::Offline) => None,
            _ => self.enqueue(ask),
        };
        queued.unwrap_or_else(|| self.put_by(ask, handoff, true))
    }

    /// When an agent takes the buyer, the robot's conversation with the buyer ends first.
    pub fn hand_over(
        &mut self,
        decided: Decided,
        buyer: Option<Key>,
        when: When,
        draft: &mut Draft,
    ) -> Decided {
        if decided.outcome() != Outcome::Agent {
            return decided;
        }
        let Some(conversation) = self.robot_conversation(buyer) else {
            return decided;
        };
        let at_ms = draft.time(when);
        self.emit_close(conversation, CloseCause::ToHuman, at_ms, draft);
        Decided {
            previous_conversation: conversation,
            ..decided
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{Decided, Shop};
    use crate::facts::name;

    #[test]
    fn a_reply_has_the_bytes_that_prost_would_write() {
        let long = "é".repeat(64);
        let shop = Shop::new(0);
        let mut decided = Decided::default();
        for number in [0, 1, 9, 10, 127, 128, 4_294_967_295, u64::MAX] {
            for text in ["", "a", &long] {
                decided.conversation = number;
                decided.decision = number;
                decided.outcome = number as i32;
                decided.reason = number as i32;
                decided.queue_position = number as u32;
                decided.estimated_wait_ms = number as i64;
                decided.agent = name(text).into();
                let mut encoded = Vec::new();
                shop.reply(&decided, &mut encoded);
                assert_eq!(encoded, shop.response(&decided).encode_to_vec());
                decided.group = name(text).into();
                let mut encoded = Vec::new();
                shop.reply(&decided, &mut encoded);
                assert_eq!(encoded, shop.response(&decided).encode_to_vec());
            }
        }
    }
}
