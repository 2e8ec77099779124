//! No output repeats a value that nobody has called harmless: each key of the configuration gets a
//! value of its own, which is then looked for.

use assert_cmd::cargo::cargo_bin;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use toml::{Table, Value};

/// The keys whose values may be shown, as the program has them.
const HARMLESS: &str = include_str!("../src/config/harmless.txt");

/// What is printed whatever is configured.
fn defaults() -> Table {
    let output = Command::new(cargo_bin!("sluice"))
        .args(["config", "--defaults"])
        .output()
        .expect("the program starts");
    String::from_utf8(output.stdout).expect("UTF-8").parse().expect("the defaults are TOML")
}

/// Every key that takes text, and its default.
fn text_keys(section: &str, table: &Table, keys: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            Value::Table(below) if !below.is_empty() => text_keys(&key, below, keys),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {}
            _ => drop(keys.insert(key, value.clone())),
        }
    }
}

/// The value of a key that is looked for. It is in no other value, and none is in it.
fn canary(key: &str) -> String {
    format!("canary.{key}.yranac")
}

/// A value with the canary of a key in it. Of some keys a part may be shown, in which it does not
/// lie.
fn value(key: &str) -> String {
    match key {
        "kafka.brokers" => format!("ann:{}@127.0.0.1:1", canary(key)),
        "checkpoint.dir" => format!("s3://ann:{}@bucket/prefix", canary(key)),
        key => canary(key),
    }
}

/// The line of a key that is set to such a value, in the form that its default has.
fn line(key: &str, default: &Value) -> String {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
    let canary = value(key);
    match default {
        Value::Array(_) => format!("{header}{name} = [\"{canary}\"]\n"),
        Value::Table(_) => format!("{header}{name} = {{ \"made.up\" = \"{canary}\" }}\n"),
        _ => format!("{header}{name} = \"{canary}\"\n"),
    }
}

/// What every command prints with a configuration, in text and in JSON, by its arguments.
fn printed(folder: &Path, config: &str, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let file = folder.join("sluice.toml");
    std::fs::write(&file, config).expect("the configuration");
    let (file, output) = (file.to_str().expect("UTF-8"), folder.join("output"));
    let commands: [&[&str]; 7] = [
        &["config", file],
        &["check", file],
        &["run", file],
        &["verify", file],
        &[
            "replay",
            "--config",
            file,
            "--from",
            "earliest",
            "--until",
            "latest",
            "--output",
            output.to_str().expect("UTF-8"),
        ],
        &["topics", "create", file],
        &["checkpoint", "list", file],
    ];
    let forms: [&[&str]; 2] = [&[], &["--json", "--log-format", "json"]];
    let mut printed = Vec::new();
    for command in commands {
        for form in forms {
            let mut sluice = Command::new(cargo_bin!("sluice"));
            // Where the test has services, the program must not find them by itself.
            std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")).for_each(
                |(name, _)| {
                    sluice.env_remove(name);
                },
            );
            let made = sluice
                .args(command)
                .args(form)
                .args(["--log-level", "trace"])
                .envs(variables.iter().copied())
                .current_dir(folder)
                .output();
            let made = made.expect("the program starts");
            let text = [made.stdout, made.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .concat();
            assert!(
                command[0] != "run" || !made.status.success(),
                "a job runs with such a configuration: {text}"
            );
            printed.push((format!("{command:?} {form:?}"), text));
        }
    }
    printed
}

fn assert_hidden<'a>(
    printed: &[(String, String)],
    secrets: impl IntoIterator<Item = &'a str> + Clone,
) {
    for (command, text) in printed {
        let shown: Vec<&str> =
            secrets.clone().into_iter().filter(|secret| text.contains(secret)).collect();
        assert!(shown.is_empty(), "{command} prints {shown:?}: {text}");
    }
}

#[test]
fn no_key_is_repeated_that_nobody_has_called_harmless() {
    let mut keys = BTreeMap::new();
    text_keys("", &defaults(), &mut keys);
    assert!(keys.len() > 40 && keys.contains_key("kafka.properties"), "{keys:?}");
    let is_harmless = |key: &str| HARMLESS.lines().any(|harmless| harmless == key);
    let secrets: Vec<String> =
        keys.keys().filter(|key| !is_harmless(key)).map(|key| canary(key)).collect();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().expect("a folder");
    // All at once from a file; a section may be opened once only, so each key has its full name.
    let whole: String = keys
        .iter()
        .map(|(key, default)| {
            line(key, default).lines().last().map(|line| full(key, line)).unwrap_or_default()
        })
        .collect();
    let by_file = printed(folder.path(), &whole, &[]);
    assert!(
        by_file.iter().any(|(_, text)| text.contains(&canary("kafka.topics.rewards")[..5])),
        "the configuration is read"
    );
    assert_hidden(&by_file, secrets.iter().copied());
    // Each secret one alone, so that nothing but it is in the way; and from the environment.
    for key in keys.keys().filter(|key| !is_harmless(key)) {
        assert_hidden(
            &printed(folder.path(), &line(key, &keys[key]), &[]),
            secrets.iter().copied(),
        );
        let (variable, value) =
            (format!("SLUICE_{}", key.to_uppercase().replace('.', "_")), value(key));
        let value =
            if matches!(keys[key], Value::Table(_)) { format!("made.up={value}") } else { value };
        let misspelt = format!("{variable}X");
        assert_hidden(
            &printed(folder.path(), "", &[(&variable, &value), (&misspelt, &value)]),
            secrets.iter().copied(),
        );
        // Without its quotes it is no TOML, and the file's line no error message.
        let torn = line(key, &keys[key]).replace('"', "");
        assert_hidden(&printed(folder.path(), &torn, &[]), secrets.iter().copied());
    }
}

/// A line of a key with its full name.
fn full(key: &str, line: &str) -> String {
    let value = line.split_once(" = ").map_or("", |(_, value)| value);
    format!("{key} = {value}\n")
}

#[test]
fn what_libraries_and_servers_repeat_is_hidden() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = std::env::var("SLUICE_POSTGRES_URL")
        .unwrap_or_else(|_| "postgres://sluice@127.0.0.1:1/sluice".to_string());
    let login = url.replacen("sluice@", "sluice:canary-login@", 1);
    let checkpoints = folder.path().join("checkpoints").display().to_string();
    for (kafka, postgres, secrets) in [
        (
            "sasl.password = \"canary-sasl\"\nsecurity.protocol = \"canary-shown\"",
            "",
            &["canary-sasl"] as &[&str],
        ),
        ("\"canary.property\" = \"canary-value\"", "", &["canary-value"]),
        ("ssl.key.pem = \"canary-key\"\nsecurity.protocol = \"ssl\"", "", &["canary-key"]),
        (
            "ssl.keystore.location = \"/canary-store\"\nsecurity.protocol = \"ssl\"",
            "",
            &["canary-store"],
        ),
        (
            "sasl.oauthbearer.config = \"canary-bearer\"\nsasl.mechanisms = \
             \"OAUTHBEARER\"\nmade.up = \"canary-made\"",
            "",
            &["canary-bearer", "canary-made"],
        ),
        (
            "\"made.up\" = \"canary-\\\"quoted\\\\\"",
            "",
            &["canary-\"quoted\\", "canary-\\\"quoted\\\\"],
        ),
        ("made.up = \"x\"", "?options=-c%20canary-option%3D1", &["canary-option", "canary_option"]),
        ("made.up = \"x\"", "?options=-c%20work_mem%3Dcanary-memory", &["canary-memory"]),
        (
            "made.up = \"x\"",
            "?canary-parameter=canary-value",
            &["canary-parameter", "canary-value"],
        ),
        (
            "made.up = \"x\"",
            "?sslmode=disable&sslpassword=canary-sslpassword",
            &["canary-sslpassword"],
        ),
    ] {
        let config = format!(
            "[kafka]\nbrokers = \"127.0.0.1:1\"\n[kafka.properties]\n{kafka}\n[postgres]\nurl = \
             \"{login}{postgres}\"\n[checkpoint]\ndir = \"{checkpoints}\"\n"
        );
        let all: Vec<&str> = secrets.iter().copied().chain(["canary-login"]).collect();
        assert_hidden(&printed(folder.path(), &config, &[]), all.iter().copied());
    }
    let files = folder.path().join("token");
    std::fs::write(&files, "canary-token\n").expect("a token");
    let config = format!(
        "[kafka]\nbrokers = \"127.0.0.1:1\"\nproperties.\"made.up\" = \
         \"canary-token\"\n[http]\napi_token_file = \"{}\"\n",
        files.display()
    );
    assert_hidden(
        &printed(folder.path(), &config, &[("PGPASSWORD", "canary-around")]),
        ["canary-token", "canary-around"],
    );
}
