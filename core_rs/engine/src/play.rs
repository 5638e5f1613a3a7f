//! Playing a script: recorded commands again, each bound to whoever has its buyer now (docs/engine.md
//! section 14). Says when what happens, and what is bound to whom; what comes of it the engine decides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::command::NEEDS_CHUNKS;
use crate::engine::{Engine, Error};
use crate::facts::{Decided, Fact, Named};
use crate::failing::FAILED;
use crate::ids;
use crate::maps::Map;
use crate::proto::fenliu::engine::v1 as record;
use crate::proto::fenliu::v1 as api;
use crate::state::Shop;
use crate::supposed::Supposed;
use crate::views::{Command as View, Whole as Command};
use api::{Outcome, Reason, Sender};
use record::CommandKind;

/// No event, no buyer.
const NONE: u32 = u32::MAX;

/// What is to be known of an event before it happens.
struct Event {
    now_ms: i64,
    /// Where its bytes are in the script.
    start: usize,
    end: usize,
    buyer: u32,
    /// The buyer's next event.
    next: u32,
    /// Its delays' places among all delays.
    delays: (u32, u32),
    conversation: u32,
    document: u32,
    draw: u32,
    sent_after_ms: i64,
    begins: bool,
    by_agent: bool,
    /// It has happened, or never will.
    done: bool,
}

impl Event {
    const fn is_answer(&self) -> bool {
        self.buyer != NONE && self.delays.0 < self.delays.1
    }
}

/// Who has a buyer.
#[derive(Clone, Default, PartialEq, Eq)]
enum Has {
    #[default]
    Nobody,
    Agent(Arc<str>, u64),
    Robot(u64),
    /// The message was left to this agent.
    Left(Arc<str>),
}

struct Buyer {
    id: Arc<str>,
    /// The buyer's first event that is still to come, and the last one of all.
    at: u32,
    last: u32,
    conversations: Vec<u64>,
    has: Has,
    since_ms: i64,
    /// When the buyer's last event happened.
    last_ms: i64,
    moves: u32,
    /// When the next answer comes, and its place in the script.
    answer: Option<(i64, u32)>,
}

struct Play<'a> {
    script: &'a [u8],
    playing: record::Playing,
    delays_of: Map<String, Vec<i64>>,
    events: Vec<Event>,
    delays: Vec<i64>,
    buyers: Vec<Buyer>,
    buyer_numbers: Map<Arc<str>, u32>,
    /// Those that stand are `Buyer::answer`.
    answers: BinaryHeap<Reverse<(i64, u32)>>,
    now_ms: i64,
    last_conversation: u64,
    /// By agent.
    receptions: Map<Arc<str>, u64>,
    entries: Vec<u8>,
    played: record::Played,
}

impl Engine {
    /// Plays a script as an encoded `Playing` says; the answer is an encoded `Played`.
    pub fn play(&mut self, script: &[u8], playing: &[u8]) -> Result<Vec<u8>, Error> {
        let playing = record::Playing::decode(playing).map_err(|error| bad(error.to_string()))?;
        let mut play = Play::new(script, playing)?;
        let played = play.run(self);
        self.suppose_nothing(&mut play);
        played?;
        Ok(play.result().encode_to_vec())
    }

    fn suppose(&mut self, playing: &record::Playing) {
        let Some(shop) = self.shops.get_mut(playing.shop_id.as_str()) else {
            return;
        };
        for agent_id in &playing.agent_ids {
            let slot = shop.intern(agent_id);
            let supposed = &mut shop.agent_mut(slot).supposed;
            if !supposed.meant {
                supposed.meant = true;
                supposed.no_contact = playing.without_contacts;
                supposed.never_busy = playing.never_busy;
                shop.refresh(slot);
            }
        }
    }

    fn suppose_nothing(&mut self, play: &mut Play) {
        play.played.busy_met |= self.busy_met(&play.playing);
        let Some(shop) = self.shops.get_mut(play.playing.shop_id.as_str()) else {
            return;
        };
        for agent_id in &play.playing.agent_ids {
            let slot = shop.intern(agent_id);
            shop.agent_mut(slot).supposed = Supposed::default();
            shop.refresh(slot);
        }
    }

    fn busy_met(&self, playing: &record::Playing) -> bool {
        let Some(shop) = self.shops.get(playing.shop_id.as_str()) else {
            return false;
        };
        let slots = playing.agent_ids.iter().filter_map(|id| shop.slot_of(id));
        slots
            .into_iter()
            .any(|slot| shop.agent(slot).supposed.busy_met.get())
    }
}

fn bad(what: impl Into<String>) -> Error {
    Error::Value(format!("not a script: {}", what.into()))
}

impl<'a> Play<'a> {
    fn new(script: &'a [u8], playing: record::Playing) -> Result<Self, Error> {
        let mut play = Self {
            script,
            delays_of: playing
                .delays
                .iter()
                .filter(|one| !one.delays_ms.is_empty())
                .map(|one| (one.agent_id.clone(), one.delays_ms.clone()))
                .collect(),
            now_ms: playing.start_ms,
            playing,
            events: Vec::new(),
            delays: Vec::new(),
            buyers: Vec::new(),
            buyer_numbers: Map::default(),
            answers: BinaryHeap::new(),
            last_conversation: 0,
            receptions: Map::default(),
            entries: Vec::new(),
            played: record::Played::default(),
        };
        play.sort_out()?;
        Ok(play)
    }

    /// Which events are whose, and which never happen.
    fn sort_out(&mut self) -> Result<(), Error> {
        let mut rest = self.script;
        let mut before_ms = 0;
        while !rest.is_empty() {
            let length = decode_varint(&mut rest).map_err(|error| bad(error.to_string()))?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > rest.len() {
                return Err(bad("it breaks off"));
            }
            let start = self.script.len() - rest.len();
            let (body, behind) = rest.split_at(length);
            rest = behind;
            let event = self.read(body, start)?;
            if event.now_ms < before_ms {
                return Err(Error::Value("a script goes by time".to_owned()));
            }
            before_ms = event.now_ms;
            if event.document as usize > self.playing.documents.len() {
                let what = "a script names a document that is not there";
                return Err(Error::Value(what.to_owned()));
            }
            if event.buyer != NONE && !event.done {
                let place = self.events.len() as u32;
                let buyer = &mut self.buyers[event.buyer as usize];
                if buyer.at == NONE {
                    buyer.at = place;
                } else {
                    self.events[buyer.last as usize].next = place;
                }
                buyer.last = place;
            }
            self.events.push(event);
        }
        Ok(())
    }

    fn read(&mut self, body: &[u8], start: usize) -> Result<Event, Error> {
        let mut event = Event {
            now_ms: 0,
            start,
            end: start + body.len(),
            buyer: NONE,
            next: NONE,
            delays: (self.delays.len() as u32, self.delays.len() as u32),
            conversation: 0,
            document: 0,
            draw: 0,
            sent_after_ms: 0,
            begins: false,
            by_agent: false,
            done: false,
        };
        let mut kind = None;
        let mut rest = body;
        let wrong = |error: prost::DecodeError| bad(error.to_string());
        while !rest.is_empty() {
            let (field, wire_type) = decode_key(&mut rest).map_err(wrong)?;
            match (field, wire_type) {
                (4..=16, WireType::LengthDelimited) => {
                    kind = Some(field);
                    let length = decode_varint(&mut rest).map_err(wrong)?;
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    if length > rest.len() {
                        return Err(bad("it breaks off"));
                    }
                    if field == CommandKind::Message as u32 {
                        event.by_agent = is_by_agent(&rest[..length]).map_err(wrong)?;
                    }
                    rest.advance(length);
                }
                (20, WireType::LengthDelimited) => {
                    let mut id = String::new();
                    let context = DecodeContext::default();
                    prost::encoding::string::merge(wire_type, &mut id, &mut rest, context)
                        .map_err(wrong)?;
                    if !id.is_empty() {
                        event.buyer = self.buyer_number(&id);
                    }
                }
                (21, _) => {
                    let context = DecodeContext::default();
                    prost::encoding::int64::merge_repeated(
                        wire_type,
                        &mut self.delays,
                        &mut rest,
                        context,
                    )
                    .map_err(wrong)?;
                    event.delays.1 = self.delays.len() as u32;
                }
                (1 | 22..=26, WireType::Varint) => {
                    let value = decode_varint(&mut rest).map_err(wrong)?;
                    match field {
                        1 => event.now_ms = value as i64,
                        22 => event.conversation = value as u32,
                        23 => event.begins = value != 0,
                        24 => event.draw = value as u32,
                        26 => event.sent_after_ms = (value >> 1) as i64 ^ -((value & 1) as i64),
                        _ => event.document = value as u32,
                    }
                }
                _ => skip_field(wire_type, field, &mut rest, DecodeContext::default())
                    .map_err(wrong)?,
            }
        }
        if event.document > 0 {
            kind = Some(CommandKind::ApplyShop as u32);
        }
        let without = |kind: u32| self.playing.without.contains(&(kind as i32));
        event.done = kind.is_none_or(without);
        Ok(event)
    }

    fn buyer_number(&mut self, id: &str) -> u32 {
        if let Some(&number) = self.buyer_numbers.get(id) {
            return number;
        }
        let id: Arc<str> = id.into();
        let number = self.buyers.len() as u32;
        self.buyer_numbers.insert(id.clone(), number);
        self.buyers.push(Buyer {
            id,
            at: NONE,
            last: NONE,
            conversations: Vec::new(),
            has: Has::Nobody,
            since_ms: self.playing.start_ms,
            last_ms: self.playing.start_ms,
            moves: 0,
            answer: None,
        });
        number
    }

    fn run(&mut self, engine: &mut Engine) -> Result<(), Error> {
        let shop_id = self.playing.shop_id.clone();
        let mut missing = crate::cache::Missing::default();
        if let Some(shop) = engine.reach(&shop_id, &mut missing)? {
            self.begin(shop);
        }
        if !missing.is_empty() {
            return Err(not_loaded());
        }
        engine.suppose(&self.playing);
        let end_ms = self.playing.end_ms;
        let mut own = 0;
        loop {
            while let Some(event) = self.events.get(own)
                && (event.done || event.is_answer())
            {
                own += 1;
            }
            while let Some(Reverse(answer)) = self.answers.peek()
                && !self.stands(*answer)
            {
                self.answers.pop();
            }
            let answer = self.answers.peek().map(|first| first.0);
            let event = self.events.get(own).map(|event| (event.now_ms, own as u32));
            let next = [answer, event].into_iter().flatten().min();
            let (at_ms, place) = next.unwrap_or((end_ms, NONE));
            match next_due(engine, &shop_id) {
                Some(due_ms) if due_ms < at_ms.min(end_ms) => self.tick(engine, due_ms)?,
                _ if at_ms < end_ms => {
                    self.now_ms = self.now_ms.max(at_ms);
                    self.happen(engine, place, at_ms)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn begin(&mut self, shop: &Shop) {
        self.last_conversation = shop.last_conversation;
        for number in 0..self.buyers.len() {
            let buyer = &mut self.buyers[number];
            if let Some(key) = shop.buyers.find(&buyer.id) {
                let known = &shop.buyers[key];
                if let Some(open) = known.open() {
                    let agent = shop.conversations[open].agent;
                    buyer.has = agent.map_or(Has::Robot(open), |slot| {
                        Has::Agent(shop.agent(slot).id.clone(), open)
                    });
                    buyer.conversations.push(open);
                } else if let Some(entry) = known.waiting.as_deref()
                    && !entry.agent_id.is_empty()
                {
                    buyer.has = Has::Left(entry.agent_id.as_str().into());
                }
            }
            self.find_answer(number as u32);
        }
    }

    fn tick(&mut self, engine: &mut Engine, at_ms: i64) -> Result<(), Error> {
        self.now_ms = self.now_ms.max(at_ms);
        let shop_id = self.playing.shop_id.clone();
        let tick = Command::Tick(record::Tick { shop_id });
        self.give(engine, &tick, at_ms, NONE, "")?;
        Ok(())
    }

    fn happen(&mut self, engine: &mut Engine, place: u32, at_ms: i64) -> Result<(), Error> {
        let event = &mut self.events[place as usize];
        event.done = true;
        let (number, begins) = (event.buyer, event.begins);
        if let Some(bound) = self.bound(engine, place, at_ms)?
            && View::from(&bound).shop_id() == self.playing.shop_id
        {
            self.played.happened += 1;
            let named = match &bound {
                Command::Route(request) => &request.buyer_id,
                Command::Message(event) => &event.buyer_id,
                Command::CancelInquiry(request) => &request.buyer_id,
                Command::Order(event) => &event.buyer_id,
                _ => "",
            };
            let code = self.give(engine, &bound, at_ms, number, named)?;
            self.played.refused += u64::from(code > 0);
            if number != NONE {
                let buyer = &mut self.buyers[number as usize];
                buyer.last_ms = at_ms;
                buyer.moves = 0;
                if begins {
                    self.let_lapse(number, place);
                }
            }
        }
        if number != NONE {
            self.find_answer(number);
        }
        Ok(())
    }

    /// The command as it is given now; none: there is nothing that it could be about.
    fn bound(&mut self, engine: &Engine, place: u32, at_ms: i64) -> Result<Option<Command>, Error> {
        let event = &self.events[place as usize];
        if event.document > 0 {
            let shop = self.playing.documents[event.document as usize - 1].clone();
            let request = api::ApplyShopRequest { shop: Some(shop) };
            let mut command = Command::ApplyShop(Box::new(request));
            forget_ids(&mut command);
            return Ok(Some(command));
        }
        let body = &self.script[event.start..event.end];
        let entry = record::Entry::decode(body).map_err(|error| bad(error.to_string()))?;
        let Some(mut command) = entry.command else {
            return Ok(None);
        };
        forget_ids(&mut command);
        if event.buyer == NONE {
            return Ok(Some(command));
        }
        let buyer = &self.buyers[event.buyer as usize];
        match &mut command {
            Command::Route(request) => buyer.id.as_ref().clone_into(&mut request.buyer_id),
            Command::CancelInquiry(request) => buyer.id.as_ref().clone_into(&mut request.buyer_id),
            Command::Message(message) => {
                buyer.id.as_ref().clone_into(&mut message.buyer_id);
                if event.sent_after_ms != 0 {
                    message.sent_at_ms = at_ms.saturating_add(event.sent_after_ms).max(0);
                }
            }
            _ => {}
        }
        let by_agent = event.is_answer() && event.by_agent;
        if let (true, Has::Left(agent_id), Command::Message(message)) =
            (by_agent, &buyer.has, &mut command)
        {
            message.conversation_id.clear();
            set_if_empty(&mut message.agent_id, agent_id);
            return Ok(Some(command));
        }
        let from_end = event.conversation as usize;
        if 0 < from_end && from_end <= buyer.conversations.len() {
            let number = buyer.conversations[buyer.conversations.len() - from_end];
            let id = ids::conversation(number);
            match &mut command {
                Command::Message(message) => {
                    message.conversation_id = id;
                    let shop = engine.shops.get(self.playing.shop_id.as_str());
                    let open = shop.is_some_and(|shop| shop.conversations.contains(number));
                    if let (true, false, Has::Agent(agent_id, _)) = (by_agent, open, &buyer.has) {
                        set_if_empty(&mut message.agent_id, agent_id);
                    }
                }
                Command::CloseConversation(request) => request.conversation_id = id,
                Command::Transfer(request) => request.conversation_id = id,
                _ => {}
            }
        } else if from_end > 0
            && (event.is_answer()
                || matches!(
                    command,
                    Command::CloseConversation(_) | Command::Transfer(_)
                ))
        {
            return Ok(None);
        }
        Ok(Some(command))
    }

    /// The buyer asks anew: answers to what was before are not given any more.
    fn let_lapse(&mut self, number: u32, place: u32) {
        let mut at = self.buyers[number as usize].at;
        while at < place {
            let event = &mut self.events[at as usize];
            event.done |= event.is_answer();
            at = event.next;
        }
    }

    /// Has a command decided; returns the code.
    fn give(
        &mut self,
        engine: &mut Engine,
        command: &Command,
        at_ms: i64,
        buyer: u32,
        named: &str,
    ) -> Result<i32, Error> {
        let before = self.entries.len();
        let configures = matches!(command, Command::ApplyShop(_) | Command::DeleteShop(_));
        if configures {
            self.played.busy_met |= engine.busy_met(&self.playing);
        }
        engine.scratch.facts.clear();
        let answer = engine.run(&command.into(), at_ms, "", 0, &mut self.entries);
        if answer.code == NEEDS_CHUNKS {
            return Err(not_loaded());
        }
        if answer.code == FAILED {
            return Err(Error::Value("the engine failed at the shop".to_owned()));
        }
        if configures {
            engine.suppose(&self.playing);
        }
        if self.entries.len() > before {
            let shop = engine.shops.get(self.playing.shop_id.as_str());
            let now_ms = shop.map_or(at_ms, |shop| shop.last_now_ms);
            let facts = std::mem::take(&mut engine.scratch.facts);
            for fact in &facts {
                self.note(fact, shop, now_ms, buyer, named);
            }
            engine.scratch.facts = facts;
        }
        if !self.playing.want_entries {
            self.entries.clear();
        }
        Ok(answer.code)
    }

    fn note(&mut self, fact: &Fact, shop: Option<&Shop>, now_ms: i64, buyer: u32, named: &str) {
        match fact {
            Fact::Decided(decided) => {
                let buyer = self.buyer_of(&decided.buyer_id, buyer, named);
                self.note_decided(decided, shop, now_ms, buyer);
            }
            Fact::MessageNoted(noted) if noted.opened => {
                let buyer = self.buyer_of(&noted.buyer_id, buyer, named);
                self.last_conversation = noted.conversation;
                let agent_id = id_of(&noted.agent, shop);
                self.receive(&agent_id, now_ms);
                self.has_now(buyer, Has::Agent(agent_id, noted.conversation), now_ms);
            }
            Fact::Other(record::fact::Fact::WaitingCancelled(cancelled)) => {
                let buyer = self.buyer_of(&cancelled.buyer_id, buyer, named);
                self.has_now(buyer, Has::Nobody, now_ms);
            }
            _ => {}
        }
    }

    /// Whom a fact is about: the buyer it names, else the command's.
    fn buyer_of(&self, id: &str, buyer: u32, named: &str) -> u32 {
        if id.is_empty() && buyer != NONE {
            return buyer;
        }
        let id = if id.is_empty() { named } else { id };
        self.buyer_numbers.get(id).copied().unwrap_or(NONE)
    }

    fn note_decided(&mut self, decided: &Decided, shop: Option<&Shop>, now_ms: i64, buyer: u32) {
        let at_ms = if decided.at_ms == 0 {
            now_ms
        } else {
            decided.at_ms
        };
        let opens = decided.conversation > self.last_conversation;
        if opens {
            self.last_conversation = decided.conversation;
        }
        self.played.decisions += u64::from(at_ms >= self.playing.start_ms);
        let agent_id = || id_of(&decided.agent, shop);
        let has = match decided.outcome() {
            Outcome::Agent => {
                let agent_id = agent_id();
                if opens {
                    self.receive(&agent_id, at_ms);
                    let pooled = decided.pool_of_all_groups || !decided.pool_group_ids.is_empty();
                    let picked = pooled && !decided.charged;
                    let other = matches!(decided.reason(), Reason::Dedicated | Reason::Transfer);
                    let meant = self.playing.agent_ids.iter().any(|id| **id == *agent_id);
                    self.played.contacts_met += u64::from(meant && !picked && !other);
                }
                Has::Agent(agent_id, decided.conversation)
            }
            Outcome::Robot => Has::Robot(decided.conversation),
            Outcome::LeftMessage if !agent_id().is_empty() => Has::Left(agent_id()),
            _ => Has::Nobody,
        };
        self.has_now(buyer, has, at_ms);
    }

    fn receive(&mut self, agent_id: &Arc<str>, at_ms: i64) {
        if at_ms >= self.playing.start_ms {
            match self.receptions.get_mut(agent_id) {
                Some(count) => *count += 1,
                None => {
                    self.receptions.insert(agent_id.clone(), 1);
                }
            }
        }
    }

    fn has_now(&mut self, number: u32, has: Has, at_ms: i64) {
        let Some(buyer) = self.buyers.get_mut(number as usize) else {
            return;
        };
        if buyer.has == has {
            return;
        }
        if let Has::Agent(_, conversation) | Has::Robot(conversation) = &has
            && buyer.conversations.last() != Some(conversation)
        {
            buyer.conversations.push(*conversation);
        }
        if has != Has::Nobody {
            buyer.moves += u32::from(buyer.has != Has::Nobody);
            buyer.since_ms = at_ms;
        }
        buyer.has = has;
        self.find_answer(number);
    }

    fn stands(&self, answer: (i64, u32)) -> bool {
        let buyer = self.events[answer.1 as usize].buyer;
        self.buyers[buyer as usize].answer == Some(answer)
    }

    /// When the buyer's next answer comes, as things are now.
    fn find_answer(&mut self, number: u32) {
        let buyer = &mut self.buyers[number as usize];
        while let Some(event) = self.events.get(buyer.at as usize)
            && event.done
        {
            buyer.at = event.next;
        }
        buyer.answer = None;
        let Some(event) = self.events.get(buyer.at as usize) else {
            return;
        };
        let can_give = match &buyer.has {
            Has::Nobody => false,
            Has::Agent(..) => true,
            Has::Robot(_) => !event.by_agent,
            Has::Left(_) => event.by_agent,
        };
        if !event.is_answer() || !can_give {
            return;
        }
        let own = match &buyer.has {
            Has::Agent(agent_id, _) | Has::Left(agent_id) if event.draw > 0 => {
                self.delays_of.get(agent_id.as_ref())
            }
            _ => None,
        };
        let delay_ms = match own {
            Some(own) => own[event.draw as usize % own.len()],
            None => {
                let last = event.delays.1 - 1;
                self.delays[event.delays.0.saturating_add(buyer.moves).min(last) as usize]
            }
        };
        let base_ms = buyer.last_ms.max(buyer.since_ms);
        let at_ms = base_ms.saturating_add(delay_ms).max(self.now_ms);
        let answer = (at_ms, buyer.at);
        buyer.answer = Some(answer);
        self.answers.push(Reverse(answer));
    }

    fn result(self) -> record::Played {
        let sorted: BTreeMap<Arc<str>, u64> = self.receptions.into_iter().collect();
        let agent = |(id, receptions): (Arc<str>, u64)| record::AgentPlayed {
            agent_id: id.to_string(),
            receptions,
        };
        record::Played {
            agents: sorted.into_iter().map(agent).collect(),
            entries: self.entries,
            ..self.played
        }
    }
}

/// The id of the agent a fact names. A shop that is gone has left its facts spelt out.
fn id_of(agent: &Named, shop: Option<&Shop>) -> Arc<str> {
    match (agent, shop) {
        (Named::Text(id), _) => id.clone(),
        (Named::Number(slot), Some(shop)) => shop.agent(*slot).id.clone(),
        _ => Arc::default(),
    }
}

fn not_loaded() -> Error {
    Error::Value("the shop is not loaded".to_owned())
}

fn next_due(engine: &mut Engine, shop_id: &str) -> Option<i64> {
    let shop = engine.shops.get_mut(shop_id)?;
    let (due_ms, _) = shop.first_due()?;
    Some(due_ms.max(shop.last_now_ms))
}

fn set_if_empty(text: &mut String, to: &str) {
    if text.is_empty() {
        to.clone_into(text);
    }
}

/// Whether a message is an agent's, or sent for one.
fn is_by_agent(mut message: &[u8]) -> Result<bool, prost::DecodeError> {
    const SENDER: u32 = 4;
    let mut sender = 0;
    while !message.is_empty() {
        let (field, wire_type) = decode_key(&mut message)?;
        if field == SENDER && wire_type == WireType::Varint {
            sender = decode_varint(&mut message)? as i32;
        } else {
            skip_field(wire_type, field, &mut message, DecodeContext::default())?;
        }
    }
    Ok(sender == Sender::Agent as i32 || sender == Sender::AutoReply as i32)
}

/// What a play does not go by: ids that would be remembered, and revisions.
fn forget_ids(command: &mut Command) {
    match command {
        Command::Route(request) => request.request_id.clear(),
        Command::CloseConversation(request) => request.request_id.clear(),
        Command::Transfer(request) => request.request_id.clear(),
        Command::CancelInquiry(request) => request.request_id.clear(),
        Command::Message(event) => event.event_id.clear(),
        Command::Order(event) => event.event_id.clear(),
        Command::ApplyShop(request) => {
            if let Some(shop) = &mut request.shop {
                shop.etag.clear();
            }
        }
        Command::SetWeights(request) => request.etag.clear(),
        Command::DeleteShop(request) => {
            request.etag.clear();
            request.force = true;
        }
        Command::UpdatePresence(_)
        | Command::SetPresence(_)
        | Command::ExpireSession(_)
        | Command::Tick(_) => {}
    }
}
