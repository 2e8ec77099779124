//! Whose a record is that is no whole record: the customer that its bytes name, however they go on.

use super::CustomerId;
use super::text::customer_number;
use memchr::memmem;

/// Digits of a customer's number, at most.
const DIGITS: usize = 19;

/// The first number that follows the name of the customer's field, as JSON has it: `"customer_id":
/// 17` or `"customer_id":"17"`, with whatever before and behind it.
pub fn named_in(raw: &[u8], name: &str) -> Option<CustomerId> {
    let quoted = format!("\"{name}\"");
    let after = |at: usize| &raw[at + quoted.len()..];
    memmem::find_iter(raw, quoted.as_bytes()).find_map(|at| number(after(at)))
}

/// The number of which these bytes begin with a colon and its digits, quoted or not. Where the
/// bytes end, the number may be cut off, and is nobody's.
fn number(bytes: &[u8]) -> Option<CustomerId> {
    let value = bytes.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let (value, quoted) =
        value.strip_prefix(b"\"").map_or((value, false), |inner| (inner.trim_ascii_start(), true));
    let length = value.iter().take(DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = value.split_at(length);
    let ends = match (quoted, rest.first()?) {
        (true, b'"') => true,
        (_, byte) => byte.is_ascii_whitespace() || (!quoted && matches!(byte, b',' | b'}' | b']')),
    };
    customer_number(digits).filter(|_| ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_named_wherever_the_rest_breaks_off() {
        for (raw, customer) in [
            (r#"{"customer_id": 17, "amount": 1"#, Some(17)),
            (r#"{"x": {{{, "customer_id" : "17" "#, Some(17)),
            (r#"{"customer_id":17}"#, Some(17)),
            (r#"{"customer_id":9223372036854775807,"#, Some(CustomerId::MAX)),
            (r#"{"customer_id":9223372036854775808,"#, None),
            (r#"{"customer_id":1"#, None),
            (r#"{"customer_id":17x,"#, None),
            (r#"{"customer_id":-17,"#, None),
            (r#"{"customer_id":"17x","customer_id":18}"#, Some(18)),
            (r#"{"customer_id""#, None),
            (r#"customer_id: 17 "#, None),
            ("", None),
        ] {
            assert_eq!(named_in(raw.as_bytes(), "customer_id"), customer, "{raw}");
        }
        assert_eq!(named_in(br#"{"Customer ID": 17, "customer_id": 18,"#, "Customer ID"), Some(17));
    }
}
