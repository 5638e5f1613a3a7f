//! Settling: who waits and can be taken now is taken now, from the queue first, then from the pool.
//!
//! An agent who takes somebody can take less after that, never more. So each line is gone through
//! once, and nothing is looked at while nothing has got better for anybody since the last time.

use crate::buyers::Key;
use crate::draft::{Draft, When};
use crate::facts::Decided;
use crate::inquiry::{Asked, Kept};
use crate::proto::fenliu::v1 as api;
use crate::state::{Shop, Unsettled, Waiting};
use crate::steps::Allowed;
use api::Reason;

impl Shop {
    pub fn settle(&mut self, when: When, draft: &mut Draft) {
        let unsettled = self.unsettled;
        if (unsettled.load || unsettled.anything) && !self.lines.is_empty() {
            self.settle_queue(unsettled.anything, when, draft);
            self.settle_wanted(when, draft);
            self.settle_pool(when, draft);
        }
        self.unsettled = Unsettled::default();
    }

    /// The queue. Without `anything`, only an agent's load can have got better, which steps 3 and 4
    /// do not ask about.
    fn settle_queue(&mut self, anything: bool, when: When, draft: &mut Draft) {
        // Classes for which nobody is left.
        let mut hopeless = vec![false; self.lines.classes.len()];
        let mut at = 0;
        while let Some(place) = self.lines.queue.get(at)
            && (anything || self.pools[self.pool_of_all as usize].available > 0)
        {
            let class = place.class;
            let by_class = !hopeless[class as usize] && self.serves(class, None);
            hopeless[class as usize] = !by_class;
            let left = (by_class || anything) && self.leave_queue(at, by_class, when, draft);
            at += usize::from(!left);
        }
    }

    /// Takes the entry at this place of the queue out, if it can be.
    fn leave_queue(&mut self, at: usize, by_class: bool, when: When, draft: &mut Draft) -> bool {
        let buyer = self.lines.queue[at].buyer;
        let inquiry = self.kept_inquiry(buyer);
        let ask = self.ask_of(buyer, Asked::from(&inquiry), draft.time(when));
        if (by_class || self.can_find_own_agent(&ask))
            && let Some(decided) = self.find_agent(&ask)
        {
            self.take(Reason::LeftQueue, decided, buyer, when, draft);
            return true;
        }
        false
    }

    /// The pool's entries for one agent alone, and those whose recent contact is free.
    fn settle_wanted(&mut self, when: When, draft: &mut Draft) {
        while let Some((slot, buyer)) = self.first_wanted(draft.time(when)) {
            let inquiry = self.kept_inquiry(buyer);
            let ask = self.ask_of(buyer, Asked::from(&inquiry), draft.time(when));
            let for_agent = |entry: &Waiting| !entry.target_agent_id.is_empty();
            let decided = if self.waiting(Some(buyer)).is_some_and(for_agent) {
                self.to_agent(Reason::LeftPool, slot, self.first_group(slot))
            } else {
                self.for_own_agent(Reason::LeftPool, slot, &ask)
            };
            self.take(Reason::LeftPool, decided, buyer, when, draft);
        }
    }

    /// The oldest entry that a ready agent alone may take, or whose recent contact is free.
    fn first_wanted(&self, at_ms: i64) -> Option<(u32, Key)> {
        let of_agent = |&slot: &u32| {
            let mut entries = self.lines.wanted.get(&slot)?.iter();
            let (key, buyer) = entries.find(|(_, buyer)| self.is_wanted(slot, **buyer, at_ms))?;
            Some((key, slot, *buyer))
        };
        let first = if self.lines.wanted.is_empty() {
            None
        } else {
            self.ready.iter().filter_map(of_agent).min()
        };
        first.map(|(_, slot, buyer)| (slot, buyer))
    }

    /// Whether this ready agent, for whom the entry is lined up, may take it.
    fn is_wanted(&self, slot: u32, buyer: Key, at_ms: i64) -> bool {
        let Some(entry) = self.waiting(Some(buyer)) else {
            return false;
        };
        if !entry.target_agent_id.is_empty() {
            return true;
        }
        let ask = self.ask_of(buyer, Asked::from(&entry.inquiry), at_ms);
        self.contact_agent(&ask) == Some(slot)
    }

    /// The other entries of the pool, for free agents only.
    fn settle_pool(&mut self, when: When, draft: &mut Draft) {
        let mut free = self.free_agents();
        let mut hopeless = vec![false; self.lines.classes.len()];
        let mut at = 0;
        while let Some(place) = self.lines.pool.get(at)
            && !free.is_empty()
        {
            let class = place.class;
            let excluded = &self.lines.classes[class as usize].excluded;
            let takes = |slot: &u32| {
                free.binary_search(slot).is_ok() && excluded.binary_search(slot).is_err()
            };
            let dedicated = place.dedicated.filter(takes);
            let hope =
                dedicated.is_some() || !hopeless[class as usize] && self.serves(class, Some(&free));
            if !hope {
                hopeless[class as usize] = true;
                at += 1;
            } else if self.leave_pool(at, dedicated, &free, when, draft) {
                free = self.free_agents();
            } else {
                at += 1;
            }
        }
    }

    /// Takes the entry at this place of the pool out, for its dedicated agent or by selection.
    fn leave_pool(
        &mut self,
        at: usize,
        dedicated: Option<u32>,
        free: &[u32],
        when: When,
        draft: &mut Draft,
    ) -> bool {
        let place = &self.lines.pool[at];
        let buyer = place.buyer;
        let class = self.lines.classes[place.class as usize].clone();
        let inquiry = self.kept_inquiry(buyer);
        let mut ask = self.ask_of(buyer, Asked::from(&inquiry), draft.time(when));
        ask.who.only = Some(free);
        let decided = match dedicated {
            Some(slot) => Some(self.for_own_agent(Reason::LeftPool, slot, &ask)),
            None => self.select(&class.scope, &ask),
        };
        let Some(decided) = decided else {
            return false;
        };
        self.take(Reason::LeftPool, decided, buyer, when, draft);
        true
    }

    /// Whether steps 5, 7 and 8 (SPILL only) find somebody for the entries of a class.
    fn serves(&mut self, number: u32, only: Option<&[u32]>) -> bool {
        let class = self.lines.classes[number as usize].clone();
        let who = Allowed {
            excluded: class.excluded.clone(),
            only,
        };
        self.taking_pool(&class.scope, &who).is_some()
    }

    /// Those who may take from the pool, sorted.
    fn free_agents(&self) -> Vec<u32> {
        let takes_part = |slot: &u32| self.agent(*slot).takes_part();
        self.ready.iter().copied().filter(takes_part).collect()
    }

    fn kept_inquiry(&self, buyer: Key) -> Kept {
        self.waiting(Some(buyer))?.inquiry.clone()
    }

    /// The entry's buyer goes to an agent.
    fn take(
        &mut self,
        reason: Reason,
        decided: Decided,
        buyer: Key,
        when: When,
        draft: &mut Draft,
    ) {
        let decided = Decided {
            reason: reason.into(),
            ..self.hand_over(decided, Some(buyer), when, draft)
        };
        self.emit_decided_for(buyer, when, decided, draft);
    }
}
