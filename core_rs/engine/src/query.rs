//! Queries: answers that change nothing and apply nothing that is due.

use prost::Message;

use crate::agent::presence;
use crate::cache::Missing;
use crate::command::Answer;
use crate::decode;
use crate::engine::{Engine, Error};
use crate::failing::caught;
use crate::proto::fenliu::engine::v1::QueryKind;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::Shop;
use crate::validation;

impl Engine {
    /// Answers a query; loads the shops it is about.
    pub fn query(&mut self, kind: i64, request: &[u8]) -> Result<Answer, Error> {
        match i32::try_from(kind).map(QueryKind::try_from) {
            Ok(Ok(QueryKind::GetShop)) => {
                let request = decode::message(&decode::GET_SHOP, request)
                    .map(|request: api::GetShopRequest| request.shop_id);
                self.ask_shop(request, get_shop)
            }
            Ok(Ok(QueryKind::ListPresence)) => {
                let request = decode::message(&decode::LIST_PRESENCE, request)
                    .map(|request: api::ListPresenceRequest| request.shop_id);
                self.ask_shop(request, list_presence)
            }
            Ok(Ok(QueryKind::ListShops)) => self.list_shops(request),
            _ => Err(Error::Value(format!("unknown query kind {kind}"))),
        }
    }

    fn ask_shop(
        &mut self,
        shop_id: Result<String, Refusal>,
        answer: impl Fn(&Shop) -> Vec<u8>,
    ) -> Result<Answer, Error> {
        let shop_id = match shop_id {
            Ok(shop_id) => shop_id,
            Err(refusal) => return Ok(Answer::new(Err(refusal), None)),
        };
        let partition = (!shop_id.is_empty()).then(|| self.partition_of(&shop_id));
        if let Err(refusal) = validation::id(&shop_id, "shop_id") {
            return Ok(Answer::new(Err(refusal), partition));
        }
        if let Some(refusal) = self.unavailable(&shop_id) {
            return Ok(Answer::new(Err(refusal), partition));
        }
        let mut missing = Missing::default();
        let found = caught(|| {
            let shop = self.reach(&shop_id, &mut missing)?;
            Ok(shop.filter(|shop| shop.exists()).map(|shop| answer(shop)))
        });
        if !missing.is_empty() {
            return Ok(Answer::needs(&missing, partition));
        }
        let result =
            found.map(|found| found.ok_or_else(|| Refusal::of(Reason::ShopNotFound, "shop_id")));
        Ok(match result {
            Ok(result) => Answer::new(result, partition),
            Err(what) => {
                let ran = self.failed(&shop_id, what);
                self.answer(ran)
            }
        })
    }

    fn list_shops(&mut self, request: &[u8]) -> Result<Answer, Error> {
        let page = match decode::message(&decode::LIST_SHOPS, request).and_then(page_of) {
            Ok(page) => page,
            Err(refusal) => return Ok(Answer::new(Err(refusal), None)),
        };
        let (ids, is_last) = self.page(&page.after, page.size);
        let mut missing = Missing::default();
        let mut shops = Vec::new();
        for id in &ids {
            match caught(|| Ok(self.reach(id, &mut missing)?.map(|shop| summary(shop)))) {
                Ok(found) => shops.extend(found),
                Err(what) => self.fail(id, what),
            }
            if self.failing.shops.contains_key(id) {
                // There is such a shop; what it is like is not known now.
                shops.push(api::ShopSummary {
                    shop_id: id.to_string(),
                    ..Default::default()
                });
            }
        }
        if !missing.is_empty() {
            return Ok(Answer::needs(&missing, None));
        }
        let next_page_token = match shops.last() {
            Some(last) if !is_last => last.shop_id.clone(),
            _ => String::new(),
        };
        let response = api::ListShopsResponse {
            shops,
            next_page_token,
        };
        Ok(Answer::new(Ok(response.encode_to_vec()), None))
    }
}

/// What a `LIST_SHOPS` asks for.
struct Page {
    /// Empty: from the first shop on.
    after: String,
    size: usize,
}

fn page_of(request: api::ListShopsRequest) -> Result<Page, Refusal> {
    validation::within(request.page_size, 0, 1000, "page_size")?;
    validation::optional_id(&request.page_token, "page_token")?;
    let size = match usize::try_from(request.page_size) {
        Ok(size) if size > 0 => size,
        _ => 100,
    };
    Ok(Page {
        after: request.page_token,
        size,
    })
}

fn get_shop(shop: &Shop) -> Vec<u8> {
    api::GetShopResponse {
        shop: Some(shop.document.clone()),
    }
    .encode_to_vec()
}

fn list_presence(shop: &Shop) -> Vec<u8> {
    api::ListPresenceResponse {
        agents: shop
            .members()
            .map(|slot| presence(shop.agent(slot), shop.last_now_ms))
            .collect(),
    }
    .encode_to_vec()
}

fn summary(shop: &Shop) -> api::ShopSummary {
    let document = &shop.document;
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    api::ShopSummary {
        shop_id: document.shop_id.clone(),
        display_name: document.display_name.clone(),
        agents: count(document.agents.len()),
        groups: count(document.groups.len()),
        etag: document.etag.clone(),
    }
}
