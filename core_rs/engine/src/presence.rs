//! Presence: agents' states, as their sessions and managers set them.

use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::{Shop, presence};
use api::{PresenceCause, PresenceStatus};
use record::entry::Command;
use record::fact::Fact;

impl Shop {
    pub fn decide_update_presence(
        &mut self,
        request: &record::UpdatePresence,
        command: &Command,
        now: i64,
        facts: &mut Vec<record::Fact>,
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
        self.change_presence(wanted, command, now, facts)?;
        Ok(api::PresenceAck {
            update_id: update.update_id.clone(),
            status: None,
        })
    }

    pub fn decide_set_presence(
        &mut self,
        request: &api::SetPresenceRequest,
        command: &Command,
        now: i64,
        facts: &mut Vec<record::Fact>,
    ) -> Result<api::SetPresenceResponse, Refusal> {
        let wanted = record::PresenceChanged {
            agent_id: request.agent_id.clone(),
            status: request.status,
            cause: PresenceCause::Manager.into(),
            session_id: String::new(),
            awaiting: request.awaiting,
        };
        let slot = self.change_presence(wanted, command, now, facts)?;
        Ok(api::SetPresenceResponse {
            presence: Some(presence(self.agent(slot))),
        })
    }

    fn change_presence(
        &mut self,
        wanted: record::PresenceChanged,
        command: &Command,
        now: i64,
        facts: &mut Vec<record::Fact>,
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
            self.emit(Fact::PresenceChanged(wanted), command, now, facts);
        }
        Ok(slot)
    }

    pub fn decide_expire_session(
        &mut self,
        request: &record::ExpireSession,
        command: &Command,
        now: i64,
        facts: &mut Vec<record::Fact>,
    ) {
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
            self.emit(Fact::PresenceChanged(changed), command, now, facts);
        }
    }
}
