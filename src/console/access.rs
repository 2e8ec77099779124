//! Who may ask: with a bearer token set, only those who know it.

use crate::config::secret::Secret;
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// What a request must carry. Only the token's hash is kept.
#[derive(Clone, Debug)]
pub(super) struct Access(Option<[u8; 32]>);

impl Access {
    /// For those who know the token; for everybody, where there is none.
    pub(super) fn new(token: Option<&Secret>) -> Self {
        Access(token.map(|token| hash(token.expose().as_bytes())))
    }

    /// Whether a request with these headers may pass. Hashes are compared, so that the time taken tells nothing of the token.
    pub(super) fn allows(&self, headers: &HeaderMap) -> bool {
        match &self.0 {
            None => true,
            Some(expected) => bearer(headers).is_some_and(|token| hash(token) == *expected),
        }
    }
}

/// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_passes() {
        let access = Access::new(Some(&Secret::new("hunter2".to_string())));
        let allows = |value: Option<&'static str>| {
            let headers = value.map(|value| (header::AUTHORIZATION, value.parse().expect("a header")));
            access.allows(&headers.into_iter().collect())
        };
        for passes in ["Bearer hunter2", "bearer hunter2", "BEARER  hunter2 "] {
            assert!(allows(Some(passes)), "{passes}");
        }
        for fails in ["Bearer hunter", "Bearer hunter22", "Bearer ", "Bearer", "hunter2", "Basic hunter2", "Bearer hunter2 hunter2", ""] {
            assert!(!allows(Some(fails)), "{fails}");
        }
        assert!(!allows(None));
        assert!(Access::new(None).allows(&HeaderMap::new()));
    }
}
