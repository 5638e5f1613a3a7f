//! What a shop has learned since it was stored, as entries for a segment. Each kind of key by itself, so that
//! sorting needs room for one kind alone, and nothing is copied but what goes out.

use crate::chunks::{self, Entry};
use crate::remembered::Remembered;
use crate::state::Shop;
use crate::stored::beginning;

/// What is to be put in order by its id.
struct Place<'a, T> {
    /// How the id begins, so that few ids are looked at.
    beginning: u64,
    id: &'a [u8],
    at_ms: i64,
    more: T,
}

impl<'a, T> Place<'a, T> {
    fn new(id: &'a [u8], at_ms: i64, more: T) -> Self {
        Self {
            beginning: beginning(id),
            id,
            at_ms,
            more,
        }
    }
}

fn sort<T>(places: &mut [Place<T>]) {
    places.sort_unstable_by(|a, b| {
        let of_ids = || a.id.cmp(b.id);
        a.beginning.cmp(&b.beginning).then_with(of_ids)
    });
}

impl Shop {
    /// Shows what is in the generations and exists, each key once, in the order of keys.
    pub fn each_learned<E>(&self, mut see: impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        self.each_contact(&mut see)?;
        for (kind, ids) in [
            (chunks::MESSAGE_EVENT, &self.message_events),
            (chunks::ORDER_EVENT, &self.order_events),
            (chunks::REQUEST, &self.requests),
        ] {
            each_id(kind, ids, self.last_now_ms, &mut see)?;
        }
        Ok(())
    }

    /// Contacts of buyers who are not live, then the conversations they are of.
    fn each_contact<E>(&self, see: &mut impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        let lifetimes = self.lifetimes(self.last_now_ms);
        let learned = self.buyers.iter().filter_map(|(_, buyer)| {
            let stored = buyer.is_live() || self.leavers.has_dropped(buyer.left_in);
            let contact = buyer.contact().filter(|_| !stored)?;
            let exists = lifetimes.contact(contact.consulted_at_ms);
            exists.then(|| Place::new(buyer.id().as_bytes(), contact.consulted_at_ms, contact))
        });
        let mut contacts: Vec<_> = learned.collect();
        sort(&mut contacts);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for Place {
            id, at_ms, more, ..
        } in &contacts
        {
            chunks::put_key(&mut key, chunks::CONTACT, id);
            value.clear();
            value.extend_from_slice(&more.conversation.to_be_bytes());
            value.extend_from_slice(self.agent(more.agent).id.as_bytes());
            see(Entry {
                key: &key,
                at_ms: *at_ms,
                value: &value,
            })?;
        }
        contacts.sort_unstable_by_key(|place| place.more.conversation);
        for Place {
            id, at_ms, more, ..
        } in &contacts
        {
            let conversation = more.conversation.to_be_bytes();
            chunks::put_key(&mut key, chunks::CONVERSATION, &conversation);
            see(Entry {
                key: &key,
                at_ms: *at_ms,
                value: id,
            })?;
        }
        Ok(())
    }
}

fn each_id<E>(
    kind: u8,
    ids: &Remembered,
    now: i64,
    see: &mut impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let existing = ids.existing(now);
    let mut places: Vec<_> = existing
        .map(|(id, at_ms, value)| Place::new(id, at_ms, value))
        .collect();
    sort(&mut places);
    let mut key = Vec::new();
    for Place {
        id, at_ms, more, ..
    } in places
    {
        chunks::put_key(&mut key, kind, id);
        see(Entry {
            key: &key,
            at_ms,
            value: more,
        })?;
    }
    Ok(())
}
