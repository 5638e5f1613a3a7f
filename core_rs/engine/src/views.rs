//! Commands as the engine reads them. Of ROUTE and MESSAGE, of which there are many, a view of the bytes
//! they came in: nothing is copied, and what encoding them again would give is there already.

use std::borrow::Cow;

use prost::Message;

use crate::ids;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::validation::is_plain;
use record::CommandKind;

/// A command as a message of its own.
pub type Whole = record::entry::Command;

pub enum Command<'a> {
    Route(Route<'a>),
    Message(Event<'a>),
    /// Of any other kind.
    Other(&'a Whole),
}

/// A `RouteRequest`.
#[derive(Default)]
pub struct Route<'a> {
    pub shop_id: &'a str,
    pub buyer_id: &'a str,
    pub request_id: &'a str,
    pub order_status: i32,
    pub product_id: &'a str,
    pub intent: &'a str,
    pub page_source: &'a str,
    pub dedicated_agent_id: &'a str,
    pub priority: i32,
    pub handoff: bool,
    pub exclude_agent_ids: Vec<&'a str>,
    pub buyer_hash: u32,
    pub request_hash: u32,
    /// All its texts are known to be plain and shorter than an id may be.
    pub is_plain: bool,
    /// The request as it would be encoded, where that is known.
    encoded: Option<&'a [u8]>,
}

/// A `MessageEvent`.
#[derive(Default)]
pub struct Event<'a> {
    pub shop_id: &'a str,
    pub conversation_id: &'a str,
    pub buyer_id: &'a str,
    pub sender: i32,
    pub agent_id: &'a str,
    pub sent_at_ms: i64,
    pub event_id: &'a str,
    pub event_hash: u32,
    /// As in `Route`.
    pub is_plain: bool,
    encoded: Option<&'a [u8]>,
}

impl<'a> From<&'a Whole> for Command<'a> {
    fn from(command: &'a Whole) -> Self {
        match command {
            Whole::Route(request) => Self::Route(Route {
                shop_id: &request.shop_id,
                buyer_id: &request.buyer_id,
                request_id: &request.request_id,
                order_status: request.order_status,
                product_id: &request.product_id,
                intent: &request.intent,
                page_source: &request.page_source,
                dedicated_agent_id: &request.dedicated_agent_id,
                priority: request.priority,
                handoff: request.handoff,
                exclude_agent_ids: request.exclude_agent_ids.iter().map(|id| &**id).collect(),
                buyer_hash: ids::hash(request.buyer_id.as_bytes()),
                request_hash: ids::hash(request.request_id.as_bytes()),
                is_plain: false,
                encoded: None,
            }),
            Whole::Message(event) => Self::Message(Event {
                shop_id: &event.shop_id,
                conversation_id: &event.conversation_id,
                buyer_id: &event.buyer_id,
                sender: event.sender,
                agent_id: &event.agent_id,
                sent_at_ms: event.sent_at_ms,
                event_id: &event.event_id,
                event_hash: ids::hash(event.event_id.as_bytes()),
                is_plain: false,
                encoded: None,
            }),
            other => Self::Other(other),
        }
    }
}

impl<'a> Command<'a> {
    /// Reads a request that has the bytes its encoding would have; None: another kind, or it has not, or
    /// it is no such request, and the decoder has to look.
    pub fn read(kind: CommandKind, bytes: &'a [u8]) -> Option<Self> {
        match kind {
            CommandKind::Route => Route::read(bytes).map(Self::Route),
            CommandKind::Message => Event::read(bytes).map(Self::Message),
            _ => None,
        }
    }

    /// The kind, which is the number of its field in an entry.
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Route(_) | Self::Other(Whole::Route(_)) => CommandKind::Route,
            Self::Message(_) | Self::Other(Whole::Message(_)) => CommandKind::Message,
            Self::Other(Whole::CloseConversation(_)) => CommandKind::CloseConversation,
            Self::Other(Whole::UpdatePresence(_)) => CommandKind::UpdatePresence,
            Self::Other(Whole::SetPresence(_)) => CommandKind::SetPresence,
            Self::Other(Whole::ExpireSession(_)) => CommandKind::ExpireSession,
            Self::Other(Whole::ApplyShop(_)) => CommandKind::ApplyShop,
            Self::Other(Whole::SetWeights(_)) => CommandKind::SetWeights,
            Self::Other(Whole::Tick(_)) => CommandKind::Tick,
            Self::Other(Whole::Transfer(_)) => CommandKind::Transfer,
            Self::Other(Whole::CancelInquiry(_)) => CommandKind::CancelInquiry,
            Self::Other(Whole::Order(_)) => CommandKind::Order,
            Self::Other(Whole::DeleteShop(_)) => CommandKind::DeleteShop,
        }
    }

    /// The request, encoded from its known fields.
    pub fn encoded(&self) -> Cow<'a, [u8]> {
        let encoded = match self {
            Self::Route(Route {
                encoded: Some(bytes),
                ..
            })
            | Self::Message(Event {
                encoded: Some(bytes),
                ..
            }) => return Cow::Borrowed(bytes),
            Self::Route(route) => route.whole().encode_to_vec(),
            Self::Message(event) => event.whole().encode_to_vec(),
            Self::Other(other) => match other {
                Whole::Route(request) => request.encode_to_vec(),
                Whole::Message(event) => event.encode_to_vec(),
                Whole::CloseConversation(request) => request.encode_to_vec(),
                Whole::UpdatePresence(request) => request.encode_to_vec(),
                Whole::SetPresence(request) => request.encode_to_vec(),
                Whole::ExpireSession(request) => request.encode_to_vec(),
                Whole::ApplyShop(request) => request.encode_to_vec(),
                Whole::SetWeights(request) => request.encode_to_vec(),
                Whole::Tick(request) => request.encode_to_vec(),
                Whole::Transfer(request) => request.encode_to_vec(),
                Whole::CancelInquiry(request) => request.encode_to_vec(),
                Whole::Order(event) => event.encode_to_vec(),
                Whole::DeleteShop(request) => request.encode_to_vec(),
            },
        };
        Cow::Owned(encoded)
    }

    /// The shop it is for; empty when it names none.
    pub fn shop_id(&self) -> &str {
        match self {
            Self::Route(request) => request.shop_id,
            Self::Message(event) => event.shop_id,
            Self::Other(other) => match other {
                Whole::Route(request) => &request.shop_id,
                Whole::Message(event) => &event.shop_id,
                Whole::CloseConversation(request) => &request.shop_id,
                Whole::UpdatePresence(request) => {
                    request.update.as_ref().map_or("", |update| &update.shop_id)
                }
                Whole::SetPresence(request) => &request.shop_id,
                Whole::ExpireSession(request) => &request.shop_id,
                Whole::ApplyShop(request) => request.shop.as_ref().map_or("", |shop| &shop.shop_id),
                Whole::SetWeights(request) => &request.shop_id,
                Whole::Tick(request) => &request.shop_id,
                Whole::DeleteShop(request) => &request.shop_id,
                Whole::Transfer(request) => &request.shop_id,
                Whole::CancelInquiry(request) => &request.shop_id,
                Whole::Order(event) => &event.shop_id,
            },
        }
    }

    /// The id under which the command's answer is remembered; empty when it has none.
    pub fn request_id(&self) -> &str {
        match self {
            Self::Route(request) => request.request_id,
            Self::Other(Whole::CloseConversation(request)) => &request.request_id,
            Self::Other(Whole::Transfer(request)) => &request.request_id,
            Self::Other(Whole::CancelInquiry(request)) => &request.request_id,
            _ => "",
        }
    }

    /// Whether it may be for a shop that does not exist.
    pub const fn creates(&self) -> bool {
        matches!(self, Self::Other(Whole::ApplyShop(_)))
    }

    /// The hash of the id under which it is remembered.
    pub fn id_hash(&self) -> u32 {
        match self {
            Self::Route(request) => request.request_hash,
            Self::Message(event) => event.event_hash,
            Self::Other(Whole::Order(event)) => ids::hash(event.event_id.as_bytes()),
            Self::Other(_) => ids::hash(self.request_id().as_bytes()),
        }
    }

    /// Whether it has an id to remember.
    pub fn remembers(&self) -> bool {
        match self {
            Self::Message(event) => !event.event_id.is_empty(),
            Self::Other(Whole::Order(event)) => !event.event_id.is_empty(),
            _ => !self.request_id().is_empty(),
        }
    }
}

impl<'a> Route<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut route = Self {
            encoded: Some(bytes),
            ..Self::default()
        };
        let mut rest = Rest::new(bytes);
        let mut last = 0;
        while let Some(key) = rest.next() {
            match key {
                0x0a => route.shop_id = rest.text()?,
                0x12 => route.buyer_id = rest.text()?,
                0x1a => route.request_id = rest.text()?,
                0x20 => route.order_status = rest.small()?,
                0x2a => route.product_id = rest.text()?,
                0x32 => route.intent = rest.text()?,
                0x3a => route.page_source = rest.text()?,
                0x42 => route.dedicated_agent_id = rest.text()?,
                0x48 => route.priority = rest.small()?,
                // Another number than 1 would be encoded as 1.
                0x50 => route.handoff = (rest.small()? == 1).then_some(true)?,
                0x5a => route.exclude_agent_ids.push(rest.text()?),
                _ => return None,
            }
            if key <= last && key != 0x5a {
                return None;
            }
            last = key;
        }
        route.buyer_hash = ids::hash(route.buyer_id.as_bytes());
        route.request_hash = ids::hash(route.request_id.as_bytes());
        route.is_plain = rest.is_plain;
        Some(route)
    }

    fn whole(&self) -> api::RouteRequest {
        api::RouteRequest {
            shop_id: self.shop_id.to_owned(),
            buyer_id: self.buyer_id.to_owned(),
            request_id: self.request_id.to_owned(),
            order_status: self.order_status,
            product_id: self.product_id.to_owned(),
            intent: self.intent.to_owned(),
            page_source: self.page_source.to_owned(),
            dedicated_agent_id: self.dedicated_agent_id.to_owned(),
            priority: self.priority,
            handoff: self.handoff,
            exclude_agent_ids: self
                .exclude_agent_ids
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

impl<'a> Event<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut event = Self {
            encoded: Some(bytes),
            ..Self::default()
        };
        let mut rest = Rest::new(bytes);
        let mut last = 0;
        while let Some(key) = rest.next() {
            match key {
                0x0a => event.shop_id = rest.text()?,
                0x12 => event.conversation_id = rest.text()?,
                0x1a => event.buyer_id = rest.text()?,
                0x20 => event.sender = rest.small()?,
                0x2a => event.agent_id = rest.text()?,
                0x30 => event.sent_at_ms = rest.number()?.try_into().ok()?,
                0x3a => event.event_id = rest.text()?,
                _ => return None,
            }
            if key <= last {
                return None;
            }
            last = key;
        }
        event.event_hash = ids::hash(event.event_id.as_bytes());
        event.is_plain = rest.is_plain;
        Some(event)
    }

    fn whole(&self) -> api::MessageEvent {
        api::MessageEvent {
            shop_id: self.shop_id.to_owned(),
            conversation_id: self.conversation_id.to_owned(),
            buyer_id: self.buyer_id.to_owned(),
            sender: self.sender,
            agent_id: self.agent_id.to_owned(),
            sent_at_ms: self.sent_at_ms,
            event_id: self.event_id.to_owned(),
        }
    }

    pub fn sender(&self) -> api::Sender {
        api::Sender::try_from(self.sender).unwrap_or_default()
    }
}

/// What is still to be read of a request.
struct Rest<'a> {
    bytes: &'a [u8],
    /// The bytes as a whole, if they are one text: mostly they are, and then each part of them is one.
    text: Option<&'a str>,
    at: usize,
    /// Whether all texts were, so far.
    is_plain: bool,
}

impl<'a> Rest<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            text: std::str::from_utf8(bytes).ok(),
            at: 0,
            is_plain: true,
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    /// A text that is not empty, of fewer than 128 bytes.
    fn text(&mut self) -> Option<&'a str> {
        let length = self.next()?;
        if length == 0 || length >= 0x80 {
            return None;
        }
        let start = self.at;
        self.at += usize::from(length);
        let bytes = self.bytes.get(start..self.at)?;
        self.is_plain &= is_plain(bytes);
        match self.text {
            Some(text) => text.get(start..self.at),
            None => std::str::from_utf8(bytes).ok(),
        }
    }

    /// A number above 0 as it would be encoded, of less than 56 bits.
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // A last byte of 0 would not be written.
                return (byte > 0).then_some(value);
            }
        }
        None
    }

    /// A number from 1 to 127.
    fn small(&mut self) -> Option<i32> {
        let byte = self.next()?;
        (1..0x80).contains(&byte).then_some(byte.into())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{Command, CommandKind, Whole, api};

    /// What is read at a glance is what the decoder reads, and is what would be encoded.
    fn agree(kind: CommandKind, bytes: &[u8]) -> bool {
        let Some(view) = Command::read(kind, bytes) else {
            return false;
        };
        let whole = match (&view, kind) {
            (Command::Route(route), CommandKind::Route) => Whole::Route(route.whole()),
            (Command::Message(event), CommandKind::Message) => Whole::Message(event.whole()),
            _ => panic!("another kind"),
        };
        let decoded = match kind {
            CommandKind::Route => Whole::Route(api::RouteRequest::decode(bytes).unwrap()),
            _ => Whole::Message(api::MessageEvent::decode(bytes).unwrap()),
        };
        assert_eq!(whole, decoded);
        assert_eq!(*view.encoded(), *Command::from(&decoded).encoded());
        assert_eq!(*view.encoded(), *bytes);
        true
    }

    #[test]
    fn what_is_read_at_a_glance_is_what_the_decoder_reads() {
        let route = api::RouteRequest {
            shop_id: "shop".into(),
            buyer_id: "买家".into(),
            request_id: "r".repeat(127),
            order_status: 2,
            product_id: "p".into(),
            intent: "i".into(),
            page_source: "s".into(),
            dedicated_agent_id: "d".into(),
            priority: 9,
            handoff: true,
            exclude_agent_ids: vec!["a".into(), "b".into()],
        };
        let event = api::MessageEvent {
            shop_id: "shop".into(),
            conversation_id: "c1".into(),
            buyer_id: "b".into(),
            sender: 2,
            agent_id: "a".into(),
            sent_at_ms: 1_700_000_000_000,
            event_id: "e".into(),
        };
        let encoded = [
            (CommandKind::Route, route.encode_to_vec()),
            (CommandKind::Message, event.encode_to_vec()),
        ];
        for (kind, bytes) in encoded {
            assert!(agree(kind, &bytes));
            assert!(agree(kind, b"\x0a\x01s"));
            for at in 0..bytes.len() {
                // Cut off, and with any byte in the place of another: the decoder has to look, or both agree.
                agree(kind, &bytes[..at]);
                for byte in 0..=255 {
                    let mut changed = bytes.clone();
                    changed[at] = byte;
                    agree(kind, &changed);
                }
            }
            for other in [
                b"\x0a\x00".as_slice(),
                b"\x0a\x81\x00s",
                b"\x0a\x01\xff",
                b"\x20\x00",
                b"\x20\x81\x00",
                b"\x12\x01b\x0a\x01s",
                b"\x0a\x01s\x0a\x01t",
                b"\x8a\x00\x01s",
                b"\x7a\x01s",
                b"\x50\x02",
                b"\x5a\x00",
            ] {
                assert!(!agree(kind, other), "{other:?}");
            }
        }
    }
}
