//! What is wrong with a configuration is named, all of it at once.

use super::*;

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

#[test]
fn five_faults_are_five_messages() {
    let loaded = from_file(
        "workers = 0\n[kafka]\nbrokers = \"localhost\"\n[epoch]\nintervall = \"1s\"\nlateness = \
         \"two days\"\n[bandit]\narms = [\"Email\", \"email\"]\n",
    );
    insta::assert_snapshot!("five", messages(&loaded).join("\n"));
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
    insta::assert_snapshot!("between_keys", messages(&loaded).join("\n"));
}

#[test]
fn how_dates_numbers_and_several_columns_are_read_is_checked() {
    let loaded = from_file(
        "[input]\ntime_unit = \"hours\"\ndate_format = \
         \"%H:%M\"\n[fields.transactions]\ncustomer_id = \"A + B\"\ntransaction_id = \"A * B\"\n\
         amount = \"A *  * B\"\ncategory = \"A + B\"\n[fields.rewards]\nreward_id = \"A + B * \
         C\"\n",
    );
    insta::assert_snapshot!("reading", messages(&loaded).join("\n"));
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
fn faults_of_tls_are_named_where_they_stand() {
    let loaded = from_file(
        "[postgres]\nurl = \
         \"postgres://a:hunter2@c/d?sslmode=on&sslrootcert=/nonexistent/ca.crt\"\nchannel_binding \
         = \"maybe\"\nsslrootcert = \"system\"\n",
    );
    insta::assert_snapshot!("tls", messages(&loaded).join("\n"));
    let absent = from_file(
        "[postgres]\nurl = \"postgres://a:hunter2@c/d\"\nsslmode = \"verify-full\"\nsslrootcert = \
         \"/nonexistent/ca.crt\"\n",
    );
    insta::assert_snapshot!("certificate", messages(&absent).join("\n"));
    let secret = from_file("[postgres]\nsslpassword = \"hunter2\"\n");
    assert!(
        !secret.to_toml().contains("hunter2")
            && !format!("{:?}", secret.config).contains("hunter2")
    );
}

#[test]
fn everything_that_is_wrong_with_a_term_is_said_at_once() {
    let loaded = from_file(
        "[context]\nterms = [\"charm: root 2\", \"recency: cap 365\", \"recency: cap 0\"]\n",
    );
    insta::assert_snapshot!("terms", messages(&loaded).join("\n"));
}

#[test]
fn lists_and_context_must_fit_each_other() {
    let loaded = from_file(
        "[customers]\ncategories = [\"Books\", \"Mobile\"]\n[context]\nterms = [\"books_pct\", \
         \"travel_pct\", \"books_pct\"]\n",
    );
    insta::assert_snapshot!("lists", messages(&loaded).join("\n"));
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

/// A file with this text.
fn file_of(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("writing to it");
    file
}
