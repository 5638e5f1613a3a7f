//! What is supposed of an agent while a script is played, which no setting can say.

use std::cell::Cell;

#[derive(Default)]
pub struct Supposed {
    /// One of those whom what is supposed is about.
    pub meant: bool,
    /// Step 3 passes over this agent.
    pub no_contact: bool,
    /// Weighed as awaiting nobody.
    pub never_busy: bool,
    /// The agent was found busy.
    pub busy_met: Cell<bool>,
}

impl Supposed {
    /// Whether an agent who is busy is weighed as if not.
    pub fn is_at_ease(&self) -> bool {
        if self.meant {
            self.busy_met.set(true);
        }
        self.never_busy
    }
}
