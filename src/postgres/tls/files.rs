//! Reading certificates and keys from their files.

use super::{Identity, KeyProblem, Located, Roots, Tls};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVersion};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use std::os::unix::fs::MetadataExt;

/// What makes connections with these certificates and keys, without what is particular to a host.
pub(super) fn builder(tls: &Tls) -> Result<SslConnectorBuilder, Vec<KeyProblem>> {
    let mut problems = Vec::new();
    let mut builder =
        SslConnector::builder(SslMethod::tls_client()).map_err(|error| vec![own(&error)])?;
    // The builder trusts what the system trusts; what a file names is trusted alone.
    match &tls.roots {
        Some(Roots::File(file)) => match store(file) {
            Ok(store) => builder.set_cert_store(store.build()),
            Err(problem) => problems.push(problem),
        },
        Some(Roots::System) | None => {}
    }
    if let Some(identity) = &tls.identity {
        problems.extend(show(&mut builder, identity));
    }
    let general = builder.set_min_proto_version(Some(SslVersion::TLS1_2));
    problems.extend(general.err().map(|error| own(&error)));
    if tls.direct {
        problems.extend(
            postgres_openssl::set_postgresql_alpn(&mut builder).err().map(|error| own(&error)),
        );
    }
    if problems.is_empty() { Ok(builder) } else { Err(problems) }
}

/// A fault of OpenSSL's own.
fn own(error: &ErrorStack) -> KeyProblem {
    ("postgres.sslmode", format!("OpenSSL cannot be prepared: {error}"))
}

fn read(file: &Located) -> Result<Vec<u8>, KeyProblem> {
    std::fs::read(&file.path)
        .map_err(|error| (file.key, format!("{} cannot be read: {error}", file.path.display())))
}

fn certificates(file: &Located) -> Result<Vec<X509>, KeyProblem> {
    let wrong =
        || (file.key, format!("expected certificates in PEM form in {}", file.path.display()));
    let found = X509::stack_from_pem(&read(file)?).map_err(|_| wrong())?;
    if found.is_empty() { Err(wrong()) } else { Ok(found) }
}

fn store(file: &Located) -> Result<X509StoreBuilder, KeyProblem> {
    let failed = |error: ErrorStack| {
        (file.key, format!("the certificates in {} cannot be used: {error}", file.path.display()))
    };
    let mut store = X509StoreBuilder::new().map_err(failed)?;
    for certificate in certificates(file)? {
        store.add_cert(certificate).map_err(failed)?;
    }
    Ok(store)
}

/// Has the client show a certificate, and those that lead from it to a root.
fn show(builder: &mut SslConnectorBuilder, identity: &Identity) -> Vec<KeyProblem> {
    let (chain, key) = match (certificates(&identity.certificate), key(identity)) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return chain.err().into_iter().chain(key.err()).collect(),
    };
    let set = || {
        let mut chain = chain.into_iter();
        chain.next().map_or(Ok(()), |own| builder.set_certificate(&own))?;
        chain.try_for_each(|between| builder.add_extra_chain_cert(between))?;
        builder.set_private_key(&key)?;
        builder.check_private_key()
    };
    let mismatch = |_| {
        (
            identity.key.key,
            format!(
                "{} is not the key of the certificate in {}",
                identity.key.path.display(),
                identity.certificate.path.display()
            ),
        )
    };
    set().err().map(mismatch).into_iter().collect()
}

/// The client's key, which nobody else may read: only its owner, or its group where the owner is
/// root.
fn key(identity: &Identity) -> Result<PKey<Private>, KeyProblem> {
    let (file, path) = (&identity.key, identity.key.path.display());
    let bytes = read(file)?;
    let found = std::fs::metadata(&file.path)
        .map_err(|error| (file.key, format!("{path} cannot be looked at: {error}")))?;
    let allowed = if found.uid() == 0 { 0o740 } else { 0o700 };
    if found.mode() & 0o777 & !allowed != 0 {
        return Err((
            file.key,
            format!("{path} may be read by others: chmod 600 it (640 where root owns it)"),
        ));
    }
    // A passphrase is always given, for without one OpenSSL would ask for it at the terminal.
    let password = identity.password.as_deref().unwrap_or_default();
    let key = PKey::private_key_from_pem_passphrase(&bytes, password.as_bytes())
        .or_else(|_| PKey::private_key_from_der(&bytes));
    key.map_err(|_| {
        let encrypted = bytes.windows(b"ENCRYPTED".len()).any(|window| window == b"ENCRYPTED");
        let why = match (encrypted, password.is_empty()) {
            (true, true) => format!("the key in {path} is encrypted: sslpassword is missing"),
            (true, false) => format!("the key in {path} cannot be decrypted with sslpassword"),
            (false, _) => format!("expected a key in PEM or DER form in {path}"),
        };
        (file.key, why)
    })
}
