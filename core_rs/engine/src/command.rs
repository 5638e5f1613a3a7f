//! The life of a command in its shop: time, due effects, decision, log entry.

use prost::Message;
use sha2::{Digest, Sha256};

use crate::agent::presence;
use crate::cache::Missing;
use crate::draft::{Draft, Scratch, When};
use crate::entry::{self, Encoded};
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::remembered::Answered;
use crate::route;
use crate::state::Shop;
use crate::transfer;
use record::CommandKind;
use record::entry::Command;
use record::fact::Fact;

/// The code of a call that needs chunks it has not been handed.
pub const NEEDS_CHUNKS: i32 = -1;

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// A canonical gRPC code, or -1.
    pub code: i32,
    /// The response, encoded; with a code above 0 a `google.rpc.Status`; with -1 the ids of the chunks
    /// that are needed.
    pub reply: Vec<u8>,
    /// The shop's; none when no shop id could be read.
    pub partition: Option<u32>,
}

impl Answer {
    /// Nothing has happened: the command needs these chunks.
    pub fn needs(missing: &Missing, partition: Option<u32>) -> Self {
        Self {
            code: NEEDS_CHUNKS,
            reply: missing.concat(),
            partition,
        }
    }

    pub fn new(result: Result<Vec<u8>, Refusal>, partition: Option<u32>) -> Self {
        let (code, reply) = match result {
            Ok(reply) => (0, reply),
            Err(refusal) => (refusal.code(), refusal.status()),
        };
        Self {
            code,
            reply,
            partition,
        }
    }
}

/// The shop a command is for; empty when it names none.
pub fn shop_id(command: &Command) -> &str {
    match command {
        Command::Route(request) => &request.shop_id,
        Command::CloseConversation(request) => &request.shop_id,
        Command::Message(event) => &event.shop_id,
        Command::UpdatePresence(request) => {
            request.update.as_ref().map_or("", |update| &update.shop_id)
        }
        Command::SetPresence(request) => &request.shop_id,
        Command::ExpireSession(request) => &request.shop_id,
        Command::ApplyShop(request) => request.shop.as_ref().map_or("", |shop| &shop.shop_id),
        Command::SetWeights(request) => &request.shop_id,
        Command::Tick(request) => &request.shop_id,
        Command::DeleteShop(request) => &request.shop_id,
        Command::Transfer(request) => &request.shop_id,
        Command::CancelInquiry(request) => &request.shop_id,
        Command::Order(event) => &event.shop_id,
    }
}

enum Decision {
    Made(Vec<u8>),
    /// The shop is deleted; nothing settles any more.
    Deleted(Vec<u8>),
    /// Answered with the agent's presence, as it is after settling.
    Presence(u32),
    /// Answered before: the remembered reply, and nothing to remember.
    Repeated(Vec<u8>),
}

impl Shop {
    /// Decides a valid command for this shop; appends an entry to `log` if there is one to write.
    pub fn run(
        &mut self,
        command: &Command,
        now_ms: i64,
        actor: &str,
        scratch: &mut Scratch,
        log: &mut Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        let now = now_ms.max(self.last_now_ms);
        let Scratch { encoded, facts } = scratch;
        encoded.set(command);
        let digest = digest(command, encoded);
        let mut draft = Draft {
            command,
            now,
            facts: std::mem::take(facts),
        };
        draft.facts.clear();
        self.apply_due(&mut draft);
        let due = draft.facts.len();

        let decision = self.decide(digest, actor, &mut draft);
        let accepted = !matches!(decision, Err(_) | Ok(Decision::Repeated(_)));
        if accepted && !matches!(decision, Ok(Decision::Deleted(_))) {
            self.settle(When::Now, &mut draft);
        }
        let reply = decision.map(|decision| match decision {
            Decision::Made(reply) | Decision::Deleted(reply) | Decision::Repeated(reply) => reply,
            Decision::Presence(slot) => api::SetPresenceResponse {
                presence: Some(presence(self.agent(slot), now)),
            }
            .encode_to_vec(),
        });
        *facts = draft.facts;
        if accepted && (facts.len() > due || remembers(command)) {
            if let Ok(reply) = &reply {
                self.remember(command, digest, reply, now);
            }
            let actor = if has_actor(command) { actor } else { "" };
            self.log(encoded, facts, now, actor, log);
        } else if !facts.is_empty() {
            let shop_id = self.document.shop_id.clone();
            let tick = Encoded::new(&Command::Tick(record::Tick { shop_id }));
            self.log(&tick, facts, now, "", log);
        }
        reply
    }

    fn log(&mut self, command: &Encoded, facts: &[Fact], now: i64, actor: &str, log: &mut Vec<u8>) {
        self.last_now_ms = now;
        self.keeping.changed_in = self.keeping.generation;
        self.free_expired(now);
        entry::write(log, now, actor, facts, command);
    }

    fn decide(
        &mut self,
        digest: Option<[u8; 16]>,
        actor: &str,
        draft: &mut Draft,
    ) -> Result<Decision, Refusal> {
        if let Some(reply) = self.repeat(draft.command, digest, draft.now)? {
            return Ok(Decision::Repeated(reply));
        }
        let reply = match draft.command {
            Command::Route(request) => self.decide_route(request, draft)?,
            Command::CloseConversation(request) => {
                self.decide_close(request, draft)?.encode_to_vec()
            }
            Command::Message(event) => self.decide_message(event, draft)?.encode_to_vec(),
            Command::Transfer(request) => self.decide_transfer(request, draft)?.encode_to_vec(),
            Command::CancelInquiry(request) => self.decide_cancel(request, draft).encode_to_vec(),
            Command::Order(event) => self.decide_order(event, draft).encode_to_vec(),
            Command::UpdatePresence(request) => {
                self.decide_update_presence(request, draft)?.encode_to_vec()
            }
            Command::SetPresence(request) => {
                return Ok(Decision::Presence(
                    self.decide_set_presence(request, draft)?,
                ));
            }
            Command::ExpireSession(request) => {
                self.decide_expire_session(request, draft);
                Vec::new()
            }
            Command::ApplyShop(request) => self
                .decide_apply_shop(request, actor, draft)?
                .encode_to_vec(),
            Command::SetWeights(request) => self
                .decide_set_weights(request, actor, draft)?
                .encode_to_vec(),
            Command::DeleteShop(request) => {
                let response = self.decide_delete_shop(request, actor, draft)?;
                return Ok(Decision::Deleted(response.encode_to_vec()));
            }
            Command::Tick(_) => Vec::new(),
        };
        Ok(Decision::Made(reply))
    }

    /// The reply to a command whose id is remembered.
    fn repeat(
        &self,
        command: &Command,
        digest: Option<[u8; 16]>,
        now: i64,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        match command {
            Command::Message(event) => {
                let duplicate = || api::MessageResult {
                    duplicate: true,
                    ..Default::default()
                };
                let known = self.message_events.get(&event.event_id, now).is_some();
                return Ok(known.then(|| duplicate().encode_to_vec()));
            }
            Command::Order(event) => {
                let duplicate = || api::OrderResult {
                    duplicate: true,
                    ..Default::default()
                };
                let known = self.order_events.get(&event.event_id, now).is_some();
                return Ok(known.then(|| duplicate().encode_to_vec()));
            }
            _ => {}
        }
        let Some(digest) = digest else {
            return Ok(None);
        };
        let known = self.requests.get(command.request_id(), now);
        match known.and_then(Answered::read) {
            Some(known) if known.digest == digest => Ok(Some(known.reply.to_vec())),
            Some(_) => Err(Refusal::of(Reason::RequestIdReused, "request_id")),
            None => Ok(None),
        }
    }

    fn remember(&mut self, command: &Command, digest: Option<[u8; 16]>, reply: &[u8], now: i64) {
        let generation = self.keeping.generation;
        match command {
            Command::Message(event) if !event.event_id.is_empty() => {
                self.message_events
                    .remember(&event.event_id, [&[], &[]], now, generation);
            }
            Command::Order(event) if !event.event_id.is_empty() => {
                self.order_events
                    .remember(&event.event_id, [&[], &[]], now, generation);
            }
            _ => {}
        }
        if let Some(digest) = digest {
            self.requests
                .remember(command.request_id(), [&digest, reply], now, generation);
        }
    }

    /// Applies a logged entry: its facts, then its ids.
    pub fn apply_entry(&mut self, entry: &record::Entry, command: &Command) {
        self.last_now_ms = entry.now_ms;
        self.keeping.changed_in = self.keeping.generation;
        let facts = || entry.facts.iter().filter_map(|fact| fact.fact.as_ref());
        for fact in facts() {
            self.apply_fact(fact, command, entry.now_ms);
        }
        let digest = digest(command, &Encoded::new(command));
        let reply = match digest {
            Some(_) => reply_of(command, facts()),
            None => Vec::new(),
        };
        self.remember(command, digest, &reply, entry.now_ms);
        self.free_expired(entry.now_ms);
    }
}

/// The reply to a command that has a request id, from the facts it led to.
fn reply_of<'a>(command: &Command, mut facts: impl Iterator<Item = &'a Fact>) -> Vec<u8> {
    // Of due effects and of settling are the decisions that name their buyer, but for a transfer's.
    let decided = |fact: &'a Fact| match fact {
        Fact::Decided(decided) => Some(decided),
        _ => None,
    };
    match command {
        Command::Route(_) => facts
            .filter_map(decided)
            .find(|decided| decided.buyer_id.is_empty())
            .map(route::reply)
            .unwrap_or_default(),
        Command::Transfer(_) => facts
            .filter_map(decided)
            .find(|decided| decided.reason() == api::Reason::Transfer)
            .map(transfer::response)
            .unwrap_or_default()
            .encode_to_vec(),
        Command::CloseConversation(request) => {
            let on_request = |fact: &Fact| {
                matches!(fact, Fact::ConversationClosed(closed)
                    if closed.cause() == record::CloseCause::Request)
            };
            api::CloseConversationResponse {
                conversation_id: request.conversation_id.clone(),
                already_closed: !facts.any(on_request),
            }
            .encode_to_vec()
        }
        Command::CancelInquiry(_) => api::CancelInquiryResponse {
            was_waiting: facts.any(|fact| matches!(fact, Fact::WaitingCancelled(_))),
        }
        .encode_to_vec(),
        _ => Vec::new(),
    }
}

impl Command {
    /// The id under which the command's answer is remembered; empty when it has none.
    pub(crate) fn request_id(&self) -> &str {
        match self {
            Self::Route(request) => &request.request_id,
            Self::CloseConversation(request) => &request.request_id,
            Self::Transfer(request) => &request.request_id,
            Self::CancelInquiry(request) => &request.request_id,
            _ => "",
        }
    }
}

/// Whether the command has an id to remember.
fn remembers(command: &Command) -> bool {
    match command {
        Command::Message(event) => !event.event_id.is_empty(),
        Command::Order(event) => !event.event_id.is_empty(),
        _ => !command.request_id().is_empty(),
    }
}

/// Whether who sent the command is logged.
const fn has_actor(command: &Command) -> bool {
    matches!(
        command,
        Command::SetPresence(_)
            | Command::ApplyShop(_)
            | Command::SetWeights(_)
            | Command::DeleteShop(_)
    )
}

/// What a repeat of the request must be equal to; none when it has no request id.
fn digest(command: &Command, encoded: &Encoded) -> Option<[u8; 16]> {
    if command.request_id().is_empty() {
        return None;
    }
    let kind = match command {
        Command::Route(_) => CommandKind::Route,
        Command::CloseConversation(_) => CommandKind::CloseConversation,
        Command::Transfer(_) => CommandKind::Transfer,
        Command::CancelInquiry(_) => CommandKind::CancelInquiry,
        _ => return None,
    };
    let hash = Sha256::new()
        .chain_update([kind as u8])
        .chain_update(encoded.request())
        .finalize();
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash[..16]);
    Some(digest)
}
