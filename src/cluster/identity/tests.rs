//! Tests of what processes compare.

use super::*;
use crate::config::load::{Layers, keys, variable};
use crate::config::tests::another_value;
use crate::hosting::agreed_on;
use dataflows::campaign::graph::Campaign;

fn identity(set: &[(&str, &str)]) -> Identity {
    let variables = set.iter().map(|(key, value)| (variable(key), value.to_string()));
    let config = Layers::default().environment(variables, &BTreeSet::new()).finish(&[]).config;
    Identity::of(&config, &agreed_on::<Campaign>(&config.settings()))
}

#[test]
fn every_key_is_compared_unless_a_machine_may_have_its_own() {
    let own = |key: &str| {
        let sections = ["log.", "http.", "postgres."];
        let single = [
            "process",
            "hostfile",
            "cluster.secret_file",
            "kafka.group",
            "kafka.partitions",
            "kafka.replication",
            "kafka.properties",
        ];
        let waiting = ["checkpoint.interval", "limits.fetched", "limits.unsaved"];
        !["postgres.url", "postgres.schema"].contains(&key)
            && (sections.iter().any(|section| key.starts_with(section))
                || single.contains(&key)
                || waiting.contains(&key))
    };
    let here = identity(&[]);
    for key in keys() {
        let there = identity(&[(&key, another_value(&key))]);
        let Differences { clauses, lasting } = here.differences(0, &there, 1);
        assert_eq!(clauses.is_empty(), own(&key), "{key}: {clauses:?}");
        assert_eq!(lasting, !own(&key), "{key}");
        assert!(
            clauses.iter().all(|clause| !clause.contains("hunter2") && !clause.contains("a:b@c")),
            "{clauses:?}"
        );
    }
}

#[test]
fn both_sides_say_the_same_with_both_values() {
    let one = identity(&[("workers", "2"), ("bandit.arms", "Email, SMS"), ("job", "a")])
        .started_with("--rebuild", true);
    let other = identity(&[("workers", "3"), ("bandit.arms", "Email, Push"), ("job", "b")]);
    let told = one.differences(4, &other, 2);
    assert_eq!(told, other.differences(2, &one, 4));
    assert_eq!(
        told.clauses,
        [
            "--rebuild is not said in process 2 and true in process 4",
            r#"bandit.arms is a list with ["Push"] in process 2 and one with ["SMS"] in process 4"#,
            "job is b in process 2 and a in process 4",
            "workers is 3 in process 2 and 2 in process 4",
        ]
    );
}

#[test]
fn what_is_found_otherwise_may_be_the_same_at_another_start() {
    let found = |partitions: u32| Identity::default().finding("partitions of rewards", partitions);
    let told = found(3).differences(0, &found(4), 1);
    assert!(
        found(3).fits(&found(3))
            && !found(3).fits(&found(4))
            && found(3).fits(&Identity::default())
    );
    assert_eq!(
        told,
        Differences {
            clauses: vec!["partitions of rewards is 3 in process 0 and 4 in process 1".to_string()],
            lasting: false
        }
    );
}

#[test]
fn lists_of_another_order_and_long_values_are_told_shortly() {
    let one = identity(&[("bandit.arms", "Email, SMS")]);
    let told = one.differences(0, &identity(&[("bandit.arms", "SMS, Email")]), 1);
    assert_eq!(
        told.clauses,
        [r#"bandit.arms is ["Email","SMS"] in process 0 and ["SMS","Email"] in process 1"#]
    );
    let long = Identity::default().started_with("job", "x".repeat(500));
    assert!(long.differences(0, &Identity::default(), 1).clauses[0].len() < 200);
}

#[test]
fn an_identity_arrives_as_it_was_sent() {
    let sent = identity(&[]).finding("partitions of rewards", 3);
    assert_eq!(Identity::from_bytes(&sent.to_bytes()), Some(sent));
    assert_eq!(Identity::from_bytes(b"{}"), None);
}
