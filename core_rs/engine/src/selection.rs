//! Weighted selection: one pool's turn-taking among its agents.
//!
//! Virtual time `V` only grows, so available members play in one of two tournaments: those whose turn has
//! come (`e <= V`) by (`e + ONE / w`, agent), the others by (`e`, `e + ONE / w`, agent). A pick looks at
//! the first of either. Changes of agents are collected and taken in directly before a pick.
//! Sources: EEVDF (Stoica, Abdel-Wahab 1995), WF2Q+ (Bennett, Zhang 1997).

use crate::agent::Standing;
use crate::turns::Turns;

const ONE: u128 = 1 << 64;

pub struct Pool {
    /// Group indexes, sorted.
    pub groups: Box<[u32]>,
    /// Picked from or charged at least once; before that the pool has no state, only this place to keep it.
    pub started: bool,
    pub virtual_time: u128,
    /// Agents of the groups, and members who are in them no more, by agent id.
    pub members: Vec<Member>,
    /// How many agents of the groups are available now.
    pub available: u32,
    /// `W`: the sum of the stored weights of the available members.
    total: u128,
    eligible: Turns,
    waiting: Turns,
    /// Places of members whose agent may have changed since the last pick.
    changed: Vec<u32>,
}

pub struct Member {
    pub agent: u32,
    /// The agent's effective weight now; 0: the agent is not available, or in none of the groups.
    pub weight_now: u64,
    /// Whether the place stands in `changed`.
    noted: bool,
    /// Was available at some pick; only then the rest means anything.
    pub joined: bool,
    /// Was available at the last pick.
    pub available: bool,
    pub eligible_at: u128,
    pub weight: u64,
    /// How long a turn takes, `ONE / weight`, less 1, so that it fits.
    turn: u64,
}

impl Member {
    /// An agent of the groups who was never available at a pick.
    pub const fn new(agent: u32) -> Self {
        Self {
            agent,
            weight_now: 0,
            noted: true,
            joined: false,
            available: false,
            eligible_at: 0,
            weight: 0,
            turn: 0,
        }
    }

    /// A member as it was at the pool's last pick. `weight` is above 0.
    pub const fn restored(agent: u32, eligible_at: u128, weight: u64, available: bool) -> Self {
        Self {
            joined: true,
            available,
            eligible_at,
            weight,
            turn: turn(weight),
            ..Self::new(agent)
        }
    }

    fn weigh(&mut self, weight: u64) {
        self.weight = weight;
        self.turn = turn(weight);
    }

    fn turn_ends(&self) -> u128 {
        let turn = u128::from(self.turn) + 1;
        self.eligible_at.saturating_add(turn)
    }
}

const fn turn(weight: u64) -> u64 {
    (ONE / weight as u128 - 1) as u64
}

/// Of two members whose turn has come.
fn ends_before(members: &[Member]) -> impl Fn(u32, u32) -> bool {
    |a, b| members[a as usize].turn_ends() < members[b as usize].turn_ends()
}

/// Of two whose turn has not: V moves to the least `e`, and all with that `e` are eligible.
fn begins_before(members: &[Member]) -> impl Fn(u32, u32) -> bool {
    let key = |place: u32| {
        let member = &members[place as usize];
        (member.eligible_at, member.turn_ends())
    };
    move |a, b| key(a) < key(b)
}

impl Pool {
    /// A pool in the state of its last pick. `members` are sorted by agent id; `weight_now` tells an
    /// agent's effective weight now, 0 of one who is not available or in none of the groups.
    pub fn new(
        groups: Box<[u32]>,
        started: bool,
        virtual_time: u128,
        members: Vec<Member>,
        weight_now: impl Fn(u32) -> u64,
    ) -> Self {
        let mut pool = Self {
            groups,
            started,
            virtual_time,
            available: 0,
            total: 0,
            eligible: Turns::new(members.len() as u32),
            waiting: Turns::new(members.len() as u32),
            changed: (0..).take(members.len()).collect(),
            members,
        };
        for place in 0..pool.changed.len() {
            let member = &mut pool.members[place];
            member.weight_now = weight_now(member.agent);
            pool.available += u32::from(member.weight_now > 0);
            if member.available {
                pool.total += u128::from(member.weight);
                pool.line_up(pool.changed[place]);
            }
        }
        pool
    }

    /// Notes that the agent at this place may have changed.
    pub fn note(&mut self, place: u32, now: Standing) {
        let member = &mut self.members[place as usize];
        self.available += u32::from(now.available);
        self.available -= u32::from(member.weight_now > 0);
        member.weight_now = now.weight();
        if !member.noted {
            member.noted = true;
            self.changed.push(place);
        }
    }

    /// Takes in what changed since the last pick. Directly before a pick only.
    pub fn bring_up_to_date(&mut self) {
        self.started = true;
        let now = self.virtual_time;
        while let Some(place) = self.changed.pop() {
            let member = &mut self.members[place as usize];
            member.noted = false;
            let weight = member.weight_now;
            match (member.available, weight > 0) {
                (false, false) => {}
                (true, true) if member.weight == weight => {}
                (true, true) => {
                    self.step_out(place);
                    let member = &mut self.members[place as usize];
                    member.eligible_at = reweighted(member.eligible_at, now, member.weight, weight);
                    self.total -= u128::from(member.weight);
                    member.weigh(weight);
                    self.total += u128::from(weight);
                    self.line_up(place);
                }
                (true, false) => {
                    self.step_out(place);
                    let member = &mut self.members[place as usize];
                    member.available = false;
                    self.total -= u128::from(member.weight);
                }
                (false, true) => {
                    member.eligible_at = if !member.joined {
                        now
                    } else {
                        reweighted(member.eligible_at, now, member.weight, weight).max(now)
                    };
                    member.joined = true;
                    member.available = true;
                    member.weigh(weight);
                    self.total += u128::from(weight);
                    self.line_up(place);
                }
            }
        }
    }

    /// The place whose turn it is among the available members that are not excluded, if there is one.
    pub fn next(&self, is_excluded: impl Fn(u32) -> bool) -> Option<u32> {
        let members = &self.members;
        let allowed = |place: u32| !is_excluded(members[place as usize].agent);
        self.eligible
            .first_of(&allowed, &ends_before(members))
            .or_else(|| self.waiting.first_of(&allowed, &begins_before(members)))
    }

    /// As `next`, among these places only: a narrowed pick. Looks at each of them.
    pub fn next_among(&self, places: impl Iterator<Item = u32>) -> Option<u32> {
        places
            .filter(|&place| self.members[place as usize].available)
            .min_by_key(|&place| {
                let member = &self.members[place as usize];
                // Those whose turn has come, first; of the others the least e moves V.
                let wait = member.eligible_at.saturating_sub(self.virtual_time);
                (wait, member.turn_ends(), place)
            })
    }

    /// Gives the member at this place its turn. The pool is up to date.
    pub fn pick(&mut self, place: u32) {
        let member = &self.members[place as usize];
        if !member.available {
            return;
        }
        self.virtual_time = self.virtual_time.max(member.eligible_at);
        self.let_in();
        self.charge(place);
    }

    /// Charges the member at this place for a turn it was not asked for. The pool is up to date.
    pub fn charge(&mut self, place: u32) {
        if !self.members[place as usize].available {
            return;
        }
        self.step_out(place);
        let member = &mut self.members[place as usize];
        member.eligible_at = member.turn_ends();
        self.virtual_time = self.virtual_time.saturating_add(ONE / self.total);
        self.line_up(place);
        self.let_in();
    }

    /// Moves those whose turn has come by now among the eligible.
    fn let_in(&mut self) {
        while let Some(place) = self.waiting.first()
            && self.members[place as usize].eligible_at <= self.virtual_time
        {
            let members = &self.members;
            self.waiting.set(place, false, begins_before(members));
            self.eligible.set(place, true, ends_before(members));
        }
    }

    fn line_up(&mut self, place: u32) {
        self.play(place, true);
    }

    fn step_out(&mut self, place: u32) {
        self.play(place, false);
    }

    /// Takes part in the tournament that goes by the member's key, or does not any more.
    fn play(&mut self, place: u32, takes_part: bool) {
        let members = &self.members;
        if members[place as usize].eligible_at <= self.virtual_time {
            self.eligible.set(place, takes_part, ends_before(members));
        } else {
            self.waiting.set(place, takes_part, begins_before(members));
        }
    }
}

/// `e` after a change of weight: the distance to `now` shrinks as the weight grows.
fn reweighted(eligible_at: u128, now: u128, old: u64, new: u64) -> u128 {
    if old == new {
        return eligible_at;
    }
    if eligible_at >= now {
        now.saturating_add(scaled(eligible_at - now, old, new))
    } else {
        now.saturating_sub(scaled(now - eligible_at, old, new))
    }
}

/// `distance * old / new` without losing high bits; beyond 128 bits, the greatest number.
fn scaled(distance: u128, old: u64, new: u64) -> u128 {
    let (old, new) = (u128::from(old), u128::from(new));
    let rest = (distance % new) * old / new;
    match (distance / new).checked_mul(old) {
        Some(whole) => whole.saturating_add(rest),
        None => u128::MAX,
    }
}
