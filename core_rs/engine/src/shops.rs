//! The shops in memory, by id. Neighbours in a batch are often of one shop: the one that was found last
//! is found at a glance.

use crate::ids;
use crate::index::{Bucket, Index};
use crate::short::Id;
use crate::state::Shop;

struct Place {
    id: Id,
    shop: Box<Shop>,
}

#[derive(Default)]
pub struct Shops {
    index: Index,
    places: Vec<Option<Place>>,
    free: Vec<u32>,
    /// Where one was found last.
    last: u32,
}

impl Shops {
    fn place(&self, number: u32) -> Option<&Place> {
        self.places.get(number as usize)?.as_ref()
    }

    fn is_at(&self, number: u32, shop_id: &str) -> bool {
        self.place(number)
            .is_some_and(|place| place.id.bytes() == shop_id.as_bytes())
    }

    fn find(&self, shop_id: &str) -> Option<u32> {
        if self.is_at(self.last, shop_id) {
            return Some(self.last);
        }
        let hash = ids::hash(shop_id.as_bytes());
        self.index.find(hash, |number| self.is_at(number, shop_id))
    }

    /// Where an id with this hash stands, if it is in memory, probably.
    pub fn bucket(&self, hash: u32) -> Option<&Bucket> {
        self.index.bucket(hash)
    }

    /// Has the shop with this number brought from memory, as far as its id; the number means nothing.
    pub fn look_at(&self, number: u32) -> u32 {
        let place = self.place(number);
        place.map_or(0, |place| place.id.bytes().len() as u32)
    }

    pub fn get(&self, shop_id: &str) -> Option<&Shop> {
        Some(&self.place(self.find(shop_id)?)?.shop)
    }

    pub fn get_mut(&mut self, shop_id: &str) -> Option<&mut Shop> {
        self.last = self.find(shop_id)?;
        let place = self.places[self.last as usize].as_mut()?;
        Some(&mut place.shop)
    }

    pub fn insert(&mut self, shop_id: &str, shop: Shop) {
        if let Some(known) = self.get_mut(shop_id) {
            *known = shop;
            return;
        }
        let place = Some(Place {
            id: Id::new(shop_id),
            shop: shop.into(),
        });
        let number = match self.free.pop() {
            Some(number) => {
                self.places[number as usize] = place;
                number
            }
            None => {
                self.places.push(place);
                (self.places.len() - 1) as u32
            }
        };
        self.index.insert(ids::hash(shop_id.as_bytes()), number);
    }

    pub fn remove(&mut self, shop_id: &str) -> Option<Box<Shop>> {
        let number = self.find(shop_id)?;
        let hash = ids::hash(shop_id.as_bytes());
        self.index.remove(hash, |other| other == number);
        self.free.push(number);
        Some(self.places[number as usize].take()?.shop)
    }

    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Shop> {
        self.places.iter().flatten().map(|place| &*place.shop)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Shops;
    use crate::state::Shop;

    #[test]
    fn it_is_a_map() {
        let mut shops = Shops::default();
        let mut plain = BTreeMap::new();
        let mut random = 3_u32;
        for step in 0..4_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = random >> 8 & 0x3f;
            let id = format!("shop-{number:0>width$}", width = number as usize % 40);
            if step % 3 == 0 {
                let removed = shops.remove(&id).map(|shop| shop.partition);
                assert_eq!(removed, plain.remove(&id));
            } else {
                shops.insert(&id, Shop::new(step));
                plain.insert(id.clone(), step);
            }
            let found = shops.get(&id).map(|shop| shop.partition);
            assert_eq!(found, plain.get(&id).copied());
            let found = shops.get_mut(&id).map(|shop| shop.partition);
            assert_eq!(found, plain.get(&id).copied());
        }
        let mut all: Vec<u32> = shops.iter().map(|shop| shop.partition).collect();
        let mut wanted: Vec<u32> = plain.into_values().collect();
        all.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(all, wanted);
    }
}
