//! Changes of the configuration: a shop applied, its weights set, the shop deleted.

use crate::document::resolve;
use crate::draft::Draft;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::Shop;
use crate::wire::{self, NUMBER};
use record::CloseCause;
use record::fact::Fact;

impl Shop {
    /// `APPLY_SHOP`: makes the shop as the document says; the reply is an `ApplyShopResponse`.
    pub fn decide_apply_shop(
        &mut self,
        request: &api::ApplyShopRequest,
        actor: &str,
        draft: &mut Draft,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let given = request
            .shop
            .as_ref()
            .ok_or_else(|| Refusal::invalid("shop", "required"))?;
        let exists = self.exists();
        if exists {
            self.check_may_manage(actor)?;
        }
        let etag = if exists { &self.document.etag } else { "" };
        if !given.etag.is_empty() && given.etag != *etag {
            return Err(Refusal::stale_etag("shop.etag", etag));
        }
        let mut resolved = resolve(given);
        if exists {
            self.check_may_grant(actor, &resolved)?;
        }
        resolved.etag.clone_from(&self.document.etag);
        let changed = resolved != self.document;
        if changed {
            resolved.etag = self.next_etag();
            let fact = record::ShopApplied {
                shop: Some(resolved),
            };
            self.emit_other(Fact::ShopApplied(fact.into()), draft);
        }
        // Of a large shop it would be a copy too many.
        const SHOP: u32 = 1;
        const CHANGED: u32 = 2;
        prost::encoding::message::encode(SHOP, &self.document, reply);
        wire::write(reply, NUMBER, |pen| pen.number(CHANGED, changed.into()));
        Ok(())
    }

    /// `SET_WEIGHTS`: all or none.
    pub fn decide_set_weights(
        &mut self,
        request: &api::SetWeightsRequest,
        actor: &str,
        draft: &mut Draft,
    ) -> Result<api::SetWeightsResponse, Refusal> {
        self.check_may_manage(actor)?;
        if !request.etag.is_empty() && request.etag != self.document.etag {
            return Err(Refusal::stale_etag("etag", &self.document.etag));
        }
        let mut weights = Vec::new();
        for (i, weight) in request.weights.iter().enumerate() {
            let agent = self.member(&weight.agent_id).ok_or_else(|| {
                Refusal::of(Reason::AgentNotFound, format_args!("weights[{i}].agent_id"))
            })?;
            if self.agents[agent as usize].weight != i64::from(weight.weight) {
                weights.push(weight.clone());
            }
        }
        if !weights.is_empty() {
            weights.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
            let etag = self.next_etag();
            let fact = record::WeightsSet { weights, etag };
            self.emit_other(Fact::WeightsSet(fact), draft);
        }
        Ok(api::SetWeightsResponse {
            etag: self.document.etag.clone(),
        })
    }

    /// `DELETE_SHOP`: ends what is open and forgets everything but the numbers.
    pub fn decide_delete_shop(
        &mut self,
        request: &api::DeleteShopRequest,
        actor: &str,
        draft: &mut Draft,
    ) -> Result<api::DeleteShopResponse, Refusal> {
        self.check_may_delete(actor)?;
        if !request.etag.is_empty() && request.etag != self.document.etag {
            return Err(Refusal::stale_etag("etag", &self.document.etag));
        }
        let mut open: Vec<u64> = self.conversations.iter().map(|open| open.0).collect();
        let mut waiting: Vec<_> = self
            .buyers
            .iter()
            .filter_map(|(_, buyer)| Some((buyer.waiting.as_deref()?, buyer.id())))
            .map(|(entry, id)| (entry.since_ms, entry.decision, id.to_owned()))
            .collect();
        let in_use = !open.is_empty() || !waiting.is_empty();
        if in_use && !request.force {
            return Err(Refusal::of(Reason::ShopInUse, "force"));
        }
        open.sort_unstable();
        for conversation in open {
            self.emit_close(conversation, CloseCause::ShopDeleted, draft.now, draft);
        }
        waiting.sort_unstable();
        for (_, _, buyer_id) in waiting {
            let cancelled = record::WaitingCancelled { buyer_id };
            self.emit_other(Fact::WaitingCancelled(cancelled), draft);
        }
        let etag = self.next_etag();
        let deleted = record::ShopDeleted { etag: etag.clone() };
        self.spell_out(&mut draft.facts);
        self.emit_other(Fact::ShopDeleted(deleted), draft);
        Ok(api::DeleteShopResponse { etag })
    }

    fn next_etag(&self) -> String {
        let revision: u64 = self.document.etag.parse().unwrap_or(0);
        (revision + 1).to_string()
    }
}
