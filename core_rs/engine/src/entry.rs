//! Writing log entries: `record::Entry` behind its length, as prost would encode it, but with each
//! length put in once it is known instead of being counted at every level first.

use prost::encoding::{encode_varint, encoded_len_varint};

use crate::proto::fenliu::engine::v1 as record;
use record::entry::Command;
use record::fact::Fact;

const NOW_MS: u8 = 1 << 3;
const ACTOR: u8 = 2 << 3 | 2;
const FACTS: u8 = 3 << 3 | 2;

/// A command as it stands in its entry: its field's key, its length, the request.
#[derive(Default)]
pub struct Encoded {
    bytes: Vec<u8>,
    body: usize,
}

impl Encoded {
    pub fn new(command: &Command) -> Self {
        let mut encoded = Self::default();
        encoded.set(command);
        encoded
    }

    /// Puts this command in the place of the one before.
    pub fn set(&mut self, command: &Command) {
        self.bytes.clear();
        command.encode(&mut self.bytes);
        let mut varints = (1..).zip(&self.bytes).filter(|(_, byte)| **byte < 0x80);
        // The key ends with the first varint, the length with the second.
        self.body = varints.nth(1).map_or(self.bytes.len(), |(end, _)| end);
    }

    /// The re-encoded request.
    pub fn request(&self) -> &[u8] {
        &self.bytes[self.body..]
    }
}

/// Appends an entry behind its length.
pub fn write(log: &mut Vec<u8>, now: i64, actor: &str, facts: &[Fact], command: &Encoded) {
    let entry = begin(log);
    if now != 0 {
        log.push(NOW_MS);
        encode_varint(now as u64, log);
    }
    if !actor.is_empty() {
        log.push(ACTOR);
        encode_varint(actor.len() as u64, log);
        log.extend_from_slice(actor.as_bytes());
    }
    for fact in facts {
        log.push(FACTS);
        let length = begin(log);
        fact.encode(log);
        end(log, length);
    }
    log.extend_from_slice(&command.bytes);
    end(log, entry);
}

/// Leaves room for a short length.
fn begin(log: &mut Vec<u8>) -> usize {
    log.push(0);
    log.len()
}

/// Puts the length of what was written since in its place.
fn end(log: &mut Vec<u8>, start: usize) {
    let length = log.len() - start;
    if length < 0x80 {
        log[start - 1] = length as u8;
        return;
    }
    let more = encoded_len_varint(length as u64) - 1;
    log.resize(log.len() + more, 0);
    log.copy_within(start..start + length, start + more);
    let mut place = &mut log[start - 1..start + more];
    encode_varint(length as u64, &mut place);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{Command, Encoded, Fact, record, write};
    use crate::proto::fenliu::v1 as api;

    #[test]
    fn an_entry_has_the_bytes_that_prost_would_write() {
        let texts = [0, 1, 100, 127, 128, 129, 16_383, 16_384, 70_000].map(|n| "x".repeat(n));
        let commands = |text: &String| {
            [
                Command::Tick(record::Tick {
                    shop_id: text.clone(),
                }),
                Command::Route(api::RouteRequest {
                    buyer_id: text.clone(),
                    handoff: true,
                    ..Default::default()
                }),
                Command::DeleteShop(api::DeleteShopRequest {
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
            ]
        };
        for text in &texts {
            for command in commands(text) {
                for (now_ms, facts) in [(0, Vec::new()), (-1, facts(text)), (7, facts(&texts[1]))] {
                    let encoded = Encoded::new(&command);
                    let mut log = b"before".to_vec();
                    write(&mut log, now_ms, text, &facts, &encoded);
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

    #[test]
    fn the_request_is_what_stands_behind_key_and_length() {
        for length in [0, 1, 125, 126, 130, 20_000] {
            let request = api::DeleteShopRequest {
                shop_id: "x".repeat(length),
                force: true,
                ..Default::default()
            };
            let encoded = Encoded::new(&Command::DeleteShop(request.clone()));
            assert!(encoded.request() == request.encode_to_vec());
        }
    }
}
