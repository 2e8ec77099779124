//! Verifying the certificate of a server, and keeping what was found for whoever tells of it.

use openssl::ssl::{ConnectConfiguration, SslVerifyMode};
use openssl::x509::{X509Ref, X509StoreContextRef, X509VerifyResult};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What is wrong with the certificate of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// It is not trusted.
    Certificate(String),
    /// It is one of another host.
    Host {
        /// The host that was asked for.
        wanted: String,
        /// Those that it names.
        names: Vec<String>,
    },
}

/// What a verification has found, once there was one.
#[derive(Clone, Debug, Default)]
pub struct CertificateVerdict(Arc<Mutex<Option<Distrust>>>);

impl CertificateVerdict {
    /// What is wrong with the certificate.
    pub fn distrust(&self) -> Option<Distrust> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, distrust: Distrust) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(distrust);
    }
}

/// Takes every certificate.
pub(super) fn not_at_all(configuration: &mut ConnectConfiguration) {
    configuration.set_verify_hostname(false);
    configuration.set_verify(SslVerifyMode::NONE);
}

/// Takes certificates that lead to a root; with `full` only those that name the host.
pub(super) fn by_roots(
    configuration: &mut ConnectConfiguration,
    host: &str,
    full: bool,
    verdict: &CertificateVerdict,
) {
    let address = host.parse::<IpAddr>().ok().filter(|_| full);
    configuration.set_verify_hostname(full && address.is_none());
    let (verdict, host) = (verdict.clone(), host.to_string());
    configuration.set_verify_callback(SslVerifyMode::PEER, move |trusted, context| {
        let named = || context.current_cert().map(names).unwrap_or_default();
        if !trusted {
            verdict.note(match is_of_another_host(context.error()) {
                true => Distrust::Host { wanted: host.clone(), names: named() },
                false => Distrust::Certificate(context.error().error_string().to_string()),
            });
            return false;
        }
        let certificate = context.current_cert().filter(|_| context.error_depth() == 0);
        if let (Some(address), Some(certificate)) = (address, certificate)
            && !names_address(certificate, address, &host)
        {
            verdict.note(Distrust::Host { wanted: host.clone(), names: named() });
            refuse(context);
            return false;
        }
        true
    });
}

fn refuse(context: &mut X509StoreContextRef) {
    context.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
}

/// OpenSSL's own number for it.
const HOSTNAME_MISMATCH: i32 = 62;

fn is_of_another_host(error: X509VerifyResult) -> bool {
    error.as_raw() == HOSTNAME_MISMATCH
}

/// Whether a certificate is one of a host that is given by its address. Names of hosts OpenSSL
/// compares itself; of addresses libpq takes more than OpenSSL does: one that is written as a name,
/// and the common name where there is no address among the alternative ones.
fn names_address(certificate: &X509Ref, address: IpAddr, written: &str) -> bool {
    let bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let alternatives = certificate.subject_alt_names();
    let alternatives = || alternatives.iter().flatten();
    let named = alternatives()
        .any(|name| name.ipaddress() == Some(&bytes) || name.dnsname() == Some(written));
    let may_be_common = alternatives().all(|name| name.ipaddress().is_none());
    named || (may_be_common && common_names(certificate).any(|name| name == written))
}

fn common_names(certificate: &X509Ref) -> impl Iterator<Item = String> {
    let entries = certificate.subject_name().entries_by_nid(openssl::nid::Nid::COMMONNAME);
    entries.filter_map(|entry| Some(entry.data().to_string().ok()?.to_string())).take(1)
}

/// The hosts that a certificate names.
fn names(certificate: &X509Ref) -> Vec<String> {
    let address = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
    };
    let alternatives = certificate.subject_alt_names();
    let alternatives: Vec<String> = alternatives
        .iter()
        .flatten()
        .filter_map(|name| {
            name.dnsname().map(str::to_string).or_else(|| name.ipaddress().and_then(address))
        })
        .collect();
    if alternatives.is_empty() { common_names(certificate).collect() } else { alternatives }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::asn1::Asn1Time;
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::x509::extension::SubjectAlternativeName;
    use openssl::x509::{X509, X509Name};

    fn certificate(common_name: &str, dns: &[&str], ip: &[&str]) -> X509 {
        let key = PKey::generate_ed25519().expect("a key");
        let mut name = X509Name::builder().expect("a name");
        name.append_entry_by_text("CN", common_name).expect("a common name");
        let mut builder = X509::builder().expect("a certificate");
        builder.set_version(2).expect("a version");
        builder.set_subject_name(&name.build()).expect("a subject");
        builder.set_pubkey(&key).expect("a key");
        builder.set_not_before(&Asn1Time::days_from_now(0).expect("now")).expect("a beginning");
        if !dns.is_empty() || !ip.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for name in dns {
                names.dns(name);
            }
            for address in ip {
                names.ip(address);
            }
            let names = names.build(&builder.x509v3_context(None, None)).expect("names");
            builder.append_extension(names).expect("an extension");
        }
        builder.sign(&key, MessageDigest::null()).expect("a signature");
        builder.build()
    }

    #[test]
    fn an_address_is_named_as_libpq_sees_it() {
        for (common_name, dns, ip, asked, named) in [
            ("db", &[] as &[&str], &["127.0.0.1"] as &[&str], "127.0.0.1", true),
            ("db", &[], &["127.0.0.2", "::1"], "::1", true),
            ("127.0.0.1", &[], &[], "127.0.0.1", true),
            ("127.0.0.1", &["db"], &[], "127.0.0.1", true),
            ("127.0.0.1", &[], &["127.0.0.2"], "127.0.0.1", false),
            ("db", &["127.0.0.1"], &[], "127.0.0.1", true),
            ("db", &["db"], &[], "127.0.0.1", false),
            ("*", &["*"], &[], "127.0.0.1", false),
        ] {
            let certificate = certificate(common_name, dns, ip);
            assert_eq!(
                names_address(&certificate, asked.parse().expect("an address"), asked),
                named,
                "{common_name} {dns:?} {ip:?}"
            );
        }
        assert_eq!(
            names(&certificate("db", &["a", "b"], &["127.0.0.1", "::1"])),
            ["a", "b", "127.0.0.1", "::1"]
        );
        assert_eq!(names(&certificate("db", &[], &[])), ["db"]);
    }
}
