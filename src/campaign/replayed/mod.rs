//! How a campaign is replayed: its flags, its files, and what is written of it at the end.

mod features;
mod model;
mod replaying;
#[cfg(test)]
mod tests;
mod thresholds;
mod writing;
