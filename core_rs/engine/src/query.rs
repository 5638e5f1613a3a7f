//! Queries: answers that change nothing and apply nothing that is due.

use std::ops::Bound;

use prost::Message;

use crate::command::Answer;
use crate::decode;
use crate::engine::Engine;
use crate::proto::fenliu::engine::v1::QueryKind;
use crate::proto::fenliu::v1 as api;
use crate::refusal::{Reason, Refusal};
use crate::state::{Shop, presence};
use crate::validation;

impl Engine {
    pub(crate) fn answer(&self, kind: QueryKind, request: &[u8]) -> Answer {
        let mut partition = None;
        let mut shop = |shop_id: &str| {
            partition = (!shop_id.is_empty()).then(|| self.partition_of(shop_id));
            validation::id(shop_id, "shop_id")?;
            self.shop(shop_id)
                .ok_or_else(|| Refusal::of(Reason::ShopNotFound, "shop_id"))
        };
        let result = match kind {
            QueryKind::GetShop => decode::message(&decode::GET_SHOP, request)
                .and_then(|request: api::GetShopRequest| shop(&request.shop_id))
                .map(get_shop),
            QueryKind::ListPresence => decode::message(&decode::LIST_PRESENCE, request)
                .and_then(|request: api::ListPresenceRequest| shop(&request.shop_id))
                .map(list_presence),
            QueryKind::ListShops | QueryKind::Unspecified => {
                decode::message(&decode::LIST_SHOPS, request)
                    .and_then(|request: api::ListShopsRequest| self.list_shops(&request))
            }
        };
        Answer::new(result, partition)
    }

    fn list_shops(&self, request: &api::ListShopsRequest) -> Result<Vec<u8>, Refusal> {
        validation::within(request.page_size, 0, 1000, "page_size")?;
        validation::optional_id(&request.page_token, "page_token")?;
        let size = match usize::try_from(request.page_size) {
            Ok(size) if size > 0 => size,
            _ => 100,
        };
        let after = match request.page_token.as_str() {
            "" => Bound::Unbounded,
            last => Bound::Excluded(last),
        };
        let mut ids = self.ids.range::<str, _>((after, Bound::Unbounded));
        let shops: Vec<api::ShopSummary> = ids
            .by_ref()
            .take(size)
            .filter_map(|id| self.shop(id))
            .map(summary)
            .collect();
        let next_page_token = match (ids.next(), shops.last()) {
            (Some(_), Some(last)) => last.shop_id.clone(),
            _ => String::new(),
        };
        Ok(api::ListShopsResponse {
            shops,
            next_page_token,
        }
        .encode_to_vec())
    }
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
