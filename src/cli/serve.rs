//! Flags of every command that serves the console and the API.

use super::overrides;
use crate::config::load::Override;
use clap::Args;

/// Where to serve, and to whom. The values are checked as keys of the configuration, together with
/// all others.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Console options")]
pub struct ServeArgs {
    /// Address of the console and the API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "SLUICE_HTTP_LISTEN", hide_env_values = true)]
    pub listen: Option<String>,
    /// File that holds the bearer token; once set, everything but /healthz asks for it
    #[arg(long, value_name = "FILE", env = "SLUICE_HTTP_API_TOKEN_FILE", hide_env_values = true)]
    pub api_token_file: Option<String>,
    /// Allows an address that others can reach although there is no token
    #[arg(
        long,
        env = "SLUICE_HTTP_INSECURE",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub insecure: bool,
}

impl ServeArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        let insecure = self.insecure.then(|| "true".to_string());
        overrides([
            ("http.listen", "--listen", &self.listen),
            ("http.api_token_file", "--api-token-file", &self.api_token_file),
            ("http.insecure", "--insecure", &insecure),
        ])
    }
}
