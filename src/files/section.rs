//! What the configuration says of files of results.

use crate::config::types::Config;

/// What is wrong with where results go: (key, problem).
pub fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let both = config.files.dir.is_some() && !config.postgres.url.is_empty();
    let fault = (
        "files.dir",
        "expected only one of files.dir and postgres.url: results go to one place".to_string(),
    );
    both.then_some(fault).into_iter().collect()
}
