//! Looking ahead in a batch: what the next commands will look at is looked at for all of them first.
//! Nearly each of these places is one that the processor has to wait for, with millions of buyers in
//! memory; independent looks wait together, one decision after the other waits each time. Changes
//! nothing, and whatever it misses is only slower.

use std::hint::black_box;

use crate::buyers::Buyer;
use crate::engine::Engine;
use crate::ids;
use crate::index::Bucket;
use crate::state::Shop;
use crate::views::Command;

/// How many commands are looked at together.
pub const AHEAD: usize = 32;

type Each<T> = [Option<T>; AHEAD];

impl Engine {
    /// Looks at what these commands, at most `AHEAD`, will look at at this time.
    pub(crate) fn look_ahead(&self, commands: &[Option<Command>], now_ms: i64) {
        let mut shops: Each<&Shop> = [None; AHEAD];
        // Where each shop's commands begin: neighbours are often of one shop.
        let mut starts: Each<&Shop> = [None; AHEAD];
        let mut before = None;
        for ((command, shop), start) in commands.iter().zip(&mut shops).zip(&mut starts) {
            let id = command.as_ref().map(Command::shop_id);
            if id != before {
                *start = id.and_then(|id| self.shops.get(id));
                before = id;
            }
            *shop = *start;
        }
        for at in 1..AHEAD {
            shops[at] = shops[at].or(shops[at - 1]);
        }
        let mut seen = 0;
        // One shop's own lines are at hand by now, those of many are not.
        if starts.iter().flatten().nth(1).is_some() {
            for shop in starts.into_iter().flatten() {
                seen ^= shop.look_at_itself();
            }
            for shop in starts.into_iter().flatten() {
                seen ^= shop.look_around();
            }
        }
        seen ^= look_for(commands, &shops);
        for (at, shop) in starts.into_iter().enumerate() {
            if let Some(shop) = shop {
                let next = starts[at + 1..].iter().position(Option::is_some);
                let count = next.map_or(commands.len().saturating_sub(at), |next| next + 1);
                seen ^= shop.look_at_idle(count, now_ms);
            }
        }
        black_box(seen);
    }
}

/// Looks at the buyers and ids the commands name, each in its shop. First where each of them is, then at
/// all of these places: the processor waits for as many at once as there are in so few steps.
fn look_for(commands: &[Option<Command>], shops: &Each<&Shop>) -> u32 {
    let mut ids: Each<&Bucket> = [None; AHEAD];
    let mut buckets: Each<&Bucket> = [None; AHEAD];
    let of_shop = || commands.iter().zip(shops).enumerate();
    for (at, (command, shop)) in of_shop() {
        match (command, shop) {
            (Some(Command::Route(request)), Some(shop)) => {
                ids[at] = shop.requests.bucket(request.request_hash);
                buckets[at] = shop.buyers.bucket(request.buyer_hash);
            }
            (Some(Command::Message(event)), Some(shop)) => {
                ids[at] = shop.message_events.bucket(event.event_hash);
            }
            _ => {}
        }
    }
    let mut seen = 0;
    for bucket in ids.into_iter().chain(buckets).flatten() {
        seen ^= bucket.look();
    }
    let mut buyers: Each<&Buyer> = [None; AHEAD];
    for (at, (command, shop)) in of_shop() {
        match (command, shop) {
            (Some(Command::Route(request)), Some(shop)) => {
                let key = buckets[at].and_then(|bucket| bucket.guess(request.buyer_hash));
                buyers[at] = key.and_then(|key| shop.buyers.peek(key));
            }
            (Some(Command::Message(event)), Some(shop)) => {
                let number = ids::conversation_number(event.conversation_id);
                let open = number.and_then(|number| shop.conversations.get(number));
                buyers[at] = open.and_then(|open| shop.buyers.peek(open.buyer));
            }
            _ => {}
        }
    }
    for buyer in buyers.into_iter().flatten() {
        seen ^= buyer.left_in;
    }
    for at in 0..AHEAD {
        let (Some(shop), Some(buyer)) = (shops[at], buyers[at]) else {
            continue;
        };
        // An open conversation goes on; else the contact is replaced by another.
        let contact = || buyer.contact().map(|contact| contact.conversation);
        let conversation = buyer.open().or_else(contact).unwrap_or_default();
        seen ^= u32::from(match buyer.open() {
            Some(_) => shop.conversations.contains(conversation),
            None => shop.contact_buyers.contains(conversation),
        });
    }
    seen
}

impl Shop {
    /// The shop's own lines, each once.
    fn look_at_itself(&self) -> u32 {
        let Self {
            document,
            lookup,
            keeping,
            lines,
            ..
        } = self;
        let numbers = [
            self.last_now_ms as usize,
            self.last_decision as usize,
            self.agents.len(),
            self.online as usize,
            self.ready.len(),
            self.pools.len(),
            self.strangers.len(),
            self.slot_releases.len(),
            self.conversations.len(),
            self.contact_buyers.len(),
            self.idle.len(),
            self.unanswered.len(),
            self.volume_resets.len(),
            usize::from(self.closed_last.is_some()),
            usize::from(self.requests.is_empty()),
            usize::from(self.message_events.is_empty()),
            usize::from(self.order_events.is_empty()),
            usize::from(self.unsettled.load),
            document.shop_id.len(),
            lookup.idle_close_ms as usize,
            lookup.groups.len(),
            lookup.precedence.len(),
            lookup.products.len(),
            lookup.buyer_agents.len(),
            lookup.page_sources.len(),
            lookup.queue_timeout_ms as usize,
            keeping.generation as usize,
            keeping.used as usize,
            keeping.fetched.len(),
            keeping.stored.segments.len(),
            lines.queue.len(),
            lines.pool.len(),
            lines.queued_since.len(),
            lines.wanted.len(),
            lines.classes.len(),
        ];
        numbers.into_iter().fold(0, |all, number| all ^ number) as u32
    }

    /// What nearly every command looks at next in a shop: ends of lines, and whose turn it is.
    fn look_around(&self) -> u32 {
        let mut seen = self.requests.look_at_ends() ^ self.message_events.look_at_ends();
        seen ^= self.idle.last().map_or(0, |line| line.0 as u32);
        seen ^= self.idle.first().map_or(0, |line| line.0 as u32);
        let last = self.last_conversation;
        seen ^= u32::from(self.conversations.contains(last));
        seen ^= u32::from(self.contact_buyers.contains(last));
        seen ^= self.leavers.look_at_ends();
        if let Some(pool) = self.pools.get(self.pool_of_all as usize)
            && let Some(place) = pool.next(|_| false)
            && let Some(member) = pool.members.get(place as usize)
        {
            let agent = self.agent(member.agent);
            seen ^= agent.open ^ u32::from(agent.standing.available) ^ agent.derived_awaiting;
            seen ^= u32::from(agent.id.as_bytes().first().copied().unwrap_or_default());
            seen ^= agent.pools.first().map_or(0, |pool| pool.1);
            if let Some(group) = self.first_group(member.agent) {
                seen ^= u32::from(
                    self.lookup
                        .names
                        .text(group)
                        .as_bytes()
                        .first()
                        .copied()
                        .unwrap_or_default(),
                );
            }
        }
        seen
    }

    /// The conversations that fall idle by then: about one for each that begins.
    fn look_at_idle(&self, count: usize, now_ms: i64) -> u32 {
        let idle_since_ms = now_ms.saturating_sub(self.lookup.idle_close_ms);
        let idle = self.idle.next_ones(count.min(AHEAD));
        let mut buyers: Each<&Buyer> = [None; AHEAD];
        for ((since_ms, number), buyer) in idle.zip(&mut buyers) {
            if since_ms > idle_since_ms {
                break;
            }
            let open = self.conversations.get(number);
            *buyer = open.and_then(|open| self.buyers.peek(open.buyer));
        }
        let buyers = buyers.into_iter().flatten();
        buyers.fold(0, |seen, buyer| seen ^ buyer.left_in)
    }
}
