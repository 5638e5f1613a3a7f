//! Due effects: what falls due by itself, in order of (due time, kind, id), each settled at its time.
//!
//! A shop's lines of conversations hold each once, under times that may be older than the true ones or
//! be of conversations that need it no more; the head is put right when looked at. So a message costs
//! nothing here.

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

    /// When a tick is to end so that it applies about `most` effects (0: any number); none: at `now`.
    pub fn halfway(&mut self, now: i64, most: usize) -> Option<i64> {
        if most == 0 || self.earliest_due().is_none_or(|due| due > now) {
            return None;
        }
        let conversations = &self.conversations;
        let (idle_ms, reply_ms) = (self.lookup.idle_close_ms, self.lookup.reply_timeout_ms);
        let idle = (idle_ms > 0).then(|| {
            let active_at = |number| conversations.get(number).map(|open| open.last_activity_ms);
            let since_ms = now.saturating_sub(idle_ms);
            let behind = self.idle.behind(most, since_ms, active_at)?;
            Some(behind.saturating_add(idle_ms))
        });
        let unanswered = {
            let opened_at = |number| {
                let open = conversations.get(number);
                open.filter(|open| open.may_time_out())
                    .map(|open| open.opened_at_ms)
            };
            let since_ms = now.saturating_sub(reply_ms);
            let behind = self.unanswered.behind(most, since_ms, opened_at);
            behind.map(|opened_at_ms| opened_at_ms.saturating_add(reply_ms))
        };
        let queue_ms = self.lookup.queue_timeout_ms;
        let queued = &self.lines.queued_since;
        let queued = (queue_ms > 0 && queued.len() > most).then(|| {
            let behind = queued.keys().nth(most)?;
            Some(behind.0.saturating_add(queue_ms))
        });
        let volumes = &self.volume_resets;
        let volumes = (volumes.len() > most).then(|| volumes.iter().nth(most).map(|line| line.0));
        let ends = [
            idle.flatten(),
            unanswered,
            queued.flatten(),
            volumes.flatten(),
        ];
        let end = ends.into_iter().flatten().min()?.max(self.last_now_ms);
        (end < now).then_some(end)
    }

    /// The next due time and its effect.
    pub fn first_due(&mut self) -> Option<(i64, Effect)> {
        // Of equal times the first kind.
        let mut first = None;
        let mut earliest = i64::MAX;
        if let Some((due, number)) = self.first_idle() {
            (first, earliest) = (Some(Effect::IdleClose(number)), due);
        }
        let queued = self.lines.queued_since.first_key_value();
        let queue_timeout_ms = self.lookup.queue_timeout_ms;
        if let Some((&(since_ms, _), &buyer)) = queued
            && queue_timeout_ms > 0
            && (first.is_none() || since_ms.saturating_add(queue_timeout_ms) < earliest)
        {
            earliest = since_ms.saturating_add(queue_timeout_ms);
            first = Some(Effect::QueueTimeout(buyer));
        }
        if let Some((due, number)) = self.first_unanswered()
            && (first.is_none() || due < earliest)
        {
            (first, earliest) = (Some(Effect::ReplyTimeout(number)), due);
        }
        if let Some((due, agent_id)) = self.volume_resets.first()
            && (first.is_none() || *due < earliest)
        {
            (first, earliest) = (Some(Effect::VolumeReset(agent_id.clone())), *due);
        }
        Some((earliest, first?))
    }

    /// A time not after the next due time, without looking for it.
    pub fn earliest_due(&self) -> Option<i64> {
        let mut earliest = i64::MAX;
        let mut consider = |from: Option<i64>, delay_ms: i64| {
            if let Some(from) = from {
                earliest = earliest.min(from.saturating_add(delay_ms));
            }
        };
        if self.lookup.idle_close_ms > 0 {
            let first = self.idle.first().map(|line| line.0);
            consider(first, self.lookup.idle_close_ms);
        }
        if self.lookup.queue_timeout_ms > 0 {
            let queued = self.lines.queued_since.first_key_value();
            consider(queued.map(|(key, _)| key.0), self.lookup.queue_timeout_ms);
        }
        consider(
            self.unanswered.first().map(|line| line.0),
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
        while let Some((opened_at_ms, number)) = self.unanswered.first() {
            let open = self.conversations.get(number);
            if open.is_some_and(Conversation::may_time_out) {
                let due = opened_at_ms.saturating_add(self.lookup.reply_timeout_ms);
                return Some((due, number));
            }
            self.unanswered.pop();
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
