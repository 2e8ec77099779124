//! Why there is no connection, in words that say what to do.

use super::verify::Distrust;
use super::{CertificateVerdict, Mode, Tls};
use openssl::ssl::{self, ErrorCode};
use postgres::error::SqlState;
use std::error::Error;
use std::io;

/// Why there is no TLS with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server has none.
    Missing,
    /// What it shows is not trusted.
    Distrust(Distrust),
    /// It does not take what the client shows, or misses it: an alert by its number.
    Alert(i32),
    /// The password cannot be bound to the channel.
    Binding,
    /// Something else that stays.
    Other(String),
    /// The connection broke off, which may pass.
    Broken,
}

/// OpenSSL's numbers of alerts that the other side sent begin here.
const ALERTS: i32 = 1000;

impl Failure {
    /// What of a failed connection was TLS's fault; `None` where it was not.
    pub fn of(error: &postgres::Error, verdict: &CertificateVerdict) -> Option<Failure> {
        if let Some(distrust) = verdict.distrust() {
            return Some(Failure::Distrust(distrust));
        }
        if let Some(error) = causes(error).into_iter().find_map(ssl_error) {
            return Some(of_ssl(error));
        }
        let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
        match text.as_str() {
            "server does not support TLS" => Some(Failure::Missing),
            text if text.contains("channel binding") => Some(Failure::Binding),
            _ => None,
        }
    }

    /// Whether the same again may succeed.
    pub fn passes(&self) -> bool {
        match self {
            Failure::Broken => true,
            Failure::Missing
            | Failure::Distrust(_)
            | Failure::Alert(_)
            | Failure::Binding
            | Failure::Other(_) => false,
        }
    }

    /// What is wrong and what to do.
    pub fn explain(&self, tls: &Tls) -> String {
        let mode = tls.mode().name();
        match self {
            Failure::Missing => format!(
                "the server has no TLS, which sslmode={mode} asks for; \
                switch `ssl` on there, or use sslmode=prefer"
            ),
            Failure::Distrust(Distrust::Certificate(why)) => {
                format!(
                    "the certificate of the server is not trusted ({why}); name the \
                    certificate of its authority with sslrootcert"
                )
            }
            Failure::Distrust(Distrust::Host { wanted, names }) => {
                let names =
                    if names.is_empty() { "no host at all".to_string() } else { names.join(", ") };
                format!(
                    "the certificate of the server is for {names}, not for {wanted}; connect \
                    by a name that it has, or use sslmode=verify-ca"
                )
            }
            Failure::Alert(alert) => match (about_certificate(*alert), tls.has_identity()) {
                (Some((why, remedy)), true) => format!(
                    "the server does not take the client's \
                    certificate: {why} (alert {alert}); {remedy}"
                ),
                (Some(_), false) => format!(
                    "the server asks for a client's certificate (alert \
                    {alert}); name one with sslcert and sslkey"
                ),
                (None, _) => {
                    format!("the server ended the handshake with alert {alert}; its log says why")
                }
            },
            Failure::Binding => {
                "the password cannot be bound to the channel, which channel_binding=require asks \
                 for; store it there with password_encryption = \
                 'scram-sha-256', use `scram-sha-256` in pg_hba.conf and TLS, or use \
                 channel_binding=prefer"
                    .to_string()
            }
            Failure::Other(why) => {
                format!("the handshake failed ({why}); is there a PostgreSQL with TLS?")
            }
            Failure::Broken => "the connection broke off during the handshake".to_string(),
        }
    }
}

/// What an alert says of the client's certificate, and what to do; `None` for one about something
/// else.
fn about_certificate(alert: i32) -> Option<(&'static str, &'static str)> {
    let another = "name another one with sslcert and sslkey";
    match alert {
        42 => Some(("it cannot be read there, or its signature is wrong", another)),
        43 => Some(("it is of a kind that is not supported there", another)),
        44 => Some(("it was revoked", another)),
        45 => Some((
            "it has expired, or is not valid yet",
            "renew it, and name the new one with sslcert and sslkey",
        )),
        46 => Some((
            "something about it is not accepted",
            "the log of the server says what; correct sslcert and sslkey",
        )),
        48 => Some((
            "its authority is not known there",
            "name one of an authority that the server trusts with sslcert and sslkey, or add the \
             authority to ssl_ca_file there \
             (sslrootcert is the authority of the server, not of the client)",
        )),
        49 => Some(("it is valid, but access is denied", "the log of the server says why")),
        116 => Some((
            "it misses one",
            "the file of sslcert must have the client's certificate first, then those between it \
             and its authority",
        )),
        _ => None,
    }
}

/// What to do about a server that refuses, beyond what it says itself.
pub fn advice(error: &postgres::Error, tls: &Tls) -> &'static str {
    let said = error.as_db_error().map(|said| said.message()).unwrap_or_default();
    match error.code() {
        Some(state) if *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => match () {
            () if said.contains("certificate") && !tls.has_identity() => {
                "name the client's certificate with sslcert and sslkey"
            }
            () if said.contains("certificate") => {
                "the client's certificate must be of an authority that the server trusts, and name \
                 the user"
            }
            () if tls.mode() <= Mode::Allow => {
                "it may take only TLS: use sslmode=require or a stricter one; else correct user, \
                 database or pg_hba.conf there"
            }
            () => "correct user and database in postgres.url, or pg_hba.conf there",
        },
        None if causes(error)
            .last()
            .is_some_and(|cause| cause.to_string() == "password missing") =>
        {
            "give a password: postgres.password_file, SLUICE_POSTGRES_PASSWORD, or a line in \
             ~/.pgpass that only its owner may read"
        }
        _ => "check user, password and database in postgres.url",
    }
}

/// An error and all that caused it.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error)).collect()
}

/// The cause of an error. One of input and output passes over the error that it was made of when it
/// is asked for its source.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
}

fn ssl_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ssl::Error> {
    error.downcast_ref()
}

fn of_ssl(error: &ssl::Error) -> Failure {
    let stack = error.ssl_error().map(|stack| stack.errors()).unwrap_or_default();
    let alert = stack
        .iter()
        .map(|error| error.reason_code() - ALERTS)
        .find(|alert| (1..256).contains(alert));
    let ended = stack
        .iter()
        .any(|error| error.reason().is_some_and(|reason| reason.contains("unexpected eof")));
    match (alert, error.code()) {
        (Some(alert), _) => Failure::Alert(alert),
        (None, ErrorCode::SYSCALL | ErrorCode::ZERO_RETURN) => Failure::Broken,
        (None, _) if ended => Failure::Broken,
        (None, _) => Failure::Other(error.to_string()),
    }
}
