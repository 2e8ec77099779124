//! Tests of the configuration as a whole: defaults, layers, faults.

use super::fault::Fault;
use super::load::{DEFAULTS, Layers, Loaded, Override, keys, variable};
use super::types::{Config, DecideOn, LogFormat, Start};
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
    assert_eq!((config.kafka.start, config.kafka.partitions), (Start::Earliest, 3));
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
fn what_cannot_be_a_schema_is_named_beside_the_other_faults() {
    let faulty = from_file("job = \"\"\n[postgres]\nschema = \"pg_shop\"\nkeep_models = 0\n");
    let said = messages(&faulty);
    assert!(
        said.len() == 3 && said.iter().any(|said| said.contains("not beginning with pg_")),
        "{said:?}"
    );
    let own = from_file("[postgres]\nschema = \"Shop 2\"\n").accept().expect("no fault");
    assert_eq!(own.postgres_address().schema.to_string(), "Shop 2");
    assert_eq!(defaults().postgres_address().schema.to_string(), "sluice");
}

/// A value for each key that differs from its default, as an environment variable has it.
pub(crate) fn another_value(key: &str) -> &'static str {
    match key {
        "job" => "other",
        "workers"
        | "processes"
        | "bandit.model_lag"
        | "customers.frequent_purchases"
        | "input.decimals" => "3",
        "dataflow" => "arrivals",
        "process" => "1",
        "hostfile" => "/nonexistent/hosts",
        "log.level" => "debug",
        "log.format" => "json",
        "kafka.brokers" => "a:1,b:2",
        "kafka.start" => "2024-03-01",
        "kafka.group" => "readers",
        "kafka.partitions" | "kafka.replication" => "7",
        "kafka.properties" => "security.protocol=ssl, sasl.password=hunter2",
        topic if topic.starts_with("kafka.topics.") => "renamed",
        "postgres.url" => "postgres://a:b@c/d",
        "postgres.schema" => "Shop 2",
        "postgres.password" => "hunter2",
        "cluster.secret_file" | "postgres.password_file" | "http.api_token_file" => {
            "/nonexistent/secret"
        }
        "postgres.sslmode" => "require",
        "postgres.sslrootcert" => "/nonexistent/ca.crt",
        "postgres.sslcert" | "postgres.sslkey" => "/nonexistent/client",
        "postgres.sslpassword" => "hunter2",
        "postgres.sslnegotiation" => "postgres",
        "postgres.channel_binding" => "require",
        "postgres.passfile" => "/nonexistent/passwords",
        "postgres.keep_models" => "10",
        "postgres.keep_dead_letters" => "90d",
        "postgres.keep_interactions"
        | "postgres.keep_decisions"
        | "postgres.keep_model_metrics"
        | "postgres.keep_epochs" => "400d",
        "postgres.statement_timeout" => "2m",
        "postgres.lock_timeout" => "5s",
        "postgres.idle_timeout" => "30s",
        "postgres.transaction_timeout" => "1h",
        "postgres.silence_timeout" => "12s",
        "files.dir" => "results",
        "checkpoint.dir" => "s3://bucket/sluice",
        "checkpoint.keep" => "5",
        "checkpoint.interval"
        | "epoch.interval"
        | "epoch.idle"
        | "epoch.lateness"
        | "bandit.attribution_window"
        | "input.future" => "90s",
        "epoch.max_events" => "5000",
        "limits.fetched" => "8MiB",
        "limits.epochs_in_flight" | "limits.unsaved" => "3",
        "http.listen" => "127.0.0.1:9999",
        "http.open" => "readyz, /metrics",
        "http.insecure" | "bandit.own_features" => "1",
        "input.max_record" => "64KiB",
        "input.time_unit" => "seconds",
        "input.date_format" => "%m/%d/%Y %H:%M",
        fields if fields.starts_with("fields.") => "customer_id=buyer",
        "customers.categories" | "customers.devices" | "customers.payments" | "bandit.arms" => {
            "One, Two"
        }
        "customers.holiday_months" => "1, 2",
        "history.keep" => "400d",
        "customers.high_value" => "top 5%",
        "customers.at_risk_days" | "customers.recent_days" => "60",
        "context.terms" => "intercept, recency: cap 100",
        "bandit.ridge" | "bandit.alpha" | "bandit.no_response_reward" => "0.5",
        "bandit.policy" => "greedy",
        "bandit.seed" => "7",
        "bandit.decide_on" => "transaction",
        other => panic!("{other} has no other value in this test"),
    }
}

#[test]
fn every_key_has_an_environment_variable_that_works() {
    let variables: BTreeSet<String> = keys().iter().map(|key| variable(key)).collect();
    assert_eq!(variables.len(), keys().len(), "two keys share a variable");
    for key in keys() {
        let loaded = from_environment(&[(&variable(&key), another_value(&key))]);
        // Files that are not there, a certificate without its key and the other way around, a
        // process beyond the last, and the default context, which needs the default lists.
        let expected = [
            "hostfile",
            "process",
            "cluster.secret_file",
            "postgres.password_file",
            "postgres.sslcert",
            "postgres.sslkey",
            "http.api_token_file",
            "context.terms",
        ];
        let refused = loaded.faults.iter().filter(|fault| !expected.contains(&fault.key.as_str()));
        assert_eq!(refused.map(Fault::to_string).collect::<Vec<_>>(), Vec::<String>::new());
        assert_ne!(loaded.config, defaults(), "{key} changes nothing");
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }
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
fn five_faults_are_five_messages() {
    let loaded = from_file(
        "workers = 0\n[kafka]\nbrokers = \"localhost\"\n[epoch]\nintervall = \"1s\"\nlateness = \
         \"two days\"\n[bandit]\narms = [\"Email\", \"email\"]\n",
    );
    insta::assert_snapshot!(messages(&loaded).join("\n"), @r#"
    bandit.arms = ["Email", "email"] (line 8): expected a list of 1 to 32767 names that differ in more than case
    epoch.intervall (line 5): no such key; did you mean epoch.interval?
    epoch.lateness = "two days" (line 6): expected a duration such as "500ms", "10s" or "24h", from 0s to 3650d
    kafka.brokers = "localhost" (line 3): expected "host:port", several with commas between them
    workers = 0 (line 1): expected a whole number from 1 to 1024
    "#);
    assert_eq!(loaded.config, defaults(), "faulty keys keep their defaults");
}

#[test]
fn what_must_hold_between_keys_is_checked_with_the_rest() {
    let loaded = from_file(
        "process = 2\nprocesses = 2\nhostfile = \"/nonexistent\"\n[http]\nlisten = \
         \"0.0.0.0:80\"\n[customers]\nhigh_value = 0.001\n\
         [fields.transactions]\nid = \"number\"\n[context]\nterms = [\"recency: root \
         2\"]\n[log]\nlevel = \"loud\"\n",
    );
    insta::assert_snapshot!(messages(&loaded).join("\n"), @r#"
    context.terms = ["recency: root 2"] (line 11): expected a term such as "weekend_shopper_pct", "monetary: scale 100", "recency: cap 365" or "frequency: log 4", not "recency: root 2"
    customers.high_value = 0.001 (line 7): expected no more than the 2 decimals of input.decimals
    fields.transactions = { id = "number" } (line 8): `id` is no field here; the name on the left is one of op, customer_id, timestamp, transaction_id, amount, category, device, payment_method, discount_used
    hostfile = "/nonexistent" (line 3): cannot be read: No such file or directory (os error 2)
    http.listen = "0.0.0.0:80" (line 5): others can reach this address: set http.api_token_file, or http.insecure = true to do without a token
    log.level = "loud" (line 13): expected off, error, warn, info, debug or trace, or by module as in "info,sluice=debug"
    process = 2 (line 1): expected less than `processes`, which is 2: the first process is 0
    "#);
}

#[test]
fn how_dates_numbers_and_several_columns_are_read_is_checked() {
    let loaded = from_file(
        "[input]\ntime_unit = \"hours\"\ndate_format = \
         \"%H:%M\"\n[fields.transactions]\ncustomer_id = \"A + B\"\ntransaction_id = \"A * B\"\n\
         amount = \"A *  * B\"\ncategory = \"A + B\"\n[fields.rewards]\nreward_id = \"A + B * \
         C\"\n",
    );
    insta::assert_snapshot!(messages(&loaded).join("\n"), @r#"
    fields.rewards = { reward_id = "A + B * C" } (line 9): expected 2 to 5 names of columns with the same sign between them, not `A + B * C`
    fields.transactions = { amount = "A *  * B", category = "A + B", customer_id = "A + B", transaction_id… (line 4): `category` cannot be `A + B`: only ids can be joined of several columns with ` + `, and customer_id is a number
    fields.transactions = { amount = "A *  * B", category = "A + B", customer_id = "A + B", transaction_id… (line 4): `customer_id` cannot be `A + B`: only ids can be joined of several columns with ` + `, and customer_id is a number
    fields.transactions = { amount = "A *  * B", category = "A + B", customer_id = "A + B", transaction_id… (line 4): `transaction_id` cannot be `A * B`: only amount can be a product of several columns with ` * `
    fields.transactions = { amount = "A *  * B", category = "A + B", customer_id = "A + B", transaction_id… (line 4): expected 2 to 5 names of columns with the same sign between them, not `A *  * B`
    input.date_format = "%H:%M" (line 3): expected a form of strptime that tells year, month and day, such as "%m/%d/%Y %H:%M", or a list of such forms
    input.time_unit = "hours" (line 2): expected empty, "seconds", "milliseconds", "microseconds" or "nanoseconds"
    "#);
    let accepted = "[input]\ntime_unit = \"ms\"\ndate_format = [\"%d.%m.%Y\", \"%d.%m.%Y \
        %H:%M\"]\n[fields.transactions]\n\
                    transaction_id = \"Invoice + Stock Code\"\namount = \"Quantity * \
                    Price\"\ncategory = \"Stock Code\"\n";
    let config = from_file(accepted).accept().expect("no fault");
    let input = config.settings().input;
    assert_eq!(
        (input.time_unit, input.date_formats.len()),
        (Some(dataflows::event::instant::TimeUnit::Milliseconds), 2)
    );
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    let loaded = from_file(
        "interval = \"1s\"\nwrokers = 2\nzebra = 1\n[kafka]\ntopics = \"x\"\n[epochs]\ninterval = \
         \"2s\"\n",
    );
    insta::assert_snapshot!(messages(&loaded).join("\n"), @r#"
    epochs (line 6): no such key; did you mean epoch?
    interval (line 1): no such key; did you mean checkpoint.interval or epoch.interval?
    kafka.topics = "***" (line 5): expected a section [kafka.topics]
    wrokers (line 2): no such key; did you mean workers?
    zebra (line 3): no such key; `sluice config --defaults` prints every key
    "#);
}

#[test]
fn an_unknown_variable_is_warned_of_unless_it_is_a_flags() {
    let variables = ["SLUICE_EPOCH_INTERVALL", "SLUICE_SEED", "OTHER"]
        .map(|name| (name.to_string(), "1".to_string()));
    let loaded = Layers::default()
        .environment(variables, &BTreeSet::from(["SLUICE_SEED".to_string()]))
        .finish(&SECTIONS);
    assert_eq!(
        loaded.warnings,
        ["SLUICE_EPOCH_INTERVALL is set, but no key has this variable; did you mean \
             SLUICE_EPOCH_INTERVAL?"]
    );
    assert!(loaded.faults.is_empty());
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line_and_no_secret() {
    let loaded = from_file("workers = 2\n[postgres]\npassword = hunter2 hunter2\n");
    assert!(!loaded.faults.is_empty());
    let text = loaded.faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n");
    assert!(text.contains("line 3") && !text.contains("hunter2"), "{text}");
    let missing =
        Layers::default().file(std::path::Path::new("/nonexistent/sluice.toml")).finish(&SECTIONS);
    assert_eq!(
        missing.faults[0].to_string(),
        "cannot read /nonexistent/sluice.toml: No such file or directory (os error 2)"
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
fn faults_of_tls_are_named_where_they_stand() {
    let loaded = from_file(
        "[postgres]\nurl = \
         \"postgres://a:hunter2@c/d?sslmode=on&sslrootcert=/nonexistent/ca.crt\"\nchannel_binding \
         = \"maybe\"\nsslrootcert = \"system\"\n",
    );
    insta::assert_snapshot!(messages(&loaded).join("\n"), @r#"
    postgres.channel_binding = "maybe" (line 3): expected one of disable, prefer, require, not "maybe"
    postgres.sslrootcert = "system" (line 4): expected sslrootcert either here or in postgres.url, not two that differ
    postgres.url = "postgres://a:***@c/d?sslmode=on&sslrootcert=/nonexistent/ca.crt" (line 2): sslmode: expected disable, allow, prefer, require, verify-ca or verify-full, not "on"
    "#);
    let absent = from_file(
        "[postgres]\nurl = \"postgres://a:hunter2@c/d\"\nsslmode = \"verify-full\"\nsslrootcert = \
         \"/nonexistent/ca.crt\"\n",
    );
    insta::assert_snapshot!(messages(&absent).join("\n"), @r#"postgres.sslrootcert = "/nonexistent/ca.crt" (line 4): /nonexistent/ca.crt cannot be read: No such file or directory (os error 2)"#);
    let secret = from_file("[postgres]\nsslpassword = \"hunter2\"\n");
    assert!(
        !secret.to_toml().contains("hunter2")
            && !format!("{:?}", secret.config).contains("hunter2")
    );
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
fn everything_that_is_wrong_with_a_term_is_said_at_once() {
    let loaded = from_file(
        "[context]\nterms = [\"charm: root 2\", \"recency: cap 365\", \"recency: cap 0\"]\n",
    );
    insta::assert_snapshot!(messages(&loaded).join("\n"), @r#"
    context.terms = ["charm: root 2", "recency: cap 365", "recency: cap 0"] (line 2): `recency` enters the context twice: leave one of the terms out
    context.terms = ["charm: root 2", "recency: cap 365", "recency: cap 0"] (line 2): expected a term such as "weekend_shopper_pct", "monetary: scale 100", "recency: cap 365" or "frequency: log 4", not "charm: root 2" and not "recency: cap 0"
    context.terms = ["charm: root 2", "recency: cap 365", "recency: cap 0"] (line 2): the context names `charm`, which is no feature: take a column of features.csv or `intercept`
    "#);
}

#[test]
fn lists_and_context_must_fit_each_other() {
    let loaded = from_file(
        "[customers]\ncategories = [\"Books\", \"Mobile\"]\n[context]\nterms = [\"books_pct\", \
         \"travel_pct\", \"books_pct\"]\n",
    );
    insta::assert_snapshot!(messages(&loaded).join("\n"), @r#"
    context.terms = ["books_pct", "travel_pct", "books_pct"] (line 4): `books_pct` enters the context twice: leave one of the terms out
    context.terms = ["books_pct", "travel_pct", "books_pct"] (line 4): the context names `travel_pct`, which is no feature: take a column of features.csv or `intercept`
    customers: two features would be called `mobile_pct`: give the listed values names that differ in letters and digits
    "#);
}

/// A file with this text.
fn file_of(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("writing to it");
    file
}

#[test]
fn a_hostfile_has_an_address_for_each_process() {
    let hosts = file_of("127.0.0.1:2101\n\nlocalhost:2101\n");
    let path = hosts.path().display();
    let loaded =
        |processes: usize| from_file(&format!("processes = {processes}\nhostfile = \"{path}\"\n"));
    assert_eq!(
        loaded(2).accept().expect("no fault").hosts(),
        Ok(vec!["127.0.0.1:2101".to_string(), "localhost:2101".to_string()])
    );
    assert_eq!(loaded(3).faults[0].problem, "expected a line for each of the 3 processes, found 2");
    let twice = file_of("a:1\na:1\n");
    let loaded = from_file(&format!("processes = 2\nhostfile = \"{}\"\n", twice.path().display()));
    assert_eq!(
        loaded.faults[0].problem,
        "expected an address of its own for each process, and a:1 is there twice"
    );
}

#[test]
fn processes_that_others_can_reach_need_a_secret() {
    let hosts = file_of("127.0.0.1:2101\n10.0.0.2:2101\n");
    let faults = |processes: usize, secret: Option<&str>| -> Vec<String> {
        let secret = secret.map(file_of);
        let key = secret.as_ref().map_or(String::new(), |file| {
            format!("[cluster]\nsecret_file = \"{}\"\n", file.path().display())
        });
        let loaded = from_file(&format!(
            "processes = {processes}\nhostfile = \"{}\"\n{key}",
            hosts.path().display()
        ));
        loaded.faults.iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect()
    };
    let told = faults(2, None);
    assert!(
        told.len() == 1
            && told[0]
                .starts_with("hostfile: others can reach 10.0.0.2:2101: set cluster.secret_file"),
        "{told:?}"
    );
    assert_eq!(faults(2, Some("0123456789abcdef\n")), Vec::<String>::new());
    let short = "cluster.secret_file: expected at least 16 characters, as `openssl rand -hex 32` \
        makes them, found 15";
    assert_eq!(faults(2, Some("0123456789abcde\n")), [short]);
    assert_eq!(
        faults(2, Some("\n")),
        ["cluster.secret_file: expected a secret in this file, which is empty"]
    );
    // A process that is alone listens nowhere.
    let alone = from_file("processes = 1\n").accept().expect("no fault");
    assert_eq!(alone.hosts(), Ok(vec!["localhost:2101".to_string()]));
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
