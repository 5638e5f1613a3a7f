//! The steps of a decision that look for an agent: 3 recent contact, 4 dedicated agent, 5 group match,
//! 7 selection, 8 spill. With `charge_sticky`, what 3 and 4 cost.

use crate::buyers::Key;
use crate::facts::{Decided, Named};
use crate::inquiry::Asked;
use crate::lines::Scope;
use crate::proto::fenliu::v1 as api;
use crate::state::Shop;
use api::{Outcome, PresenceStatus, Reason, UnavailablePolicy};

/// What the steps are asked.
pub struct Ask<'a> {
    /// None: nothing is known of the buyer.
    pub buyer: Option<Key>,
    /// Who step 4 asks for, if that is an agent of the document.
    pub dedicated: Option<u32>,
    pub inquiry: Asked<'a>,
    /// The decision's time.
    pub at_ms: i64,
    pub who: Allowed<'a>,
}

/// Which agents count.
#[derive(Default)]
pub struct Allowed<'a> {
    /// Slots that do not, sorted.
    pub excluded: Vec<u32>,
    /// With a narrowed pick: the only slots that do, sorted.
    pub only: Option<&'a [u32]>,
}

impl Allowed<'_> {
    pub fn has(&self, slot: u32) -> bool {
        self.excluded.binary_search(&slot).is_err()
            && self
                .only
                .is_none_or(|only| only.binary_search(&slot).is_ok())
    }
}

/// What step 5 finds.
pub struct Matched {
    pub scope: Scope,
    /// The first of the groups by (priority, id).
    pub first: Option<u32>,
}

impl Shop {
    pub fn ask<'a>(
        &self,
        buyer: Option<Key>,
        buyer_id: &str,
        inquiry: Asked<'a>,
        at_ms: i64,
    ) -> Ask<'a> {
        let excluded = self.excluded(&inquiry.exclude_agent_ids);
        Ask {
            buyer,
            dedicated: self.dedicated_slot(buyer_id, &inquiry),
            inquiry,
            at_ms,
            who: Allowed {
                excluded,
                only: None,
            },
        }
    }

    /// As `ask`, for a buyer who is known.
    pub fn ask_of<'a>(&self, buyer: Key, inquiry: Asked<'a>, at_ms: i64) -> Ask<'a> {
        self.ask(Some(buyer), self.buyers[buyer].id(), inquiry, at_ms)
    }

    /// Slots of the agents an inquiry excludes, sorted.
    pub fn excluded(&self, agent_ids: &[&str]) -> Vec<u32> {
        let mut slots: Vec<u32> = agent_ids.iter().filter_map(|id| self.member(id)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Steps 3, 4, 5, 7 and 8 (SPILL only).
    pub fn find_agent(&mut self, ask: &Ask) -> Option<Decided> {
        if let Some(decided) = self.find_own_agent(ask) {
            return Some(decided);
        }
        let scope = self.matched(&ask.inquiry).scope;
        self.select(&scope, ask)
    }

    /// Whether `find_agent` would find one.
    pub fn can_find_agent(&mut self, ask: &Ask) -> bool {
        if self.can_find_own_agent(ask) {
            return true;
        }
        let scope = self.matched(&ask.inquiry).scope;
        self.taking_pool(&scope, &ask.who).is_some()
    }

    /// Whether `find_own_agent` would find one.
    pub fn can_find_own_agent(&self, ask: &Ask) -> bool {
        self.contact_agent(ask).is_some() || self.dedicated_agent(ask).is_some()
    }

    /// Steps 3 and 4: the agent the buyer has already.
    pub fn find_own_agent(&mut self, ask: &Ask) -> Option<Decided> {
        if let Some(slot) = self.contact_agent(ask) {
            return Some(self.for_own_agent(Reason::RecentContact, slot, ask));
        }
        let slot = self.dedicated_agent(ask)?;
        Some(self.for_own_agent(Reason::Dedicated, slot, ask))
    }

    /// Step 3: the agent whom the buyer consulted last.
    pub fn contact_agent(&self, ask: &Ask) -> Option<u32> {
        let contact = self.contact(ask.buyer, ask.at_ms)?;
        let agent = self.agent(contact.agent);
        let window = match agent.status {
            PresenceStatus::Online => self.lookup.sticky_window_ms,
            PresenceStatus::Suspended => self.lookup.sticky_suspended_window_ms,
            PresenceStatus::Offline | PresenceStatus::Unspecified => 0,
        };
        let yes = agent.takes_part()
            && ask.who.has(contact.agent)
            && !agent.supposed.no_contact
            && window > 0
            && ask.at_ms.saturating_sub(contact.consulted_at_ms) <= window;
        yes.then_some(contact.agent)
    }

    /// Step 4: the dedicated agent of the inquiry or the buyer.
    fn dedicated_agent(&self, ask: &Ask) -> Option<u32> {
        let slot = ask.dedicated?;
        let agent = self.agent(slot);
        let yes = agent.takes_part() && agent.is_online() && ask.who.has(slot);
        yes.then_some(slot)
    }

    /// Who step 4 asks for, if that is an agent of the document.
    pub fn dedicated_slot(&self, buyer_id: &str, inquiry: &Asked) -> Option<u32> {
        match inquiry.dedicated_agent_id {
            "" if self.lookup.buyer_agents.is_empty() => None,
            "" => self.lookup.buyer_agents.get(buyer_id).copied(),
            id => self.member(id),
        }
    }

    /// A decision of step 3 or 4, charged if the shop charges for these.
    pub fn for_own_agent(&mut self, reason: Reason, slot: u32, ask: &Ask) -> Decided {
        let mut decided = self.to_agent(reason, slot, self.first_group(slot));
        if self.lookup.charge_sticky {
            let scope = self.matched(&ask.inquiry).scope;
            if let Some((pool, _)) = self.taking_pool(&scope, &ask.who)
                && self.is_available_in(pool, slot)
            {
                self.name_pool(&mut decided, pool);
                decided.charged = true;
            }
        }
        decided
    }

    /// Step 5: the groups the inquiry's values leave.
    pub fn matched(&self, inquiry: &Asked) -> Matched {
        if !self.lookup.binds {
            return self.all_groups();
        }
        let mut left: Option<Vec<u32>> = None;
        for &dimension in &self.lookup.precedence {
            let bound = self.lookup.bound(dimension, inquiry);
            let kept: Vec<u32> = match &left {
                None => bound.to_vec(),
                Some(left) => bound
                    .iter()
                    .filter(|index| left.binary_search(index).is_ok())
                    .copied()
                    .collect(),
            };
            if !kept.is_empty() {
                left = Some(kept);
            }
        }
        let all = self.lookup.groups.len();
        let Some(left) = left.filter(|left| left.len() < all) else {
            return self.all_groups();
        };
        let group = |index: u32| &self.lookup.groups[index as usize];
        let first = left.iter().copied().min_by_key(|&index| group(index).rank);
        let policy = first.map(|index| group(index).when_unavailable);
        Matched {
            scope: Scope {
                groups: Some(left.into()),
                spill: policy == Some(UnavailablePolicy::Spill),
            },
            first,
        }
    }

    const fn all_groups(&self) -> Matched {
        Matched {
            scope: Scope {
                groups: None,
                spill: false,
            },
            first: self.lookup.first_group,
        }
    }

    /// One group alone, from which nothing spills.
    pub fn scope_of(&self, group: u32) -> Scope {
        Scope {
            groups: (self.lookup.groups.len() > 1).then(|| [group].into()),
            spill: false,
        }
    }

    /// Steps 7 and 8: weighted selection in the scope, then, if it spills, in all groups.
    pub fn select(&mut self, scope: &Scope, ask: &Ask) -> Option<Decided> {
        let (pool, reason) = self.taking_pool(scope, &ask.who)?;
        let slot = self.next_of(pool, &ask.who)?;
        let groups = &self.pools[pool as usize].groups;
        let mut of_agent = self.agent(slot).groups.iter();
        let group = of_agent
            .find(|index| groups.binary_search(index).is_ok())
            .map(|&index| self.lookup.groups[index as usize].name);
        let mut decided = self.to_agent(reason, slot, group);
        self.name_pool(&mut decided, pool);
        Some(decided)
    }

    /// The pool in which somebody may take the buyer: the scope's, else, if it spills, that of all.
    pub fn taking_pool(&mut self, scope: &Scope, who: &Allowed) -> Option<(u32, Reason)> {
        let pool = match &scope.groups {
            Some(groups) => self.pool(groups),
            None => self.pool_of_all,
        };
        if self.has_taker(pool, who) {
            return Some((pool, Reason::Weighted));
        }
        let all = self.pool_of_all;
        (scope.spill && self.has_taker(all, who)).then_some((all, Reason::Spilled))
    }

    fn has_taker(&self, pool: u32, who: &Allowed) -> bool {
        if let Some(only) = who.only {
            let takes = |&&slot: &&u32| who.has(slot) && self.is_available_in(pool, slot);
            return only.iter().find(takes).is_some();
        }
        let excluded = who.excluded.iter();
        let excluded_here = excluded.filter(|&&slot| self.is_available_in(pool, slot));
        self.pools[pool as usize].available as usize > excluded_here.count()
    }

    fn is_available_in(&self, pool: u32, slot: u32) -> bool {
        self.agent(slot).standing.available && self.agent(slot).place_in(pool).is_some()
    }

    /// Whose turn it is in a pool where somebody may take the buyer.
    fn next_of(&mut self, pool: u32, who: &Allowed) -> Option<u32> {
        let agents = &self.agents;
        let turns = &mut self.pools[pool as usize];
        turns.bring_up_to_date();
        let place = match who.only {
            None => turns.next(|slot| !who.has(slot)),
            Some(only) => turns.next_among(
                only.iter()
                    .filter(|&&slot| who.has(slot))
                    .filter_map(|&slot| agents[slot as usize].place_in(pool)),
            ),
        };
        Some(turns.members[place? as usize].agent)
    }

    fn name_pool(&self, decided: &mut Decided, pool: u32) {
        if pool == self.pool_of_all {
            decided.pool_of_all_groups = true;
            return;
        }
        let id = |&index: &u32| self.lookup.group_id(index).to_owned();
        decided.pool_group_ids = self.pools[pool as usize].groups.iter().map(id).collect();
    }

    /// A decision for an agent, in a new conversation.
    pub fn to_agent(&self, reason: Reason, slot: u32, group: Option<u32>) -> Decided {
        Decided {
            conversation: self.last_conversation + 1,
            agent: Named::Number(slot),
            group: group.map_or(Named::Nobody, Named::Number),
            ..self.decision(Outcome::Agent, reason)
        }
    }

    /// The next decision, for nobody yet.
    pub fn decision(&self, outcome: Outcome, reason: Reason) -> Decided {
        Decided {
            decision: self.last_decision + 1,
            outcome: outcome.into(),
            reason: reason.into(),
            ..Default::default()
        }
    }
}
