//! The first of many places by a key that each of them has. Knows nothing of the keys: it is told which of
//! two places comes before the other.
//!
//! A tournament, also called a winner tree (Knuth, The Art of Computer Programming 3, 5.4.1): each place
//! that is there plays, and above any two stands the one that comes first. A change plays the games above
//! one place anew.

const NOBODY: u32 = u32::MAX;

pub struct Turns {
    /// The root is 1, below `n` are `2 * n` and `2 * n + 1`; the second half are the places themselves.
    winners: Box<[u32]>,
    places: u32,
}

impl Turns {
    /// With none of so many places there, which takes no room yet.
    pub fn new(places: u32) -> Self {
        Self {
            winners: Box::default(),
            places,
        }
    }

    pub fn first(&self) -> Option<u32> {
        self.winners
            .get(1)
            .copied()
            .filter(|&place| place != NOBODY)
    }

    /// The first that is allowed.
    pub fn first_of(
        &self,
        is_allowed: &impl Fn(u32) -> bool,
        comes_before: &impl Fn(u32, u32) -> bool,
    ) -> Option<u32> {
        self.first_below(1, is_allowed, comes_before)
    }

    fn first_below(
        &self,
        node: usize,
        is_allowed: &impl Fn(u32) -> bool,
        comes_before: &impl Fn(u32, u32) -> bool,
    ) -> Option<u32> {
        let winner = *self.winners.get(node)?;
        if winner == NOBODY || is_allowed(winner) {
            return (winner != NOBODY).then_some(winner);
        }
        let below = |node| self.first_below(node, is_allowed, comes_before);
        match (below(2 * node), below(2 * node + 1)) {
            (Some(left), Some(right)) if comes_before(right, left) => Some(right),
            (left, right) => left.or(right),
        }
    }

    /// The place is there or not, with another key than before, maybe. Of places that come before neither,
    /// the lower one is first.
    pub fn set(&mut self, place: u32, is_there: bool, comes_before: impl Fn(u32, u32) -> bool) {
        if self.winners.is_empty() {
            let places = self.places.next_power_of_two() as usize;
            self.winners = vec![NOBODY; 2 * places].into();
        }
        let mut node = self.winners.len() / 2 + place as usize;
        self.winners[node] = if is_there { place } else { NOBODY };
        while node > 1 {
            let (left, right) = (self.winners[node & !1], self.winners[node | 1]);
            let right_wins = right != NOBODY && (left == NOBODY || comes_before(right, left));
            let winner = if right_wins { right } else { left };
            node /= 2;
            // Above a game that the place was not and is not the winner of, nothing changes.
            if winner == self.winners[node] && winner != place {
                break;
            }
            self.winners[node] = winner;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn the_first_is_first_whoever_comes_and_goes() {
        for places in [1, 2, 3, 7, 8, 100] {
            let mut turns = Turns::new(places as u32);
            let mut keys: Vec<Option<u32>> = vec![None; places];
            let mut random = 5_u32;
            for _ in 0..4_000 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let place = (random >> 8) as usize % places;
                keys[place] = (!random.is_multiple_of(3)).then_some(random >> 4 & 7);
                let before = |a: u32, b: u32| keys[a as usize] < keys[b as usize];
                turns.set(place as u32, keys[place].is_some(), before);
                let excluded = random >> 20 & 3;
                for least in [0, excluded] {
                    let wanted = keys
                        .iter()
                        .enumerate()
                        .filter(|(at, key)| key.is_some() && *at as u32 % 4 >= least)
                        .min_by_key(|(at, key)| (**key, *at))
                        .map(|(at, _)| at as u32);
                    assert_eq!(turns.first_of(&|at| at % 4 >= least, &before), wanted);
                    if least == 0 {
                        assert_eq!(turns.first(), wanted);
                    }
                }
            }
        }
    }
}
