//! Names by number. A name keeps its number, whatever becomes of what has it, so that a number says as
//! much as the name and costs nothing to keep.

use crate::ids;
use crate::index::Index;

#[derive(Default)]
pub struct Names {
    texts: Vec<Box<str>>,
    index: Index,
}

impl Names {
    pub fn find(&self, name: &str) -> Option<u32> {
        let is_it = |number: u32| *self.texts[number as usize] == *name;
        self.index.find(ids::hash(name.as_bytes()), is_it)
    }

    /// The number of this name, made if need be.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = u32::try_from(self.texts.len()).expect("fewer than 2^32 names in a shop");
        self.texts.push(name.into());
        self.index.insert(ids::hash(name.as_bytes()), number);
        number
    }

    pub fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }
}
