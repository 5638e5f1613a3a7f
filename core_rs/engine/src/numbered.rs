//! A map by numbers that are given out one after the other. Neighbours stand together, so that what
//! comes and goes in about the order of its numbers is near at hand. Knows nothing of the values.

use crate::maps::Map;

/// Values by number. Those of a page of numbers stand together, in memory while there is one of them.
pub struct Numbered<V, const PAGE: usize> {
    /// The page of the highest numbers, for most the only one.
    newest: Option<(u64, Box<Page<V, PAGE>>)>,
    others: Map<u64, Box<Page<V, PAGE>>>,
    len: usize,
}

struct Page<V, const PAGE: usize> {
    taken: u32,
    slots: [Option<V>; PAGE],
}

impl<V, const PAGE: usize> Default for Numbered<V, PAGE> {
    fn default() -> Self {
        Self {
            newest: None,
            others: Map::default(),
            len: 0,
        }
    }
}

/// The page, and the place in it.
const fn place<const PAGE: usize>(number: u64) -> (u64, usize) {
    (number / PAGE as u64, (number % PAGE as u64) as usize)
}

impl<V, const PAGE: usize> Page<V, PAGE> {
    fn new() -> Box<Self> {
        Box::new(Self {
            taken: 0,
            slots: [const { None }; PAGE],
        })
    }
}

impl<V, const PAGE: usize> Numbered<V, PAGE> {
    fn page(&self, number: u64) -> Option<&Page<V, PAGE>> {
        match &self.newest {
            Some((newest, page)) if *newest == number => Some(page),
            _ => self.others.get(&number).map(Box::as_ref),
        }
    }

    fn page_mut(&mut self, number: u64) -> Option<&mut Page<V, PAGE>> {
        match &mut self.newest {
            Some((newest, page)) if *newest == number => Some(page),
            _ => self.others.get_mut(&number).map(Box::as_mut),
        }
    }

    /// Begins a page that is not there.
    fn begin(&mut self, number: u64) {
        match &mut self.newest {
            Some((newest, _)) if *newest > number => {
                self.others.insert(number, Page::new());
            }
            newest => {
                if let Some((before, page)) = newest.replace((number, Page::new())) {
                    self.others.insert(before, page);
                }
            }
        }
    }

    pub fn get(&self, number: u64) -> Option<&V> {
        let (page, slot) = place::<PAGE>(number);
        self.page(page)?.slots[slot].as_ref()
    }

    pub fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        let (page, slot) = place::<PAGE>(number);
        self.page_mut(page)?.slots[slot].as_mut()
    }

    pub fn contains(&self, number: u64) -> bool {
        self.get(number).is_some()
    }

    pub fn insert(&mut self, number: u64, value: V) {
        let (number, slot) = place::<PAGE>(number);
        if self.page(number).is_none() {
            self.begin(number);
        }
        if let Some(page) = self.page_mut(number)
            && page.slots[slot].replace(value).is_none()
        {
            page.taken += 1;
            self.len += 1;
        }
    }

    pub fn remove(&mut self, number: u64) -> Option<V> {
        let (number, slot) = place::<PAGE>(number);
        let page = self.page_mut(number)?;
        let value = page.slots[slot].take()?;
        page.taken -= 1;
        let is_empty = page.taken == 0;
        self.len -= 1;
        if is_empty && self.newest.take_if(|newest| newest.0 == number).is_none() {
            self.others.remove(&number);
            // What is not needed any more need not keep its room.
            if self.others.capacity() > 64 + 8 * self.others.len() {
                self.others.shrink_to(2 * self.others.len());
            }
        }
        Some(value)
    }

    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let newest = self.newest.iter().map(|(number, page)| (number, page));
        newest.chain(&self.others).flat_map(|(page, values)| {
            let first = page * PAGE as u64;
            let slots = (0..).zip(&values.slots);
            slots.filter_map(move |(number, value)| Some((first + number, value.as_ref()?)))
        })
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    /// Bytes this takes, apart from what values point at.
    pub fn memory(&self) -> usize {
        let in_map = (size_of::<(u64, Box<Page<V, PAGE>>)>() + 1) * self.others.capacity() * 8 / 7;
        let pages = self.others.len() + usize::from(self.newest.is_some());
        in_map + size_of::<Page<V, PAGE>>() * pages
    }
}

impl<V, const PAGE: usize> std::ops::Index<u64> for Numbered<V, PAGE> {
    type Output = V;

    fn index(&self, number: u64) -> &V {
        self.get(number).expect("a number that is there")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Numbered;

    #[test]
    fn it_is_a_map() {
        let mut numbered = Numbered::<u64, 16>::default();
        let mut plain = BTreeMap::new();
        let mut number = 7_u64;
        for step in 0..20_000_u64 {
            number = number * 1_103_515_245 % 2_147_483_647;
            let key = u64::MAX - number % 300;
            if number.is_multiple_of(3) {
                assert_eq!(numbered.remove(key), plain.remove(&key));
            } else {
                numbered.insert(key, step);
                plain.insert(key, step);
            }
            assert_eq!(numbered.len(), plain.len());
            assert_eq!(numbered.get(key), plain.get(&key));
            assert_eq!(numbered.contains(key), plain.contains_key(&key));
            if let Some(value) = numbered.get_mut(key) {
                *value += 1;
                *plain.get_mut(&key).unwrap() += 1;
                assert_eq!(numbered[key], plain[&key]);
            }
        }
        let mut all: Vec<_> = numbered.iter().map(|(key, value)| (key, *value)).collect();
        all.sort_unstable();
        assert_eq!(all, plain.clone().into_iter().collect::<Vec<_>>());
        for key in plain.into_keys() {
            numbered.remove(key);
        }
        assert_eq!((numbered.len(), numbered.iter().count()), (0, 0));
        assert!(numbered.memory() < 4_096);
    }
}
