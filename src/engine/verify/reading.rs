//! What a verification has to read of the topics, and whether it is there.

use super::basis::Basis;
use super::error::VerifyError;
use super::lost::Lost;
use crate::engine::history::OffsetRanges;
use crate::kafka::compacted::TopicSet;
use crate::kafka::losses::behind;
use crate::kafka::{Assigned, KafkaSettings, Position, admin};
use crate::postgres::comparison::Standing;
use crate::source::bounds_of;
use dataflows::source::TopicId;
use std::collections::BTreeMap;

/// The stretch from the offsets that the job began with, or that what is gone on from ends with, to
/// those of the last recorded epoch. Of that, compaction may have removed some.
///
/// # Errors
/// It is not there, or nobody knows where it begins.
pub fn stretch<S>(
    job: &str,
    kafka: &KafkaSettings,
    standing: &Standing,
    basis: Option<&Basis<S>>,
    compacted: TopicSet,
) -> Result<(OffsetRanges, Lost), VerifyError> {
    let starts = match basis {
        Some(basis) => Some(basis.manifest.offsets.as_slice()),
        None => standing.starts.as_deref(),
    };
    if starts.is_none() && Position::from(kafka.start) != Position::Earliest {
        return Err(VerifyError::Unrepeatable(job.to_string()));
    }
    let starts = bounds_of(starts.unwrap_or_default());
    let mut ends: BTreeMap<(TopicId, u32), (u64, u64)> = BTreeMap::new();
    for epoch in &standing.epochs {
        for &(topic, partition, next) in &epoch.offsets {
            let end = ends.entry((topic, partition)).or_insert((next, epoch.epoch));
            *end = (*end).max((next, epoch.epoch));
        }
    }
    let mut partitions: BTreeMap<TopicId, Vec<u32>> = BTreeMap::new();
    ends.keys()
        .for_each(|(topic, partition)| partitions.entry(*topic).or_default().push(*partition));
    let there = admin::positions(kafka, &partitions, Position::Earliest)?;
    let (mut stretch, mut goes_on) = (Vec::new(), false);
    for ((topic, partition), (until, epoch)) in ends {
        let range = there.get(&(topic, partition)).cloned().unwrap_or_default();
        // A partition that came later was read from its first record on.
        let wanted = starts.get(&(topic, partition)).copied().unwrap_or(0);
        let name = || kafka.topic_name(topic).to_string();
        let from = behind(
            &standing.losses,
            &Assigned { topic, partition, from: Position::Offset(wanted) },
        );
        if from.first() < Some(range.start) {
            let (topic, low) = (name(), range.start);
            return Err(match basis {
                Some(basis) => VerifyError::RemovedSince {
                    topic,
                    partition,
                    epoch: basis.epoch(),
                    wanted,
                    low,
                },
                None => VerifyError::Removed { topic, partition, wanted, low },
            });
        }
        if until.max(wanted) > range.end {
            return Err(VerifyError::PastEnd {
                epoch,
                topic: name(),
                partition,
                wanted: until.max(wanted),
                high: range.end,
            });
        }
        goes_on |= compacted.contains(topic) && until < range.end;
        stretch.push((topic, partition, wanted, until));
    }
    Ok((OffsetRanges(stretch), Lost::new(compacted, goes_on)))
}
