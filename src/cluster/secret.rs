//! What the processes of a job prove to each other with the secret that they share, and the keys
//! that come of it.

use crate::config::secret::Secret;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Bytes of a proof, and of a key.
pub(super) const BYTES: usize = 32;

/// Random bytes that make each handshake another one.
pub(super) type Nonce = [u8; BYTES];

/// A proof of knowing the secret, or a key made with it.
pub(super) type AuthenticationCode = [u8; BYTES];

/// What a code is for: none can be taken for one of another use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    /// Proves who calls.
    Caller = 1,
    /// Proves who was called.
    Called = 2,
    /// The key of the frames that the caller sends.
    FromCaller = 3,
    /// The key of the frames that the called process sends.
    FromCalled = 4,
}

/// HMAC-SHA-256 with the secret over the use and all parts, each after its length, so that no two
/// lists of parts read alike.
pub(super) fn code(secret: &Secret, what_for: Use, parts: &[&[u8]]) -> AuthenticationCode {
    mac(secret, what_for, parts).finalize().into_bytes().into()
}

/// Whether `claimed` is the code of all this. How long the answer takes tells nothing about the
/// right one.
pub(super) fn proves(
    claimed: &AuthenticationCode,
    secret: &Secret,
    what_for: Use,
    parts: &[&[u8]],
) -> bool {
    mac(secret, what_for, parts).verify_slice(claimed).is_ok()
}

fn mac(secret: &Secret, what_for: Use, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(&[what_for as u8]);
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_string())
    }

    #[test]
    fn a_code_holds_for_one_secret_one_use_and_one_list_of_parts() {
        let right = code(&secret("a"), Use::Caller, &[b"ab", b"c"]);
        assert!(proves(&right, &secret("a"), Use::Caller, &[b"ab", b"c"]));
        for (secret_text, what_for, parts) in [
            ("b", Use::Caller, [b"ab".as_slice(), b"c"]),
            ("a", Use::Called, [b"ab", b"c"]),
            ("a", Use::FromCaller, [b"ab", b"c"]),
            ("a", Use::Caller, [b"a", b"bc"]),
        ] {
            assert!(
                !proves(&right, &secret(secret_text), what_for, &parts),
                "{secret_text} {what_for:?} {parts:?}"
            );
        }
    }

    #[test]
    fn the_codes_are_those_of_every_hmac() {
        // RFC 4231 has no use and no lengths; the library's own answer to its second case shows
        // that nothing else is added.
        let mut plain = Hmac::<Sha256>::new_from_slice(b"Jefe").expect("a key");
        plain.update(&[Use::Called as u8]);
        plain.update(&4_u64.to_be_bytes());
        plain.update(b"what");
        let bytes: AuthenticationCode = plain.finalize().into_bytes().into();
        assert_eq!(code(&secret("Jefe"), Use::Called, &[b"what"]), bytes);
    }
}
