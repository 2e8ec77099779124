//! Tests of the configuration as a whole: defaults, layers, faults.

mod another;
mod faults;

pub(crate) use another::another_value;

use super::fault::Fault;
use super::load::{DEFAULTS, Layers, Loaded, Override, keys, variable};
use super::types::{Config, DecideOn, LogFormat, StartFrom};
use crate::cli::SECTIONS;
use dataflows::event::{DAY, Topic};
use dataflows::settings::{HighValue, Settings, Term, Transform};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

fn from_file(text: &str) -> Loaded {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("writing to it");
    Layers::default().file(file.path()).finish(&SECTIONS)
}

fn from_environment(variables: &[(&str, &str)]) -> Loaded {
    Layers::default()
        .environment(
            variables.iter().map(|(n, v)| (n.to_string(), v.to_string())),
            &BTreeSet::new(),
        )
        .finish(&SECTIONS)
}

fn defaults() -> Config {
    Layers::default().finish(&SECTIONS).accept().expect("the defaults have no fault")
}

/// Faults as a person reads them, without the name of the temporary file.
fn messages(loaded: &Loaded) -> Vec<String> {
    let mut lines: Vec<String> = loaded.faults.iter().map(Fault::to_string).collect();
    for line in &mut lines {
        if let Some((before, after)) = line.clone().split_once("(/").and_then(|(before, rest)| {
            Some((before.to_string(), rest.split_once(" line ")?.1.to_string()))
        }) {
            *line = format!("{before}(line {after}");
        }
    }
    lines.sort();
    lines
}

#[test]
fn the_defaults_are_those_of_the_core() {
    assert_eq!(defaults().settings(), Settings::default());
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = defaults();
    assert_eq!((config.job.as_str(), config.workers, config.processes), ("campaign", 1, 1));
    assert_eq!(
        (config.epoch.interval, config.epoch.idle, config.epoch.lateness),
        (Duration::from_secs(1), Duration::from_secs(5), DAY)
    );
    assert_eq!(config.checkpoint.interval, Duration::from_secs(60));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.kafka.start, config.kafka.partitions), (StartFrom::Earliest, 3));
    assert_eq!(config.group(), "sluice-campaign");
    let named = Topic::ALL.map(|topic| config.kafka.topics.name(topic.id().file_stem()));
    assert_eq!(named, Topic::ALL.map(Topic::name));
}

#[test]
fn every_key_is_commented() {
    let mut commented = false;
    for line in DEFAULTS.lines() {
        match line {
            "" => commented = false,
            line if line.starts_with('#') => commented = true,
            line if line.starts_with(|c: char| c.is_ascii_lowercase()) => {
                assert!(commented, "{line}")
            }
            _ => {}
        }
    }
}

#[test]
fn a_first_configuration_needs_three_keys() {
    let text = "[kafka]\nbrokers = \"127.0.0.1:9092\"\n[postgres]\nurl = \
        \"postgres://sluice@127.0.0.1/sluice\"\n[checkpoint]\ndir = \"checkpoints\"\n";
    let config = from_file(text).accept().expect("no fault");
    assert_eq!((config.faults_for_run(), config.faults_for_verify()), (Vec::new(), Vec::new()));
    let keys = |faults: Vec<(&'static str, String)>| {
        faults.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(defaults().faults_for_run()), ["kafka.brokers"]);
    assert_eq!(keys(defaults().faults_for_verify()), ["kafka.brokers", "postgres.url"]);
}

#[test]
fn results_go_to_one_place_and_progress_without_a_database_into_a_folder() {
    let brokers = "[kafka]\nbrokers = \"127.0.0.1:9092\"\n";
    for own in ["", "[files]\ndir = \"results\"\n"] {
        let config = from_file(&format!("{brokers}{own}")).accept().expect("no fault");
        assert_eq!(
            (config.faults_for_run(), config.journal_folder()),
            (Vec::new(), Some("checkpoints/campaign".into()))
        );
    }
    let both = from_file(
        "[files]\ndir = \"results\"\n[postgres]\nurl = \
         \"postgres://sluice@127.0.0.1/sluice\"\n[checkpoint]\ndir = \"s3://bucket\"\n",
    );
    assert_eq!(
        messages(&both),
        ["files.dir = \"results\" (line 2): expected only one of files.dir and postgres.url: \
             results go to one place"]
    );
    let store = from_file("[checkpoint]\ndir = \"s3://bucket\"\n").accept().expect("no fault");
    let faults = store.faults_for_run();
    assert!(
        faults
            .iter()
            .any(|(key, problem)| *key == "checkpoint.dir"
                && problem.starts_with("expected a folder")),
        "{faults:?}"
    );
}

#[test]
fn flags_beat_the_environment_and_that_beats_the_file() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"job = \"file\"\nworkers = 2\n[epoch]\nlateness = \"2h\"\n")
        .expect("writing to it");
    let environment = [
        ("SLUICE_WORKERS".to_string(), "3".to_string()),
        ("SLUICE_EPOCH_LATENESS".to_string(), "3h".to_string()),
    ];
    let flags = [Override { key: "epoch.lateness", flag: "--lateness", value: "4h".to_string() }];
    let layers = Layers::default()
        .file(file.path())
        .environment(environment, &BTreeSet::new())
        .flags(&flags);
    let config = layers.finish(&SECTIONS).accept().expect("no fault");
    assert_eq!(
        (config.job.as_str(), config.workers, config.epoch.lateness),
        ("file", 3, 4 * 3_600_000)
    );
}

#[test]
fn secrets_are_shown_nowhere() {
    let text = "[postgres]\nurl = \"postgres://a:hunter2@c/d\"\npassword = \
        \"hunter2\"\n[kafka.properties]\nsasl.password = \"hunter2\"\nsasl.username = \"me\"\n";
    let loaded = from_file(text);
    assert_eq!(loaded.config.kafka.properties["sasl.password"], "hunter2");
    assert_eq!(
        loaded.config.postgres.target().expect("no fault").config().get_password(),
        Some("hunter2".as_bytes())
    );
    for shown in [
        loaded.to_toml(),
        loaded.to_json().to_string(),
        format!("{loaded:?}").replace(&format!("{:?}", loaded), ""),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));
    let faulty = from_file(
        "[postgres]\nurl = \"postgres://a:hunter2@c:port/d\"\npassword = \
         [\"hunter2\"]\n[kafka]\nproperties = \"sasl.password=hunter2\"\n",
    );
    assert_eq!(faulty.faults.len(), 3, "{:?}", faulty.faults);
    assert!(!faulty.faults.iter().map(Fault::to_string).collect::<String>().contains("hunter2"));
}

#[test]
fn a_password_comes_from_its_file() {
    let mut secret = tempfile::NamedTempFile::new().expect("a temporary file");
    secret.write_all(b"hunter2\n").expect("writing to it");
    let path = secret.path().display();
    let config =
        from_file(&format!("[postgres]\nurl = \"postgres://a@c/d\"\npassword_file = \"{path}\"\n"))
            .accept()
            .expect("no fault");
    assert_eq!(
        config.postgres.target().expect("no fault").config().get_password(),
        Some("hunter2".as_bytes())
    );
    let twice = from_file(&format!("[postgres]\npassword = \"x\"\npassword_file = \"{path}\"\n"));
    assert_eq!(twice.faults.len(), 1);
}

#[test]
fn values_reach_the_settings() {
    let text = r#"
        [input]
        decimals = 3
        max_record = 4096
        [fields.transactions]
        timestamp = "transaction_date"
        [fields.customer-interactions]
        action = "campaign"
        [kafka.topics]
        customer-interactions = "contacts"
        [kafka.properties]
        security.protocol = "ssl"
        "socket.keepalive.enable" = true
        [customers]
        high_value = "49999.905"
        holiday_months = [1]
        [context]
        terms = ["intercept", "frequency: scale 2.5"]
        [bandit]
        decide_on = "transaction"
        no_response_reward = -0.5
        [log]
        format = "json"
    "#;
    let config = from_file(text).accept().expect("no fault");
    let settings = config.settings();
    assert_eq!(
        (settings.input.decimals, settings.input.max_record, settings.input.dimension),
        (3, 4096, 2)
    );
    let alias = |topic, here: &str, there: &str| (topic, here.to_string(), there.to_string());
    assert_eq!(
        settings.input.aliases,
        [
            alias(Topic::Transactions, "timestamp", "transaction_date"),
            alias(Topic::Interactions, "action", "campaign")
        ]
    );
    assert_eq!(settings.customer.high_value, HighValue::Fixed(49_999_905));
    assert_eq!(settings.customer.holiday_months, 2);
    assert_eq!(
        settings.customer.context[1],
        Term { feature: "frequency".to_string(), transform: Transform::Scale(2.5) }
    );
    assert!(settings.bandit.serving.decide_on_transaction);
    assert_eq!(settings.time.no_response_reward, -32_768);
    assert_eq!(config.kafka.topics.name("interactions"), "contacts");
    assert_eq!(config.kafka.properties["security.protocol"], "ssl");
    assert_eq!(config.kafka.properties["socket.keepalive.enable"], "true");
    assert_eq!(
        (config.log.format, config.bandit.decide_on),
        (LogFormat::Json, DecideOn::Transaction)
    );
}

#[test]
fn high_value_is_a_share_or_a_sum() {
    let of = |value: &str| {
        from_environment(&[("SLUICE_CUSTOMERS_HIGH_VALUE", value)])
            .accept()
            .map(|config| config.settings().customer.high_value)
    };
    assert_eq!(of("top 10%"), Ok(HighValue::Percentile(90)));
    assert_eq!(of("top1 %"), Ok(HighValue::Percentile(99)));
    assert_eq!(of("50000"), Ok(HighValue::Fixed(5_000_000)));
    assert_eq!(of("0.1"), Ok(HighValue::Fixed(10)));
    for refused in ["top 0%", "top 100%", "-1", "", ".5", "1e3", "99999999999"] {
        assert!(of(refused).is_err(), "{refused}");
    }
}

#[test]
fn the_effective_configuration_says_where_each_value_is_from() {
    let loaded = from_environment(&[
        ("SLUICE_EPOCH_INTERVAL", "2s"),
        ("SLUICE_KAFKA_PROPERTIES", "{ sasl.password = \"hunter2\" }"),
    ]);
    let text = loaded.to_toml();
    assert!(text.contains("interval = \"2s\"  # SLUICE_EPOCH_INTERVAL\n"), "{text}");
    assert!(
        text.contains("properties = { \"sasl.password\" = \"***\" }  # SLUICE_KAFKA_PROPERTIES\n"),
        "{text}"
    );
    let again = from_file(&text.replace(
        "properties = { \"sasl.password\" = \"***\" }",
        "properties = { \"sasl.password\" = \"hunter2\" }",
    ));
    assert_eq!(again.accept().expect("it is a configuration again"), loaded.config);
}
