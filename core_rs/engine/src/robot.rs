//! The robot: when it receives a buyer (step 6 and a group's policy), and mixed mode's accumulators.

use crate::facts::Decided;
use crate::proto::fenliu::v1 as api;
use crate::state::Shop;
use api::{Outcome, Reason, ReceptionMode};

/// What step 6 says.
pub enum Reception {
    Human,
    Robot,
    /// Mixed mode: whose accumulator goes up, and whether that makes it the robot's turn.
    Mixed {
        owner: String,
        robot: bool,
    },
}

impl Shop {
    pub fn has_robot(&self) -> bool {
        self.lookup.robot_id.is_some()
    }

    /// Step 6, with a robot configured and no human asked for. `first`: the first matched group.
    pub fn reception(&self, first: Option<u32>) -> Reception {
        let (owner, mode) = if self.lookup.mode_by_group {
            let Some(first) = first else {
                return Reception::Human;
            };
            let group = &self.lookup.groups[first as usize];
            (self.lookup.group_id(first), group.reception_mode)
        } else {
            ("", self.lookup.reception_mode)
        };
        match mode {
            ReceptionMode::RobotFirst => Reception::Robot,
            ReceptionMode::Mixed => Reception::Mixed {
                robot: self.advanced(owner).1,
                owner: owner.to_owned(),
            },
            ReceptionMode::HumanFirst | ReceptionMode::Unspecified => Reception::Human,
        }
    }

    /// The owner's accumulator after one more inquiry, and whether the robot takes that one.
    pub fn advanced(&self, owner: &str) -> (i32, bool) {
        let percent = match self.lookup.group_index(owner) {
            Some(index) => self.lookup.groups[index as usize].robot_percent,
            None => self.lookup.robot_percent,
        };
        let sum = self.mixed.get(owner).copied().unwrap_or(0) + percent;
        if sum >= 100 {
            (sum - 100, true)
        } else {
            (sum, false)
        }
    }

    /// A decision for the robot, in a new conversation.
    pub fn to_robot(&self, reason: Reason) -> Decided {
        Decided {
            conversation: self.last_conversation + 1,
            agent: self.lookup.robot_id.clone().into(),
            ..self.decision(Outcome::Robot, reason)
        }
    }
}
