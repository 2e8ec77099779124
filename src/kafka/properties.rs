//! Properties of topics: whether they keep what the job needs, and take what it writes.

use super::admin::{ANSWER, admin, block_on, failure};
use super::error::KafkaError;
use super::settings::KafkaSettings;
use crate::source::TopicNames;
use dataflows::source::TopicId;
use rdkafka::admin::{AdminOptions, ConfigResource, ResourceSpecifier};
use std::collections::BTreeMap;

/// What the broker says of those topics that are read and are there, by their names.
pub struct Properties<'a>(Vec<(&'a str, ConfigResource)>);

/// Asks for the properties of the topics that are read.
///
/// # Errors
/// The broker cannot be reached.
pub fn of_read(settings: &KafkaSettings) -> Result<Properties<'_>, KafkaError> {
    Ok(Properties(described(settings, settings.topics.names())?))
}

/// What is not as it should be with topics that are there, yet does not keep a job from running.
///
/// # Errors
/// The broker cannot be reached, or does not say.
pub fn warnings(settings: &KafkaSettings) -> Result<Vec<String>, KafkaError> {
    Ok(of_read(settings)?.warnings())
}

impl Properties<'_> {
    /// How each topic is cleaned up, as far as the broker says.
    pub fn policies(&self, names: &TopicNames) -> BTreeMap<TopicId, String> {
        let policy = |(name, resource): &(&str, ConfigResource)| {
            let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.clone())?;
            Some((names.named(name)?, policy))
        };
        self.0.iter().filter_map(policy).collect()
    }

    /// What is not as it should be: compaction and retention take records away, and what is
    /// rebuilt later is rebuilt without them.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, resource) in &self.0 {
            let property = |wanted: &str| {
                resource.get(wanted).and_then(|entry| entry.value.clone()).unwrap_or_default()
            };
            let policy = property("cleanup.policy");
            if policy.contains("compact") {
                warnings.push(format!(
                "topic `{name}` is compacted (cleanup.policy={policy}): whatever is rebuilt from \
                 it later sees only the last record of each key, and what is \
                 read of it is kept a second time until checkpoints cover it; \
                 cleanup.policy=delete with retention.ms=-1 keeps all"
            ));
            }
            if policy.contains("delete")
                && (property("retention.ms") != "-1" || property("retention.bytes") != "-1")
            {
                warnings.push(format!(
                "topic `{name}` forgets (retention.ms={}, retention.bytes={}): whatever is rebuilt \
                 from it later lacks the older records; set both to -1",
                property("retention.ms"),
                property("retention.bytes")
            ));
            }
        }
        warnings
    }
}

/// What is not as it should be with the topics that are written: one that is compacted keeps only
/// the last record of each key, and one that takes only shorter records than are rejected loses the
/// longest dead letters.
///
/// # Errors
/// The broker cannot be reached, or does not say.
pub fn warnings_of_written(settings: &KafkaSettings) -> Result<Vec<String>, KafkaError> {
    let mut warnings = Vec::new();
    for (name, resource) in described(settings, settings.written().rev())? {
        let property = |wanted: &str| {
            resource.get(wanted).and_then(|entry| entry.value.clone()).unwrap_or_default()
        };
        if property("cleanup.policy").contains("compact") {
            warnings.push(format!(
                "topic `{name}` is compacted (cleanup.policy={}): of each key only the last record \
                 stays; set cleanup.policy=delete",
                property("cleanup.policy")
            ));
        }
        let longest = property("max.message.bytes").parse::<usize>().unwrap_or(usize::MAX);
        if longest < settings.max_message() {
            warnings.push(format!(
                "topic `{name}` takes records of {longest} bytes (max.message.bytes), and those of \
                 the job may have {}: raise it, or lower \
                 input.max_record",
                settings.max_message()
            ));
        }
    }
    Ok(warnings)
}

/// The properties of those of the topics that are there.
pub(super) fn described<'a>(
    settings: &KafkaSettings,
    topics: impl Iterator<Item = &'a str> + Clone,
) -> Result<Vec<(&'a str, ConfigResource)>, KafkaError> {
    let (admin, connection) = admin(settings)?;
    let wanted: Vec<ResourceSpecifier<'_>> = topics.clone().map(ResourceSpecifier::Topic).collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER));
    let described = block_on(admin.describe_configs(&wanted, &options))?
        .map_err(|error| failure(&connection, "describe topics", &error))?;
    Ok(topics.zip(described).filter_map(|(name, resource)| Some((name, resource.ok()?))).collect())
}
