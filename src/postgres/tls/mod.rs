//! TLS to the database, as libpq understands its parameters.
//!
//! | `sslmode` | without TLS | certificate of the server |
//! |---|---|---|
//! | `disable` | always | |
//! | `allow` | first; with TLS where the server refuses that | as for `require` |
//! | `prefer` (default) | where TLS fails | as for `require` |
//! | `require` | never | not looked at, but where there is a file of roots: as for `verify-ca` |
//! | `verify-ca` | never | must be signed by one of the roots |
//! | `verify-full` | never | and must name the host |
//!
//! The roots are `sslrootcert`, else `~/.postgresql/root.crt` where that is there;
//! `sslrootcert=system` stands for those of the system, and makes `verify-full` the default and the
//! only mode that is allowed. The client shows `sslcert` with `sslkey`, else
//! `~/.postgresql/postgresql.crt` and `.key` where they are there.

mod connector;
mod failure;
mod files;
mod mode;
mod verify;

pub use connector::{Connector, broke_off};
pub use failure::{Failure, advice, causes};
pub use mode::Mode;
pub use verify::CertificateVerdict;

use super::address::{ConnectionParameters, Parameter};
use mode::choice;
use postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use postgres_openssl::MakeTlsConnector;
use std::fmt;
use std::path::{Path, PathBuf};

/// A key of the configuration and what is wrong with its value.
pub type KeyProblem = (&'static str, String);

/// A file, and the key that a fault of it is told under.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Located {
    path: PathBuf,
    key: &'static str,
}

/// What the server's certificate is trusted by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Roots {
    System,
    File(Located),
}

/// What the client shows.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    certificate: Located,
    key: Located,
    password: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// How TLS is to be spoken with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    mode: Mode,
    roots: Option<Roots>,
    identity: Option<Identity>,
    direct: bool,
    binding: ChannelBinding,
}

impl Tls {
    /// Reads the parameters; what they leave open is looked for in the home folder.
    ///
    /// # Errors
    /// Every value that is unknown, and all that contradict each other.
    pub fn settle(
        parameters: &ConnectionParameters,
        home: Option<&Path>,
    ) -> Result<Self, Vec<KeyProblem>> {
        let usual = |name: &str| {
            home.map(|home| home.join(".postgresql").join(name)).filter(|path| path.is_file())
        };
        let mut problems = Vec::new();
        let file = |parameter: Parameter, name| match parameters.get(parameter) {
            Some(given) => Some(Located { path: given.into(), key: parameter.key() }),
            None => usual(name).map(|path| Located { path, key: parameter.key() }),
        };
        let roots = match parameters.get(Parameter::SslRootCert) {
            Some("system") => Some(Roots::System),
            _ => file(Parameter::SslRootCert, "root.crt").map(Roots::File),
        };
        let direct = choice(
            parameters,
            Parameter::SslNegotiation,
            &[("postgres", false), ("direct", true)],
            false,
            &mut problems,
        );
        let bindings = [
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ];
        let binding = choice(
            parameters,
            Parameter::ChannelBinding,
            &bindings,
            ChannelBinding::Prefer,
            &mut problems,
        );
        let usual_mode = if roots == Some(Roots::System) { Mode::VerifyFull } else { Mode::Prefer };
        let mode = match parameters.get(Parameter::SslMode) {
            None => usual_mode,
            Some(name) => Mode::named(name).unwrap_or_else(|| {
                let allowed = "expected disable, allow, prefer, require, verify-ca or verify-full";
                problems.push((Parameter::SslMode.key(), format!("{allowed}, not {name:?}")));
                Mode::VerifyFull
            }),
        };
        let identity = identity(
            parameters,
            file(Parameter::SslCert, "postgresql.crt"),
            file(Parameter::SslKey, "postgresql.key"),
            &mut problems,
        );
        let tls = Tls { mode, roots, identity, direct, binding };
        problems.extend(tls.contradictions());
        if problems.is_empty() { Ok(tls) } else { Err(problems) }
    }

    /// What cannot hold together.
    fn contradictions(&self) -> Vec<KeyProblem> {
        let mode = self.mode.name();
        let mut problems = Vec::new();
        if self.roots == Some(Roots::System) && self.mode != Mode::VerifyFull {
            let why = format!(
                "expected verify-full beside sslrootcert=system, not {mode}: anybody may have a \
                 certificate that the system trusts"
            );
            problems.push((Parameter::SslMode.key(), why));
        }
        if self.direct && self.mode < Mode::Require {
            let why = format!(
                "expected sslmode=require or a stricter one beside `direct`, not {mode}: there is \
                 nobody to ask whether TLS is there"
            );
            problems.push((Parameter::SslNegotiation.key(), why));
        }
        if self.binding == ChannelBinding::Require && self.mode == Mode::Disable {
            let why = "expected another sslmode than disable beside `require`: without TLS there \
                is no channel to bind to"
                .to_string();
            problems.push((Parameter::ChannelBinding.key(), why));
        }
        if self.mode >= Mode::VerifyCa && self.roots.is_none() {
            let why = format!(
                "expected the file of certificates that {mode} trusts, or `system` for those of \
                 the system"
            );
            problems.push((Parameter::SslRootCert.key(), why));
        }
        problems
    }

    /// Whether TLS is used, and how the server is verified.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the client has a certificate to show.
    pub fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// Tells the library what of it concerns the library.
    pub fn apply(&self, config: &mut postgres::Config) {
        config
            .ssl_negotiation(if self.direct {
                SslNegotiation::Direct
            } else {
                SslNegotiation::Postgres
            })
            .channel_binding(self.binding);
        config.ssl_mode(match self.mode {
            Mode::Disable | Mode::Allow => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
    }

    /// Whether certificates or keys of files are needed.
    fn has_files(&self) -> bool {
        self.identity.is_some() || matches!(self.roots, Some(Roots::File(_)))
    }

    /// Reads certificates and keys; gives what makes a connection secure, and what will have found
    /// out about the server's certificate.
    ///
    /// # Errors
    /// Every file that cannot be read, or is none of its kind.
    pub fn connector(&self) -> Result<(Connector, CertificateVerdict), Vec<KeyProblem>> {
        Connector::new(self.clone())
    }

    /// What makes connections secure, with a place for what is found out about a certificate.
    fn prepared(&self, verdict: &CertificateVerdict) -> Result<MakeTlsConnector, Vec<KeyProblem>> {
        let mut prepared = MakeTlsConnector::new(files::builder(self)?.build());
        let (verifies, full, seen) =
            (self.roots.is_some(), self.mode == Mode::VerifyFull, verdict.clone());
        prepared.set_callback(move |configuration, host| {
            match verifies {
                true => verify::by_roots(configuration, host, full, &seen),
                false => verify::not_at_all(configuration),
            }
            Ok(())
        });
        Ok(prepared)
    }
}

/// A certificate is shown with its key or not at all.
fn identity(
    parameters: &ConnectionParameters,
    certificate: Option<Located>,
    key: Option<Located>,
    problems: &mut Vec<KeyProblem>,
) -> Option<Identity> {
    let given = |parameter| parameters.get(parameter).is_some();
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity {
            certificate,
            key,
            password: parameters.get(Parameter::SslPassword).map(str::to_string),
        }),
        (Some(_), None) => {
            problems.push((
                Parameter::SslKey.key(),
                "expected the key of the client's certificate, which sslcert names".to_string(),
            ));
            None
        }
        (None, Some(_)) if given(Parameter::SslKey) => {
            problems.push((
                Parameter::SslCert.key(),
                "expected the client's certificate, for sslkey names its key".to_string(),
            ));
            None
        }
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests;
