//! What the configuration says of the console.

use crate::config::secret::Secret;
use crate::config::secret_file;
use crate::config::types::{Config, HttpSection};

/// What is wrong with who can reach the console: (key, problem).
pub fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let http = &config.http;
    let fault = match http.token() {
        Err(problem) => Some(("http.api_token_file", problem)),
        Ok(None) if !http.listen.ip().is_loopback() && !http.insecure => Some((
            "http.listen",
            "others can reach this address: set http.api_token_file, or http.insecure = true to do \
             without a token"
                .to_string(),
        )),
        Ok(_) => None,
    };
    fault.into_iter().collect()
}

impl HttpSection {
    /// The bearer token; `None` where none is asked for.
    ///
    /// # Errors
    /// The file cannot be read or is empty: a sentence for the key `http.api_token_file`.
    pub fn token(&self) -> Result<Option<Secret>, String> {
        self.api_token_file.as_deref().map(secret_file).transpose()
    }
}
