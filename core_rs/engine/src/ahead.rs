//! Looking ahead in a batch: what the next commands will look at is looked at for all of them first.
//! Nearly each of these places is one that the processor has to wait for, with millions of buyers in
//! memory; independent looks wait together, one decision after the other waits each time. Changes
//! nothing, and whatever it misses is only slower.

use std::hint::black_box;

use crate::buyers::Key;
use crate::engine::Engine;
use crate::ids;
use crate::state::Shop;
use crate::views::Command;

/// How many commands are looked at together.
pub const AHEAD: usize = 16;

/// Where a command will look.
#[derive(Clone, Copy, Default)]
struct Look {
    buyer_hash: u32,
    buyer: Option<Key>,
    conversation: u64,
}

impl Engine {
    /// Looks at what these commands, at most `AHEAD`, will look at at this time.
    pub(crate) fn look_ahead(&self, commands: &[Option<Command>], now_ms: i64) {
        let mut rest = commands;
        // Neighbours are mostly of one shop.
        while let Some(first) = rest.first() {
            let same = |other: &&Option<Command>| match (first, other) {
                (Some(first), Some(other)) => first.shop_id() == other.shop_id(),
                _ => false,
            };
            let run = rest.iter().take_while(same).count().max(1);
            let (here, behind) = rest.split_at(run);
            rest = behind;
            if let Some(first) = first
                && let Some(shop) = self.shops.get(first.shop_id())
            {
                shop.look_ahead(here, now_ms);
            }
        }
    }
}

impl Shop {
    fn look_ahead(&self, commands: &[Option<Command>], now_ms: i64) {
        let mut looks = [Look::default(); AHEAD];
        let mut seen = 0;
        for (command, look) in commands.iter().zip(&mut looks) {
            match command {
                Some(Command::Route(request)) => {
                    seen ^= self.requests.look(request.request_id);
                    look.buyer_hash = self.buyers.hash(request.buyer_id);
                    seen ^= self.buyers.look(look.buyer_hash).unwrap_or_default();
                }
                Some(Command::Message(event)) => {
                    seen ^= self.message_events.look(event.event_id);
                    let number = ids::conversation_number(event.conversation_id);
                    look.conversation = number.unwrap_or_default();
                    if let Some(open) = self.conversations.get(look.conversation) {
                        look.buyer = Some(open.buyer);
                    }
                }
                _ => {}
            }
        }
        for look in &mut looks[..commands.len()] {
            if look.buyer_hash != 0 {
                look.buyer = self.buyers.look(look.buyer_hash);
            }
        }
        for look in &mut looks {
            if let Some(contact) = look.buyer.and_then(|key| self.buyers.peek(key)?.contact()) {
                look.conversation = contact.conversation;
            }
        }
        // The conversations that fall idle by then: about one for each that begins.
        let idle_since_ms = now_ms.saturating_sub(self.lookup.idle_close_ms);
        let idle = self.idle.next_ones(commands.len());
        for (_, number) in idle.filter(|line| line.0 <= idle_since_ms) {
            if let Some(open) = self.conversations.get(number)
                && let Some(buyer) = self.buyers.peek(open.buyer)
            {
                seen ^= buyer.left_in;
            }
        }
        for look in &looks {
            seen ^= u32::from(self.contact_buyers.contains(look.conversation));
        }
        black_box(seen);
    }
}
