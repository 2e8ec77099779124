//! The configuration: every key in `default.toml`, its types, and the layers that set it.

pub mod fault;
mod level;
pub mod load;
pub mod location;
pub mod secret;
pub mod shown;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub mod types;
pub mod values;

use std::path::Path;
use types::Config;

/// What a room finds wrong with its section: (key, what is wrong).
pub type Check = fn(&Config) -> Vec<(&'static str, String)>;

impl Config {
    /// What the rooms find wrong with their sections, in values together or in files that they
    /// name: (key, what is wrong).
    fn faults_between(&self, rooms: &[Check]) -> Vec<(&'static str, String)> {
        rooms.iter().flat_map(|check| check(self)).collect()
    }
}

/// A secret that is alone in its file; blank space around it does not count.
pub fn secret_file(path: &Path) -> Result<secret::Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    match text.trim() {
        "" => Err("expected a secret in this file, which is empty".to_string()),
        secret => {
            secret::keep(secret);
            Ok(secret::Secret::new(secret.to_string()))
        }
    }
}
