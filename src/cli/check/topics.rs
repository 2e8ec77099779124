//! The brokers, and the topics of the job.
//!
//! A broker tells its clock only with a record that is written, and no topic of the job's is for
//! trials. So it is the dates of records that are compared with this machine's clock: one from the
//! future has been dated by a clock that is ahead. Nor is the right to write tried.

use super::{Finding, Probe};
use crate::kafka::{KafkaError, KafkaSettings, admin, checking, properties};
use dataflows::event::Millis;
use jiff::Timestamp;

/// Milliseconds that a record may be dated after this machine's clock before somebody is told.
const TOLERANCE: Millis = 5_000;

/// Asks the brokers for everything that `run` reads and writes.
pub(super) struct KafkaProbe {
    pub(super) settings: KafkaSettings,
}

impl Probe for KafkaProbe {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn target(&self) -> String {
        self.settings.brokers.clone()
    }

    fn probe(&self) -> Vec<Finding> {
        if let Err(problems) = checking::check(&self.settings) {
            return problems.into_iter().map(Finding::fault).collect();
        }
        self.try_out().unwrap_or_else(|error| vec![Finding::fault(error.to_string())])
    }
}

impl KafkaProbe {
    fn try_out(&self) -> Result<Vec<Finding>, KafkaError> {
        let partitions = admin::partitions(&self.settings)?;
        let found = format!(
            "{} topics with {} partitions",
            partitions.len(),
            partitions.values().map(Vec::len).sum::<usize>()
        );
        let warnings = properties::warnings(&self.settings)?
            .into_iter()
            .chain(properties::warnings_of_written(&self.settings)?);
        let now = Timestamp::now().as_millisecond();
        let ahead = admin::dated_since(&self.settings, now + TOLERANCE)?
            .into_iter()
            .map(|(topic, at)| ahead(&topic, at));
        Ok([vec![Finding::ok(found)], warnings.chain(ahead).map(Finding::warn).collect()].concat())
    }
}

/// What is said of a topic that has a record from the future here.
fn ahead(topic: &str, (partition, offset): (u32, u64)) -> String {
    format!(
        "topic `{topic}` has a record that is dated after this machine's clock (partition \
         {partition}, offset {offset}): the clock of its producer is \
         ahead, or, with message.timestamp.type=LogAppendTime, that of the broker, or this one is \
         behind; set all of them by the same source"
    )
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::kafka::producer::Producer;
    use crate::kafka::tests::{PATIENCE, settings};

    #[test]
    fn a_record_from_the_future_tells_of_a_clock() {
        let Some(settings) = settings() else { return };
        admin::create_topics(&settings, 2, 1).expect("the topics can be made");
        let (now, topic) = (
            Timestamp::now().as_millisecond(),
            settings.topics.names().next().expect("a topic").to_string(),
        );
        let probe = KafkaProbe { settings: settings.clone() };
        for (timestamp, findings) in [(now - 60_000, 1), (now + 1_200_000, 2)] {
            let mut producer = Producer::new(&settings).expect("a producer");
            producer.send(&topic, 7, Some(b"{}"), timestamp).expect("there is room");
            assert_eq!(producer.finish(PATIENCE).expect("the broker takes it").delivered, 1);
            let found = probe.probe();
            assert!(found.len() == findings && found[0].level == Level::Ok, "{found:?}");
            let warned = found.get(1).map(|finding| {
                (
                    finding.level,
                    finding.detail.contains(&topic) && finding.detail.contains("offset 1"),
                )
            });
            assert_eq!(warned, (findings > 1).then_some((Level::Warn, true)));
        }
    }
}
