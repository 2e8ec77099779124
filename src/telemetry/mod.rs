//! What the program tells about itself: logs, progress, status and metrics.

mod exposition;
pub mod logging;
pub mod metrics;
pub mod panics;
pub mod progress;
pub mod pseudonym;
pub mod stalls;
pub mod status;
pub mod turns;
pub mod usage;
