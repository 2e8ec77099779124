//! Asks the broker which topics they are, by the ids that it gave them.

use super::admin::{admin, failure};
use super::connection::{Connection, Tracked};
use super::error::KafkaError;
use super::settings::KafkaSettings;
use super::sys::describe::{self, Described};
use crate::source::TopicUuids;
use dataflows::source::TopicId;
use rdkafka::admin::AdminClient;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// The ids of the topics that are read, as far as the broker gives them and lets this user ask, and
/// the topics that are not there.
pub(super) fn ask<C: ClientContext>(
    client: &Client<C>,
    settings: &KafkaSettings,
    wait: Duration,
) -> Result<(TopicUuids, Vec<TopicId>), RDKafkaErrorCode> {
    let names = settings.topics.names().collect::<Vec<_>>();
    let (mut ids, mut missing) = (TopicUuids::UNKNOWN, Vec::new());
    let topics = settings.topics.topics();
    for (topic, described) in topics.zip(describe::topics(client, &names, wait)?) {
        match described {
            Described::There(id) => ids = ids.with(topic, id),
            Described::Refused(
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
            ) => missing.push(topic),
            Described::Refused(code) => tracing::debug!(
                topic = settings.topic_name(topic),
                "The topic is not described: {code}."
            ),
        }
    }
    Ok((ids, missing))
}

/// Asks for the ids of topics, again and again over one connection.
pub struct Ids {
    admin: AdminClient<Tracked>,
    connection: Arc<Connection>,
    settings: KafkaSettings,
}

impl Ids {
    /// Has not asked yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn asking(settings: &KafkaSettings) -> Result<Ids, KafkaError> {
        let (admin, connection) = admin(settings)?;
        Ok(Ids { admin, connection, settings: settings.clone() })
    }

    /// As they now are, and the topics that are not there; it may take so long.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses the question as such.
    pub fn ask(&self, wait: Duration) -> Result<(TopicUuids, Vec<TopicId>), KafkaError> {
        let failed =
            |code| failure(&self.connection, "describe topics", &ClientError::AdminOp(code));
        ask(self.admin.inner(), &self.settings, wait).map_err(failed)
    }
}

/// As they now are; it may take so long. A topic that is not there has none.
///
/// # Errors
/// The broker cannot be reached, or refuses the question as such.
pub fn topic_ids(settings: &KafkaSettings, wait: Duration) -> Result<TopicUuids, KafkaError> {
    Ok(Ids::asking(settings)?.ask(wait)?.0)
}
