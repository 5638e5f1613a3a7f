//! Bytes to requests. Knows the shape of each request; knows no rule about values and no state.

use prost::Message;

use crate::proto::fenliu::engine::v1 as record;
use crate::refusal::Refusal;
use record::CommandKind;
use record::entry::Command;

/// The command of this kind that the bytes hold. `kind` is not `Unspecified`.
pub fn command(kind: CommandKind, bytes: &[u8]) -> Result<Command, Refusal> {
    Ok(match kind {
        CommandKind::Route => Command::Route(message(&ROUTE, bytes)?),
        CommandKind::CloseConversation => Command::CloseConversation(message(&CLOSE, bytes)?),
        CommandKind::Message => Command::Message(message(&MESSAGE_EVENT, bytes)?),
        CommandKind::UpdatePresence => Command::UpdatePresence(message(&UPDATE_PRESENCE, bytes)?),
        CommandKind::SetPresence => Command::SetPresence(message(&SET_PRESENCE, bytes)?),
        CommandKind::ExpireSession => Command::ExpireSession(message(&EXPIRE_SESSION, bytes)?),
        CommandKind::ApplyShop => Command::ApplyShop(message(&APPLY_SHOP, bytes)?),
        CommandKind::SetWeights => Command::SetWeights(message(&SET_WEIGHTS, bytes)?),
        CommandKind::DeleteShop => Command::DeleteShop(message(&DELETE_SHOP, bytes)?),
        CommandKind::Transfer => Command::Transfer(message(&TRANSFER, bytes)?),
        CommandKind::CancelInquiry => Command::CancelInquiry(message(&CANCEL, bytes)?),
        CommandKind::Order => Command::Order(message(&ORDER, bytes)?),
        CommandKind::Tick | CommandKind::Unspecified => Command::Tick(message(&TICK, bytes)?),
    })
}

/// Decodes one message, or says what is wrong with it first.
pub fn message<M: Message + Default>(shape: &Shape, bytes: &[u8]) -> Result<M, Refusal> {
    M::decode(bytes).map_err(|_| explain(shape, bytes))
}

/// A message's known fields, as far as telling what is wrong needs them.
pub struct Shape {
    name: &'static str,
    fields: &'static [(u32, &'static str, Kind)],
}

enum Kind {
    Number,
    Numbers,
    Text,
    Nested(&'static Shape),
}
use Kind::{Nested, Number, Numbers, Text};

static ROUTE: Shape = Shape {
    name: "fenliu.v1.RouteRequest",
    fields: &[
        (1, "shop_id", Text),
        (2, "buyer_id", Text),
        (3, "request_id", Text),
        (4, "order_status", Number),
        (5, "product_id", Text),
        (6, "intent", Text),
        (7, "page_source", Text),
        (8, "dedicated_agent_id", Text),
        (9, "priority", Number),
        (10, "handoff", Number),
        (11, "exclude_agent_ids", Text),
    ],
};
static CLOSE: Shape = Shape {
    name: "fenliu.v1.CloseConversationRequest",
    fields: &[
        (1, "shop_id", Text),
        (2, "conversation_id", Text),
        (3, "request_id", Text),
    ],
};
static TRANSFER: Shape = Shape {
    name: "fenliu.v1.TransferRequest",
    fields: &[
        (1, "shop_id", Text),
        (2, "conversation_id", Text),
        (3, "request_id", Text),
        (4, "agent_id", Text),
        (5, "group_id", Text),
        (6, "reason", Text),
        (7, "allow_offline", Number),
    ],
};
static CANCEL: Shape = Shape {
    name: "fenliu.v1.CancelInquiryRequest",
    fields: &[
        (1, "shop_id", Text),
        (2, "buyer_id", Text),
        (3, "request_id", Text),
    ],
};
static ORDER: Shape = Shape {
    name: "fenliu.v1.OrderEvent",
    fields: &[
        (1, "shop_id", Text),
        (2, "buyer_id", Text),
        (3, "order_id", Text),
        (4, "type", Number),
        (5, "amount_cents", Number),
        (6, "items", Number),
        (7, "occurred_at_ms", Number),
        (8, "event_id", Text),
    ],
};
static MESSAGE_EVENT: Shape = Shape {
    name: "fenliu.v1.MessageEvent",
    fields: &[
        (1, "shop_id", Text),
        (2, "conversation_id", Text),
        (3, "buyer_id", Text),
        (4, "sender", Number),
        (5, "agent_id", Text),
        (6, "sent_at_ms", Number),
        (7, "event_id", Text),
    ],
};
static UPDATE_PRESENCE: Shape = Shape {
    name: "fenliu.engine.v1.UpdatePresence",
    fields: &[(1, "session_id", Text), (2, "update", Nested(&UPDATE))],
};
static UPDATE: Shape = Shape {
    name: "fenliu.v1.PresenceUpdate",
    fields: &[
        (1, "update_id", Text),
        (2, "shop_id", Text),
        (3, "agent_id", Text),
        (4, "status", Number),
        (5, "awaiting", Number),
    ],
};
static SET_PRESENCE: Shape = Shape {
    name: "fenliu.v1.SetPresenceRequest",
    fields: &[
        (1, "shop_id", Text),
        (2, "agent_id", Text),
        (3, "status", Number),
        (4, "awaiting", Number),
    ],
};
static EXPIRE_SESSION: Shape = Shape {
    name: "fenliu.engine.v1.ExpireSession",
    fields: &[(1, "shop_id", Text), (2, "session_id", Text)],
};
static TICK: Shape = Shape {
    name: "fenliu.engine.v1.Tick",
    fields: &[(1, "shop_id", Text)],
};
static SET_WEIGHTS: Shape = Shape {
    name: "fenliu.v1.SetWeightsRequest",
    fields: &[
        (1, "shop_id", Text),
        (2, "weights", Nested(&AGENT_WEIGHT)),
        (3, "etag", Text),
    ],
};
static AGENT_WEIGHT: Shape = Shape {
    name: "fenliu.v1.AgentWeight",
    fields: &[(1, "agent_id", Text), (2, "weight", Number)],
};
static DELETE_SHOP: Shape = Shape {
    name: "fenliu.v1.DeleteShopRequest",
    fields: &[
        (1, "shop_id", Text),
        (2, "etag", Text),
        (3, "force", Number),
    ],
};
static APPLY_SHOP: Shape = Shape {
    name: "fenliu.v1.ApplyShopRequest",
    fields: &[(1, "shop", Nested(&SHOP))],
};
static SHOP: Shape = Shape {
    name: "fenliu.v1.Shop",
    fields: &[
        (1, "shop_id", Text),
        (2, "display_name", Text),
        (3, "owner_agent_id", Text),
        (4, "settings", Nested(&SETTINGS)),
        (5, "agents", Nested(&AGENT)),
        (6, "groups", Nested(&GROUP)),
        (7, "etag", Text),
    ],
};
static SETTINGS: Shape = Shape {
    name: "fenliu.v1.ShopSettings",
    fields: &[
        (1, "busy_threshold", Number),
        (2, "selection_mode", Number),
        (3, "sticky_window_ms", Number),
        (4, "sticky_suspended_window_ms", Number),
        (5, "charge_sticky", Number),
        (6, "binding_precedence", Numbers),
        (7, "reception_mode", Number),
        (8, "reception_scope", Number),
        (9, "robot_id", Text),
        (10, "robot_percent", Number),
        (11, "offline_target", Number),
        (12, "proxy_agent_id", Text),
        (13, "queue_limit", Number),
        (14, "queue_timeout_ms", Number),
        (15, "reply_timeout_ms", Number),
        (16, "max_hops", Number),
        (17, "idle_close_ms", Number),
        (18, "timestamp_skew_ms", Number),
        (19, "longest_wait_ms", Number),
        (20, "slow_gap_ms", Number),
        (21, "slow_count", Number),
        (22, "buyer_agents", Nested(&BUYER_AGENT)),
    ],
};
static BUYER_AGENT: Shape = Shape {
    name: "fenliu.v1.BuyerAgent",
    fields: &[(1, "buyer_id", Text), (2, "agent_id", Text)],
};
static AGENT: Shape = Shape {
    name: "fenliu.v1.Agent",
    fields: &[
        (1, "agent_id", Text),
        (2, "display_name", Text),
        (3, "weight", Number),
        (4, "cap", Number),
        (5, "daily_limit", Number),
        (6, "hourly_limit", Number),
        (7, "permissions", Text),
    ],
};
static GROUP: Shape = Shape {
    name: "fenliu.v1.Group",
    fields: &[
        (1, "group_id", Text),
        (2, "display_name", Text),
        (3, "agent_ids", Text),
        (4, "priority", Number),
        (5, "bindings", Nested(&BINDINGS)),
        (6, "when_unavailable", Number),
        (7, "reception_mode", Number),
        (8, "robot_percent", Number),
    ],
};
static BINDINGS: Shape = Shape {
    name: "fenliu.v1.Bindings",
    fields: &[
        (1, "product_ids", Text),
        (2, "intents", Text),
        (3, "order_statuses", Numbers),
        (4, "page_sources", Text),
    ],
};
pub static GET_SHOP: Shape = Shape {
    name: "fenliu.v1.GetShopRequest",
    fields: &[(1, "shop_id", Text)],
};
pub static LIST_SHOPS: Shape = Shape {
    name: "fenliu.v1.ListShopsRequest",
    fields: &[(1, "page_size", Number), (2, "page_token", Text)],
};
pub static LIST_PRESENCE: Shape = Shape {
    name: "fenliu.v1.ListPresenceRequest",
    fields: &[(1, "shop_id", Text)],
};

/// A batch of any kind: the elements stay bytes, so that a bad one fails alone.
#[derive(Default)]
pub struct Batch<'a> {
    pub items: Vec<&'a [u8]>,
    pub batch_id: u64,
}

impl<'a> Batch<'a> {
    /// None: the bytes are no batch.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        Self::parse(bytes).ok()
    }

    fn parse(mut bytes: &'a [u8]) -> Result<Self, Wrong> {
        let mut batch = Self::default();
        while !bytes.is_empty() {
            match key(&mut bytes)? {
                (1, 2) => batch.items.push(chunk(&mut bytes)?),
                (2, 0) => batch.batch_id = varint(&mut bytes)?,
                (1 | 2, _) => return Err(Wrong::Shape),
                (number, wire_type) => skip(&mut bytes, number, wire_type, 0)?,
            }
        }
        Ok(batch)
    }
}

/// What went wrong first, reading from the start.
enum Wrong {
    Shape,
    Utf8(String),
}

/// Bytes the decoder refused are looked at once more, strictly in order, to name the first fault.
#[cold]
fn explain(shape: &Shape, bytes: &[u8]) -> Refusal {
    match first_fault(shape, bytes, "") {
        Err(Wrong::Utf8(path)) => Refusal::invalid(path, "must be UTF-8"),
        _ => Refusal::malformed(shape.name),
    }
}

fn first_fault(shape: &Shape, mut bytes: &[u8], prefix: &str) -> Result<(), Wrong> {
    while !bytes.is_empty() {
        let (number, wire_type) = key(&mut bytes)?;
        let Some((_, name, kind)) = shape.fields.iter().find(|field| field.0 == number) else {
            skip(&mut bytes, number, wire_type, 0)?;
            continue;
        };
        match (kind, wire_type) {
            (Number | Numbers, 0) => {
                varint(&mut bytes)?;
            }
            (Numbers, 2) => {
                let mut packed = chunk(&mut bytes)?;
                while !packed.is_empty() {
                    varint(&mut packed)?;
                }
            }
            (Text, 2) => {
                if std::str::from_utf8(chunk(&mut bytes)?).is_err() {
                    return Err(Wrong::Utf8(format!("{prefix}{name}")));
                }
            }
            (Nested(inner), 2) => {
                first_fault(inner, chunk(&mut bytes)?, &format!("{prefix}{name}."))?;
            }
            _ => return Err(Wrong::Shape),
        }
    }
    Ok(())
}

fn skip(bytes: &mut &[u8], number: u32, wire_type: u8, depth: u32) -> Result<(), Wrong> {
    match wire_type {
        0 => varint(bytes).map(drop),
        1 => take(bytes, 8).map(drop),
        2 => chunk(bytes).map(drop),
        3 if depth < 100 => loop {
            let (inner, wire_type) = key(bytes)?;
            if wire_type == 4 {
                return if inner == number {
                    Ok(())
                } else {
                    Err(Wrong::Shape)
                };
            }
            skip(bytes, inner, wire_type, depth + 1)?;
        },
        5 => take(bytes, 4).map(drop),
        _ => Err(Wrong::Shape),
    }
}

fn key(bytes: &mut &[u8]) -> Result<(u32, u8), Wrong> {
    let key = u32::try_from(varint(bytes)?).map_err(|_| Wrong::Shape)?;
    match key >> 3 {
        0 => Err(Wrong::Shape),
        number => Ok((number, (key & 7) as u8)),
    }
}

fn chunk<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Wrong> {
    let length = usize::try_from(varint(bytes)?).map_err(|_| Wrong::Shape)?;
    take(bytes, length)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Wrong> {
    let (head, tail) = bytes.split_at_checked(length).ok_or(Wrong::Shape)?;
    *bytes = tail;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Wrong> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let byte = take(bytes, 1)?[0];
        if shift == 63 && byte > 1 {
            return Err(Wrong::Shape);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Wrong::Shape)
}
