//! What a panic says, on standard error, without the secrets that it may repeat.

use crate::config::secret::scrubbed;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::Write;
use std::thread;

/// From now on a panic says what it says without secrets, and otherwise as it would anyway.
pub fn scrub() {
    std::panic::set_hook(Box::new(|panic| {
        // It may be told to nobody that standard error is closed.
        drop(writeln!(std::io::stderr(), "{}", told(panic, &Backtrace::capture())));
    }));
}

fn told(panic: &impl Display, backtrace: &Backtrace) -> String {
    let current = thread::current();
    let text = format!("thread `{}` {panic}", current.name().unwrap_or("unnamed"));
    let text = scrubbed(&text);
    match backtrace.status() {
        BacktraceStatus::Captured => format!("{text}\n{backtrace}"),
        _ => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::keep;

    #[test]
    fn a_panic_repeats_no_secret() {
        keep("hunter-of-panics");
        let said = told(
            &"panicked at src/x.rs:1:2:\ninvalid password: hunter-of-panics",
            &Backtrace::disabled(),
        );
        assert!(
            said.contains("panicked at src/x.rs:1:2:\ninvalid password: ***")
                && !said.contains("hunter"),
            "{said}"
        );
    }
}
