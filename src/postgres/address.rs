//! Addresses of databases: what of one is for the library that speaks to PostgreSQL, and what libpq
//! would take of it and the library does not.

use percent_encoding::percent_decode_str;
use postgres::Config;
use postgres::config::Host;
use std::collections::BTreeMap;
use std::fmt;

/// A parameter of libpq's that the library does not know, or knows less of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parameter {
    /// Whether TLS is used, and how the server is verified.
    SslMode,
    /// The certificates that the server's is trusted by.
    SslRootCert,
    /// The client's certificate.
    SslCert,
    /// Its key.
    SslKey,
    /// What the key is encrypted with.
    SslPassword,
    /// Whether TLS is asked for or begun at once.
    SslNegotiation,
    /// Whether the password is bound to the connection.
    ChannelBinding,
    /// File of passwords.
    PassFile,
}

impl Parameter {
    /// All of them.
    pub const ALL: [Parameter; 8] = [
        Parameter::SslMode,
        Parameter::SslRootCert,
        Parameter::SslCert,
        Parameter::SslKey,
        Parameter::SslPassword,
        Parameter::SslNegotiation,
        Parameter::ChannelBinding,
        Parameter::PassFile,
    ];

    /// Its name in an address, and in the section `[postgres]`.
    pub fn name(self) -> &'static str {
        &self.key()["postgres.".len()..]
    }

    /// Its key in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Parameter::SslMode => "postgres.sslmode",
            Parameter::SslRootCert => "postgres.sslrootcert",
            Parameter::SslCert => "postgres.sslcert",
            Parameter::SslKey => "postgres.sslkey",
            Parameter::SslPassword => "postgres.sslpassword",
            Parameter::SslNegotiation => "postgres.sslnegotiation",
            Parameter::ChannelBinding => "postgres.channel_binding",
            Parameter::PassFile => "postgres.passfile",
        }
    }

    /// Its variable of the environment, where libpq has one.
    pub fn variable(self) -> Option<&'static str> {
        match self {
            Parameter::SslMode => Some("PGSSLMODE"),
            Parameter::SslRootCert => Some("PGSSLROOTCERT"),
            Parameter::SslCert => Some("PGSSLCERT"),
            Parameter::SslKey => Some("PGSSLKEY"),
            Parameter::SslPassword => None,
            Parameter::SslNegotiation => Some("PGSSLNEGOTIATION"),
            Parameter::ChannelBinding => Some("PGCHANNELBINDING"),
            Parameter::PassFile => Some("PGPASSFILE"),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Parameter::ALL.into_iter().find(|parameter| parameter.name() == name)
    }
}

/// Parameters with their values, those that are empty left out. Only names are shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectionParameters(BTreeMap<Parameter, String>);

impl ConnectionParameters {
    /// Sets a parameter; an empty value is none.
    pub fn set(&mut self, parameter: Parameter, value: &str) {
        match value {
            "" => drop(self.0.remove(&parameter)),
            value => drop(self.0.insert(parameter, value.to_string())),
        }
    }

    /// The value of a parameter.
    pub fn get(&self, parameter: Parameter) -> Option<&str> {
        self.0.get(&parameter).map(String::as_str)
    }
}

impl fmt::Debug for ConnectionParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(|parameter| parameter.name())).finish()
    }
}

/// Parameters of libpq's that are known to people and not to this program: a message may name them,
/// for they are certain not to be a part of a password.
const FOREIGN: [&str; 19] = [
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslcertmode",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "ssl",
    "requiressl",
    "requirepeer",
    "require_auth",
    "gssencmode",
    "krbsrvname",
    "service",
    "client_encoding",
    "fallback_application_name",
    "keepalives_count",
    "pgbouncer",
    "schema",
];

/// Reads an address of either form, `postgres://…` or `host=… user=…`.
///
/// # Errors
/// What is wrong with it; no part of the address but the name of a parameter is in the sentence.
pub fn read(url: &str) -> Result<(Config, ConnectionParameters), String> {
    let (rest, own) = split(url);
    let mut config: Config = rest.parse().map_err(|error| problem(url, &error))?;
    if config.get_hosts().is_empty() {
        // The name that a certificate is compared with; without one there is no TLS at all.
        for address in config.get_hostaddrs().to_vec() {
            config.host(&address.to_string());
        }
    }
    Ok((config, own))
}

/// An address without its password, for messages.
pub fn shown(url: &str) -> String {
    let Ok((config, _)) = read(url) else { return "an address that cannot be read".to_string() };
    let hosts = config.get_hosts().iter().enumerate().map(|(i, host)| {
        let port = port(&config, i);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(folder) => format!("{}:{port}", folder.display()),
        }
    });
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    format!("postgres://{user}{hosts}/{}", config.get_dbname().unwrap_or_default())
}

/// The port of a host.
pub(super) fn port(config: &Config, host: usize) -> u16 {
    let ports = config.get_ports();
    ports.get(host).or(ports.first()).copied().unwrap_or(5432)
}

/// What the library does not take: of its errors only the names of options are passed on.
fn problem(url: &str, error: &postgres::Error) -> String {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let named = said.split('`').nth(1).unwrap_or_default();
    let expected = "expected an address such as \"postgres://user@host:5432/database\"";
    if said.starts_with("invalid value") {
        return format!("{expected}; the value of its parameter `{named}` is none that is allowed");
    }
    let near = Parameter::ALL
        .iter()
        .map(|parameter| parameter.name())
        .find(|name| strsim::damerau_levenshtein(name, named) <= 2);
    match (FOREIGN.contains(&named), near) {
        (true, _) => format!("{expected}; its parameter `{named}` is not known to this program"),
        (false, Some(near)) if said.starts_with("unknown option") => {
            format!("{expected}; a parameter of it is unknown: did you mean `{near}`?")
        }
        (false, _) if said.starts_with("unknown option") => {
            format!("{expected}; a parameter of it is unknown")
        }
        _ if url.contains("://") && !url.starts_with("postgres") => {
            format!("{expected}, not one with another scheme")
        }
        _ => expected.to_string(),
    }
}

/// Takes our parameters out of an address.
fn split(url: &str) -> (String, ConnectionParameters) {
    match ["postgres://", "postgresql://"].iter().find(|scheme| url.starts_with(**scheme)) {
        Some(scheme) => split_url(url, scheme.len()),
        None => split_words(url),
    }
}

/// As the library reads it: up to the first `@` user and password, and after that what stands
/// behind the first question mark.
fn split_url(url: &str, scheme: usize) -> (String, ConnectionParameters) {
    let after_user = url[scheme..].find('@').map_or(scheme, |at| scheme + at + 1);
    let mut own = ConnectionParameters::default();
    let Some(query) = url[after_user..].find('?').map(|mark| after_user + mark) else {
        return (url.to_string(), own);
    };
    let decoded =
        |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let mut rest = Vec::new();
    for pair in url[query + 1..].split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (decoded(name).as_deref().and_then(Parameter::named), decoded(value)) {
            (Some(parameter), Some(value)) => own.set(parameter, &value),
            _ => rest.push(pair),
        }
    }
    let mark = if rest.iter().all(|pair| pair.is_empty()) { "" } else { "?" };
    (format!("{}{mark}{}", &url[..query], rest.join("&")), own)
}

/// Of words `name=value` with blanks between them, values quoted by apostrophes and escaped by
/// backslashes where they must be.
fn split_words(text: &str) -> (String, ConnectionParameters) {
    let mut own = ConnectionParameters::default();
    let mut rest = Vec::new();
    let mut left = text.trim_start();
    while !left.is_empty() {
        let word = left;
        let Some((name, value)) = word.split_once('=') else {
            rest.push(word);
            break;
        };
        let (value, end) = word_value(value.trim_start());
        left = end.trim_start();
        match Parameter::named(name.trim()) {
            Some(parameter) => own.set(parameter, &value),
            None => rest.push(&word[..word.len() - end.len()]),
        }
    }
    (rest.join(" "), own)
}

/// The value at the beginning of a text, and what comes after it.
fn word_value(text: &str) -> (String, &str) {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return (value, &body[at + 1..]),
            blank if quoted.is_none() && blank.is_whitespace() => return (value, &body[at..]),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests;
