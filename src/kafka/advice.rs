//! What a person can do about a broker with which there is no talking, by what the client says of
//! it.

/// What the client says, and what to do.
const ADVICE: [(&[&str], &str); 8] = [
    (
        &[
            "connecting to a PLAINTEXT broker listener",
            "wrong version number",
            "SSL handshake failed: Disconnected",
        ],
        "the listener speaks no TLS: set \"security.protocol\" in [kafka.properties] to \
         \"plaintext\" or \"sasl_plaintext\", or take the port that speaks TLS",
    ),
    (
        &[
            "certificate verify failed",
            "could not be verified",
            "self-signed",
            "self signed",
            "unable to get local issuer",
        ],
        "its certificate is not trusted here: name the file of the authority that signed it, as \
         \"ssl.ca.location\" in [kafka.properties]",
    ),
    (
        &["certificate required", "bad certificate", "handshake failure", "alert number"],
        "it asks for a certificate: \"ssl.certificate.location\" and \"ssl.key.location\" in \
         [kafka.properties]",
    ),
    (
        &["nvalid response size", "Protocol parse failure", "Bad message"],
        "what listens there is no Kafka broker: correct the port in kafka.brokers",
    ),
    (
        &["SSL listener", "while requesting ApiVersion", "in state APIVERSION_QUERY"],
        "if the listener speaks TLS, set \"security.protocol\" in [kafka.properties] to \"ssl\" or \
         \"sasl_ssl\"; otherwise correct the port in kafka.brokers",
    ),
    (
        &["SASL", "uthenticat"],
        "check \"security.protocol\", \"sasl.mechanisms\", \"sasl.username\" and \"sasl.password\" \
         in [kafka.properties]",
    ),
    (&["SSL", "TLS"], "check \"security.protocol\" and the certificates in [kafka.properties]"),
    (&["esolve"], "correct the host in kafka.brokers"),
];

/// What to do where the client says so.
pub fn advice(said: &str) -> &'static str {
    let fits = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    ADVICE
        .iter()
        .find(|(signs, _)| fits(signs))
        .map_or("start it, or correct kafka.brokers", |(_, advice)| advice)
}
