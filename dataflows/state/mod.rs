//! What is held by key on one worker, of whatever kind: lists, maps and heaps that do
//! not move as a whole, order made some at a time, and the turns in which work on them is done.
//!
//! Nothing here knows what a key stands for. Whatever may grow with the number of keys or with an
//! epoch grows and is worked off in small steps, so that no turn takes long.

pub mod blocks;
pub mod heap;
pub mod ordered;
pub mod parts;
pub mod sparse;
pub mod turns;
