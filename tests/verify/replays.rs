//! Replays of what a job has read, in parts and epoch by epoch, which come to the same.

use super::*;

/// Writes lines as the files of a directory, and replays them; gives the digests of model and
/// features.
fn replay_files(stage: &Stage, name: &str, lines: &Lines) -> (String, String) {
    let (input, output) = (stage.path(&format!("{name}-in")), stage.path(name));
    std::fs::create_dir_all(&input).expect("a folder");
    for (file, lines) in lines {
        let mut bytes = lines.join(&b'\n');
        bytes.push(b'\n');
        std::fs::write(input.join(format!("{file}.jsonl")), bytes).expect("a file");
    }
    stage.sluice(&["replay", "--input", text(&input), "--output", text(&output), "--workers", "2"]);
    digests(&output)
}

/// Replays the topics; gives the digests of model and features.
fn replay_topics(stage: &Stage, name: &str, more: &[&str]) -> (String, String) {
    let output = stage.path(name);
    stage.sluice(
        &[&["replay", "--config", text(&stage.config()), "--output", text(&output)], more].concat(),
    );
    digests(&output)
}

fn digests(output: &Path) -> (String, String) {
    let digest = |name: &str| {
        field(&output.join("model.json"), name).as_str().expect("a digest").to_string()
    };
    (digest("digest"), digest("features_digest"))
}

/// Whatever part of the topics is replayed gives what the same part gives from files.
pub(super) fn replay_parts(stage: &Stage, lines: &Lines, produced: &Produced) {
    let whole = replay_files(stage, "files", lines);
    assert_eq!(
        replay_topics(stage, "topics", &["--from", "earliest", "--workers", "2"]),
        whole,
        "all of the topics"
    );
    let dead = |name: &str| {
        std::fs::read_to_string(stage.path(name).join("dead_letters.jsonl"))
            .expect("dead letters")
            .lines()
            .count()
    };
    assert_eq!(dead("topics"), dead("files"));
    let held_back = field(&stage.path("topics").join("summary.json"), "held_back");
    let partitions = held_back
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, partitions)| partitions.as_object());
    let offsets: u64 = partitions.flatten().filter_map(|(_, offsets)| offsets.as_u64()).sum();
    assert_eq!(
        offsets, COPIES as u64,
        "what was sent in the transaction that is left open: {held_back}"
    );

    // By offsets: the first two thirds of each file but the first ten lines, given inline and in a
    // file.
    let part = |from: usize, until: usize| -> Lines {
        lines
            .iter()
            .map(|(file, lines)| {
                (*file, lines[from.min(lines.len())..until.min(lines.len())].to_vec())
            })
            .collect()
    };
    let offsets = |behind: &dyn Fn(usize) -> usize| {
        let behind = |offsets: &Vec<i64>| offsets[behind(offsets.len()) - 1] + 1;
        let of = |(file, offsets): (&&str, &Vec<i64>)| {
            (stage.topic(file), json!({ (partition(file).to_string()): behind(offsets) }))
        };
        Value::Object(produced.offsets.iter().map(of).collect()).to_string()
    };
    let third: Lines = lines
        .iter()
        .map(|(file, lines)| (*file, lines[10..lines.len() * 2 / 3].to_vec()))
        .collect();
    let until = stage.path("until.json");
    std::fs::write(&until, offsets(&|length| length * 2 / 3)).expect("a file");
    let found =
        replay_topics(stage, "by-offsets", &["--from", &offsets(&|_| 10), "--until", text(&until)]);
    assert_eq!(found, replay_files(stage, "thirds", &third), "from and until offsets");

    // By timestamps: a record's is the broker's, a millisecond a line.
    let (from, until) = ((produced.began + 20).to_string(), (produced.began + 400).to_string());
    let found = replay_topics(stage, "by-time", &["--from", &from, "--until", &until]);
    assert_eq!(found, replay_files(stage, "some", &part(20, 400)), "from and until timestamps");
}

/// With the recorded epochs the model comes out as the job had it, and with the same late events.
pub(super) fn replay_epochs(stage: &Stage) {
    let mut database = stage.database();
    let rows = database
        .query("SELECT row_to_json(e)::text FROM sluice.epochs e ORDER BY epoch", &[])
        .expect("epochs");
    let epochs: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let file = stage.path("epochs.jsonl");
    std::fs::write(&file, epochs.join("\n")).expect("a file");
    let (digest, _) =
        replay_topics(stage, "epochs", &["--from", "earliest", "--epochs", text(&file)]);
    let row = database.query_one(
        "SELECT (SELECT digest FROM sluice.epochs ORDER BY epoch DESC LIMIT 1), \
         sum((counts->>'late')::bigint)::bigint FROM sluice.epochs",
        &[],
    );
    let row = row.expect("epochs");
    assert_eq!(digest, row.get::<_, String>(0), "the digest of the last epoch");
    assert_eq!(field(&stage.path("epochs").join("summary.json"), "late"), row.get::<_, i64>(1));
    assert!(row.get::<_, i64>(1) > 0, "a hostile history has late events");
}

/// Removes the first records of a partition, as retention would.
pub(super) fn forget_records(stage: &Stage) {
    topics::trim(&stage.brokers, &stage.topic("rewards"), partition("rewards"), 5);
}
