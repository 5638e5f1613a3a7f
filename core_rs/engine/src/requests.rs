//! What a gateway asks for besides routing: closing a conversation, taking an inquiry back.

use crate::draft::Draft;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::Shop;
use record::CloseCause;
use record::fact::Fact;

impl Shop {
    pub fn decide_close(
        &mut self,
        request: &api::CloseConversationRequest,
        draft: &mut Draft,
    ) -> Result<api::CloseConversationResponse, Refusal> {
        let conversation = self
            .issued(&request.conversation_id)
            .ok_or_else(|| Refusal::of(Reason::ConversationNotFound, "conversation_id"))?;
        let already_closed = !self.conversations.contains(conversation);
        if !already_closed {
            self.emit_close(conversation, CloseCause::Request, draft.now, draft);
        }
        Ok(api::CloseConversationResponse {
            conversation_id: request.conversation_id.clone(),
            already_closed,
        })
    }

    /// `CANCEL_INQUIRY`: the buyer leaves the queue or the pool.
    pub fn decide_cancel(
        &mut self,
        request: &api::CancelInquiryRequest,
        draft: &mut Draft,
    ) -> api::CancelInquiryResponse {
        let buyer = self.buyers.find(&request.buyer_id);
        let was_waiting = self.waiting(buyer).is_some();
        if was_waiting {
            let cancelled = record::WaitingCancelled::default();
            self.emit_other(Fact::WaitingCancelled(cancelled), draft);
        }
        api::CancelInquiryResponse { was_waiting }
    }
}
