//! Checkpoints of other histories, epochs that are not recorded, other settings.

use super::*;
use crate::config::location::Location;
use crate::engine::restart::found::strange;
use crate::sink::applied::{Applied, AppliedSettings};
use crate::sink::kept::KeptAt;
use crate::sink::{Progress, SinkError};
use crate::source::{Loss, TopicNames, TopicUuids};
use dataflows::campaign::graph::Campaign;
use dataflows::event::Topic;
use dataflows::settings::Settings;

/// A sink that has committed epochs, of which it has these.
struct Recorded(u64, std::ops::Range<u64>);

impl Records for Recorded {
    fn job(&self) -> &str {
        "campaign"
    }
    fn progress(&self) -> Progress {
        Progress { epoch: self.0, ..Progress::default() }
    }
    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
        let recorded = |epoch| RecordedEpoch {
            epoch,
            watermark: None,
            offsets: Vec::new(),
            digest: [0; 32],
            records: 0,
            topic_ids: TopicUuids::UNKNOWN,
            chain: None,
        };
        Ok(self.1.clone().filter(|epoch| *epoch > after).map(recorded).collect())
    }
    fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
        Ok(Some(Vec::new()))
    }
    fn history(&mut self) -> Result<Genesis, SinkError> {
        Ok(Genesis::begin(self.0))
    }
    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
        Ok(TopicUuids::UNKNOWN)
    }
    fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
        let settings = serde_json::to_value(Settings::default()).expect("a value");
        Ok(AppliedSettings(vec![Applied { since: 1, settings }]))
    }
    fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
        Ok(Vec::new())
    }
    fn erasures(&mut self, _: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        Ok(Vec::new())
    }
    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        Ok(Vec::new())
    }
    fn kept(&mut self, _: u64) -> Result<Vec<KeptAt>, SinkError> {
        Ok(Vec::new())
    }
}

/// A manifest of epoch 3.
pub(in crate::engine) fn manifest(chain: Option<Link>, digest: [u8; 32]) -> Manifest {
    let shared = serde_json::json!({ "name": "shared/00000000000000000003.zst", "bytes": 1,
        "raw_bytes": 1,
        "crc32": 0, "kind": "base", "epoch": 3,
        "customers": 0 });
    Manifest {
        format: crate::checkpoint::manifest::FORMAT,
        job: "campaign".to_string(),
        identity: None,
        follows_unnamed: false,
        fingerprint: crate::campaign::fingerprint::of(&Settings::default()),
        epoch: 3,
        digest,
        chain,
        topic_ids: TopicUuids::UNKNOWN,
        watermark: None,
        offsets: Vec::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        customers: 0,
        erases: false,
        shared: serde_json::from_value(shared).expect("a file"),
        shards: BTreeMap::new(),
        tables: Vec::new(),
    }
}

#[test]
fn a_checkpoint_is_of_the_history_whose_link_it_has() {
    let history = Genesis::begin(0);
    let mut link = None;
    let mut epochs = Recorded(4, 1..5).recorded_epochs(0).expect("epochs");
    for epoch in &mut epochs {
        link = history.link(link, &epoch.made());
        epoch.chain = link;
    }
    let own = epochs[2].chain;
    let other = Some(Link::random());
    let before: Vec<RecordedEpoch> =
        epochs.iter().map(|epoch| RecordedEpoch { chain: None, ..epoch.clone() }).collect();
    let unchained = [0; 32];
    assert_eq!(strange(&manifest(own, unchained), &epochs), None);
    assert_eq!(
        strange(&manifest(own, unchained), &epochs[3..]),
        None,
        "its link leads to the next one"
    );
    assert_eq!(
        strange(&manifest(None, unchained), &epochs),
        None,
        "of the format before, with the digest"
    );
    assert_eq!(strange(&manifest(other, unchained), &[]), None, "nothing is known");
    for (manifest, recorded, word) in [
        (manifest(other, unchained), &epochs[..], "chain"),
        (manifest(other, unchained), &epochs[3..], "chain"),
        (manifest(other, unchained), &before[..], "committed with none"),
        (manifest(None, [1; 32]), &epochs[..], "model digest"),
    ] {
        assert!(
            strange(&manifest, recorded)
                .is_some_and(|why| why.contains("of another history") && why.contains(word)),
            "{word}"
        );
    }
}

#[test]
fn without_a_checkpoint_every_epoch_must_be_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Folder(folder.path().to_path_buf());
    let checkpoints = Checkpoints::open(
        &location,
        "campaign",
        crate::campaign::fingerprint::of(&Settings::default()),
    )
    .expect("a store");
    let (kafka, partitions) =
        (KafkaSettings::new("127.0.0.1:1", TopicNames::own(Topic::ids())), BTreeMap::new());
    let sources = Sources { checkpoints: &checkpoints, kafka: &kafka, partitions: &partitions };
    let settings = Settings::default();
    let wanted = WantedSettings { settings: &settings, reconfigure: false };
    let find = |mut sink: Recorded| {
        Restart::find::<Campaign>(&mut sink, &sources, &wanted, None)
            .map(|restart| restart.replayed.len())
    };
    assert_eq!(find(Recorded(0, 1..1)).ok(), Some(0));
    assert_eq!(find(Recorded(6, 1..7)).ok(), Some(6));
    assert!(matches!(
        find(Recorded(6, 4..7)),
        Err(RestartError::Unrecorded { needed: 1, first: 4, .. })
    ));
    assert!(matches!(
        find(Recorded(6, 7..7)),
        Err(RestartError::Unrecorded { needed: 1, first: 7, .. })
    ));
}

#[test]
fn other_settings_are_taken_over_only_from_a_checkpoint_of_the_last_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Folder(folder.path().to_path_buf());
    let mut other = Settings::default();
    other.customer.at_risk_days = 7.0;
    let checkpoints =
        Checkpoints::open(&location, "campaign", crate::campaign::fingerprint::of(&other))
            .expect("a store");
    let (kafka, partitions) =
        (KafkaSettings::new("127.0.0.1:1", TopicNames::own(Topic::ids())), BTreeMap::new());
    let sources = Sources { checkpoints: &checkpoints, kafka: &kafka, partitions: &partitions };
    let find = |mut sink: Recorded, reconfigure| {
        let found = Restart::find::<Campaign>(
            &mut sink,
            &sources,
            &WantedSettings { settings: &other, reconfigure },
            None,
        );
        found.map(|restart| (restart.replayed.len(), restart.changes))
    };
    assert_eq!(find(Recorded(0, 1..1), true).ok(), Some((0, false)), "there is nothing yet");
    assert!(matches!(find(Recorded(6, 1..7), false), Err(RestartError::Configured { .. })));
    assert!(matches!(
        find(Recorded(6, 1..7), true),
        Err(RestartError::Uncheckpointed { epoch: 6, newest: None, .. })
    ));
}
