//! Nobody takes the buyer: step 9, the queue, and step 10, the robot, the pool or a left message.

use std::cmp::Reverse;

use crate::facts::{self, Decided};
use crate::lines::Order;
use crate::proto::fenliu::v1 as api;
use crate::state::Shop;
use crate::steps::Ask;

use api::{OfflineTarget, Outcome, Reason};

impl Shop {
    /// Step 9: the queue, if the buyer is in it or there is room.
    pub fn enqueue(&self, ask: &Ask) -> Option<Decided> {
        match self.waiting(ask.buyer) {
            Some(entry) if entry.outcome == Outcome::Queued => {
                Some(self.queued(Reason::StillWaiting, entry.order()))
            }
            None if self.lookup.queue_limit > self.lines.queue.len() && self.online > 0 => {
                let priority = Reverse(ask.inquiry.priority);
                let order = (priority, ask.at_ms, self.last_decision + 1);
                Some(self.queued(Reason::QueuedAtCap, order))
            }
            _ => None,
        }
    }

    fn queued(&self, reason: Reason, order: Order) -> Decided {
        let position = self.lines.queue_position(order);
        let releases = &self.slot_releases;
        let estimated_wait_ms = match (releases.front(), releases.back()) {
            (Some(&first), Some(&last)) if releases.len() >= 2 => {
                let span = i128::from(last) - i128::from(first);
                let wait = (position as i128 * span) / (releases.len() as i128 - 1);
                i64::try_from(wait.max(0)).unwrap_or(i64::MAX)
            }
            _ => 0,
        };
        Decided {
            queue_position: u32::try_from(position).unwrap_or(u32::MAX),
            estimated_wait_ms,
            ..self.decision(Outcome::Queued, reason)
        }
    }

    /// Step 10. `keeps_entry`: a waiting entry of the buyer's stays as it is.
    pub fn put_by(&self, ask: &Ask, handoff: bool, keeps_entry: bool) -> Decided {
        if let Some(conversation) = self.robot_conversation(ask.buyer) {
            return Decided {
                conversation,
                pool_entry: true,
                ..self.to_robot(Reason::HandoffUnavailable)
            };
        }
        if self.online == 0 && self.has_robot() {
            let reason = if handoff {
                Reason::HandoffUnavailable
            } else {
                Reason::OfflineRobot
            };
            return Decided {
                pool_entry: true,
                ..self.to_robot(reason)
            };
        }
        if let Some(entry) = self.waiting(ask.buyer).filter(|_| keeps_entry) {
            if entry.outcome == Outcome::Queued {
                return self.queued(Reason::StillWaiting, entry.order());
            }
            return Decided {
                agent: facts::name(&entry.agent_id).into(),
                ..self.decision(entry.outcome, Reason::StillWaiting)
            };
        }
        if self.online > 0 {
            return self.decision(Outcome::Pooled, Reason::NobodyFree);
        }
        self.leave_message()
    }

    /// Nobody is ONLINE, and there is no robot.
    fn leave_message(&self) -> Decided {
        let proxy = &self.lookup.proxy_agent_id;
        let owner = &self.lookup.owner_agent_id;
        let (reason, agent_id) = match self.lookup.offline_target {
            OfflineTarget::Proxy if proxy.is_some() => (Reason::OfflineProxy, proxy),
            OfflineTarget::Proxy | OfflineTarget::Owner if owner.is_some() => {
                (Reason::OfflineOwner, owner)
            }
            _ => return self.decision(Outcome::Pooled, Reason::OfflinePool),
        };
        Decided {
            agent: agent_id.clone().into(),
            ..self.decision(Outcome::LeftMessage, reason)
        }
    }
}
