//! An entry in the making: the command, its time, and the facts it has led to so far.

use crate::buyers::Key;
use crate::facts::{Decided, Fact, Whose};
use crate::proto::fenliu::engine::v1 as record;
use crate::state::Shop;
use crate::views::Command;
use record::CloseCause;

pub struct Draft<'a> {
    pub command: &'a Command<'a>,
    pub now: i64,
    pub facts: Vec<Fact>,
}

/// Room that one command after the other uses.
#[derive(Default)]
pub struct Scratch {
    /// Those of the last command, until the next one.
    pub facts: Vec<Fact>,
    /// What the last command is answered with.
    pub reply: Vec<u8>,
}

/// When a fact takes effect.
#[derive(Clone, Copy)]
pub enum When {
    /// At the command's own time.
    Now,
    /// At the time of a due effect.
    Due(i64),
}

impl Draft<'_> {
    pub const fn time(&self, when: When) -> i64 {
        match when {
            When::Now => self.now,
            When::Due(at_ms) => at_ms,
        }
    }
}

impl Shop {
    /// Applies a fact as it is made and keeps it for the log.
    pub fn emit(&mut self, fact: Fact, draft: &mut Draft) {
        self.apply_fact(&fact, draft.command, draft.now);
        draft.facts.push(fact);
    }

    /// A fact that does not come with nearly every command.
    pub fn emit_other(&mut self, fact: record::fact::Fact, draft: &mut Draft) {
        self.emit(Fact::Other(fact), draft);
    }

    pub fn emit_close(
        &mut self,
        conversation: u64,
        cause: CloseCause,
        at_ms: i64,
        draft: &mut Draft,
    ) {
        let closed = record::ConversationClosed {
            conversation,
            cause: cause.into(),
            at_ms,
        };
        self.emit(Fact::ConversationClosed(closed), draft);
    }

    /// A decision that the command itself does not name the buyer of, or the time.
    pub fn emit_decided_for(
        &mut self,
        buyer: Key,
        when: When,
        decided: Decided,
        draft: &mut Draft,
    ) {
        let decided = Decided {
            buyer: Whose::Known(buyer),
            buyer_id: self.buyers[buyer].id().to_owned(),
            at_ms: match when {
                When::Now => 0,
                When::Due(at_ms) => at_ms,
            },
            ..decided
        };
        self.emit(Fact::Decided(decided), draft);
    }
}
