//! A database as it is reached: address, password and TLS put together. Every connection of the
//! program is made here.

use super::address::{self, ConnectionParameters, Parameter};
use super::error::PostgresError;
use super::passwords;
use super::said::passes;
use super::tls::{self, CertificateVerdict, Failure, KeyProblem, Mode, Tls};
use crate::config::secret::keep;
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::{Client, Config};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The key of the address in the configuration.
const URL: &str = "postgres.url";

/// What the system around the process says of databases.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Parameters by libpq's variables of the environment.
    pub parameters: ConnectionParameters,
    /// `PGPASSWORD`.
    pub password: Option<Vec<u8>>,
    /// The home folder.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut parameters = ConnectionParameters::default();
        for parameter in Parameter::ALL {
            parameters.set(parameter, &parameter.variable().and_then(variable).unwrap_or_default());
        }
        Surroundings {
            parameters,
            password: variable("PGPASSWORD").map(String::into_bytes),
            home: std::env::home_dir(),
        }
    }
}

/// How a database is reached.
#[derive(Clone, Debug)]
pub struct Target {
    address: String,
    config: Config,
    tls: Tls,
    origins: Origins,
}

/// Where parameters were given, other than by their keys: key, then the key and the words that a
/// fault of it is told with.
#[derive(Clone, Debug, Default)]
struct Origins(BTreeMap<&'static str, (&'static str, &'static str)>);

impl Origins {
    /// Problems as whoever gave the values knows them.
    fn tell(&self, problems: Vec<KeyProblem>) -> Vec<KeyProblem> {
        let told = |(key, problem): KeyProblem| match self.0.get(key) {
            Some((key, words)) => (*key, format!("{words}: {problem}")),
            None => (key, problem),
        };
        problems.into_iter().map(told).collect()
    }
}

impl Target {
    /// Puts an address, a password beside it, and parameters beside it together; what they leave
    /// open the surroundings say, as for libpq.
    ///
    /// # Errors
    /// Everything that is unknown, or contradicts something else.
    pub fn settle(
        url: &str,
        password: Option<&[u8]>,
        beside: &ConnectionParameters,
        around: &Surroundings,
    ) -> Result<Self, Vec<KeyProblem>> {
        let (mut config, within) = address::read(url).map_err(|problem| vec![(URL, problem)])?;
        let (mut problems, mut parameters, mut origins) =
            (Vec::new(), ConnectionParameters::default(), Origins::default());
        for parameter in Parameter::ALL {
            let (key, name) = (parameter.key(), parameter.name());
            let (here, there, surrounding) =
                (within.get(parameter), beside.get(parameter), around.parameters.get(parameter));
            if here.is_some() && there.is_some() && here != there {
                problems.push((
                    key,
                    format!("expected {name} either here or in postgres.url, not two that differ"),
                ));
            }
            match (here, there) {
                (Some(_), _) => drop(origins.0.insert(key, (URL, name))),
                (None, None) if surrounding.is_some() => {
                    origins.0.insert(key, (URL, parameter.variable().unwrap_or(name)));
                }
                (None, _) => {}
            }
            parameters.set(parameter, here.or(there).or(surrounding).unwrap_or_default());
        }
        let tls = Tls::settle(&parameters, around.home.as_deref())
            .map_err(|found| problems.extend(origins.tell(found)));
        let (Ok(tls), true) = (tls, problems.is_empty()) else { return Err(problems) };
        let given = password
            .map(<[u8]>::to_vec)
            .or_else(|| config.get_password().map(<[u8]>::to_vec))
            .or_else(|| around.password.clone());
        if let Some(password) = given.or_else(|| from_file(&parameters, around, &config)) {
            keep(&String::from_utf8_lossy(&password));
            config.password(password);
        }
        tls.apply(&mut config);
        if config.get_hosts().iter().all(|host| matches!(host, postgres::config::Host::Unix(_))) {
            // A socket on this machine needs no TLS, and the server has none there.
            config.ssl_mode(SslMode::Disable);
        }
        Ok(Target { address: address::shown(url), config, tls, origins })
    }

    /// A database by its address alone, in the surroundings of this process.
    ///
    /// # Errors
    /// [`PostgresError::Target`].
    #[cfg(any(test, feature = "demo"))]
    pub fn at(url: &str) -> Result<Self, PostgresError> {
        Target::settle(url, None, &ConnectionParameters::default(), &Surroundings::of_process())
            .map_err(PostgresError::Target)
    }

    /// What the library is told.
    #[cfg(test)]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the library is told, to be changed.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// What is wrong with the files of certificates and keys.
    pub fn faults_of_files(&self) -> Vec<KeyProblem> {
        if self.is_plain() {
            Vec::new()
        } else {
            self.origins.tell(self.tls.connector().err().unwrap_or_default())
        }
    }

    fn is_plain(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Disable && self.tls.mode() != Mode::Allow
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`PostgresError::Files`], [`PostgresError::Tls`], [`PostgresError::Unreachable`], or
    /// [`PostgresError::Refused`].
    pub fn connect(&self) -> Result<Client, PostgresError> {
        if self.is_plain() {
            let plain = self.config.connect(postgres::NoTls);
            return plain.map_err(|source| self.failed(source, &CertificateVerdict::default()));
        }
        let (connector, verdict) =
            self.tls.connector().map_err(|found| PostgresError::Files(self.origins.tell(found)))?;
        let with = |mode| {
            let mut config = self.config.clone();
            config.ssl_mode(mode);
            config.connect(connector.clone()).or_else(|error| {
                match mode != SslMode::Disable && tls::broke_off(&tls::causes(&error)) {
                    true => {
                        explained(error, || config.connect(connector.clone().listening()), &verdict)
                    }
                    false => Err(error),
                }
            })
        };
        let outcome = match self.tls.mode() {
            Mode::Allow => with(SslMode::Disable)
                .or_else(|error| if refuses(&error) { with(SslMode::Require) } else { Err(error) }),
            Mode::Prefer => with(SslMode::Prefer).or_else(|error| {
                let plain_may_do = Failure::of(&error, &verdict).is_some() || refuses(&error);
                if plain_may_do { with(SslMode::Disable).map_err(|_| error) } else { Err(error) }
            }),
            Mode::Disable | Mode::Require | Mode::VerifyCa | Mode::VerifyFull => {
                with(self.config.get_ssl_mode())
            }
        };
        outcome.map_err(|source| self.failed(source, &verdict))
    }

    /// A server that answers with an error refuses; one with which there is no TLS is told apart;
    /// anything else is not there.
    fn failed(&self, source: postgres::Error, verdict: &CertificateVerdict) -> PostgresError {
        let address = self.address.clone();
        match Failure::of(&source, verdict) {
            Some(failure) if !failure.passes() => {
                PostgresError::Tls { address, why: failure.explain(&self.tls), source }
            }
            Some(_) => PostgresError::Unreachable { address, waited: Duration::ZERO, source },
            None if passes(&source) && source.as_db_error().is_none() => {
                PostgresError::Unreachable { address, waited: Duration::ZERO, source }
            }
            None => {
                PostgresError::Refused { address, advice: tls::advice(&source, &self.tls), source }
            }
        }
    }
}

/// The password that a file of passwords has. One that is passed over is warned of, once for each
/// reason.
fn from_file(
    parameters: &ConnectionParameters,
    around: &Surroundings,
    config: &Config,
) -> Option<Vec<u8>> {
    let given = parameters.get(Parameter::PassFile).map(PathBuf::from);
    let path = given.or_else(|| around.home.as_ref().map(|home| home.join(".pgpass")))?;
    passwords::look_up(&path, config).unwrap_or_else(|why| {
        warn_once(why);
        None
    })
}

fn warn_once(why: String) {
    static SAID: std::sync::Mutex<BTreeMap<String, ()>> = std::sync::Mutex::new(BTreeMap::new());
    let mut said = SAID.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if said.insert(why.clone(), ()).is_none() {
        tracing::warn!("{why}.");
    }
}

/// How often a server is asked: a reset may overtake the alert before it.
const ASKED: usize = 5;

/// Why a connection broke off, if the server says so when it is asked again.
fn explained(
    error: postgres::Error,
    ask: impl Fn() -> Result<Client, postgres::Error>,
    verdict: &CertificateVerdict,
) -> Result<Client, postgres::Error> {
    let says = |again: &postgres::Error| {
        Failure::of(again, verdict).is_some_and(|failure| !failure.passes())
    };
    let broke_off = |again: &postgres::Error| tls::broke_off(&tls::causes(again)) && !says(again);
    for _ in 0..ASKED {
        match ask() {
            Err(again) if broke_off(&again) => {}
            Err(again) => return Err(if says(&again) { again } else { error }),
            client => return client,
        }
    }
    Err(error)
}

/// Whether a server has no line for such a connection: with TLS, or without it, there may be one.
fn refuses(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

#[cfg(test)]
mod tests;
