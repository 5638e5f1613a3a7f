//! The ids of events already seen, remembered for a day. Messages' and orders' are kept apart.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::proto::fenliu::engine::v1 as record;
use crate::state::{Map, still_remembered};

#[derive(Default)]
pub struct EventIds {
    at_ms: Map<Arc<str>, i64>,
    /// By time; an id remembered again stands here twice.
    queue: VecDeque<(i64, Arc<str>)>,
}

impl EventIds {
    pub fn knows(&self, event_id: &str, now: i64) -> bool {
        let at_ms = self.at_ms.get(event_id);
        at_ms.is_some_and(|&at_ms| still_remembered(at_ms, now))
    }

    pub fn remember(&mut self, event_id: &str, now: i64) {
        let id: Arc<str> = event_id.into();
        self.at_ms.insert(id.clone(), now);
        self.queue.push_back((now, id));
    }

    /// Frees one id if it has expired.
    pub fn free_one(&mut self, now: i64) {
        if let Some((at_ms, id)) = self.queue.front()
            && !still_remembered(*at_ms, now)
        {
            // Remembered again since, it has another place in the queue.
            if self.at_ms.get(id) == Some(at_ms) {
                self.at_ms.remove(id);
            }
            self.queue.pop_front();
        }
    }

    /// Those that exist, by id.
    pub fn states(&self, now: i64) -> Vec<record::EventState> {
        let mut states: Vec<_> = self
            .at_ms
            .iter()
            .filter(|&(_, &at_ms)| still_remembered(at_ms, now))
            .map(|(id, &at_ms)| record::EventState {
                event_id: id.to_string(),
                at_ms,
            })
            .collect();
        states.sort_unstable_by(|a, b| a.event_id.cmp(&b.event_id));
        states
    }

    pub fn load(states: Vec<record::EventState>) -> Self {
        let mut ids = Self::default();
        for state in states {
            ids.remember(&state.event_id, state.at_ms);
        }
        ids.queue.make_contiguous().sort_unstable();
        ids
    }
}
