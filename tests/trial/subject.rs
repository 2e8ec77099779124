//! What is on trial: a dataflow, with what is sent to it and what must come of that.

use super::arrivals::Visitors;
use super::population::{Population, Record};
use super::{Producer, WAITING, verdict};
use crate::services::Stage;

/// A dataflow that a trial may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Campaign,
    Arrivals,
}

/// What is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Ordinary records, in the order of their time.
    Mixed,
    /// Events of days that are long over.
    Late,
    /// Events that were sent before, as they were.
    Duplicates,
    /// Events that were sent before, with another content.
    Replacements,
    /// Events that were sent before, taken back.
    Retractions,
    /// Newer records that take the place of others.
    Renewals,
    /// That a customer is erased.
    Erasure,
    /// Records that nobody should send.
    Bad,
    /// All kinds of them, for a transaction.
    Troubled,
    /// The same, for one that is aborted: what comes later does not follow from them.
    Unseen,
    /// Records that close what is open.
    Closing,
}

/// Who sends records to a dataflow, and knows what must come of them.
pub(crate) trait Crowd {
    /// Records of a kind: so many, or as many as belong to it.
    fn send(&mut self, traffic: Traffic, records: usize) -> Vec<Record>;

    /// What was found of a drained job, a line each.
    ///
    /// # Panics
    /// If anything is not as it must be.
    fn judge(&self, stage: &Stage, producer: &Producer) -> Vec<String>;
}

impl Subject {
    /// The one with this name.
    pub(crate) fn named(name: &str) -> Subject {
        match name {
            "campaign" => Subject::Campaign,
            "arrivals" => Subject::Arrivals,
            _ => panic!("there is no trial of {name}"),
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Campaign => "campaign",
            Subject::Arrivals => "arrivals",
        }
    }

    /// Whoever sends to it: the same records for the same seed, whatever becomes of the job.
    pub(crate) fn crowd(self, seed: u64) -> Box<dyn Crowd> {
        match self {
            Subject::Campaign => Box::new(Population::new(seed)),
            Subject::Arrivals => Box::new(Visitors::new(seed)),
        }
    }

    /// The configuration of a job of it, from that of a campaign.
    pub(crate) fn configured(self, stage: &Stage, campaign: &str) -> String {
        match self {
            Subject::Campaign => campaign.to_string(),
            Subject::Arrivals => {
                let topic = format!("[kafka.topics]\narrivals = \"{}\"\n", stage.topic("arrivals"));
                format!("dataflow = \"arrivals\"\n{campaign}").replace("[kafka.topics]\n", &topic)
            }
        }
    }

    /// The topics that are sent to.
    pub(crate) fn topics(self) -> &'static [&'static str] {
        match self {
            Subject::Campaign => {
                &["transactions", "customers", "interactions", "rewards", "requests"]
            }
            Subject::Arrivals => &["arrivals"],
        }
    }

    /// The topic that a trial may have compacted.
    pub(crate) fn compacted(self) -> Option<&'static str> {
        match self {
            Subject::Campaign => Some("customers"),
            Subject::Arrivals => None,
        }
    }

    /// The tables of which each row may come into being once, with what tells them apart.
    pub(crate) fn noted(self) -> &'static [(&'static str, &'static str)] {
        const OF_ALL: [(&str, &str); 2] = [
            ("epochs", "NEW.job, NEW.epoch"),
            ("erasures", "NEW.customer_id, NEW.instant, NEW.epoch"),
        ];
        match self {
            Subject::Campaign => {
                &[OF_ALL[0], ("decisions", "NEW.customer_id, NEW.decision_id"), OF_ALL[1]]
            }
            Subject::Arrivals => &OF_ALL,
        }
    }

    /// The table with a row of each epoch beside that of the epoch itself.
    pub(crate) fn of_each_epoch(self) -> Option<&'static str> {
        match self {
            Subject::Campaign => Some("model_metrics"),
            Subject::Arrivals => None,
        }
    }

    /// Waits until nothing is open any more, once what closes it is committed.
    pub(crate) fn await_closed(self, stage: &Stage) {
        match self {
            Subject::Campaign => stage.wait_for(WAITING, 0),
            Subject::Arrivals => {}
        }
    }
}

impl Crowd for Population {
    fn send(&mut self, traffic: Traffic, records: usize) -> Vec<Record> {
        match traffic {
            Traffic::Mixed => self.mixed(records),
            Traffic::Late => self.late(records),
            Traffic::Duplicates => self.duplicates(records),
            Traffic::Replacements => self.replacements(records),
            Traffic::Retractions => self.retractions(records),
            Traffic::Renewals => self.renewals(records),
            Traffic::Erasure => self.erasure(),
            Traffic::Bad => self.bad(records),
            Traffic::Troubled => self.troubled(records),
            Traffic::Unseen => self.unseen(records),
            Traffic::Closing => self.closing(),
        }
    }

    fn judge(&self, stage: &Stage, producer: &Producer) -> Vec<String> {
        verdict::judge(stage, producer)
    }
}
