//! Applying facts: the only place where a shop's state changes. Asks no rule and never refuses.

use crate::buyers::{Contact, Key};
use crate::facts::{Decided, Fact, Named, Noted, Whose};
use crate::inquiry::{self, Asked, Kept};
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::state::{Conversation, Hops, Shop, Waiting};
use crate::timeline::Timeline;
use crate::views::{Command, Event, Whole};
use api::{Outcome, PresenceStatus, Reason, Sender};

/// Where a buyer who is decided on comes from.
struct Origin {
    inquiry: Kept,
    hops: Hops,
}

/// How many slot releases are kept.
const SLOT_RELEASES: usize = 21;

impl Shop {
    /// `command` is the one that led to the fact; `now` its time.
    pub fn apply_fact(&mut self, fact: &Fact, command: &Command, now: i64) {
        match fact {
            Fact::ConversationClosed(closed) => self.close(closed),
            Fact::Decided(decided) => self.apply_decided(decided, command, now),
            Fact::MessageNoted(noted) => {
                // No other command leads to such a fact.
                if let Command::Message(event) = command {
                    self.apply_message(noted, event, now);
                }
            }
            Fact::Other(other) => self.apply_other(other, command, now),
        }
    }

    fn apply_other(&mut self, fact: &record::fact::Fact, command: &Command, now: i64) {
        use record::fact::Fact;
        match fact {
            Fact::PresenceChanged(changed) => self.apply_presence(changed, now),
            Fact::ShopApplied(applied) => {
                if let Some(document) = &applied.shop {
                    self.apply_document(document, now);
                }
            }
            Fact::WeightsSet(set) => self.apply_weights(set),
            Fact::WaitingCancelled(cancelled) => {
                let buyer_id = match (cancelled.buyer_id.as_str(), command) {
                    ("", Command::Other(Whole::CancelInquiry(request))) => &request.buyer_id,
                    (buyer_id, _) => buyer_id,
                };
                if let Some(key) = self.buyers.find(buyer_id) {
                    self.wait_no_more(key);
                    self.leave(key);
                }
            }
            Fact::ReplyTimedOut(timed_out) => {
                if let Some(open) = self.conversations.get_mut(timed_out.conversation) {
                    open.reply_timeout_spent = true;
                }
            }
            Fact::VolumeReset(reset) => {
                if let Some(slot) = self.member(&reset.agent_id) {
                    self.agent_mut(slot).volume.turn_to(reset.at_ms);
                    self.refresh(slot);
                }
            }
            Fact::ShopDeleted(deleted) => self.apply_deleted(deleted),
            // An order changes nothing; the others are facts of their own.
            Fact::OrderNoted(_)
            | Fact::ConversationClosed(_)
            | Fact::Decided(_)
            | Fact::MessageNoted(_) => {}
        }
    }

    fn apply_decided(&mut self, decided: &Decided, command: &Command, now: i64) {
        let at_ms = if decided.at_ms == 0 {
            now
        } else {
            decided.at_ms
        };
        let buyer = match (decided.buyer, decided.buyer_id.as_str(), command) {
            (Whose::Known(buyer), _, _) => buyer,
            (Whose::New, "", Command::Route(request)) => {
                self.buyers.begin(request.buyer_id, request.buyer_hash)
            }
            (_, "", Command::Route(request)) => self
                .buyers
                .key_of_hashed(request.buyer_id, request.buyer_hash),
            (_, buyer_id, _) => self.buyers.key_of(buyer_id),
        };
        self.last_decision = decided.decision;
        if let Some(owner) = &decided.mixed_owner {
            match self.advanced(owner).0 {
                0 => self.mixed.remove(owner),
                accumulator => self.mixed.insert(owner.clone(), accumulator),
            };
        }
        match decided.outcome() {
            Outcome::Agent => self.give_to_agent(decided, buyer, at_ms, command),
            Outcome::Robot => {
                self.give(decided, None, buyer, at_ms, command);
                if decided.pool_entry {
                    self.wait(decided, buyer, at_ms, command);
                }
            }
            _ => self.wait(decided, buyer, at_ms, command),
        }
    }

    fn give_to_agent(&mut self, decided: &Decided, buyer: Key, at_ms: i64, command: &Command) {
        let slot = self.slot_named(&decided.agent);
        let pool = self.pool_named(decided);
        if let Some(pool) = pool {
            self.take_turn(pool, slot, decided.charged);
            if !decided.charged && decided.reason() != Reason::Transfer {
                self.agent_mut(slot).volume.count(at_ms);
            }
        }
        let opened = self.give(decided, Some(slot), buyer, at_ms, command);
        if opened {
            let agent = self.agent_mut(slot);
            agent.absolute_awaiting = agent.absolute_awaiting.map(|n| n.saturating_add(1));
        }
        if opened || pool.is_some() {
            self.refresh(slot);
        }
        let contact = Contact {
            agent: slot,
            consulted_at_ms: at_ms,
            conversation: decided.conversation,
        };
        self.set_contact(buyer, contact);
    }

    /// The slot of an agent that a fact names, made if need be.
    fn slot_named(&mut self, agent: &Named) -> u32 {
        match agent {
            Named::Number(slot) => *slot,
            Named::Text(id) => self.intern(id),
            Named::Nobody => self.intern(""),
        }
    }

    fn group_number(&mut self, group: &Named) -> Option<u32> {
        match group {
            Named::Number(number) => Some(*number),
            Named::Text(id) => Some(self.lookup.names.number(id)),
            Named::Nobody => None,
        }
    }

    /// The decision's conversation is opened, or goes on; returns whether it is a new one. The caller
    /// refreshes the agent.
    fn give(
        &mut self,
        decided: &Decided,
        agent: Option<u32>,
        buyer: Key,
        at_ms: i64,
        command: &Command,
    ) -> bool {
        let number = decided.conversation;
        if number <= self.last_conversation {
            if let Some(open) = self.conversations.get_mut(number) {
                open.last_activity_ms = open.last_activity_ms.max(at_ms);
            }
            return false;
        }
        let Origin { inquiry, hops } = self.origin(decided, buyer, command);
        let open = Conversation {
            buyer,
            agent,
            group: self.group_number(&decided.group),
            opened_at_ms: at_ms,
            last_activity_ms: at_ms,
            awaiting: agent.is_some(),
            answered: false,
            reply_timeout_spent: false,
            inquiry,
            hops,
        };
        self.open(number, open);
        true
    }

    /// What is kept of an inquiry, and its hops: a request's are new; who is moved keeps what they had.
    fn origin(&self, decided: &Decided, buyer: Key, command: &Command) -> Origin {
        if let ("", Command::Route(request)) = (decided.buyer_id.as_str(), command) {
            return Origin {
                inquiry: Asked::from(request).keep(),
                hops: Hops::default(),
            };
        }
        let reason = decided.reason();
        if matches!(reason, Reason::LeftQueue | Reason::LeftPool)
            || decided.previous_conversation == 0
        {
            let entry = self.waiting(Some(buyer));
            return Origin {
                inquiry: entry.and_then(|entry| entry.inquiry.clone()),
                hops: entry.map(|entry| entry.hops).unwrap_or_default(),
            };
        }
        let previous = decided.previous_conversation;
        let Some((_, before)) = self.closed_last.as_ref().filter(|at| at.0 == previous) else {
            return Origin {
                inquiry: None,
                hops: Hops::default(),
            };
        };
        let Hops { reply, transfer } = before.hops;
        match reason {
            Reason::ReplyTimeout => Origin {
                inquiry: match before.agent {
                    Some(slot) => inquiry::excluding(&before.inquiry, &self.agent(slot).id),
                    None => before.inquiry.clone(),
                },
                hops: Hops {
                    reply: reply.saturating_add(1),
                    transfer,
                },
            },
            Reason::Transfer => Origin {
                inquiry: before.inquiry.clone(),
                hops: Hops {
                    reply,
                    transfer: transfer.saturating_add(1),
                },
            },
            _ => Origin {
                inquiry: before.inquiry.clone(),
                hops: Hops::default(),
            },
        }
    }

    /// The pool a decision names; none: no pick.
    fn pool_named(&mut self, decided: &Decided) -> Option<u32> {
        if decided.pool_of_all_groups {
            return Some(self.pool_of_all);
        }
        if decided.pool_group_ids.is_empty() {
            return None;
        }
        let ids = decided.pool_group_ids.iter();
        let groups: Option<Vec<u32>> = ids.map(|id| self.lookup.group_index(id)).collect();
        Some(self.pool(&groups?))
    }

    fn take_turn(&mut self, pool: u32, agent: u32, charged: bool) {
        let Some(place) = self.agent(agent).place_in(pool) else {
            return;
        };
        let pool = &mut self.pools[pool as usize];
        pool.bring_up_to_date();
        if charged {
            pool.charge(place);
        } else {
            pool.pick(place);
        }
    }

    /// The buyer waits: with a new entry, or with the one there is, which keeps its place.
    fn wait(&mut self, decided: &Decided, buyer: Key, at_ms: i64, command: &Command) {
        let robot = decided.outcome() == Outcome::Robot;
        let (outcome, agent_id) = if robot {
            (Outcome::Pooled, String::new())
        } else {
            (
                decided.outcome(),
                self.agent_text(&decided.agent).to_owned(),
            )
        };
        let transferred = outcome == Outcome::LeftMessage && decided.reason() == Reason::Transfer;
        let target_agent_id = if transferred {
            agent_id.clone()
        } else {
            String::new()
        };
        let target_group_id = if transferred && target_agent_id.is_empty() {
            self.group_text(&decided.group).to_owned()
        } else {
            String::new()
        };
        let entry = match self.waiting(Some(buyer)) {
            Some(entry)
                if decided.reason() == Reason::StillWaiting
                    || robot && entry.outcome != Outcome::Queued =>
            {
                return;
            }
            Some(entry) => Waiting {
                outcome,
                agent_id,
                since_ms: entry.since_ms,
                decision: entry.decision,
                inquiry: entry.inquiry.clone(),
                target_agent_id,
                target_group_id,
                hops: if transferred {
                    self.origin(decided, buyer, command).hops
                } else {
                    entry.hops
                },
            },
            None => {
                let Origin { inquiry, hops } = self.origin(decided, buyer, command);
                Waiting {
                    outcome,
                    agent_id,
                    since_ms: at_ms,
                    decision: decided.decision,
                    inquiry,
                    target_agent_id,
                    target_group_id,
                    hops,
                }
            }
        };
        self.step_out(buyer);
        self.buyers.get_mut(buyer).waiting = Some(entry.into());
        self.line_up(buyer);
        // A group's agent from whom the buyer comes may be the one to go back to.
        self.unsettled.load |= transferred;
    }

    /// The buyer's waiting entry, if any, is gone.
    fn wait_no_more(&mut self, buyer: Key) {
        if self.waiting(Some(buyer)).is_some() {
            self.step_out(buyer);
            self.buyers.get_mut(buyer).waiting = None;
        }
    }

    /// Opens a conversation; a buyer whom an agent has waits no more. The caller refreshes the agent.
    fn open(&mut self, number: u64, open: Conversation) {
        self.last_conversation = number;
        let buyer = self.buyers.get_mut(open.buyer);
        buyer.set_open(Some(number));
        if buyer.waiting.is_some() && open.agent.is_some() {
            self.wait_no_more(open.buyer);
        }
        if let Some(slot) = open.agent {
            let agent = self.agent_mut(slot);
            agent.open += 1;
            agent.derived_awaiting += u32::from(open.awaiting);
        }
        let last_activity_ms = open.last_activity_ms;
        self.watch_reply(&open, number);
        self.conversations.insert(number, open);
        self.watch_idle(last_activity_ms, number);
    }

    fn close(&mut self, fact: &record::ConversationClosed) {
        let Some(closed) = self.conversations.remove(fact.conversation) else {
            return;
        };
        if let Some(slot) = closed.agent {
            let agent = self.agent_mut(slot);
            agent.open -= 1;
            agent.derived_awaiting -= u32::from(closed.awaiting);
            if agent.takes_part() {
                if self.slot_releases.len() == SLOT_RELEASES {
                    self.slot_releases.pop_front();
                }
                self.slot_releases.push_back(fact.at_ms);
            }
            self.refresh(slot);
        }
        self.buyers.get_mut(closed.buyer).set_open(None);
        self.leave(closed.buyer);
        self.closed_last = Some((fact.conversation, closed));
    }

    fn apply_message(&mut self, noted: &Noted, event: &Event, now: i64) {
        let sender = event.sender();
        let author = match &noted.agent {
            Named::Nobody => None,
            named => Some(self.slot_named(named)),
        };
        let consulted_at_ms = noted.at_ms.min(now);
        let conversation = noted.conversation;
        self.clamped_timestamps += u64::from(noted.clamped);

        if noted.opened {
            let Some(author) = author else { return };
            let group = self.first_group(author);
            let buyer_id = match noted.buyer_id.as_str() {
                "" => event.buyer_id,
                buyer_id => buyer_id,
            };
            let buyer = self.buyers.key_of(buyer_id);
            let open = Conversation {
                buyer,
                agent: Some(author),
                group,
                opened_at_ms: now,
                last_activity_ms: noted.at_ms,
                awaiting: false,
                answered: true,
                reply_timeout_spent: false,
                inquiry: None,
                hops: Hops::default(),
            };
            self.open(conversation, open);
            self.derive_awaiting(author);
            self.consult(buyer, author, consulted_at_ms, conversation, now);
            return;
        }
        let Some(open) = self.conversations.get_mut(conversation) else {
            if let Some(author) = author {
                self.derive_awaiting(author);
                if sender == Sender::Agent {
                    self.prolong_contact(conversation, author, consulted_at_ms, now);
                }
            }
            return;
        };
        open.last_activity_ms = open.last_activity_ms.max(noted.at_ms);
        let Some(handler) = open.agent else {
            if let Some(author) = author {
                self.derive_awaiting(author);
            }
            return;
        };
        let buyer = open.buyer;
        let before = open.awaiting;
        match sender {
            Sender::Buyer => open.awaiting = true,
            Sender::Agent if author == Some(handler) => {
                open.awaiting = false;
                open.answered = true;
            }
            _ => {}
        }
        let awaiting = open.awaiting;
        // The handler's follows below, if that was derived already.
        if let Some(author) = author
            && (author != handler || self.agent(author).absolute_awaiting.is_some())
        {
            self.derive_awaiting(author);
        }
        let agent = self.agent_mut(handler);
        agent.derived_awaiting += u32::from(awaiting);
        agent.derived_awaiting -= u32::from(before);
        self.derive_awaiting(handler);
        let consulted = match sender {
            Sender::Buyer => Some(handler),
            Sender::Agent => author,
            _ => None,
        };
        if let Some(consulted) = consulted {
            self.consult(buyer, consulted, consulted_at_ms, conversation, now);
        }
    }

    /// The agent's awaiting is derived from now on.
    fn derive_awaiting(&mut self, slot: u32) {
        self.agent_mut(slot).absolute_awaiting = None;
        self.refresh(slot);
    }

    fn apply_presence(&mut self, changed: &record::PresenceChanged, now: i64) {
        let Some(slot) = self.member(&changed.agent_id) else {
            return;
        };
        let agent = self.agent_mut(slot);
        let was_online = agent.is_online();
        let moved = agent.status != changed.status();
        if moved {
            agent.status = changed.status();
            agent.since_ms = now;
        }
        agent.cause = changed.cause;
        agent.session_id.clone_from(&changed.session_id);
        if changed.awaiting.is_some() {
            agent.absolute_awaiting = changed.awaiting;
        }
        if agent.takes_part() {
            let online = u32::from(agent.is_online());
            self.online += online;
            self.online -= u32::from(was_online);
        }
        self.unsettled.anything |= moved && changed.status() != PresenceStatus::Offline;
        self.refresh(slot);
    }

    /// Tells the pools, the lines of due effects and settling when an agent stands otherwise now.
    pub fn refresh(&mut self, slot: u32) {
        let agent = &mut self.agents[slot as usize];
        let now = agent.assess(&self.lookup);
        if now == agent.standing {
            return;
        }
        let before = std::mem::replace(&mut agent.standing, now);
        if (now.available, now.effective_weight) != (before.available, before.effective_weight) {
            for &(pool, place) in &agent.pools {
                self.pools[pool as usize].note(place, now);
            }
        }
        if now.ready && !before.ready {
            self.ready.insert(slot);
        } else if before.ready && !now.ready {
            self.ready.remove(&slot);
        }
        if now.volume_resets_at_ms != before.volume_resets_at_ms {
            if let Some(due) = before.volume_resets_at_ms {
                self.volume_resets.remove(&(due, agent.id.clone()));
            }
            if let Some(due) = now.volume_resets_at_ms {
                self.volume_resets.insert((due, agent.id.clone()));
            }
        }
        let better = now.available && !before.available || now.ready && !before.ready;
        self.unsettled.load |= better;
    }

    /// Frees some of what has expired: a little with every entry, so that no entry pays for many.
    pub fn free_expired(&mut self, now: i64) {
        self.forget_strangers();
        // Two with each that is learned; mostly there is not even one.
        let _ = self.requests.free_one(now) && self.requests.free_one(now);
        let _ = self.message_events.free_one(now) && self.message_events.free_one(now);
        let _ = self.order_events.free_one(now) && self.order_events.free_one(now);
        let _ = self.free_contact(now) && self.free_contact(now);
    }

    /// Puts a conversation in the line for the idle close.
    pub fn watch_idle(&mut self, last_activity_ms: i64, number: u64) {
        // Closed conversations leave the line only at its head; make room when they prevail.
        if self.idle.len() > 64 + 2 * self.conversations.len() {
            self.idle = self
                .conversations
                .iter()
                .map(|(number, open)| (open.last_activity_ms, number))
                .collect();
        } else {
            self.idle.push((last_activity_ms, number));
        }
    }

    /// Puts a conversation in the line for the reply timeout, if there is one.
    fn watch_reply(&mut self, open: &Conversation, number: u64) {
        if self.lookup.reply_timeout_ms == 0 || !open.may_time_out() {
            return;
        }
        if self.unanswered.len() > 64 + 2 * self.conversations.len() {
            self.watch_replies_anew();
        }
        self.unanswered.push((open.opened_at_ms, number));
    }

    pub fn watch_replies_anew(&mut self) {
        self.unanswered = Timeline::default();
        if self.lookup.reply_timeout_ms > 0 {
            let open = self.conversations.iter();
            self.unanswered = open
                .filter(|(_, open)| open.may_time_out())
                .map(|(number, open)| (open.opened_at_ms, number))
                .collect();
        }
    }
}
