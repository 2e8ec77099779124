//! What the program tells about itself whatever it does: logs, progress, what stands still, and
//! what it uses.

pub mod logging;
pub mod panics;
pub mod progress;
pub mod pseudonym;
pub mod stalls;
pub mod usage;
