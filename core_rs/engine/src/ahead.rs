//! Looking ahead in a batch: what the next commands will look at is looked at for all of them first.
//! Nearly each of these places is one that the processor has to wait for, with millions of buyers in
//! memory; independent looks wait together, one decision after the other waits each time. Changes
//! nothing, and whatever it misses is only slower.

use std::hint::black_box;

use crate::buyers::Buyer;
use crate::cache::Chunks;
use crate::chunks::{CONTACT, MESSAGE_EVENT, REQUEST};
use crate::engine::Engine;
use crate::filter::{self, Block};
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
        // Where each shop's commands begin: neighbours are often of one shop.
        let mut ids: Each<&str> = [None; AHEAD];
        let mut before = None;
        for (command, id) in commands.iter().zip(&mut ids) {
            let shop_id = command.as_ref().map(Command::shop_id);
            if shop_id != before {
                *id = shop_id;
                before = shop_id;
            }
        }
        let mut seen = self.look_for_shops(&ids);
        let starts: Each<&Shop> = ids.map(|id| self.shops.get(id?));
        let mut shops = starts;
        for at in 1..AHEAD {
            shops[at] = shops[at].or(shops[at - 1]);
        }
        // One shop's own lines are at hand by now, those of many are not.
        if starts.iter().flatten().nth(1).is_some() {
            for look in [
                Shop::look_at_itself,
                Shop::look_around,
                Shop::look_at_members,
                Shop::look_at_next,
            ] {
                for shop in starts.into_iter().flatten() {
                    seen ^= look(shop);
                }
            }
        }
        seen ^= look_for(commands, &shops);
        if starts.iter().flatten().any(|shop| shop.has_segments()) {
            seen ^= look_at_filters(commands, &shops, &self.chunks);
        }
        for (at, shop) in starts.into_iter().enumerate() {
            if let Some(shop) = shop {
                let next = starts[at + 1..].iter().position(Option::is_some);
                let count = next.map_or(commands.len().saturating_sub(at), |next| next + 1);
                seen ^= shop.look_at_idle(count, now_ms);
            }
        }
        black_box(seen);
    }

    /// Looks at what leads to these shops.
    fn look_for_shops(&self, ids: &Each<&str>) -> u32 {
        if ids.iter().flatten().nth(1).is_none() {
            return 0;
        }
        let hashes = ids.map(|id| id.map_or(0, |id| ids::hash(id.as_bytes())));
        let buckets = hashes.map(|hash| self.shops.bucket(hash));
        let mut seen = 0;
        for bucket in buckets.into_iter().flatten() {
            seen ^= bucket.look();
        }
        for (bucket, hash) in buckets.into_iter().zip(hashes) {
            let number = bucket.and_then(|bucket| bucket.guess(hash));
            seen ^= number.map_or(0, |number| self.shops.look_at(number));
        }
        seen
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
        let contact = buyer.contact();
        let agent = contact.and_then(|contact| shop.agents.get(contact.agent as usize));
        seen ^= agent.map_or(0, |agent| agent.open ^ agent.derived_awaiting);
    }
    seen
}

/// Looks at what the filters of stored chunks say of ids and buyers that memory does not know.
#[inline(never)] // So that batches of shops without segments are as fast as before.
fn look_at_filters(commands: &[Option<Command>], shops: &Each<&Shop>, chunks: &Chunks) -> u32 {
    let mut seen = 0;
    let mut keys = Vec::with_capacity(2 * AHEAD);
    for (command, shop) in commands.iter().zip(shops) {
        let (Some(command), Some(shop)) = (command, shop) else {
            continue;
        };
        if !shop.has_segments() {
            continue;
        }
        let mut look = |letter, of| {
            let hash = filter::hash(letter, str::as_bytes(of));
            keys.push((shop, letter, of, hash));
        };
        match command {
            Command::Route(request) => {
                look(REQUEST, request.request_id);
                let buyer = shop.buyers.bucket(request.buyer_hash);
                if buyer.is_none_or(|bucket| bucket.guess(request.buyer_hash).is_none()) {
                    look(CONTACT, request.buyer_id);
                }
            }
            Command::Message(event) => look(MESSAGE_EVENT, event.event_id),
            Command::Other(_) => {}
        }
    }
    let segments = keys
        .iter()
        .map(|(shop, ..)| shop.keeping.stored.segments.len());
    for at in 0..segments.max().unwrap_or_default() {
        let mut blocks: [Option<&Block>; 2 * AHEAD] = [None; 2 * AHEAD];
        for ((shop, letter, of, hash), block) in keys.iter().zip(&mut blocks) {
            let segment = shop.keeping.stored.segments.get(at);
            let handle = segment.and_then(|segment| {
                let number = segment.holder(*letter, of.as_bytes())?;
                segment.places.get(number).copied()
            });
            *block = handle.and_then(|handle| chunks.look_for(handle, *hash));
        }
        for block in blocks.into_iter().flatten() {
            seen ^= block.look();
        }
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

    /// What nearly every command looks at next in a shop: ends of lines, and the pool of all groups.
    fn look_around(&self) -> u32 {
        let mut seen = self.requests.look_at_ends() ^ self.message_events.look_at_ends();
        seen ^= self.idle.last().map_or(0, |line| line.0 as u32);
        let last = self.last_conversation;
        seen ^= u32::from(self.conversations.contains(last));
        seen ^= u32::from(self.contact_buyers.contains(last));
        seen ^= self.leavers.look_at_ends();
        if let Some(pool) = self.pools.get(self.pool_of_all as usize) {
            seen ^= pool.available ^ u32::from(pool.started) ^ pool.members.len() as u32;
            seen ^= pool.groups.first().copied().unwrap_or_default();
        }
        if let Some(group) = self.lookup.groups.first() {
            seen ^= u32::from(first_byte(self.lookup.names.text(group.name)));
        }
        seen
    }

    /// The pool's members, at least some, and the one whose turn it is.
    fn look_at_members(&self) -> u32 {
        let Some(pool) = self.pools.get(self.pool_of_all as usize) else {
            return 0;
        };
        let members = pool.members.iter().take(16);
        let seen = members.fold(0, |seen, member| seen ^ member.agent);
        seen ^ pool.next(|_| false).unwrap_or_default()
    }

    /// The agent who is likely to be next: before the first pick the one of the greatest weight.
    fn look_at_next(&self) -> u32 {
        let Some(pool) = self.pools.get(self.pool_of_all as usize) else {
            return 0;
        };
        let next = pool
            .next(|_| false)
            .map(|place| &pool.members[place as usize]);
        let members = pool.members.iter().take(16);
        let Some(next) = next.or_else(|| members.rev().max_by_key(|member| member.weight_now))
        else {
            return 0;
        };
        let agent = self.agent(next.agent);
        let mut seen = agent.open ^ u32::from(agent.standing.available) ^ agent.derived_awaiting;
        seen ^= u32::from(first_byte(&agent.id));
        seen ^= agent.pools.first().map_or(0, |pool| pool.1);
        seen ^ agent.groups.first().copied().unwrap_or_default()
    }

    /// The conversations that fall idle by then: about one for each that begins.
    fn look_at_idle(&self, count: usize, now_ms: i64) -> u32 {
        let idle_since_ms = now_ms.saturating_sub(self.lookup.idle_close_ms);
        let idle = self.idle.next_ones(count.min(AHEAD));
        let mut buyers: Each<&Buyer> = [None; AHEAD];
        let idle = idle.filter(|line| line.0 <= idle_since_ms);
        for ((_, number), buyer) in idle.zip(&mut buyers) {
            let open = self.conversations.get(number);
            *buyer = open.and_then(|open| self.buyers.peek(open.buyer));
        }
        let buyers = buyers.into_iter().flatten();
        buyers.fold(0, |seen, buyer| seen ^ buyer.left_in)
    }
}

fn first_byte(text: &str) -> u8 {
    text.as_bytes().first().copied().unwrap_or_default()
}
