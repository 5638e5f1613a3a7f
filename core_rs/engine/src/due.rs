//! Due effects: what falls due by itself, in order of (due time, kind, id), each settled at its time.
//!
//! A shop's lines of conversations hold each once, under times that may be older than the true ones or
//! be of conversations that need it no more; the head is put right when looked at. So a message costs
//! nothing here.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use crate::buyers::Key;
use crate::draft::{Draft, When};
use crate::facts::Decided;
use crate::inquiry::{self, Asked};
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::state::{Conversation, Shop};
use api::Reason;
use record::CloseCause;
use record::fact::Fact;

/// What falls due, the kinds in their order.
pub enum Effect {
    /// A conversation's.
    IdleClose(u64),
    /// Of this buyer's entry.
    QueueTimeout(Key),
    /// A conversation's.
    ReplyTimeout(u64),
    /// An agent's.
    VolumeReset(Arc<str>),
}

impl Shop {
    /// Applies what is due up to and including the command's time.
    pub fn apply_due(&mut self, draft: &mut Draft) {
        while self.earliest_due().is_some_and(|due| due <= draft.now)
            && let Some((due, effect)) = self.first_due()
            && due <= draft.now
        {
            // A shortened setting can make something due before the last entry; time never goes back.
            let at_ms = due.max(self.last_now_ms);
            match effect {
                Effect::IdleClose(number) => {
                    self.emit_close(number, CloseCause::Idle, at_ms, draft);
                }
                Effect::QueueTimeout(buyer) => self.time_out_of_queue(buyer, at_ms, draft),
                Effect::ReplyTimeout(number) => self.time_out_unanswered(number, at_ms, draft),
                Effect::VolumeReset(agent_id) => {
                    let reset = record::VolumeReset {
                        agent_id: agent_id.to_string(),
                        at_ms,
                    };
                    self.emit_other(Fact::VolumeReset(reset), draft);
                }
            }
            self.settle(When::Due(at_ms), draft);
        }
    }

    /// The next due time and its effect.
    pub fn first_due(&mut self) -> Option<(i64, Effect)> {
        let idle = self.first_idle();
        let unanswered = self.first_unanswered();
        let queued = self.lines.queued_since.first_key_value();
        let queue_timeout_ms = self.lookup.queue_timeout_ms;
        let effects = [
            idle.map(|(due, number)| (due, Effect::IdleClose(number))),
            queued
                .filter(|_| queue_timeout_ms > 0)
                .map(|(&(since_ms, _), &buyer)| {
                    let due = since_ms.saturating_add(queue_timeout_ms);
                    (due, Effect::QueueTimeout(buyer))
                }),
            unanswered.map(|(due, number)| (due, Effect::ReplyTimeout(number))),
            self.volume_resets
                .first()
                .map(|(due, agent_id)| (*due, Effect::VolumeReset(agent_id.clone()))),
        ];
        // Of equal times the first kind.
        effects.into_iter().flatten().min_by_key(|(due, _)| *due)
    }

    /// A time not after the next due time, without looking for it.
    pub fn earliest_due(&self) -> Option<i64> {
        let mut earliest = i64::MAX;
        let mut consider = |from: Option<i64>, delay_ms: i64| {
            if let Some(from) = from {
                earliest = earliest.min(from.saturating_add(delay_ms));
            }
        };
        let noted = |head: &Reverse<(i64, u64)>| head.0.0;
        if self.lookup.idle_close_ms > 0 {
            let first = self.idle.first().map(|line| line.0);
            consider(first, self.lookup.idle_close_ms);
        }
        if self.lookup.queue_timeout_ms > 0 {
            let queued = self.lines.queued_since.first_key_value();
            consider(queued.map(|(key, _)| key.0), self.lookup.queue_timeout_ms);
        }
        consider(
            self.unanswered.peek().map(noted),
            self.lookup.reply_timeout_ms,
        );
        consider(self.volume_resets.first().map(|(due, _)| *due), 0);
        (earliest < i64::MAX).then_some(earliest)
    }

    fn first_idle(&mut self) -> Option<(i64, u64)> {
        if self.lookup.idle_close_ms == 0 {
            return None;
        }
        while let Some((noted, number)) = self.idle.first() {
            match self.conversations.get(number) {
                Some(open) if open.last_activity_ms == noted => {
                    return Some((noted.saturating_add(self.lookup.idle_close_ms), number));
                }
                Some(open) => {
                    self.idle.pop();
                    self.idle.push((open.last_activity_ms, number));
                }
                None => self.idle.pop(),
            }
        }
        None
    }

    fn first_unanswered(&mut self) -> Option<(i64, u64)> {
        while let Some(head) = self.unanswered.peek_mut() {
            let Reverse((opened_at_ms, number)) = *head;
            let open = self.conversations.get(number);
            if open.is_some_and(Conversation::may_time_out) {
                let due = opened_at_ms.saturating_add(self.lookup.reply_timeout_ms);
                return Some((due, number));
            }
            PeekMut::pop(head);
        }
        None
    }

    /// The buyer has been in the queue too long: step 10, as if there were no entry.
    fn time_out_of_queue(&mut self, buyer: Key, at_ms: i64, draft: &mut Draft) {
        let inquiry = self
            .waiting(Some(buyer))
            .and_then(|entry| entry.inquiry.clone());
        let ask = self.ask_of(buyer, Asked::from(&inquiry), at_ms);
        let decided = self.put_by(&ask, false, false);
        self.emit_decided_for(buyer, When::Due(at_ms), decided, draft);
    }

    /// The agent has not answered in time: another one, if somebody may take the buyer.
    fn time_out_unanswered(&mut self, number: u64, at_ms: i64, draft: &mut Draft) {
        let open = &self.conversations[number];
        let hops_left = i64::from(open.hops.reply) < self.lookup.max_hops;
        let buyer = open.buyer;
        let agent_id = open.agent.map_or("", |slot| &self.agent(slot).id);
        let inquiry = inquiry::excluding(&open.inquiry, agent_id);
        let ask = self.ask_of(buyer, Asked::from(&inquiry), at_ms);
        if !hops_left || !self.can_find_agent(&ask) {
            let timed_out = record::ReplyTimedOut {
                conversation: number,
                at_ms,
            };
            self.emit_other(Fact::ReplyTimedOut(timed_out), draft);
            return;
        }
        self.emit_close(number, CloseCause::ReplyTimeout, at_ms, draft);
        // Chosen only now: the close may have changed weights in the pool.
        let decided = Decided {
            reason: Reason::ReplyTimeout.into(),
            previous_conversation: number,
            ..self
                .find_agent(&ask)
                .expect("an agent found stays so when another's conversation ends")
        };
        self.emit_decided_for(buyer, When::Due(at_ms), decided, draft);
    }
}
