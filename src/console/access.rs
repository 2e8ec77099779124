//! Who may ask: with a bearer token set, those who know it; without one, whoever asks this machine
//! by its number.
//!
//! A page from elsewhere can make a browser send requests to a name of its own that leads here
//! (rebinding), but neither to a number nor to localhost, and never with a token.

use super::problem::{ProblemDetails, ProblemType};
use crate::config::secret::Secret;
use crate::config::types::{HttpSection, OpenPath};
use axum::http::{HeaderMap, Uri, header};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// What a request must carry.
#[derive(Clone, Debug)]
pub(super) struct Access {
    token: Option<Hash>,
    open: Vec<OpenPath>,
}

impl Access {
    /// For those who know the token; where there is none, for everybody who asks this machine.
    pub(super) fn new(token: Option<&Secret>, http: &HttpSection) -> Self {
        Access { token: token.map(Hash::of), open: http.open.clone() }
    }

    /// Lets a request pass, or says what is missing.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ProblemDetails> {
        if self.open.iter().any(|open| open.path() == uri.path()) {
            return Ok(());
        }
        match &self.token {
            Some(expected) if expected.is_carried(headers) => Ok(()),
            Some(_) => Err(ProblemDetails::new(
                ProblemType::Unauthorized,
                "expected the header Authorization: Bearer TOKEN with the token of \
                 http.api_token_file",
            )),
            None if names_this_machine(uri, headers) => Ok(()),
            None => {
                let why = "without a token, the header Host must be an address of numbers or \
                    localhost: ask for one of these, or set \
                           http.api_token_file; http.open names what probes may ask for by any \
                           name";
                Err(ProblemDetails::new(ProblemType::ForeignHost, why))
            }
        }
    }

    /// Whether it is a token that is asked for.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

/// What is kept of a token. Hashes are compared, so that the time taken tells nothing of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    /// Of a token.
    pub(super) fn of(token: &Secret) -> Self {
        Hash(Sha256::digest(token.expose().as_bytes()).into())
    }

    /// Whether a request carries the token.
    pub(super) fn is_carried(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| <[u8; 32]>::from(Sha256::digest(token)) == self.0)
    }
}

/// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) =
        headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Whether the request was addressed to a number or to localhost, wherever it says to whom. No
/// browser leaves it out.
fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    hosts.chain(uri.authority().map(|authority| authority.as_str())).all(is_this_machine)
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_the_token_itself_passes() {
        let hash = Hash::of(&Secret::new("hunter2".to_string()));
        let carried = |value: Option<&'static str>| {
            let headers =
                value.map(|value| (header::AUTHORIZATION, value.parse().expect("a header")));
            hash.is_carried(&headers.into_iter().collect())
        };
        for passes in ["Bearer hunter2", "bearer hunter2", "BEARER  hunter2 "] {
            assert!(carried(Some(passes)), "{passes}");
        }
        for fails in [
            "Bearer hunter",
            "Bearer hunter22",
            "Bearer ",
            "Bearer",
            "hunter2",
            "Basic hunter2",
            "Bearer hunter2 hunter2",
            "",
        ] {
            assert!(!carried(Some(fails)), "{fails}");
        }
        assert!(!carried(None));
    }

    #[test]
    fn only_numbers_and_localhost_name_this_machine() {
        let path = Uri::from_static("/status");
        let named = |hosts: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_bytes(host).expect("a header"));
            }
            names_this_machine(&path, &headers)
        };
        for ours in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
            "10.0.0.3:80",
        ] {
            assert!(named(&[ours.as_bytes()]), "{ours}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "",
        ] {
            assert!(!named(&[foreign.as_bytes()]), "{foreign}");
        }
        assert!(!named(&[b"localhost", b"evil.example"]) && !named(&[b"\xff.example"]));
        assert!(named(&[]), "no browser leaves it out");
        let absolute = Uri::from_static("http://evil.example/status");
        let ours = [(header::HOST, HeaderValue::from_static("localhost"))].into_iter().collect();
        assert!(
            !names_this_machine(&absolute, &ours)
                && names_this_machine(&Uri::from_static("http://127.0.0.1:80/status"), &ours)
        );
    }
}
