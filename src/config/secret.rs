//! Secrets mask themselves wherever they are shown, and no output of the process repeats one.

use super::shown::masked_address;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// A text that is never shown: its `Debug` and `Display` are a mask.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { MASK })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// An address that may carry a password: `Debug` and `Display` show everything else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps an address.
    pub fn new(url: String) -> Self {
        SecretUrl(url)
    }

    /// The address with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked_address(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// Values that no output of the process may contain, each in every form that it takes in texts, the
/// longest first.
static KEPT: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Characters from which a value is looked for: a shorter one is in many texts by chance.
const LEAST: usize = 6;

/// Keeps a value out of whatever the process prints, logs and answers from now on, wherever it came
/// from: libraries and servers repeat in their messages what they were told.
pub fn keep(value: &str) {
    if value.chars().count() < LEAST || value == MASK {
        return;
    }
    let json = serde_json::Value::from(value).to_string();
    let debug = format!("{value:?}");
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
    let forms = [value, &json[1..json.len() - 1], &debug[1..debug.len() - 1], &decoded];
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    for form in forms {
        if !kept.iter().any(|other| other == form) {
            kept.push(form.to_string());
        }
    }
    kept.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// A text without the values that are kept out.
pub fn scrubbed(text: &str) -> Cow<'_, str> {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = Cow::Borrowed(text);
    for form in kept.iter() {
        if text.contains(form.as_str()) {
            text = Cow::Owned(text.replace(form.as_str(), MASK));
        }
    }
    text
}

/// Writes on without the values that are kept out. It must be given whole texts, as a log does.
#[derive(Debug)]
pub struct Scrubbing<W>(pub W);

impl<W: Write> Write for Scrubbing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(scrubbed(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows() {
        let secret = Secret::new("hunter2".to_string());
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "*** Secret(***) Some(Secret(***))"
        );
        let url = SecretUrl::new("postgres://sluice:hunter2@127.0.0.1/sluice".to_string());
        assert_eq!(
            format!("{url} {url:?}"),
            "postgres://sluice:***@127.0.0.1/sluice \
             SecretUrl(postgres://sluice:***@127.0.0.1/sluice)"
        );
    }

    #[test]
    fn what_is_kept_is_in_no_text_in_any_form() {
        keep("kept-\"secret\\");
        keep("kept%2Dencoded");
        keep("kept-\"secret\\-and-more");
        keep("short");
        let json = serde_json::json!({ "a": "x kept-\"secret\\" }).to_string();
        assert_eq!(scrubbed(&json), r#"{"a":"x ***"}"#);
        assert_eq!(
            scrubbed("kept-encoded kept%2Dencoded kept-\"secret\\-and-more short"),
            "*** *** *** short"
        );
        assert!(matches!(scrubbed("nothing of it"), Cow::Borrowed(_)));
        let mut written = Vec::new();
        Scrubbing(&mut written)
            .write_all(b"a kept-encoded line\n")
            .expect("a vector takes everything");
        assert_eq!(written, b"a *** line\n");
    }
}
