//! Presence: agents' states, as their sessions and managers set them.

use crate::draft::Draft;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::Shop;
use api::{PresenceCause, PresenceStatus};
use record::fact::Fact;

impl Shop {
    pub fn decide_update_presence(
        &mut self,
        request: &record::UpdatePresence,
        draft: &mut Draft,
    ) -> Result<api::PresenceAck, Refusal> {
        let update = request
            .update
            .as_ref()
            .ok_or_else(|| Refusal::invalid("update", "required"))?;
        let wanted = record::PresenceChanged {
            agent_id: update.agent_id.clone(),
            status: update.status,
            cause: PresenceCause::Session.into(),
            session_id: request.session_id.clone(),
            awaiting: update.awaiting,
        };
        self.change_presence(wanted, draft)?;
        Ok(api::PresenceAck {
            update_id: update.update_id.clone(),
            status: None,
        })
    }

    /// Returns the agent, whose presence is the answer.
    pub fn decide_set_presence(
        &mut self,
        request: &api::SetPresenceRequest,
        draft: &mut Draft,
    ) -> Result<u32, Refusal> {
        let wanted = record::PresenceChanged {
            agent_id: request.agent_id.clone(),
            status: request.status,
            cause: PresenceCause::Manager.into(),
            session_id: String::new(),
            awaiting: request.awaiting,
        };
        self.change_presence(wanted, draft)
    }

    fn change_presence(
        &mut self,
        wanted: record::PresenceChanged,
        draft: &mut Draft,
    ) -> Result<u32, Refusal> {
        let slot = self
            .member(&wanted.agent_id)
            .ok_or_else(|| Refusal::of(Reason::AgentNotFound, "agent_id"))?;
        let agent = self.agent(slot);
        let same = agent.status == wanted.status()
            && agent.session_id == wanted.session_id
            && agent.cause == wanted.cause
            && (wanted.awaiting.is_none() || wanted.awaiting == agent.absolute_awaiting);
        if !same {
            self.emit_other(Fact::PresenceChanged(wanted), draft);
        }
        Ok(slot)
    }

    pub fn decide_expire_session(&mut self, request: &record::ExpireSession, draft: &mut Draft) {
        let of_session: Vec<u32> = self
            .members()
            .filter(|&slot| self.agent(slot).session_id == request.session_id)
            .collect();
        for slot in of_session {
            let agent = self.agent(slot);
            let cause = if agent.status == PresenceStatus::Offline {
                agent.cause
            } else {
                PresenceCause::LeaseExpired.into()
            };
            let changed = record::PresenceChanged {
                agent_id: agent.id.to_string(),
                status: PresenceStatus::Offline.into(),
                cause,
                session_id: String::new(),
                awaiting: None,
            };
            self.emit_other(Fact::PresenceChanged(changed), draft);
        }
    }
}
