//! The engine: a source, whichever dataflow and a sink put together, one file each.

pub mod ending;
mod erasing;
pub mod gather;
mod held_back;
pub mod history;
mod keeping;
pub mod live;
pub mod load;
pub mod opening;
mod peers;
mod plan;
pub mod publishing;
mod reach;
mod recalling;
mod reconfiguring;
pub mod replay;
mod restart;
pub mod run;
mod saving;
pub mod schedule;
mod section;
pub mod soundness;
mod stalling;
pub mod start;
pub mod topics;
pub mod verify;
mod watch;
