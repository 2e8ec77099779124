//! Generic timely operators: they know capabilities, frontiers and stashes, and nothing of
//! customers.

pub mod by_epoch;
pub mod deliver;
pub mod in_turns;
pub mod stash;
