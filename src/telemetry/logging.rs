//! Logs: on standard error, as text or JSON, filtered by level and module.

use crate::config::secret::Scrubbing;
use crate::config::types::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Whether a text says what is to be logged.
pub fn is_level(text: &str) -> bool {
    !text.trim().is_empty() && text.split(',').all(is_directive)
}

/// A level, or a module and its level. The filter itself also takes a lone word as a module, which
/// is nearly always a misspelt level.
fn is_directive(text: &str) -> bool {
    let level =
        |word: &str| word == "off" || matches!(word, "error" | "warn" | "info" | "debug" | "trace");
    match text.trim().split_once('=') {
        None => level(text.trim()),
        Some((module, word)) => !module.is_empty() && level(word),
    }
}

/// Starts logging; to be called once, before anything is logged. A second call changes nothing.
pub fn start(log: &Log) {
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

#[cfg(test)]
mod tests {
    use super::is_level;

    #[test]
    fn levels_and_modules_are_taken_and_misspelt_levels_are_not() {
        for text in ["info", "off", "info,sluice=debug", "warn, rdkafka=trace"] {
            assert!(is_level(text), "{text}");
        }
        for text in ["", "verbose", "info,", "=debug", "sluice=loud"] {
            assert!(!is_level(text), "{text}");
        }
    }
}
