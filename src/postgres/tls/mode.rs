//! How much a connection is to be trusted with: the modes that libpq has.

use super::KeyProblem;
use crate::postgres::address::{ConnectionParameters, Parameter};

/// Whether TLS is used, and how the server is verified; the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Without TLS.
    Disable,
    /// With TLS only where the server asks for it.
    Allow,
    /// Without TLS only where the server has none.
    Prefer,
    /// With TLS.
    Require,
    /// And with a trusted certificate.
    VerifyCa,
    /// And with one that names the host.
    VerifyFull,
}

impl Mode {
    /// Its name in `sslmode`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Disable => "disable",
            Mode::Allow => "allow",
            Mode::Prefer => "prefer",
            Mode::Require => "require",
            Mode::VerifyCa => "verify-ca",
            Mode::VerifyFull => "verify-full",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Mode::Disable, Mode::Allow, Mode::Prefer, Mode::Require, Mode::VerifyCa, Mode::VerifyFull]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

pub(super) fn choice<T: Copy>(
    parameters: &ConnectionParameters,
    parameter: Parameter,
    allowed: &[(&str, T)],
    usual: T,
    problems: &mut Vec<KeyProblem>,
) -> T {
    let Some(given) = parameters.get(parameter) else { return usual };
    let found = allowed.iter().find(|(name, _)| *name == given).map(|(_, value)| *value);
    found.unwrap_or_else(|| {
        let names = allowed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        problems.push((parameter.key(), format!("expected one of {names}, not {given:?}")));
        usual
    })
}
