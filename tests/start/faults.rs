//! What is wrong at a start, how it is told, and what was then to be done.

/// Why a start must be refused.
pub(super) struct Fault {
    /// What the program must say.
    pub(super) said: &'static str,
    /// What is another in its configuration: each replaced by the other.
    pub(super) edits: &'static [(&'static str, &'static str)],
    /// Its flags.
    pub(super) flags: &'static [&'static str],
    /// What is done to the database before.
    pub(super) sql: &'static str,
}

pub(super) const fn fault(
    said: &'static str,
    edits: &'static [(&'static str, &'static str)],
    flags: &'static [&'static str],
    sql: &'static str,
) -> Fault {
    Fault { said, edits, flags, sql }
}

/// What is wrong with the configuration, the records or the schema.
pub(super) const FAULTS: [Fault; 26] = [
    fault(
        "input.decimals was 2 and is 3",
        &[("[kafka]\n", "[input]\ndecimals = 3\n[kafka]\n")],
        &[],
        "",
    ),
    // Without any checkpoint, too.
    fault(
        "input.decimals was 2 and is 3",
        &[("[kafka]\n", "[input]\ndecimals = 3\n[kafka]\n"), ELSEWHERE],
        &[],
        "",
    ),
    fault("its settings cannot be read", &[], &[], "UPDATE applied_settings SET settings = '3'"),
    fault(
        "bandit.arms had",
        &[("[kafka]\n", "[bandit]\narms = [\"Letter\", \"Fax\"]\n[kafka]\n")],
        &[],
        "",
    ),
    fault(
        "context.terms had",
        &[("[kafka]\n", "[context]\nterms = [\"intercept\"]\n[kafka]\n")],
        &[],
        "",
    ),
    fault(
        "epoch.lateness was 1d and is 1h",
        &[("[epoch]\n", "[epoch]\nlateness = \"1h\"\n")],
        &[],
        "",
    ),
    fault("has no topic", &[("-rewards\"", "-nothing\"")], &[], ""),
    fault("has no topic", &[("-rewards\"", "-nothing\"")], REBUILD, ""),
    fault(
        "compression",
        &[(
            "[kafka.topics]",
            "[kafka.properties]\n\"compression.codec\" = \"none-such\"\n[kafka.topics]",
        )],
        &[],
        "",
    ),
    fault("belongs to job `campaign`", &[("[kafka]\n", "job = \"other\"\n[kafka]\n")], &[], ""),
    fault("belongs to job `campaign`", &[("[kafka]\n", "job = \"other\"\n[kafka]\n")], REBUILD, ""),
    fault("recorded only from 2 on", &[ELSEWHERE], &[], "DELETE FROM epochs WHERE epoch = 1"),
    fault(
        "recorded of epoch 1 is not what was committed",
        &[ELSEWHERE],
        &[],
        "UPDATE epochs SET topic_ids = '{}' WHERE epoch = 1",
    ),
    fault(
        "neither a checkpoint nor a record",
        &[ELSEWHERE, LATEST],
        &[],
        "UPDATE progress SET starts = NULL",
    ),
    fault("as kafka.start says", &[LATEST], REBUILD, "UPDATE progress SET starts = NULL"),
    fault(
        "has read topic `former`",
        &[ELSEWHERE],
        &[],
        "UPDATE progress SET starts = '{\"former\": {\"0\": 0}}'",
    ),
    fault(
        "was deleted and made anew",
        &[],
        &[],
        "UPDATE progress SET topic_ids = regexp_replace(topic_ids::text, '\": \"....', '\": \
         \"AAAA', 'g')::jsonb",
    ),
    fault("is not 64 hexadecimal digits", &[], &[], "UPDATE progress SET identity = 'nobody'"),
    fault(
        "it is of a newer version",
        &[],
        &[],
        "INSERT INTO refinery_schema_history VALUES (99, 'later', '', '5')",
    ),
    fault(
        "it is of a newer version",
        &[],
        REBUILD,
        "INSERT INTO refinery_schema_history VALUES (99, 'later', '', '5')",
    ),
    fault(
        "is not the one of this program",
        &[],
        &[],
        "UPDATE refinery_schema_history SET checksum = '5' WHERE version = 2",
    ),
    fault("sluice.toml.d/", &[("/checkpoints\"", "/sluice.toml.d/\"")], &[], ""),
    fault("sluice.toml.d/", &[("/checkpoints\"", "/sluice.toml.d/\"")], REBUILD, ""),
    fault(
        "epochs cannot be written: GRANT INSERT",
        &[],
        &[],
        "REVOKE INSERT ON epochs FROM CURRENT_USER",
    ),
    fault(
        "decisions cannot be emptied by --rebuild: GRANT TRUNCATE",
        &[],
        REBUILD,
        "REVOKE TRUNCATE ON decisions FROM CURRENT_USER",
    ),
    fault(
        "GRANT USAGE, CREATE ON SCHEMA sluice",
        &[],
        &[],
        "REVOKE CREATE ON SCHEMA sluice FROM CURRENT_USER",
    ),
];

/// Checkpoints in a folder that has none.
const ELSEWHERE: (&str, &str) = ("/checkpoints\"", "/elsewhere\"");

/// Begins at the end of the topics.
pub(super) const LATEST: (&str, &str) = ("[kafka]\n", "[kafka]\nstart = \"latest\"\n");

pub(super) const REBUILD: &[&str] = &["--rebuild"];

/// Puts everything back that a fault has changed in the database, and nothing else: the job may
/// have committed an epoch meanwhile.
pub(super) const UNDO: &str = "
    GRANT CREATE ON SCHEMA sluice TO CURRENT_USER;
    GRANT ALL ON epochs, decisions TO CURRENT_USER;
    UPDATE progress p SET starts = a.starts, topic_ids = a.topic_ids, identity = a.identity FROM \
    aside.progress a;
    INSERT INTO epochs TABLE aside.epochs ON CONFLICT (job, epoch) DO UPDATE SET topic_ids = \
    excluded.topic_ids;
    DELETE FROM applied_settings; INSERT INTO applied_settings TABLE aside.applied_settings;
    DELETE FROM refinery_schema_history; INSERT INTO refinery_schema_history TABLE \
    aside.refinery_schema_history;
";
