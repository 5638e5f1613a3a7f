//! Refusals: every reason with its code and rule in one table, and the status they become.

use std::fmt::Display;

use prost::Message;
use prost_types::{Any, Duration};

use crate::proto::google::rpc::{ErrorInfo, RetryInfo, Status};

/// When to ask again for a shop that is being read back.
const RETRY_DELAY: Duration = Duration {
    seconds: 0,
    nanos: 500_000_000,
};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    MalformedMessage,
    InvalidField,
    RequestIdReused,
    ShopNotFound,
    AgentNotFound,
    ConversationNotFound,
    GroupNotFound,
    NotAllowed,
    ConversationClosed,
    ReceiverUnavailable,
    ShopInUse,
    HopLimit,
    StaleEtag,
    /// The engine failed at this call.
    Internal,
    /// The engine failed at the shop before.
    ShopUnavailable,
}

impl Reason {
    /// The canonical gRPC code, the name, and the rule where it is always the same.
    const fn row(self) -> (i32, &'static str, &'static str) {
        match self {
            Self::MalformedMessage => (3, "MALFORMED_MESSAGE", ""),
            Self::InvalidField => (3, "INVALID_FIELD", ""),
            Self::RequestIdReused => (3, "REQUEST_ID_REUSED", "used within 24 h with another body"),
            Self::ShopNotFound => (5, "SHOP_NOT_FOUND", "unknown shop"),
            Self::AgentNotFound => (5, "AGENT_NOT_FOUND", "unknown agent"),
            Self::ConversationNotFound => (5, "CONVERSATION_NOT_FOUND", "never issued"),
            Self::GroupNotFound => (5, "GROUP_NOT_FOUND", "unknown group"),
            Self::NotAllowed => (7, "NOT_ALLOWED", ""),
            Self::ConversationClosed => (9, "CONVERSATION_CLOSED", "already closed"),
            Self::ReceiverUnavailable => (9, "RECEIVER_UNAVAILABLE", ""),
            Self::ShopInUse => (9, "SHOP_IN_USE", "conversations are open or buyers wait"),
            Self::HopLimit => (9, "HOP_LIMIT", "at most 10 hops"),
            Self::StaleEtag => (10, "STALE_ETAG", ""),
            Self::Internal => (13, "INTERNAL", "the engine failed"),
            Self::ShopUnavailable => (14, "SHOP_UNAVAILABLE", "is being read back after a failure"),
        }
    }
}

/// A refused request: it leaves no trace in the state.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    field: String,
    rule: String,
}

impl Refusal {
    /// A reason whose rule is always the same.
    #[cold]
    pub fn of(reason: Reason, field: impl Display) -> Self {
        Self {
            reason,
            field: field.to_string(),
            rule: reason.row().2.to_owned(),
        }
    }

    /// A reason that has several rules.
    #[cold]
    pub fn with_rule(reason: Reason, field: impl Display, rule: impl Display) -> Self {
        Self {
            reason,
            field: field.to_string(),
            rule: rule.to_string(),
        }
    }

    /// A field that breaks a rule.
    #[cold]
    pub fn invalid(field: impl Display, rule: impl Display) -> Self {
        Self::with_rule(Reason::InvalidField, field, rule)
    }

    /// Bytes that are no such message; `message` is its full name.
    #[cold]
    pub fn malformed(message: &str) -> Self {
        Self {
            reason: Reason::MalformedMessage,
            field: String::new(),
            rule: format!("not a {message}"),
        }
    }

    /// An etag that is not the stored one; `stored` is empty when there is no such shop.
    #[cold]
    pub fn stale_etag(field: &str, stored: &str) -> Self {
        Self {
            reason: Reason::StaleEtag,
            field: field.to_owned(),
            rule: match stored {
                "" => "stale: there is no such shop".to_owned(),
                etag => format!("stale: the shop is at {etag}"),
            },
        }
    }

    /// The canonical gRPC code.
    pub const fn code(&self) -> i32 {
        self.reason.row().0
    }

    /// The encoded `google.rpc.Status`.
    pub fn status(self) -> Vec<u8> {
        let (code, reason, _) = self.reason.row();
        let mut metadata = std::collections::BTreeMap::new();
        let message = if self.field.is_empty() {
            self.rule.clone()
        } else {
            format!("{}: {}", self.field, self.rule)
        };
        if !self.field.is_empty() {
            metadata.insert("field".to_owned(), self.field);
        }
        metadata.insert("rule".to_owned(), self.rule);
        let info = ErrorInfo {
            reason: reason.to_owned(),
            domain: "fenliu".to_owned(),
            metadata,
        };
        let mut details = vec![Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
            value: info.encode_to_vec(),
        }];
        if matches!(self.reason, Reason::ShopUnavailable) {
            details.push(Any {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
                value: RetryInfo {
                    retry_delay: Some(RETRY_DELAY),
                }
                .encode_to_vec(),
            });
        }
        Status {
            code,
            message,
            details,
        }
        .encode_to_vec()
    }
}
