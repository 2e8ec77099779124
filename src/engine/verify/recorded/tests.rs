//! What is recorded otherwise than it was computed is found, whatever it is.

use super::*;
use crate::campaign::results::EpochResults;
use crate::postgres::comparison::snapshot::VerifiedEpochs;
use crate::sink::gathered::Gathered;
use crate::sink::{Genesis, Progress};
use dataflows::campaign::output::{Count, Counts};
use dataflows::epoch::Closed;
use dataflows::event::{DAY, Topic};

/// Where a job of this history stands, of which nothing else is recorded.
fn standing(progress: Progress, history: Genesis, epochs: Vec<Recorded>) -> Standing {
    Standing {
        progress,
        starts: None,
        history,
        topic_ids: Default::default(),
        seen: VerifiedEpochs::default(),
        applied: Default::default(),
        epochs,
        erasures: Vec::new(),
        losses: Vec::new(),
        kept: Default::default(),
    }
}

fn recorded(results: &EpochResults) -> Recorded {
    Recorded {
        epoch: results.epoch,
        watermark: results.closed.watermark,
        offsets: results.closed.offsets.clone(),
        digest: hexadecimal(&results.digest),
        counts: serde_json::to_string(&results.counts).expect("a count is JSON"),
        topic_ids: results.topic_ids,
        chain: results.chain.map(|link| link.to_string()),
        read: Some(results.closed.read.clone()),
        identity: None,
        gone: Gone::default(),
    }
}

fn epoch(epoch: u64, high: Millis) -> EpochResults {
    let highs = vec![
        (Topic::Transactions.id(), 0, high),
        (Topic::Interactions.id(), 1, high + 7),
        (Topic::Customers.id(), 0, high * 2),
    ];
    let offsets =
        vec![(Topic::Transactions.id(), 0, epoch * 10), (Topic::Interactions.id(), 1, epoch)];
    let closed = Closed { watermark: Some(high - DAY), offsets, highs, ..Closed::default() };
    EpochResults {
        closed,
        counts: Counts { records: epoch, ..Counts::default() },
        ..EpochResults::new(epoch)
    }
}

/// The columns in which the second of three epochs differs once `change` was done to its
/// record.
fn differing(change: impl FnOnce(&mut Recorded)) -> Vec<String> {
    let all = [epoch(1, 10 * DAY), epoch(2, 11 * DAY), epoch(3, 12 * DAY)];
    let mut own: Vec<Recorded> = all.iter().map(recorded).collect();
    change(&mut own[1]);
    let settings = PostgresSettings::new("", "campaign");
    let answers = Box::new(Findings::new("decided"));
    let epochs = Findings::new("epochs");
    let mut checker = Checker::new(own, settings, epochs, Lost::default(), answers);
    all.iter().for_each(|results| checker.check(results));
    let findings = checker.into_findings().0.epochs;
    assert!(findings.named.iter().all(|difference| difference.key == "epoch 2"), "{findings:?}");
    findings.named.into_iter().filter_map(|difference| difference.column).collect()
}

#[test]
fn whatever_of_a_record_is_changed_is_named() {
    assert!(differing(|_| ()).is_empty());
    assert!(
        differing(|recorded| recorded.watermark = Some(10 * DAY + 7)).is_empty(),
        "another partition may have been idle"
    );
    assert_eq!(differing(|recorded| recorded.watermark = Some(10 * DAY + 1)), ["watermark"]);
    assert_eq!(differing(|recorded| recorded.watermark = None), ["watermark"]);
    assert_eq!(differing(|recorded| recorded.digest = "no digest".to_string()), ["digest"]);
    assert_eq!(differing(|recorded| recorded.offsets[0].2 += 1), ["offsets"]);
    assert_eq!(differing(|recorded| recorded.offsets.truncate(1)), ["offsets"]);
    let chained = |counts: &str, recorded: &mut Recorded| {
        (recorded.chain, recorded.counts) = (Some(String::new()), counts.to_string())
    };
    assert_eq!(
        differing(|recorded| chained("{}", recorded)).len(),
        NAMED.min(Count::ALL.len() + 2)
    );
    let fewer = |recorded: &mut Recorded| {
        recorded.counts = recorded.counts.replace("\"rewards_before\":0,", "")
    };
    assert!(differing(fewer).is_empty(), "a version of before has not counted it");
    assert_eq!(
        differing(|recorded| chained(
            &recorded.counts.replace("\"rewards_before\":0,", ""),
            recorded
        )),
        ["counts.rewards_before"]
    );
    assert_eq!(
        differing(|recorded| recorded.counts = recorded.counts.replacen(":2", ":3", 1)),
        ["counts.records"]
    );
}

#[test]
fn a_record_that_was_changed_is_found_by_its_link_and_no_other_is() {
    let history = Genesis::begin(1);
    let mut link = None;
    let mut recorded = |number| {
        let mut results = epoch(number, 10 * DAY);
        results.digest = [number as u8; 32];
        link = history.link(link, &results.essentials().made());
        self::recorded(&EpochResults { chain: link, ..results })
    };
    let all: Vec<Recorded> = (1..=5).map(&mut recorded).collect();
    let found = |change: &dyn Fn(&mut Vec<Recorded>)| {
        let mut epochs = all.clone();
        change(&mut epochs);
        let progress = Progress { epoch: 5, incarnation: 1, published: 0 };
        let standing = standing(progress, history, epochs);
        let mut findings = Findings::new("epochs");
        check_chain(&standing, &mut findings);
        findings.named.into_iter().map(|difference| difference.key).collect::<Vec<_>>()
    };
    assert!(found(&|_| ()).is_empty());
    assert_eq!(found(&|epochs| epochs[2].watermark = Some(3)), ["epoch 3"]);
    assert_eq!(found(&|epochs| epochs[4].offsets[0].2 += 1), ["epoch 5"]);
    assert_eq!(found(&|epochs| epochs[4].chain = None), ["epoch 5"]);
    assert_eq!(found(&|epochs| epochs[0].chain = Some("ab".repeat(32))), ["epoch 1"]);
    assert_eq!(
        found(&|epochs| epochs[3].chain = Some("nothing".to_string())),
        ["epoch 4", "epoch 5"]
    );
    assert!(
        found(&|epochs| drop(epochs.remove(2))).is_empty(),
        "that one is missing is said by itself"
    );
}

#[test]
fn a_missing_epoch_and_progress_behind_are_named() {
    let check = |epochs: &[u64], at: u64| {
        let epochs = epochs.iter().map(|number| recorded(&epoch(*number, 10 * DAY))).collect();
        let progress = Progress { epoch: at, incarnation: 1, published: 0 };
        let standing = standing(progress, Genesis::begin(u64::MAX - 1), epochs);
        let (mut progress, mut epochs) = (Findings::new("progress"), Findings::new("epochs"));
        let incomplete =
            check_progress(&standing, "campaign", &mut progress, &mut epochs).is_some();
        let keys: Vec<String> = epochs.named.into_iter().map(|difference| difference.key).collect();
        (progress.total, keys.join(" "), incomplete)
    };
    assert_eq!(check(&[1, 2, 3], 3), (0, String::new(), false));
    assert_eq!(check(&[], 0), (0, String::new(), false));
    assert_eq!(check(&[1, 2, 3], 2), (1, String::new(), false));
    assert_eq!(check(&[1, 3], 3), (0, "epoch 2".to_string(), true));
    assert_eq!(
        check(&[1, 2], u64::MAX).1.split(' ').filter(|word| *word == "epoch").count(),
        NAMED
    );
    assert_eq!(check(&[1, 2], 4), (0, "epoch 3 epoch 4".to_string(), true));
}
