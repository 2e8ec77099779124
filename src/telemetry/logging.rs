//! Logs: on standard error, as text or JSON, filtered by level and module.

use crate::config::secret::Scrubbing;
use crate::config::types::{LogFormat, LogSection};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging; to be called once, before anything is logged. A second call changes nothing.
pub fn start(log: &LogSection) {
    // The migrations' own lines say nothing that a job's operator needs; a level given for them
    // comes later and wins.
    let filter = EnvFilter::new(format!("refinery_core=warn,{}", log.level));
    let colored = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colored)
        .with_writer(|| Scrubbing(std::io::stderr()));
    // The only error is that logging has been started before.
    let _ = match log.format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}
