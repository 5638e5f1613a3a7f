//! What the tests share: an engine with one shop, requests as bytes, answers decoded.

#![allow(dead_code)] // Each test file uses its part.

use fenliu_engine::Engine;
use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::proto::fenliu::v1 as api;
use fenliu_engine::proto::google::rpc::{ErrorInfo, Status};
use prost::Message;
use record::CommandKind;

pub const NOW: i64 = 1_700_000_000_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 3_600_000;

pub struct Desk {
    pub engine: Engine,
    /// Every entry so far.
    pub log: Vec<u8>,
    /// Who sends the commands; empty: the operator.
    pub actor: String,
}

/// What a refused request is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: i32,
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            engine: Engine::new(64).unwrap(),
            log: Vec::new(),
            actor: String::new(),
        }
    }

    /// One group of ONLINE agents with these weights.
    pub fn with_agents(weights: &[(&str, i32)]) -> Self {
        let mut desk = Self::new();
        desk.apply_shop(shop(weights), NOW);
        for (agent, _) in weights {
            desk.set_presence(agent, api::PresenceStatus::Online, None, NOW);
        }
        desk
    }

    pub fn raw(&mut self, kind: CommandKind, request: &[u8], now: i64) -> (i32, Vec<u8>) {
        let answer = self
            .engine
            .decide(kind as i64, request, now, &self.actor, 0, &mut self.log)
            .unwrap();
        (answer.code, answer.reply)
    }

    pub fn ask<R: Message + Default>(
        &mut self,
        kind: CommandKind,
        request: &impl Message,
        now: i64,
    ) -> Result<R, Refused> {
        let (code, reply) = self.raw(kind, &request.encode_to_vec(), now);
        if code == 0 {
            return Ok(R::decode(reply.as_slice()).unwrap());
        }
        Err(refused(code, &reply))
    }

    pub fn apply_shop(&mut self, shop: api::Shop, now: i64) -> api::ApplyShopResponse {
        let request = api::ApplyShopRequest { shop: Some(shop) };
        self.ask(CommandKind::ApplyShop, &request, now).unwrap()
    }

    pub fn set_presence(
        &mut self,
        agent: &str,
        status: api::PresenceStatus,
        awaiting: Option<i32>,
        now: i64,
    ) -> api::AgentPresence {
        let request = api::SetPresenceRequest {
            shop_id: "s".into(),
            agent_id: agent.into(),
            status: status.into(),
            awaiting,
        };
        let response: api::SetPresenceResponse =
            self.ask(CommandKind::SetPresence, &request, now).unwrap();
        response.presence.unwrap()
    }

    pub fn route(
        &mut self,
        request: &api::RouteRequest,
        now: i64,
    ) -> Result<api::RouteResponse, Refused> {
        self.ask(CommandKind::Route, request, now)
    }

    /// The agent who receives a buyer; the conversation is closed at once, so that nobody gets busy.
    pub fn receives(&mut self, request: &api::RouteRequest, now: i64) -> String {
        let response = self.route(request, now).unwrap();
        self.close(&response.conversation_id, now);
        response.agent_id
    }

    pub fn message(
        &mut self,
        event: &api::MessageEvent,
        now: i64,
    ) -> Result<api::MessageResult, Refused> {
        self.ask(CommandKind::Message, event, now)
    }

    pub fn close(&mut self, conversation_id: &str, now: i64) {
        let close = api::CloseConversationRequest {
            shop_id: "s".into(),
            conversation_id: conversation_id.into(),
            request_id: String::new(),
        };
        let _: api::CloseConversationResponse = self
            .ask(CommandKind::CloseConversation, &close, now)
            .unwrap();
    }

    pub fn tick(&mut self, now: i64) {
        for logged in self.engine.tick(now, 0, "").unwrap() {
            self.log.extend(logged.entries);
        }
    }

    /// The agents' presence as the API lists it.
    pub fn presence(&mut self) -> Vec<api::AgentPresence> {
        let request = api::ListPresenceRequest {
            shop_id: "s".into(),
        };
        let kind = record::QueryKind::ListPresence as i64;
        let answer = self.engine.query(kind, &request.encode_to_vec()).unwrap();
        api::ListPresenceResponse::decode(answer.reply.as_slice())
            .unwrap()
            .agents
    }

    /// The facts of the last entry.
    pub fn facts_last(&self) -> Vec<record::fact::Fact> {
        let mut log = self.log.as_slice();
        let mut last = record::Entry::default();
        while !log.is_empty() {
            last = record::Entry::decode_length_delimited(&mut log).unwrap();
        }
        last.facts.into_iter().filter_map(|f| f.fact).collect()
    }

    /// The last decision of the last entry.
    pub fn decided_last(&self) -> record::Decided {
        let decided = |fact| match fact {
            record::fact::Fact::Decided(decided) => Some(decided),
            _ => None,
        };
        let facts = self.facts_last().into_iter();
        facts.filter_map(decided).next_back().unwrap()
    }

    pub fn snapshot(&mut self) -> record::ShopSnapshot {
        record::ShopSnapshot::decode(self.engine.snapshot("s").unwrap().as_slice()).unwrap()
    }

    /// The state that the log so far gives.
    pub fn replayed(&self) -> Engine {
        let mut engine = Engine::new(64).unwrap();
        engine.apply(&self.log, 0, "").unwrap();
        engine
    }

    /// The state is what the log says, and what the snapshot says.
    pub fn check(&mut self) {
        let hash = self.engine.state_hash().unwrap();
        assert_eq!(self.replayed().state_hash().unwrap(), hash);
        let mut loaded = Engine::new(64).unwrap();
        for shop in self.engine.shop_ids(true) {
            loaded
                .load_snapshot(&self.engine.snapshot(&shop).unwrap())
                .unwrap();
        }
        assert_eq!(loaded.state_hash().unwrap(), hash);
    }
}

pub fn refused(code: i32, status: &[u8]) -> Refused {
    let status = Status::decode(status).unwrap();
    assert_eq!(status.code, code);
    let [detail] = status.details.as_slice() else {
        panic!("one detail");
    };
    assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    let mut info = ErrorInfo::decode(detail.value.as_slice()).unwrap();
    assert_eq!(info.domain, "fenliu");
    Refused {
        code,
        reason: info.reason,
        message: status.message,
        field: info.metadata.remove("field").unwrap_or_default(),
    }
}

/// Shop `s` with one group `g`.
pub fn shop(weights: &[(&str, i32)]) -> api::Shop {
    api::Shop {
        shop_id: "s".into(),
        agents: weights
            .iter()
            .map(|&(id, weight)| api::Agent {
                agent_id: id.into(),
                weight: Some(weight),
                ..Default::default()
            })
            .collect(),
        groups: vec![api::Group {
            group_id: "g".into(),
            agent_ids: weights.iter().map(|(id, _)| id.to_string()).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Settings that differ from the defaults.
pub fn settings(change: impl FnOnce(&mut api::ShopSettings)) -> Option<api::ShopSettings> {
    let mut settings = api::ShopSettings::default();
    change(&mut settings);
    Some(settings)
}

/// Takes the buyer's inquiry back; returns whether the buyer was waiting.
pub fn cancel(desk: &mut Desk, buyer: &str) -> bool {
    let request = api::CancelInquiryRequest {
        shop_id: "s".into(),
        buyer_id: buyer.into(),
        request_id: String::new(),
    };
    let response: api::CancelInquiryResponse =
        desk.ask(CommandKind::CancelInquiry, &request, NOW).unwrap();
    response.was_waiting
}

pub fn inquiry(buyer: &str) -> api::RouteRequest {
    api::RouteRequest {
        shop_id: "s".into(),
        buyer_id: buyer.into(),
        ..Default::default()
    }
}

pub fn event(sender: api::Sender, buyer: &str) -> api::MessageEvent {
    api::MessageEvent {
        shop_id: "s".into(),
        buyer_id: buyer.into(),
        sender: sender.into(),
        ..Default::default()
    }
}
