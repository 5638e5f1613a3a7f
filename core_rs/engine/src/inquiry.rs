//! An inquiry: as the steps of a decision read it, and as the state keeps it for deciding again.

use std::sync::Arc;

use crate::proto::fenliu::engine::v1 as record;
use crate::views::Route;

/// What is known of an inquiry besides the buyer; none when that is nothing.
pub type Kept = Option<Arc<record::Inquiry>>;

/// What the steps read of an inquiry, wherever it is.
#[derive(Clone, Default)]
pub struct Asked<'a> {
    pub order_status: i32,
    pub product_id: &'a str,
    pub intent: &'a str,
    pub page_source: &'a str,
    pub dedicated_agent_id: &'a str,
    pub priority: i32,
    pub exclude_agent_ids: Vec<&'a str>,
}

impl<'a> From<&'a Route<'_>> for Asked<'a> {
    fn from(request: &'a Route<'_>) -> Self {
        Self {
            order_status: request.order_status,
            product_id: request.product_id,
            intent: request.intent,
            page_source: request.page_source,
            dedicated_agent_id: request.dedicated_agent_id,
            priority: request.priority,
            exclude_agent_ids: request.exclude_agent_ids.clone(),
        }
    }
}

impl<'a> From<&'a Kept> for Asked<'a> {
    fn from(kept: &'a Kept) -> Self {
        let Some(kept) = kept else {
            return Self::default();
        };
        Self {
            order_status: kept.order_status,
            product_id: &kept.product_id,
            intent: &kept.intent,
            page_source: &kept.page_source,
            dedicated_agent_id: &kept.dedicated_agent_id,
            priority: kept.priority,
            exclude_agent_ids: kept.exclude_agent_ids.iter().map(|id| &**id).collect(),
        }
    }
}

impl Asked<'_> {
    /// Whether nothing but the buyer is known.
    fn is_empty(&self) -> bool {
        self.order_status == 0
            && self.product_id.is_empty()
            && self.intent.is_empty()
            && self.page_source.is_empty()
            && self.dedicated_agent_id.is_empty()
            && self.priority == 0
            && self.exclude_agent_ids.is_empty()
    }

    pub fn keep(&self) -> Kept {
        if self.is_empty() {
            return None;
        }
        Some(Arc::new(record::Inquiry {
            order_status: self.order_status,
            product_id: self.product_id.to_owned(),
            intent: self.intent.to_owned(),
            page_source: self.page_source.to_owned(),
            dedicated_agent_id: self.dedicated_agent_id.to_owned(),
            priority: self.priority,
            exclude_agent_ids: self
                .exclude_agent_ids
                .iter()
                .map(ToString::to_string)
                .collect(),
        }))
    }
}

/// The inquiry as read from a snapshot.
pub fn kept(inquiry: Option<record::Inquiry>) -> Kept {
    inquiry.map(Arc::new)
}

/// The inquiry as a snapshot holds it.
pub fn stored(kept: &Kept) -> Option<record::Inquiry> {
    kept.as_deref().cloned()
}

/// The inquiry from which one more agent is excluded for good.
pub fn excluding(kept: &Kept, agent_id: &str) -> Kept {
    let mut inquiry = stored(kept).unwrap_or_default();
    if !inquiry.exclude_agent_ids.iter().any(|id| id == agent_id) {
        inquiry.exclude_agent_ids.push(agent_id.to_owned());
    }
    Some(Arc::new(inquiry))
}
