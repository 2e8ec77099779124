//! Topics are made once, and what is wrong with them is said at once.

use super::super::admin::{self, Creation};
use super::super::{KafkaError, Position, identify};
use super::super::{checking, properties};
use super::*;
use crate::source::TopicUuids;

#[test]
fn topics_are_made_once_and_found_with_their_partitions() {
    let Some(settings) = settings() else { return };
    let KafkaError::MissingTopics { topics, .. } = admin::partitions(&settings).unwrap_err() else {
        panic!("topics are there before they were made")
    };
    assert!(topics.iter().map(String::as_str).eq(settings.topics.names()), "{topics:?}");
    let faults = checking::check(&settings).unwrap_err();
    assert!(
        faults.len() == 1 && settings.all_names().all(|name| faults[0].contains(name)),
        "{faults:?}"
    );

    let created = admin::create_topics(&settings, 3, 1).unwrap();
    assert_eq!(
        created,
        settings.all_names().map(|name| (name.to_string(), Creation::Created)).collect::<Vec<_>>()
    );
    let again = admin::create_topics(&settings, 5, 1).unwrap();
    assert!(again.iter().all(|(_, creation)| *creation == Creation::Exists));
    checking::check(&settings).unwrap();
    let partitions = admin::partitions(&settings).unwrap();
    assert!(
        partitions.len() == 5 && partitions.values().all(|partitions| partitions[..] == [0, 1, 2])
    );
    assert_eq!(properties::warnings(&settings).unwrap(), Vec::<String>::new());
    for (name, topic) in properties::described(&settings, settings.all_names()).unwrap() {
        let longest: usize = topic
            .get("max.message.bytes")
            .and_then(|entry| entry.value.as_ref()?.parse().ok())
            .unwrap();
        assert!(
            longest > settings.max_record,
            "{name} takes {longest} bytes: a record that is too long is for the job to reject"
        );
    }
    produce(&settings, Topic::Rewards.id(), 0..100);
    let watermarks = admin::positions(&settings, &partitions, Position::Earliest).unwrap();
    assert_eq!(watermarks.len(), 15);
    assert_eq!(
        (0..3).map(|partition| watermarks[&(Topic::Rewards.id(), partition)].end).sum::<u64>(),
        100
    );
}

#[test]
fn more_replicas_than_brokers_are_refused() {
    let Some(settings) = settings() else { return };
    let error = admin::create_topics(&settings, 3, 7).unwrap_err();
    assert!(
        matches!(error, KafkaError::Refused { .. }) && error.to_string().contains("7 times"),
        "{error}"
    );
}

#[test]
fn topics_that_forget_are_warned_of() {
    let Some(settings) = settings() else { return };
    admin::create(
        &settings,
        1,
        1,
        &[("cleanup.policy", "compact,delete"), ("retention.ms", "1000000")],
    )
    .unwrap();
    let warnings = properties::warnings(&settings).unwrap();
    assert_eq!(warnings.len(), 10, "{warnings:?}");
    let written = properties::warnings_of_written(&settings).unwrap();
    assert!(
        written.len() == 2 && written.iter().all(|warning| warning.contains("is compacted")),
        "{written:?}"
    );
    assert!(
        warnings[0].contains("compacted") && warnings[1].contains("retention.ms=1000000"),
        "{warnings:?}"
    );
}

#[test]
fn topics_that_take_too_short_records_are_warned_of() {
    let Some(settings) = settings() else { return };
    admin::create(&settings, 1, 1, &[("max.message.bytes", "10000")]).unwrap();
    let written = properties::warnings_of_written(&settings).unwrap();
    assert!(
        written.len() == 2
            && written.iter().all(|warning| warning.contains("10000 bytes (max.message.bytes)")),
        "{written:?}"
    );
}

#[test]
fn an_unreachable_broker_is_named_with_the_reason() {
    // Nothing listens on port 1.
    let settings = own_topics("127.0.0.1:1");
    let error = admin::partitions(&settings).unwrap_err();
    assert!(error.is_transient(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("127.0.0.1:1") && text.contains("kafka.brokers") && text.contains("refused"),
        "{text}"
    );
}

#[test]
fn a_topic_that_is_made_anew_has_another_id() {
    let Some(settings) = settings() else { return };
    let ids = || identify::topic_ids(&settings, Duration::from_secs(10)).unwrap();
    assert_eq!(ids(), TopicUuids::UNKNOWN, "none is there");
    admin::create_topics(&settings, 1, 1).unwrap();
    let first = ids();
    assert_eq!((first.unknown(&settings.topics).count(), ids()), (0, first));
    admin::delete_topics(&settings).unwrap();
    admin::create_topics(&settings, 1, 1).unwrap();
    let second = ids();
    let remade = first.compare(&second, &settings.topics).expect_err("all are new");
    assert_eq!(remade.topic, &settings.topics[Topic::Transactions.id()]);
    assert_eq!(ids(), second);
}
