//! What is held by key on one worker, of whatever kind: lists that never move, order made some at a
//! time, and the turns in which work on them is done.
//!
//! Nothing here knows what a key stands for. Whatever may grow with the number of keys or with an
//! epoch grows and is worked off in small steps, so that no turn takes long.

pub mod blocks;
pub mod ordered;
pub mod turns;
