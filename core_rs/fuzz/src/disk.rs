//! What a caller of the engine keeps for it: the chunks and the manifest of the only partition.

use std::collections::BTreeMap;

use fenliu_engine::proto::fenliu::engine::v1 as record;
use fenliu_engine::{Engine, RULES_VERSION, merge_chunks};
use prost::Message;
use sha2::{Digest, Sha256};

#[derive(Default)]
pub struct Disk {
    chunks: BTreeMap<Vec<u8>, Vec<u8>>,
    pub manifest: record::Manifest,
}

impl Disk {
    fn keep(&mut self, content: &[u8]) -> Vec<u8> {
        let id = Sha256::digest(content).to_vec();
        self.chunks.insert(id.clone(), content.to_vec());
        id
    }

    fn segment(&mut self, contents: &[Vec<u8>]) -> record::Segment {
        let chunk = |content: &Vec<u8>| {
            let at = u32::from_be_bytes(content[12..16].try_into().unwrap()) as usize;
            let length = usize::from(u16::from_be_bytes([content[at], content[at + 1]]));
            record::ChunkRef {
                id: self.keep(content),
                first_key: content[at + 2..at + 2 + length].to_vec(),
                newest_ms: i64::from_be_bytes(content[4..12].try_into().unwrap()),
                size: content.len() as u32,
            }
        };
        record::Segment {
            chunks: contents.iter().map(chunk).collect(),
        }
    }

    /// The next manifest, of the engine as it is; its recent generations are closed.
    pub fn next_manifest(&mut self, engine: &mut Engine, merging: bool) -> Vec<u8> {
        engine.rotate(0);
        let mut shops: BTreeMap<String, record::StoredShop> = self
            .manifest
            .shops
            .drain(..)
            .map(|shop| (shop.shop_id.clone(), shop))
            .collect();
        for id in engine.touched() {
            let Ok(flushed) = engine.flush(&id) else {
                continue; // not loaded: stored as it is
            };
            let mut stored = record::StoredShop::decode(flushed.shop.as_slice()).unwrap();
            // Cut more finely than a server would.
            stored.head = flushed.head.chunks(700).map(|c| self.keep(c)).collect();
            if !flushed.chunks.is_empty() {
                stored.segments = vec![self.segment(&flushed.chunks)];
            }
            let before = shops.remove(&id).unwrap_or_default();
            if !stored.fresh {
                stored.segments.extend(before.segments);
            }
            stored.fresh = false;
            if merging && stored.segments.len() > 1 {
                let merged = self.merged(&stored);
                stored.segments.clear();
                if !merged.is_empty() {
                    stored.segments.push(self.segment(&merged));
                }
            }
            shops.insert(id, stored);
        }
        self.manifest = record::Manifest {
            rules_version: RULES_VERSION,
            partition: 0,
            seq: self.manifest.seq + 1,
            shops: shops.into_values().collect(),
        };
        self.manifest.encode_to_vec()
    }

    fn merged(&self, stored: &record::StoredShop) -> Vec<Vec<u8>> {
        let content = |chunk: &record::ChunkRef| self.chunks[&chunk.id].as_slice();
        let sources: Vec<Vec<&[u8]>> = stored
            .segments
            .iter()
            .map(|segment| segment.chunks.iter().map(content).collect())
            .collect();
        let merge = |first: &[u8], end: &[u8]| {
            let (lifetime, since) = (stored.contact_lifetime_ms, stored.contacts_since_ms);
            merge_chunks(&sources, first, end, stored.last_now_ms, lifetime, since).unwrap()
        };
        // In two parts, as of a segment that is only partly merged.
        let mut merged = merge(b"", b"c");
        merged.extend(merge(b"c", b""));
        merged
    }

    pub fn hand_in(&self, engine: &mut Engine, ids: &[u8]) {
        for id in ids.chunks(32) {
            engine.put_chunk(id, &self.chunks[id]).unwrap();
        }
    }
}
