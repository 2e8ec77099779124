//! Certificates of a test's own: authorities, and what they sign for servers and clients.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An authority, or what one has signed.
pub(crate) struct Signed {
    certificate: X509,
    key: PKey<Private>,
}

impl Signed {
    /// An authority that signs itself.
    pub(crate) fn authority(name: &str) -> Signed {
        let (mut builder, key) = unsigned(name, name);
        let extension = BasicConstraints::new().critical().ca().build().expect("an extension");
        builder.append_extension(extension).expect("it is taken");
        builder.sign(&key, MessageDigest::sha256()).expect("a signature");
        Signed { certificate: builder.build(), key }
    }

    /// Signs a certificate for a common name and for hosts.
    pub(crate) fn sign(&self, name: &str, hosts: &[&str]) -> Signed {
        let issuer = self
            .certificate
            .subject_name()
            .entries()
            .next()
            .expect("a name")
            .data()
            .to_string()
            .expect("UTF-8");
        let (mut builder, key) = unsigned(name, &issuer);
        if !hosts.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for host in hosts {
                match host.parse::<std::net::IpAddr>() {
                    Ok(_) => names.ip(host),
                    Err(_) => names.dns(host),
                };
            }
            let names = names
                .build(&builder.x509v3_context(Some(&self.certificate), None))
                .expect("an extension");
            builder.append_extension(names).expect("it is taken");
        }
        builder.sign(&self.key, MessageDigest::sha256()).expect("a signature");
        Signed { certificate: builder.build(), key }
    }

    /// Writes the certificate; gives its path.
    pub(crate) fn write_certificate(&self, path: PathBuf) -> PathBuf {
        std::fs::write(&path, self.certificate.to_pem().expect("PEM"))
            .expect("the certificate can be written");
        path
    }

    /// Writes the key, for its owner alone, encrypted where there is a password; gives its path.
    pub(crate) fn write_key(&self, path: PathBuf, password: Option<&str>) -> PathBuf {
        let pem = match password {
            Some(password) => self
                .key
                .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), password.as_bytes()),
            None => self.key.private_key_to_pem_pkcs8(),
        };
        std::fs::write(&path, pem.expect("PEM")).expect("the key can be written");
        only_owner_reads(&path);
        path
    }
}

/// Lets nobody but its owner read a file.
pub(crate) fn only_owner_reads(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its owner may");
}

fn unsigned(name: &str, issuer: &str) -> (X509Builder, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut serial = BigNum::new().expect("a number");
    serial.rand(128, MsbOption::MAYBE_ZERO, false).expect("a random number");
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("a version");
    builder
        .set_serial_number(&serial.to_asn1_integer().expect("an integer"))
        .expect("a serial number");
    builder.set_subject_name(&named(name)).expect("a subject");
    builder.set_issuer_name(&named(issuer)).expect("an issuer");
    builder.set_not_before(&Asn1Time::from_unix(0).expect("an instant")).expect("a beginning");
    builder.set_not_after(&Asn1Time::days_from_now(2).expect("an instant")).expect("an end");
    builder.set_pubkey(&key).expect("a key");
    (builder, key)
}

fn named(name: &str) -> X509Name {
    let mut builder = X509Name::builder().expect("a name");
    builder.append_entry_by_text("CN", name).expect("a common name");
    builder.build()
}
