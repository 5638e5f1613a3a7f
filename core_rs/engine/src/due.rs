//! Due effects: what falls due by itself, in order of (due time, kind, id).
//!
//! The line of a shop holds each open conversation once, under a last activity that may be older
//! than the true one; its head is put right when looked at. So a message costs nothing here.

use std::cmp::Reverse;

use crate::proto::fenliu::engine::v1 as record;
use crate::state::Shop;
use record::CloseCause;
use record::entry::Command;
use record::fact::Fact;

impl Shop {
    /// Applies what is due up to and including `now`, each effect a fact.
    pub fn apply_due(&mut self, command: &Command, now: i64, facts: &mut Vec<record::Fact>) {
        while let Some((due, conversation)) = self.first_due()
            && due <= now
        {
            let closed = record::ConversationClosed {
                conversation,
                cause: CloseCause::Idle.into(),
                at_ms: due,
            };
            self.emit(Fact::ConversationClosed(closed), command, now, facts);
        }
    }

    /// The next due time and its conversation.
    pub fn first_due(&mut self) -> Option<(i64, u64)> {
        let idle_close_ms = self.lookup.idle_close_ms;
        if idle_close_ms == 0 {
            return None;
        }
        while let Some(mut head) = self.idle.peek_mut() {
            let Reverse((noted, number)) = *head;
            match self.conversations.get(&number) {
                Some(open) if open.last_activity_ms == noted => {
                    return Some((noted.saturating_add(idle_close_ms), number));
                }
                Some(open) => *head = Reverse((open.last_activity_ms, number)),
                None => {
                    std::collections::binary_heap::PeekMut::pop(head);
                }
            }
        }
        None
    }

    /// A time not after the next due time, without looking for it.
    pub fn earliest_due(&self) -> Option<i64> {
        if self.lookup.idle_close_ms == 0 {
            return None;
        }
        let Reverse((noted, _)) = self.idle.peek()?;
        Some(noted.saturating_add(self.lookup.idle_close_ms))
    }
}
