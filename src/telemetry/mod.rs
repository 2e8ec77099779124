//! What the program tells about itself: logs and progress.

pub mod logging;
pub mod progress;
pub mod usage;
