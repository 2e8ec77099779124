//! What is to be logged, as a configuration says it.

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
