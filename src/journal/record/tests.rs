//! Records read back as they were written, and damaged ones are told.

use super::*;
use dataflows::bandit::acting::Exploration;
use dataflows::campaign::output::Decision;
use dataflows::event::Topic;

fn epoch(epoch: u64) -> JournalRecord {
    let rejected = Rejected {
        topic: Topic::Rewards.id(),
        place: Place::new(2, 7),
        reason: Reason::BadReward,
        detail: "no \"number\"\n".to_string(),
        raw: vec![0, 255, b'\n'],
        whose: Some(Whose { customer: 5, dated: Millis::MIN }),
    };
    let decision = Decision {
        customer: -5,
        key: u64::MAX,
        decision: "d\n\u{1F600}".to_string(),
        timestamp: i64::MAX,
        arm: None,
        propensity: 0.1 + 0.2,
        expected_reward: -0.0,
        uncertainty: 5e-324,
        scores: vec![f64::MAX, 1.0 / 3.0],
        model_version: 3,
        policy: "greedy".into(),
        context: vec![4_096, -1],
        propensities: vec![0.75, 0.25],
        reasons: vec!["".into(), "excluded".into()],
        exploration: Exploration { factor: Some(2.0), unit: None, alpha: Some(1.5) },
        answered: Some(BTreeMap::from([("alpha".to_string(), 1.5)])),
    };
    JournalRecord::Epoch(Box::new(Epoch {
        epoch,
        watermark: Some(-1),
        offsets: Offsets::from([("rewards".to_string(), BTreeMap::from([(0, 7), (10, u64::MAX)]))]),
        digest: "ab".repeat(32),
        values: BTreeMap::from([(-3, u64::MAX)]),
        file: Some(FileMark { bytes: 5, crc32: u32::MAX }),
        erased: vec![(i64::MIN, i64::MAX)],
        notices: vec![NoticeText::of(&decision)],
        blanked: vec![("rewards".to_string(), Place::new(2, 9))],
        rejected: vec![rejected],
        ..Epoch::default()
    }))
}

fn all() -> Vec<JournalRecord> {
    let starts = Offsets::from([("transactions".to_string(), BTreeMap::from([(0, 17)]))]);
    let standing = CarriedForward {
        epoch: 3,
        running: -1,
        values: BTreeMap::from([(19_783, 5)]),
        erased: BTreeMap::from([(7, i64::MAX)]),
    };
    let journal =
        JournalRecord::Journal { format: FORMAT, job: "campaign".to_string(), files: true };
    let topics = JournalRecord::Topics(BTreeMap::from([(
        "transactions".to_string(),
        "AAAAAAAAAAAAAAAAAAAABQ".to_string(),
    )]));
    let lost = SkippedOffsets {
        epoch: 4,
        topic: "transactions".to_string(),
        partition: 1,
        first: 0,
        next: u64::MAX,
    };
    let history = JournalRecord::History(Genesis {
        identity: Link::from_hex(&"ef".repeat(32)).expect("a link"),
        after: 3,
    });
    vec![
        journal,
        JournalRecord::Start { incarnation: 2 },
        history,
        JournalRecord::Starts(starts),
        topics,
        JournalRecord::Standing(standing),
        JournalRecord::Losses(vec![lost]),
        epoch(4),
        JournalRecord::Published(4),
    ]
}

fn bytes() -> Vec<u8> {
    all().iter().flat_map(JournalRecord::to_line).collect()
}

fn read(bytes: &[u8]) -> Result<(Vec<JournalRecord>, usize), usize> {
    let WholeLines { records, end } = split(bytes)?;
    Ok((
        records
            .into_iter()
            .map(|(_, json)| serde_json::from_str(json).expect("a record"))
            .collect(),
        end,
    ))
}

#[test]
fn every_record_reads_back_bit_for_bit() {
    let (records, end) = read(&bytes()).expect("they are whole");
    assert_eq!((records.as_slice(), end), (all().as_slice(), bytes().len()));
    let Some(JournalRecord::Epoch(epoch)) = records.into_iter().nth(7) else {
        panic!("the eighth is an epoch")
    };
    let decision: Decision =
        serde_json::from_str(epoch.notices[0].get()).expect("what it was made of");
    assert!(decision.expected_reward.is_sign_negative());
}

/// As this version writes it, and as those of before policies had names have.
#[test]
fn a_decision_is_kept_in_bytes_that_stay_as_they_are() {
    let head = "{\"epoch\":{\"epoch\":7,\"incarnation\":2,\"watermark\":null,\"offsets\":{},\
        \"digest\":\"ab\",\"records\":3,\"pending\":1,\"decisions\":[";
    let now = "{\"customer\":-5,\"key\":18446744073709551615,\"decision\":\"d\\n\",\"timestamp\":9,\
        \"policy\":\"greedy\",\"arm\":1,\"propensity\":0.30000000000000004,\
        \"expected_reward\":-0.0,\"uncertainty\":5e-324,\"scores\":[0.5],\"model_version\":3,\
        \"context\":[4096,-1],\"propensities\":[0.75,0.25],\"reasons\":[\"\",\"excluded\"],\
        \"exploration\":{\"factor\":2.0,\"unit\":null,\"alpha\":1.5},\
        \"answered\":{\"alpha\":1.5}}";
    let before = "{\"customer\":1,\"key\":2,\"decision\":\"d\",\"timestamp\":3,\"arm\":null,\
        \"propensity\":1.0,\"expected_reward\":0.0,\"uncertainty\":0.0,\"scores\":[],\
        \"model_version\":0,\"context\":[]}";
    let decision = Decision {
        customer: -5,
        key: u64::MAX,
        decision: "d\n".to_string(),
        timestamp: 9,
        arm: Some(1),
        propensity: 0.1 + 0.2,
        expected_reward: -0.0,
        uncertainty: 5e-324,
        scores: vec![0.5],
        model_version: 3,
        policy: "greedy".into(),
        context: vec![4_096, -1],
        propensities: vec![0.75, 0.25],
        reasons: vec!["".into(), "excluded".into()],
        exploration: Exploration { factor: Some(2.0), unit: None, alpha: Some(1.5) },
        answered: Some(BTreeMap::from([("alpha".to_string(), 1.5)])),
    };
    let made = Epoch {
        epoch: 7,
        incarnation: 2,
        digest: "ab".to_string(),
        records: 3,
        running: 1,
        notices: vec![NoticeText::of(&decision)],
        ..Epoch::default()
    };
    let json = |record: &JournalRecord| serde_json::to_string(record).expect("it is JSON");
    assert_eq!(json(&JournalRecord::Epoch(Box::new(made))), format!("{head}{now}]}}}}"));
    let old = format!("{head}{before},{now}]}}}}");
    let read: JournalRecord = serde_json::from_str(&old).expect("a record of before");
    assert_eq!(json(&read), old, "what is kept is kept as it is");
}

#[test]
fn a_journal_that_breaks_off_anywhere_loses_only_the_line_in_which_it_does() {
    let bytes = bytes();
    let whole: Vec<usize> = split(&bytes)
        .expect("it is whole")
        .records
        .iter()
        .map(|(start, _)| *start)
        .chain([bytes.len()])
        .collect();
    for length in 0..=bytes.len() {
        let end = *whole.iter().rev().find(|end| **end <= length).expect("0 is one");
        assert_eq!(split(&bytes[..length]).map(|lines| lines.end), Ok(end), "{length} bytes");
    }
}

#[test]
fn a_block_that_never_came_to_the_disk_is_part_of_a_torn_line() {
    let bytes = bytes();
    let last = split(&bytes).expect("it is whole").records.last().expect("a record").0;
    let mut torn = bytes.clone();
    torn[last + 3..last + 9].fill(0);
    assert_eq!(split(&torn).map(|lines| lines.end), Ok(last));
    let mut longer = bytes.clone();
    longer.extend([0; 4096]);
    assert_eq!(split(&longer).map(|lines| lines.end), Ok(bytes.len()));
}

#[test]
fn whatever_bit_is_flipped_the_line_is_damaged_and_not_cut_off() {
    let bytes = bytes();
    let starts: Vec<usize> =
        split(&bytes).expect("it is whole").records.iter().map(|(start, _)| *start).collect();
    for place in 0..bytes.len() - 1 {
        let mut damaged = bytes.clone();
        damaged[place] ^= 4;
        let line = *starts.iter().rev().find(|start| **start <= place).expect("0 is one");
        assert_eq!(split(&damaged), Err(line), "byte {place}");
    }
}
