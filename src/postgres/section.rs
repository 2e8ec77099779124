//! What the configuration says of PostgreSQL.

use super::address::{ConnectionParameters, Parameter};
use super::retention::Ages;
use super::target::{Surroundings, Target};
use super::tls::KeyProblem;
use super::{PostgresSettings, Timeouts};
use crate::config::secret::Secret;
use crate::config::secret_file;
use crate::config::types::{Config, PostgresSection};
use crate::sink::rows::Wording;
use dataflows::event::{DAY, Millis};
use std::sync::Arc;
use std::time::Duration;

/// What is wrong with how the database is reached; of the surroundings only where there is one to
/// reach.
pub fn faults(config: &Config) -> Vec<KeyProblem> {
    match config.postgres.target() {
        Ok(target) if !config.postgres.url.is_empty() => target.faults_of_files(),
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    }
}

impl Config {
    /// What the PostgreSQL sink must be told, for these features.
    pub fn postgres_settings(&self, wording: Arc<dyn Wording>) -> PostgresSettings {
        PostgresSettings {
            keep_model_versions: self.postgres.keep_models,
            dead_letter_days: u32::try_from(self.postgres.keep_dead_letters / DAY)
                .unwrap_or(u32::MAX),
            keep: self.postgres.ages(),
            wording,
            lateness: self.epoch.lateness,
            ..self.postgres_address()
        }
    }

    /// What it takes to find the job in its database.
    pub fn postgres_address(&self) -> PostgresSettings {
        // What is wrong with the password was found when the configuration was loaded.
        let password = self.postgres.password().ok().flatten();
        PostgresSettings {
            password: password.map(|password| password.expose().as_bytes().to_vec()),
            parameters: self.postgres.parameters(),
            limits: self.postgres.limits(),
            topics: self.topic_names(),
            schema: self.postgres.schema.clone(),
            ..PostgresSettings::new(self.postgres.url.expose(), &self.job)
        }
    }
}

impl PostgresSection {
    /// How the database is reached, password included.
    ///
    /// # Errors
    /// Keys and problems: what is unknown, missing or given twice.
    pub fn target(&self) -> Result<Target, Vec<KeyProblem>> {
        let password = self.password().map_err(|problem| vec![problem])?;
        let password = password.as_ref().map(|password| password.expose().as_bytes());
        Target::settle(self.url.expose(), password, &self.parameters(), &Surroundings::of_process())
    }

    /// The password that stands beside the address.
    fn password(&self) -> Result<Option<Secret>, KeyProblem> {
        let file = self
            .password_file
            .as_deref()
            .map(secret_file)
            .transpose()
            .map_err(|problem| ("postgres.password_file", problem))?;
        if file.is_some() && !self.password.is_empty() {
            return Err((
                "postgres.password_file",
                "expected a password either here or in postgres.password, not both".to_string(),
            ));
        }
        Ok(file.or_else(|| Some(self.password.clone()).filter(|password| !password.is_empty())))
    }

    /// How long rows are kept that go by their epochs, by the keys of these settings.
    fn ages(&self) -> Ages {
        let of_events =
            |age: Option<Millis>| age.map(|age| Duration::from_millis(age.unsigned_abs()));
        Ages::of([
            ("keep_interactions", of_events(self.keep_interactions)),
            ("keep_decisions", of_events(self.keep_decisions)),
            ("keep_model_metrics", self.keep_model_metrics),
            ("keep_epochs", self.keep_epochs),
        ])
    }

    /// What bounds how long something may take there.
    fn limits(&self) -> Timeouts {
        Timeouts {
            statement: self.statement_timeout,
            lock: self.lock_timeout,
            idle: self.idle_timeout,
            transaction: self.transaction_timeout,
            silence: self.silence_timeout,
        }
    }

    /// What of libpq's parameters stands beside the address.
    fn parameters(&self) -> ConnectionParameters {
        let mut parameters = ConnectionParameters::default();
        for parameter in Parameter::ALL {
            let value = match parameter {
                Parameter::SslMode => &self.sslmode,
                Parameter::SslRootCert => &self.sslrootcert,
                Parameter::SslCert => &self.sslcert,
                Parameter::SslKey => &self.sslkey,
                Parameter::SslPassword => self.sslpassword.expose(),
                Parameter::SslNegotiation => &self.sslnegotiation,
                Parameter::ChannelBinding => &self.channel_binding,
                Parameter::PassFile => &self.passfile,
            };
            parameters.set(parameter, value);
        }
        parameters
    }
}
