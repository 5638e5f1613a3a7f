//! Writing log entries: `record::Entry` behind its length, as prost would encode it, but with each
//! length put in once it is known instead of being counted at every level first.

use std::borrow::Cow;

use crate::facts::Fact;
use crate::state::Shop;
use crate::views::Command;
use crate::wire::{self, HEAD, NUMBER};

const NOW_MS: u32 = 1;
const ACTOR: u32 = 2;
const FACTS: u32 = 3;

/// A command as it stands in its entry.
pub struct Encoded<'a> {
    /// Its field's number.
    field: u32,
    pub request: Cow<'a, [u8]>,
}

impl<'a> Encoded<'a> {
    pub fn new(command: &Command<'a>) -> Self {
        Self {
            field: command.kind() as u32,
            request: command.encoded(),
        }
    }
}

/// Appends an entry behind its length; the facts are the shop's.
pub fn write(
    log: &mut Vec<u8>,
    now: i64,
    actor: &str,
    facts: &[Fact],
    shop: &Shop,
    command: &Encoded,
) {
    let of_facts: usize = facts.iter().map(|fact| HEAD + fact.most(shop)).sum();
    let most = of_facts + actor.len() + command.request.len() + NUMBER + 3 * HEAD;
    // With a request id an entry has more than 127 bytes, with a short list of facts fewer than 16384.
    let length = if most > 300 { 2 } else { 1 };
    wire::write(log, most, |pen| {
        pen.with_length(length, |pen| {
            pen.number(NOW_MS, now as u64);
            pen.text(ACTOR, actor);
            for fact in facts {
                pen.message(FACTS, |pen| fact.encode(pen, shop));
            }
            pen.bytes(command.field, &command.request);
        });
    });
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{Encoded, write};
    use crate::proto::fenliu::engine::v1 as record;
    use crate::proto::fenliu::v1 as api;
    use crate::state::Shop;
    use crate::views::{Command, Whole};
    use record::fact::Fact;

    #[test]
    fn an_entry_has_the_bytes_that_prost_would_write() {
        let texts = [0, 1, 100, 127, 128, 129, 16_383, 16_384, 70_000].map(|n| "x".repeat(n));
        let commands = |text: &String| {
            [
                Whole::Tick(record::Tick {
                    shop_id: text.clone(),
                }),
                Whole::Route(api::RouteRequest {
                    buyer_id: text.clone(),
                    handoff: true,
                    ..Default::default()
                }),
                Whole::DeleteShop(api::DeleteShopRequest {
                    shop_id: text.clone(),
                    ..Default::default()
                }),
            ]
        };
        let facts = |text: &String| {
            vec![
                Fact::OrderNoted(record::OrderNoted::default()),
                Fact::Decided(record::Decided {
                    decision: 1 << 40,
                    agent_id: text.clone(),
                    mixed_owner: Some(String::new()),
                    ..Default::default()
                }),
                Fact::Decided(record::Decided {
                    decision: 1,
                    outcome: 2,
                    reason: -3,
                    conversation: u64::MAX,
                    agent_id: "a".into(),
                    group_id: text.clone(),
                    pool_of_all_groups: true,
                    pool_group_ids: vec![text.clone(), String::new()],
                    charged: true,
                    buyer_id: text.clone(),
                    at_ms: -1,
                    previous_conversation: 128,
                    pool_entry: true,
                    mixed_owner: Some(text.clone()),
                    queue_position: u32::MAX,
                    estimated_wait_ms: i64::MIN,
                }),
                Fact::MessageNoted(record::MessageNoted {
                    conversation: 300,
                    at_ms: i64::MAX,
                    clamped: true,
                    agent_id: text.clone(),
                    opened: true,
                    buyer_id: text.clone(),
                }),
                Fact::ConversationClosed(record::ConversationClosed {
                    conversation: 1 << 35,
                    cause: 1,
                    at_ms: 1,
                }),
            ]
        };
        for text in &texts {
            for command in commands(text) {
                for (now_ms, facts) in [(0, Vec::new()), (-1, facts(text)), (7, facts(&texts[1]))] {
                    let view = Command::from(&command);
                    let encoded = Encoded::new(&view);
                    let mut log = b"before".to_vec();
                    let mut shop = Shop::new(0);
                    // One that has the agent, and one that has not.
                    if now_ms > 0 {
                        shop.intern(text);
                    }
                    let read = |fact: &Fact| shop.read_fact(fact.clone());
                    let mut made: Vec<_> = facts.iter().map(read).collect();
                    write(&mut log, now_ms, text, &made, &shop, &encoded);
                    let spelt = log.len();
                    shop.spell_out(&mut made);
                    write(&mut log, now_ms, text, &made, &Shop::new(0), &encoded);
                    assert!(log[6..spelt] == log[spelt..]);
                    log.truncate(spelt);
                    let facts = facts
                        .into_iter()
                        .map(|fact| record::Fact { fact: Some(fact) });
                    let entry = record::Entry {
                        now_ms,
                        actor: text.clone(),
                        facts: facts.collect(),
                        command: Some(command.clone()),
                    };
                    assert!(log[6..] == entry.encode_length_delimited_to_vec());
                }
            }
        }
    }
}
