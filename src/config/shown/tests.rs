//! Tests of what of a configuration may be shown.

use super::super::load::keys;
use super::*;
use crate::config::shown::names::is_harmless_property;

#[test]
fn every_key_says_whether_it_may_be_shown() {
    for key in keys() {
        assert_ne!(
            is_harmless(&key),
            NOT_HARMLESS.contains(&key.as_str()),
            "{key}: is its value known to be harmless? see harmless.txt"
        );
    }
    assert!(HARMLESS.lines().all(|key| keys().contains(&key.to_string())));
}

#[test]
fn what_nobody_has_called_harmless_is_masked() {
    let shown = |key: &str, value: Value| masked(key, &value).to_string();
    assert_eq!(shown("cluster.new_key", "s3cret".into()), "\"***\"");
    assert_eq!(shown("cluster.new_key", Value::Array(vec!["s3cret".into()])), "\"***\"");
    assert_eq!(shown("postgres.password", "".into()), "\"\"");
    assert_eq!(shown("kafka.properties", "s3cret".into()), "\"***\"");
    assert!(
        !is_harmless_property("sasl.password")
            && !is_harmless_property("new.property")
            && is_harmless_property("Security.Protocol")
    );
}

#[test]
fn of_an_address_only_what_is_understood_is_shown() {
    for (url, shown) in [
        ("", ""),
        ("postgres://sluice@127.0.0.1/sluice", "postgres://sluice@127.0.0.1/sluice"),
        ("postgres://sluice:hunter2@127.0.0.1/sluice", "postgres://sluice:***@127.0.0.1/sluice"),
        (
            "postgres://sluice:hun@ter/2@127.0.0.1:5432,[::1]:5433/sluice",
            "postgres://sluice:***@127.0.0.1:5432,[::1]:5433/sluice",
        ),
        (
            "postgres://127.0.0.1/sluice?user=a&password=hunter2&b=hunter2",
            "postgres://127.0.0.1/sluice?user=a&password=***&***",
        ),
        (
            "postgres://h/d?sslmode=require&options=-c%20x%3Dhunter2",
            "postgres://h/d?sslmode=require&options=***",
        ),
        (
            "postgres://h/d?password=hun&ter2&sslmode=require",
            "postgres://h/d?password=***&***&sslmode=require",
        ),
        ("postgres://h/d?password=hun@ter2", "postgres://***"),
        ("postgres://sluice:hunter2", "postgres://***"),
        ("postgres://h/d/hunter2", "postgres://***"),
        ("mysql://ann:hunter2@db/shop", "***"),
        ("hunter2", "***"),
        ("host=a password=hunter2 user=b", "host=a password=*** user=b"),
        ("host=a password = 'hunter \\' 2' user=b", "host=a password=*** user=b"),
        ("host=a password='hunter2", "host=a password=***"),
        ("host=a user=password", "host=a user=password"),
        ("host=a password=hun ter2=1 user=b", "host=a password=*** ***"),
        ("host=a pasword=hunter2", "host=a ***"),
    ] {
        assert_eq!(masked_address(url), shown, "{url}");
    }
    assert_eq!(
        hidden_in_address("postgres://a:hun%21ter@h/d?options=-c%20x"),
        ["hun%21ter", "-c%20x", "-c", "c", "x", "x"]
    );
}

#[test]
fn brokers_and_stores_have_no_login() {
    let shown = |key: &str, text: &str| joined(&pieces(key, text));
    assert_eq!(
        shown("kafka.brokers", "SSL://a:1, 10.0.0.1:2,[::1]:3"),
        "SSL://a:1, 10.0.0.1:2,[::1]:3"
    );
    assert_eq!(shown("kafka.brokers", "a:1,ann:hunter2@b:2"), "a:1,***");
    assert_eq!(shown("checkpoint.dir", "s3://bucket/a b"), "***");
    assert_eq!(shown("checkpoint.dir", "s3://key:hunter2@bucket/p"), "***");
    assert_eq!(
        (shown("checkpoint.dir", "/var/lib/a b@c"), shown("checkpoint.dir", "s3://bucket/p")),
        ("/var/lib/a b@c".into(), "s3://bucket/p".into())
    );
}
