//! Where a shop is stored, and how what is in memory differs from that. Knows nothing of the state.

use crate::buyers::Key;
use crate::remembered::Generation;
use crate::stored::Stored;

#[derive(Default)]
pub struct Keeping {
    pub stored: Stored,
    /// The segments of the manifest before do not count: the shop was not in it, or was deleted since.
    pub fresh: bool,
    /// The recent one, in which is learned.
    pub generation: Generation,
    /// The first that is not in `stored`.
    pub stored_before: Generation,
    /// In which something was logged last; 0: nothing since the shop was loaded.
    pub changed_in: Generation,
    /// In which the shop was deleted last; 0: not since it was loaded.
    pub deleted_in: Generation,
    /// When the shop was used last, in the engine's count of uses.
    pub used: u64,
    /// The engine knows that the shop has changed.
    pub touched: bool,
    /// What was read from segments for the command at hand.
    pub fetched: Vec<Fetched>,
}

pub enum Fetched {
    Contact(Key),
    Request(String),
    MessageEvent(String),
    OrderEvent(String),
}

impl Keeping {
    /// Whether the shop's `stored` says all there is, generations aside.
    pub fn is_stored(&self) -> bool {
        !self.stored.head.is_empty() && self.changed_in < self.stored_before
    }
}
