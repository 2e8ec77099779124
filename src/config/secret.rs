//! Secrets mask themselves wherever they are shown.

use std::fmt;

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
        f.write_str(&mask_url(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// Masks the password of an address, be it `scheme://user:password@host`, `?password=` or `password=` among words.
pub fn mask_url(url: &str) -> String {
    mask_parameters(&mask_authority(url))
}

/// Masks what stands between the user's colon and the last `@` of the authority.
fn mask_authority(url: &str) -> String {
    let Some(scheme) = url.find("://") else { return url.to_string() };
    let start = scheme + 3;
    // A password may hold a raw slash, question mark or at sign, so the last `@` of all counts: rather too much masked than too little.
    let Some(at) = url[start..].rfind('@').map(|at| start + at) else { return url.to_string() };
    match url[start..at].find(':') {
        Some(colon) => format!("{}:{MASK}{}", &url[..start + colon], &url[at..]),
        None => url.to_string(),
    }
}

/// Masks the value of every `password=`, quoted or not.
fn mask_parameters(url: &str) -> String {
    let mut masked = String::new();
    let mut rest = url;
    // Lower case in ASCII keeps every byte's place.
    while let Some(found) = rest.to_ascii_lowercase().find("password") {
        let after = found + "password".len();
        let value = &rest[after..];
        let Some(equals) = value.find(|c: char| c != ' ').filter(|&i| value[i..].starts_with('=')) else {
            masked.push_str(&rest[..after]);
            rest = value;
            continue;
        };
        let start = equals + 1 + value[equals + 1..].len() - value[equals + 1..].trim_start().len();
        masked.push_str(&rest[..after]);
        masked.push('=');
        masked.push_str(MASK);
        rest = &value[start + value_length(&value[start..])..];
    }
    masked + rest
}

/// Length of a value that may be quoted with apostrophes, and escaped with backslashes there.
fn value_length(text: &str) -> usize {
    let Some(quoted) = text.strip_prefix('\'') else { return text.find(['&', ' ']).unwrap_or(text.len()) };
    let mut escaped = false;
    for (i, c) in quoted.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return i + 2,
            _ => {}
        }
    }
    text.len()
}

/// Whether a property of librdkafka is a secret, by its name.
pub fn is_secret_property(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token", "key.pem", "jaas", "oauthbearer.config", "assertion"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows() {
        let secret = Secret::new("hunter2".to_string());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** Secret(***) Some(Secret(***))");
    }

    #[test]
    fn passwords_in_addresses_are_masked() {
        for (url, shown) in [
            ("postgres://sluice@127.0.0.1/sluice", "postgres://sluice@127.0.0.1/sluice"),
            ("postgres://sluice:hunter2@127.0.0.1/sluice", "postgres://sluice:***@127.0.0.1/sluice"),
            ("postgres://sluice:hun@ter/2@127.0.0.1/sluice", "postgres://sluice:***@127.0.0.1/sluice"),
            ("postgres://127.0.0.1/sluice?user=a&password=hunter2&b=c", "postgres://127.0.0.1/sluice?user=a&password=***&b=c"),
            ("host=a password=hunter2 user=b", "host=a password=*** user=b"),
            ("host=a Password = 'hunter \\' 2' user=b", "host=a Password=*** user=b"),
            ("host=a password='hunter2", "host=a password=***"),
            ("host=a user=password", "host=a user=password"),
        ] {
            assert_eq!(mask_url(url), shown);
            assert_eq!(format!("{:?}", SecretUrl::new(url.to_string())), format!("SecretUrl({shown})"));
        }
    }

    #[test]
    fn secret_properties_are_known_by_name() {
        assert!(is_secret_property("sasl.password"));
        assert!(is_secret_property("ssl.key.pem"));
        assert!(!is_secret_property("security.protocol"));
    }
}
