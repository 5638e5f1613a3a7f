//! The decision: which agent receives a buyer. And the close of a conversation on request.

use std::sync::Arc;

use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason as Refused, Refusal};
use crate::state::{Contact, Shop};
use api::{OfflineTarget, Outcome, PresenceStatus, Reason};
use record::CloseCause;
use record::entry::Command;
use record::fact::Fact;

/// The response that a decision's fact leads to.
pub fn response(decided: &record::Decided) -> api::RouteResponse {
    api::RouteResponse {
        conversation_id: match decided.conversation {
            0 => String::new(),
            number => format!("c{number}"),
        },
        decision_id: format!("d{}", decided.decision),
        outcome: decided.outcome,
        agent_id: decided.agent_id.clone(),
        group_id: decided.group_id.clone(),
        reason: decided.reason,
        queue_position: 0,
        estimated_wait_ms: 0,
    }
}

impl Shop {
    pub fn decide_route(
        &mut self,
        request: &api::RouteRequest,
        command: &Command,
        now: i64,
        facts: &mut Vec<record::Fact>,
    ) -> Result<api::RouteResponse, Refusal> {
        let dedicated = match request.dedicated_agent_id.as_str() {
            "" => self
                .lookup
                .buyer_agents
                .get(request.buyer_id.as_str())
                .copied(),
            id => Some(
                self.member(id)
                    .ok_or_else(|| Refusal::of(Refused::AgentNotFound, "dedicated_agent_id"))?,
            ),
        };
        let excluded = self.excluded(&request.exclude_agent_ids);
        if let Some(closed) = self.handler_gone(&request.buyer_id, &excluded, now) {
            self.emit(Fact::ConversationClosed(closed), command, now, facts);
        }
        let decided = self
            .open_conversation(&request.buyer_id)
            .or_else(|| self.recent_contact(&request.buyer_id, &excluded, now))
            .or_else(|| self.dedicated(dedicated, &excluded))
            .or_else(|| self.select(request, &excluded))
            .unwrap_or_else(|| self.keep_waiting(&request.buyer_id));
        let response = response(&decided);
        self.emit(Fact::Decided(decided), command, now, facts);
        Ok(response)
    }

    /// Slots of the agents the request excludes, sorted.
    fn excluded(&self, agent_ids: &[String]) -> Vec<u32> {
        let mut slots: Vec<u32> = agent_ids.iter().filter_map(|id| self.member(id)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Step 2: the buyer's conversation, if it must end because its agent cannot go on with it.
    fn handler_gone(
        &self,
        buyer_id: &str,
        excluded: &[u32],
        now: i64,
    ) -> Option<record::ConversationClosed> {
        let conversation = self.buyers.get(buyer_id)?.open?;
        let handler = self.conversations.get(&conversation)?.agent;
        let agent = self.agent(handler);
        let cause = if !agent.in_document() || agent.status == PresenceStatus::Offline {
            CloseCause::HandlerOffline
        } else if excluded.contains(&handler) {
            CloseCause::HandlerExcluded
        } else {
            return None;
        };
        Some(record::ConversationClosed {
            conversation,
            cause: cause.into(),
            at_ms: now,
        })
    }

    /// Step 2: the buyer's conversation is open.
    fn open_conversation(&self, buyer_id: &str) -> Option<record::Decided> {
        let number = self.buyers.get(buyer_id)?.open?;
        let open = self.conversations.get(&number)?;
        let decided = self.to_agent(Reason::OpenConversation, open.agent, Some(&open.group));
        Some(record::Decided {
            conversation: number,
            ..decided
        })
    }

    /// Step 3: the agent whom the buyer consulted last.
    fn recent_contact(
        &self,
        buyer_id: &str,
        excluded: &[u32],
        now: i64,
    ) -> Option<record::Decided> {
        let Contact {
            agent: slot,
            consulted_at_ms,
            ..
        } = self.contact(buyer_id, now)?;
        let agent = self.agent(slot);
        let window = match agent.status {
            PresenceStatus::Online => self.lookup.sticky_window_ms,
            PresenceStatus::Suspended => self.lookup.sticky_suspended_window_ms,
            PresenceStatus::Offline | PresenceStatus::Unspecified => 0,
        };
        let yes = agent.takes_part()
            && !excluded.contains(&slot)
            && window > 0
            && now.saturating_sub(consulted_at_ms) <= window;
        yes.then(|| self.to_agent(Reason::RecentContact, slot, self.first_group(slot)))
    }

    /// Step 4: the dedicated agent of the request or the buyer.
    fn dedicated(&self, slot: Option<u32>, excluded: &[u32]) -> Option<record::Decided> {
        let slot = slot?;
        let agent = self.agent(slot);
        let yes = agent.takes_part() && agent.is_online() && !excluded.contains(&slot);
        yes.then(|| self.to_agent(Reason::Dedicated, slot, self.first_group(slot)))
    }

    /// Steps 5, 7 and 8: weighted selection in the matched groups, then in all.
    fn select(&mut self, request: &api::RouteRequest, excluded: &[u32]) -> Option<record::Decided> {
        if let Some(groups) = self.matched_groups(request) {
            let pool = self.pool(&groups);
            if let Some(slot) = self.next_of(pool, excluded) {
                let mut of_agent = self.agent(slot).groups.iter();
                let group = of_agent
                    .find(|index| groups.binary_search(index).is_ok())
                    .map(|&index| &self.lookup.groups[index as usize].id);
                let id = |&index: &u32| self.lookup.groups[index as usize].id.to_string();
                return Some(record::Decided {
                    pool_group_ids: groups.iter().map(id).collect(),
                    ..self.to_agent(Reason::Weighted, slot, group)
                });
            }
            return self.select_of_all(Reason::Spilled, excluded);
        }
        self.select_of_all(Reason::Weighted, excluded)
    }

    fn select_of_all(&mut self, reason: Reason, excluded: &[u32]) -> Option<record::Decided> {
        let slot = self.next_of(self.pool_of_all, excluded)?;
        Some(record::Decided {
            pool_of_all_groups: true,
            ..self.to_agent(reason, slot, self.first_group(slot))
        })
    }

    /// The groups the inquiry's values leave, sorted; none when these are all groups.
    fn matched_groups(&self, request: &api::RouteRequest) -> Option<Vec<u32>> {
        let mut left: Option<Vec<u32>> = None;
        for &dimension in &self.lookup.precedence {
            let bound = self.lookup.bound(dimension, request);
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
        left.filter(|left| left.len() < self.lookup.groups.len())
    }

    /// Whose turn it is in a pool; none when nobody there may take the buyer.
    fn next_of(&mut self, pool: u32, excluded: &[u32]) -> Option<u32> {
        let is_free_here = |&&slot: &&u32| {
            let agent = self.agent(slot);
            agent.free && agent.pools.binary_search_by_key(&pool, |at| at.0).is_ok()
        };
        let excluded_free = excluded.iter().filter(is_free_here).count();
        let pool = &mut self.pools[pool as usize];
        if pool.free as usize <= excluded_free {
            return None;
        }
        pool.bring_up_to_date(&self.agents);
        let place = pool.next(|slot| excluded.binary_search(&slot).is_ok())?;
        Some(pool.members[place as usize].agent)
    }

    /// Step 10: nobody may take the buyer, who waits.
    fn keep_waiting(&self, buyer_id: &str) -> record::Decided {
        let waiting = self.buyers.get(buyer_id).and_then(|b| b.waiting.as_ref());
        let (outcome, reason, agent_id) = if let Some(waiting) = waiting {
            let outcome = Outcome::try_from(waiting.outcome).unwrap_or_default();
            (outcome, Reason::StillWaiting, waiting.agent_id.as_str())
        } else if self.online > 0 {
            (Outcome::Pooled, Reason::NobodyFree, "")
        } else {
            self.offline()
        };
        record::Decided {
            decision: self.last_decision + 1,
            outcome: outcome.into(),
            reason: reason.into(),
            agent_id: agent_id.to_owned(),
            ..Default::default()
        }
    }

    fn offline(&self) -> (Outcome, Reason, &str) {
        let proxy = self.lookup.proxy_agent_id.as_str();
        let owner = self.lookup.owner_agent_id.as_str();
        let target = OfflineTarget::try_from(self.lookup.offline_target).unwrap_or_default();
        match target {
            OfflineTarget::Proxy if !proxy.is_empty() => {
                (Outcome::LeftMessage, Reason::OfflineProxy, proxy)
            }
            OfflineTarget::Proxy | OfflineTarget::Owner if !owner.is_empty() => {
                (Outcome::LeftMessage, Reason::OfflineOwner, owner)
            }
            _ => (Outcome::Pooled, Reason::OfflinePool, ""),
        }
    }

    /// A decision for an agent, in a new conversation.
    fn to_agent(&self, reason: Reason, slot: u32, group: Option<&Arc<str>>) -> record::Decided {
        record::Decided {
            decision: self.last_decision + 1,
            outcome: Outcome::Agent.into(),
            reason: reason.into(),
            conversation: self.last_conversation + 1,
            agent_id: self.agent(slot).id.to_string(),
            group_id: group.map(ToString::to_string).unwrap_or_default(),
            pool_of_all_groups: false,
            pool_group_ids: Vec::new(),
        }
    }

    pub fn decide_close(
        &mut self,
        request: &api::CloseConversationRequest,
        command: &Command,
        now: i64,
        facts: &mut Vec<record::Fact>,
    ) -> Result<api::CloseConversationResponse, Refusal> {
        let conversation = self
            .issued(&request.conversation_id)
            .ok_or_else(|| Refusal::of(Refused::ConversationNotFound, "conversation_id"))?;
        let already_closed = !self.conversations.contains_key(&conversation);
        if !already_closed {
            let closed = record::ConversationClosed {
                conversation,
                cause: CloseCause::Request.into(),
                at_ms: now,
            };
            self.emit(Fact::ConversationClosed(closed), command, now, facts);
        }
        Ok(api::CloseConversationResponse {
            conversation_id: request.conversation_id.clone(),
            already_closed,
        })
    }
}
