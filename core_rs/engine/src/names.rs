//! Names by number. A name keeps its number, whatever becomes of what has it, so that a number says as
//! much as the name and costs nothing to keep.

use crate::ids;
use crate::index::Index;

/// As many are gone through; more have an index.
const FEW: usize = 8;

#[derive(Default)]
pub struct Names {
    names: Vec<Name>,
    index: Option<Box<Index>>,
}

struct Name {
    text: Box<str>,
    /// The index of the group that has it now.
    group: Option<u32>,
}

impl Names {
    fn find(&self, name: &str) -> Option<u32> {
        let is_it = |number: u32| *self.names[number as usize].text == *name;
        match &self.index {
            Some(index) => index.find(ids::hash(name.as_bytes()), is_it),
            None => (0..self.names.len() as u32).find(|&number| is_it(number)),
        }
    }

    /// The number of this name, made if need be.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer than 2^32 names in a shop");
        let text = name.into();
        if self.names.is_empty() {
            // Mostly it stays the only one.
            self.names.reserve_exact(1);
        }
        self.names.push(Name { text, group: None });
        if let Some(index) = &mut self.index {
            index.insert(ids::hash(name.as_bytes()), number);
        } else if self.names.len() > FEW {
            let mut index = Index::default();
            for (number, name) in (0..).zip(&self.names) {
                index.insert(ids::hash(name.text.as_bytes()), number);
            }
            self.index = Some(index.into());
        }
        number
    }

    pub fn text(&self, number: u32) -> &str {
        &self.names[number as usize].text
    }

    /// The group with this index has the name of this number.
    pub fn give(&mut self, number: u32, group: u32) {
        self.names[number as usize].group = Some(group);
    }

    /// No group has any.
    pub fn take_all(&mut self) {
        for name in &mut self.names {
            name.group = None;
        }
    }

    /// The index of the group that has this name.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.names[self.find(name)? as usize].group
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_name_keeps_its_number_however_many_there_are() {
        let mut names = Names::default();
        for count in 0..40 {
            for number in 0..count {
                assert_eq!(names.number(&format!("name-{number}")), number);
                assert_eq!(names.text(number), format!("name-{number}"));
            }
            assert_eq!(names.group(&format!("name-{count}")), None);
            names.number(&format!("name-{count}"));
            names.give(count, 7);
            assert_eq!(names.group(&format!("name-{count}")), Some(7));
        }
        names.take_all();
        assert_eq!(names.group("name-0"), None);
    }
}
