//! Another value for every key, and the environment variable that sets it.

use super::*;
use dataflows::bandit::policy::declared;

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
        key if key.starts_with("postgres.") || key.ends_with("_file") => another_of_postgres(key),
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
        "bandit.ridge" | "bandit.no_response_reward" => "0.5",
        "bandit.policy" => "greedy",
        "bandit.unit" => "sd",
        "bandit.floor" => "0.25",
        "bandit.cold.interactions" => "9",
        "bandit.cold.factor" => "2.5",
        "policies" => "careful.kind=thompson, careful.scale=0.5",
        "bandit.retired" => "Push, direct mail",
        "bandit.seed" => "7",
        "bandit.decide_on" => "transaction",
        other => match declared().find(|parameter| parameter.key == other) {
            Some(parameter) if parameter.default == 0.5 => "0.25",
            Some(_) => "0.5",
            None => panic!("{other} has no other value in this test"),
        },
    }
}

/// The same of keys of the database, and of files that hold secrets.
fn another_of_postgres(key: &str) -> &'static str {
    match key {
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
