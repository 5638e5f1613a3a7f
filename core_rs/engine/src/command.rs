//! The life of a command in its shop: time, due effects, decision, log entry.

use prost::Message;
use sha2::{Digest, Sha256};

use crate::agent::presence;
use crate::cache::Missing;
use crate::draft::{Draft, Scratch, When};
use crate::entry::{self, Encoded};
use crate::facts::Fact;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::remembered::Answered;
use crate::state::Shop;
use crate::transfer;
use crate::views::{Command, Whole};

/// The code of a call that needs chunks it has not been handed.
pub const NEEDS_CHUNKS: i32 = -1;

/// The code of a call that is to come after a tick of the shop, whose id is the reply.
pub const BEHIND: i32 = -2;

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// A canonical gRPC code, -1 or -2.
    pub code: i32,
    /// The response, encoded; with a code above 0 a `google.rpc.Status`; with -1 the ids of the chunks
    /// that are needed; with -2 the id of the shop that is to be ticked first.
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

enum Decision {
    Made,
    /// The shop is deleted; nothing settles any more.
    Deleted,
    /// Answered with the agent's presence, as it is after settling.
    Presence(u32),
    /// Answered before: nothing to remember.
    Repeated,
}

impl Shop {
    /// Decides a valid command for this shop, with the reply in `scratch`; appends an entry to `log` if
    /// there is one to write.
    pub fn run(
        &mut self,
        command: &Command,
        now_ms: i64,
        actor: &str,
        scratch: &mut Scratch,
        log: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let now = now_ms.max(self.last_now_ms);
        let encoded = Encoded::new(command);
        let digest = digest(command, &encoded);
        let mut draft = Draft {
            command,
            now,
            facts: std::mem::take(&mut scratch.facts),
        };
        draft.facts.clear();
        self.apply_due(&mut draft);
        let due = draft.facts.len();

        let reply = &mut scratch.reply;
        reply.clear();
        let decision = self.decide(digest, actor, &mut draft, reply);
        let accepted = !matches!(decision, Err(_) | Ok(Decision::Repeated));
        if accepted && !matches!(decision, Ok(Decision::Deleted)) {
            self.settle(When::Now, &mut draft);
        }
        if let Ok(Decision::Presence(slot)) = decision {
            let presence = Some(presence(self.agent(slot), now));
            put(&api::SetPresenceResponse { presence }, reply);
        }
        let facts = &mut draft.facts;
        if accepted && (facts.len() > due || command.remembers()) {
            self.remember(command, digest, reply, now);
            let actor = if has_actor(command) { actor } else { "" };
            self.log(&encoded, facts, now, actor, log);
        } else if !facts.is_empty() {
            let shop_id = self.document.shop_id.clone();
            let tick = Whole::Tick(record::Tick { shop_id });
            self.log(&Encoded::new(&(&tick).into()), facts, now, "", log);
        }
        scratch.facts = draft.facts;
        decision.map(drop)
    }

    fn log(&mut self, command: &Encoded, facts: &[Fact], now: i64, actor: &str, log: &mut Vec<u8>) {
        self.last_now_ms = now;
        self.keeping.changed_in = self.keeping.generation;
        self.free_expired(now);
        entry::write(log, now, actor, facts, self, command);
    }

    fn decide(
        &mut self,
        digest: Option<[u8; 16]>,
        actor: &str,
        draft: &mut Draft,
        reply: &mut Vec<u8>,
    ) -> Result<Decision, Refusal> {
        if self.repeat(draft.command, digest, draft.now, reply)? {
            return Ok(Decision::Repeated);
        }
        match draft.command {
            Command::Route(request) => self.decide_route(request, draft, reply)?,
            Command::Message(event) => put(&self.decide_message(event, draft)?, reply),
            Command::Other(command) => return self.decide_other(command, actor, draft, reply),
        }
        Ok(Decision::Made)
    }

    fn decide_other(
        &mut self,
        command: &Whole,
        actor: &str,
        draft: &mut Draft,
        reply: &mut Vec<u8>,
    ) -> Result<Decision, Refusal> {
        match command {
            Whole::CloseConversation(request) => put(&self.decide_close(request, draft)?, reply),
            Whole::Transfer(request) => put(&self.decide_transfer(request, draft)?, reply),
            Whole::CancelInquiry(request) => put(&self.decide_cancel(request, draft), reply),
            Whole::Order(event) => put(&self.decide_order(event, draft), reply),
            Whole::UpdatePresence(request) => {
                put(&self.decide_update_presence(request, draft)?, reply);
            }
            Whole::SetPresence(request) => {
                let slot = self.decide_set_presence(request, draft)?;
                return Ok(Decision::Presence(slot));
            }
            Whole::ExpireSession(request) => self.decide_expire_session(request, draft),
            Whole::ApplyShop(request) => {
                self.decide_apply_shop(request, actor, draft, reply)?;
            }
            Whole::SetWeights(request) => {
                put(&self.decide_set_weights(request, actor, draft)?, reply);
            }
            Whole::DeleteShop(request) => {
                put(&self.decide_delete_shop(request, actor, draft)?, reply);
                return Ok(Decision::Deleted);
            }
            // A tick says nothing; the others are views.
            Whole::Tick(_) | Whole::Route(_) | Whole::Message(_) => {}
        }
        Ok(Decision::Made)
    }

    /// Whether the command was answered before; if so, with the remembered reply.
    fn repeat(
        &self,
        command: &Command,
        digest: Option<[u8; 16]>,
        now: i64,
        reply: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        match command {
            Command::Message(event) => {
                let known = self
                    .message_events
                    .get(event.event_id, event.event_hash, now);
                let duplicate = known.is_some();
                if duplicate {
                    let result = api::MessageResult {
                        duplicate,
                        ..Default::default()
                    };
                    put(&result, reply);
                }
                return Ok(duplicate);
            }
            Command::Other(Whole::Order(event)) => {
                let hash = command.id_hash();
                let duplicate = self.order_events.get(&event.event_id, hash, now).is_some();
                if duplicate {
                    let result = api::OrderResult {
                        duplicate,
                        ..Default::default()
                    };
                    put(&result, reply);
                }
                return Ok(duplicate);
            }
            _ => {}
        }
        let Some(digest) = digest else {
            return Ok(false);
        };
        let known = self
            .requests
            .get(command.request_id(), command.id_hash(), now);
        match known.and_then(Answered::read) {
            Some(known) if known.digest == digest => {
                reply.extend_from_slice(known.reply);
                Ok(true)
            }
            Some(_) => Err(Refusal::of(Reason::RequestIdReused, "request_id")),
            None => Ok(false),
        }
    }

    fn remember(&mut self, command: &Command, digest: Option<[u8; 16]>, reply: &[u8], now: i64) {
        let generation = self.keeping.generation;
        let hash = command.id_hash();
        match command {
            Command::Message(event) if !event.event_id.is_empty() => {
                self.message_events
                    .remember(event.event_id, hash, [&[], &[]], now, generation);
            }
            Command::Other(Whole::Order(event)) if !event.event_id.is_empty() => {
                self.order_events
                    .remember(&event.event_id, hash, [&[], &[]], now, generation);
            }
            _ => {}
        }
        if let Some(digest) = digest {
            let id = command.request_id();
            self.requests
                .remember(id, hash, [&digest, reply], now, generation);
        }
    }

    /// Applies a logged entry's facts, then its ids.
    pub fn apply_entry(&mut self, command: &Command, facts: Vec<record::Fact>, now: i64) {
        self.last_now_ms = now;
        self.keeping.changed_in = self.keeping.generation;
        let digest = digest(command, &Encoded::new(command));
        let mut applied = Vec::new();
        for fact in facts.into_iter().filter_map(|fact| fact.fact) {
            let fact = self.read_fact(fact);
            self.apply_fact(&fact, command, now);
            if digest.is_some() {
                applied.push(fact);
            }
        }
        let mut reply = Vec::new();
        if digest.is_some() {
            self.reply_of(command, applied.iter(), &mut reply);
        }
        self.remember(command, digest, &reply, now);
        self.free_expired(now);
    }

    /// The reply to a command that has a request id, from the facts it led to.
    fn reply_of<'a>(
        &self,
        command: &Command,
        facts: impl Iterator<Item = &'a Fact>,
        reply: &mut Vec<u8>,
    ) {
        // Of due effects and of settling are the decisions that name their buyer, but for a transfer's.
        let decided = |fact: &'a Fact| match fact {
            Fact::Decided(decided) => Some(decided),
            _ => None,
        };
        match command {
            Command::Route(_) => {
                let mut decided = facts.filter_map(decided);
                if let Some(decided) = decided.find(|decided| decided.buyer_id.is_empty()) {
                    self.reply(decided, reply);
                }
            }
            Command::Message(_) => {}
            Command::Other(command) => self.reply_of_other(command, facts, reply),
        }
    }

    fn reply_of_other<'a>(
        &self,
        command: &Whole,
        mut facts: impl Iterator<Item = &'a Fact>,
        reply: &mut Vec<u8>,
    ) {
        match command {
            Whole::Transfer(_) => {
                let response = facts.find_map(|fact| match fact {
                    Fact::Decided(decided) if decided.reason() == api::Reason::Transfer => {
                        Some(transfer::response(decided, self))
                    }
                    _ => None,
                });
                put(&response.unwrap_or_default(), reply);
            }
            Whole::CloseConversation(request) => {
                let on_request = |fact: &Fact| {
                    matches!(fact, Fact::ConversationClosed(closed)
                        if closed.cause() == record::CloseCause::Request)
                };
                let response = api::CloseConversationResponse {
                    conversation_id: request.conversation_id.clone(),
                    already_closed: !facts.any(on_request),
                };
                put(&response, reply);
            }
            Whole::CancelInquiry(_) => {
                let cancelled = |fact: &Fact| {
                    matches!(fact, Fact::Other(record::fact::Fact::WaitingCancelled(_)))
                };
                let response = api::CancelInquiryResponse {
                    was_waiting: facts.any(cancelled),
                };
                put(&response, reply);
            }
            _ => {}
        }
    }
}

fn put(message: &impl Message, reply: &mut Vec<u8>) {
    message.encode(reply).expect("a vector grows as needed");
}

/// Whether who sent the command is logged.
const fn has_actor(command: &Command) -> bool {
    matches!(
        command,
        Command::Other(
            Whole::SetPresence(_)
                | Whole::ApplyShop(_)
                | Whole::SetWeights(_)
                | Whole::DeleteShop(_)
        )
    )
}

/// What a repeat of the request must be equal to; none when it has no request id.
fn digest(command: &Command, encoded: &Encoded) -> Option<[u8; 16]> {
    if command.request_id().is_empty() {
        return None;
    }
    let hash = Sha256::new()
        .chain_update([command.kind() as u8])
        .chain_update(&encoded.request)
        .finalize();
    hash.first_chunk().copied()
}
