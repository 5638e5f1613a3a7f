//! Who may change the configuration: the operator, the owner, and agents the owner has let.

use crate::maps::Map;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::Shop;

/// 客服分流管理: lets an agent change weights, groups and modes.
pub const MANAGE: &str = "dispatch.manage";

const FIELD: &str = "fenliu-actor";

impl Shop {
    /// The operator's own tools name no actor; they and the owner may do everything.
    fn is_owner(&self, actor: &str) -> bool {
        actor.is_empty() || actor == self.document.owner_agent_id
    }

    /// Whether the actor may change this shop's configuration.
    pub fn check_may_manage(&self, actor: &str) -> Result<(), Refusal> {
        let granted = || {
            let slot = self.member(actor)?;
            let agent = &self.document.agents[self.agent(slot).doc_index as usize];
            agent.permissions.iter().find(|granted| *granted == MANAGE)
        };
        if self.is_owner(actor) || granted().is_some() {
            return Ok(());
        }
        let rule = "needs dispatch.manage";
        Err(Refusal::with_rule(Reason::NotAllowed, FIELD, rule))
    }

    /// Whether the actor may delete this shop.
    pub fn check_may_delete(&self, actor: &str) -> Result<(), Refusal> {
        if self.is_owner(actor) {
            return Ok(());
        }
        let rule = "only the owner deletes the shop";
        Err(Refusal::with_rule(Reason::NotAllowed, FIELD, rule))
    }

    /// Whether the actor may put this document, in resolved form, in the stored one's place: only the
    /// owner changes who the owner is and what agents may do.
    pub fn check_may_grant(&self, actor: &str, resolved: &api::Shop) -> Result<(), Refusal> {
        let granted = |shop: &'_ api::Shop| -> Map<String, Vec<String>> {
            let with_some = shop.agents.iter().filter(|a| !a.permissions.is_empty());
            with_some
                .map(|a| (a.agent_id.clone(), a.permissions.clone()))
                .collect()
        };
        if self.is_owner(actor)
            || resolved.owner_agent_id == self.document.owner_agent_id
                && granted(resolved) == granted(&self.document)
        {
            return Ok(());
        }
        let rule = "only the owner grants permissions";
        Err(Refusal::with_rule(Reason::NotAllowed, FIELD, rule))
    }
}
