//! Order events: noted in the log for reports; they change nothing.

use crate::draft::Draft;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::state::Shop;
use record::fact::Fact;

impl Shop {
    pub fn decide_order(&mut self, event: &api::OrderEvent, draft: &mut Draft) -> api::OrderResult {
        let occurred_at_ms = match event.occurred_at_ms {
            0 => draft.now,
            at_ms => at_ms,
        };
        let latest = draft.now.saturating_add(self.lookup.timestamp_skew_ms);
        let at_ms = occurred_at_ms.min(latest);
        self.emit_other(Fact::OrderNoted(record::OrderNoted { at_ms }), draft);
        api::OrderResult::default()
    }
}
