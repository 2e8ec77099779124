//! The topics of a running job: whether they are still the ones that it reads, and whether
//! partitions were added to them.

use crate::kafka::compacted::Compacted;
use crate::kafka::identify::{self, Ids};
use crate::kafka::intake::Sight;
use crate::kafka::{KafkaError, KafkaSettings, admin};
use crate::source::TopicUuids;
use dataflows::source::TopicId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often topics are looked at for new partitions.
const LOOK_FOR_PARTITIONS: Duration = Duration::from_secs(20);

/// How often the broker is asked which topics they are: what is read of one that was made anew
/// meanwhile has to be made again.
const LOOK_FOR_IDS: Duration = Duration::from_secs(2);

/// How long a topic may be gone before the job ends: the clients do not always notice by
/// themselves, and would wait for ever.
const GONE: Duration = Duration::from_secs(10);

/// How long the broker may take to say so.
const ANSWER: Duration = Duration::from_secs(5);

/// Each partition of each topic.
pub fn keys(partitions: &BTreeMap<TopicId, Vec<u32>>) -> BTreeSet<(TopicId, u32)> {
    partitions
        .iter()
        .flat_map(|(topic, all)| all.iter().map(|partition| (*topic, *partition)))
        .collect()
}

/// The ids of the topics. Where the broker gives none the job goes on without, and says so.
pub fn ids(kafka: &KafkaSettings) -> TopicUuids {
    let ids = identify::topic_ids(kafka, ANSWER).unwrap_or_else(|error| {
        tracing::debug!("The topics have no ids: {error}.");
        TopicUuids::UNKNOWN
    });
    let unknown: Vec<&str> =
        ids.unknown(&kafka.topics).map(|topic| kafka.topic_name(topic)).collect();
    if !unknown.is_empty() {
        tracing::warn!(
            topics = unknown.join(", "),
            "The broker does not say which ids its topics have (it is older than Kafka 2.8, or \
             this user may not describe them): one that is deleted and \
             made anew will be taken for the former."
        );
    }
    ids
}

/// Looks at the topics of a running job now and then, for as long as the process lives: partitions
/// that were added are told to `sight`, as is that a topic is gone, or is another one than
/// `expected`, and to `compacted` which ones the broker compacts. Once it compacts another one, a
/// checkpoint is wanted: nobody has kept what was read of it.
///
/// # Errors
/// What is done gives that a topic is another one, or stays away.
pub fn looking(
    kafka: &KafkaSettings,
    partitions: &BTreeMap<TopicId, Vec<u32>>,
    expected: TopicUuids,
    sight: &Sight,
    compacted: &Compacted,
    wants_checkpoint: Arc<AtomicBool>,
) -> impl FnOnce() -> Result<(), KafkaError> + Send + use<> {
    let (kafka, sight, compacted, mut known) =
        (kafka.clone(), sight.clone(), compacted.clone(), keys(partitions));
    move || {
        let ids = Ids::asking(&kafka).ok();
        let mut looked = Instant::now();
        let (mut gone, mut lost) = (None, None);
        loop {
            std::thread::sleep(LOOK_FOR_IDS);
            if let Some(ids) = &ids {
                let deleted = look(ids, &kafka, &expected, &mut gone)?;
                sight.lose(deleted.or_else(|| lost.clone()));
            }
            if looked.elapsed() < LOOK_FOR_PARTITIONS {
                continue;
            }
            looked = Instant::now();
            // A broker that does not answer is asked again the next time.
            let Ok(found) = admin::partitions(&kafka) else { continue };
            for topic in compacted.look(&kafka) {
                let topic = kafka.topic_name(topic);
                tracing::warn!(
                    topic,
                    "The topic is compacted now: what is read of it from now on is kept until \
                     checkpoints cover it, and one is taken at once for the rest."
                );
                wants_checkpoint.store(true, Ordering::Release);
            }
            let new: Vec<_> = keys(&found).difference(&known).copied().collect();
            known.extend(&new);
            lost = lost_of(&known, &keys(&found), &kafka);
            sight.found(new);
        }
    }
}

/// Partitions that were there and are not any more, though their topics are: made anew with fewer,
/// where the broker gives no ids.
fn lost_of(
    known: &BTreeSet<(TopicId, u32)>,
    found: &BTreeSet<(TopicId, u32)>,
    kafka: &KafkaSettings,
) -> Option<String> {
    let lost: Vec<String> = known
        .difference(found)
        .map(|(topic, partition)| {
            format!("partition {partition} of `{}`", kafka.topic_name(*topic))
        })
        .collect();
    (!lost.is_empty())
        .then(|| format!("at {}, {} is not there any more", kafka.brokers, lost.join(", ")))
}

/// Whether the topics are still there, and the same; gives what is gone of them, and `since` is
/// when that was first seen.
fn look(
    ids: &Ids,
    kafka: &KafkaSettings,
    expected: &TopicUuids,
    since: &mut Option<Instant>,
) -> Result<Option<String>, KafkaError> {
    let Ok((now, missing)) = ids.ask(ANSWER) else { return Ok(None) };
    expected.compare(&now, &kafka.topics)?;
    *since = missing.first().map(|_| since.unwrap_or_else(Instant::now));
    if let (Some(topic), Some(since)) = (missing.first(), since)
        && since.elapsed() >= GONE
    {
        return Err(KafkaError::Deleted {
            brokers: kafka.brokers.clone(),
            topic: kafka.topic_name(*topic).to_string(),
        });
    }
    let gone = missing
        .iter()
        .map(|topic| format!("`{}`", kafka.topic_name(*topic)))
        .collect::<Vec<_>>()
        .join(", ");
    Ok((!missing.is_empty())
        .then(|| format!("at {}, topic {gone} was deleted while the job reads it", kafka.brokers)))
}
