//! `sluice erasures`: what was done with each erased customer, place by place, and what is not done
//! yet.

use super::dataflow;
use super::error::ProgramError;
use super::{GlobalArgs, load, print, print_json};
use crate::checkpoint::Checkpoints;
use crate::config::location::Location;
use crate::engine::opening::survey;
use crate::engine::run::RunError;
use crate::engine::verify::VERIFIED;
use crate::places::{ErasurePlace, Evidence, places};
use crate::sink::{Records, SinkError, Trouble};
use crate::source::TopicUuids;
use clap::Args;
use dataflows::event::{CustomerId, Millis};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Flags of `sluice erasures`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "The places, and what remains there for others to see to, are listed in \
        docs/erasure.md too.

Examples:
  sluice erasures sluice.toml                 every erasure on record
  sluice erasures sluice.toml --customer 17   those of one customer")]
pub struct ErasuresArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Only those of this customer
    #[arg(long, value_name = "ID", env = "SLUICE_ERASURES_CUSTOMER", hide_env_values = true)]
    pub customer: Option<CustomerId>,
}

/// Reports the erasures.
///
/// # Errors
/// The configuration is wrong, or what is recorded of the job or its checkpoints cannot be read.
pub fn run(args: &ErasuresArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let loaded = load(Some(&args.config), &global.overrides());
    let config = loaded.accept()?;
    crate::telemetry::logging::start(&config.log);
    let chosen = dataflow::of(&config);
    let (postgres, fingerprint) =
        (chosen.postgres_settings(&config)?, chosen.fingerprint(&config)?);
    let mut records = survey(&config, &postgres, &TopicUuids::UNKNOWN, &Trouble::default(), false)
        .map_err(RunError::from)?;
    let identity = records.history().map_err(RunError::from)?.identity;
    let oldest = |location: &Location| -> Result<Option<u64>, ProgramError> {
        let unnamed = Checkpoints::open(location, &config.job, fingerprint.clone())?;
        let epochs = [unnamed.of(identity).epochs()?, unnamed.epochs()?];
        Ok(epochs.into_iter().flatten().min())
    };
    let (checkpoint, verified) =
        (oldest(&config.checkpoint.dir)?, oldest(&config.checkpoint.dir.below(VERIFIED))?);
    let wording = &postgres.wording;
    let standing = Standing {
        places: places(&wording.tables(), wording.notices().is_some()),
        checkpoint,
        verified,
        ..Standing::of(records.as_mut()).map_err(RunError::from)?
    };
    let erasures: Vec<Erasure> = standing
        .erasures
        .iter()
        .copied()
        .filter(|erasure| args.customer.is_none_or(|of| erasure.customer == of))
        .collect();
    match (global.json, erasures.is_empty()) {
        (true, _) => print_json(&erasures.iter().map(|erasure| standing.json(erasure)).collect()),
        (false, true) => print("nobody was erased"),
        (false, false) => print(
            &erasures.iter().map(|erasure| standing.text(erasure)).collect::<Vec<_>>().join("\n\n"),
        ),
    }
}

/// An erasure on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Erasure {
    customer: CustomerId,
    until: Millis,
    /// By which epoch; `None` where that is no longer recorded, as it is long ago.
    epoch: Option<u64>,
}

/// How far each place is.
#[derive(Debug)]
struct Standing {
    /// Every place that there is.
    places: Vec<ErasurePlace>,
    erasures: Vec<Erasure>,
    published: u64,
    /// The epoch of the oldest checkpoint.
    checkpoint: Option<u64>,
    /// That of the oldest that a verification has left.
    verified: Option<u64>,
    /// The first epoch of which records are kept.
    kept: Option<u64>,
}

impl Standing {
    fn of(records: &mut dyn Records) -> Result<Standing, SinkError> {
        let recorded = records.erasures(0)?;
        let mut erasures: Vec<Erasure> = recorded
            .iter()
            .map(|&(epoch, customer, until)| Erasure { customer, until, epoch: Some(epoch) })
            .collect();
        let forgotten = records
            .erased()?
            .into_iter()
            .filter(|(customer, _)| recorded.iter().all(|(_, known, _)| known != customer));
        erasures.extend(forgotten.map(|(customer, until)| Erasure {
            customer,
            until,
            epoch: None,
        }));
        let kept = records.kept(0)?.iter().map(|kept| kept.epoch).min();
        Ok(Standing {
            places: Vec::new(),
            erasures,
            published: records.progress().published,
            checkpoint: None,
            verified: None,
            kept,
        })
    }

    /// Why a place is not done yet.
    fn pending(&self, place: &ErasurePlace, erasure: &Erasure) -> Option<String> {
        let epoch = erasure.epoch?;
        match place.by {
            Evidence::Epoch | Evidence::Nobody => None,
            Evidence::Mark => (self.published < epoch)
                .then(|| format!("published up to epoch {} only", self.published)),
            Evidence::Checkpoints => self
                .checkpoint
                .filter(|oldest| *oldest < epoch)
                .map(|oldest| format!("the checkpoint of epoch {oldest} is still there")),
            Evidence::Verified => self.verified.filter(|oldest| *oldest < epoch).map(|oldest| {
                format!("that of epoch {oldest} is still there: run `sluice verify`")
            }),
            Evidence::KeptRecords => self
                .kept
                .filter(|first| *first < epoch)
                .map(|first| format!("records of epoch {first} are still kept")),
        }
    }

    fn state(&self, place: &ErasurePlace, erasure: &Erasure) -> &'static str {
        match (place.by, self.pending(place, erasure)) {
            (Evidence::Nobody, _) => "not ours",
            (_, Some(_)) => "pending",
            (_, None) => "done",
        }
    }

    fn text(&self, erasure: &Erasure) -> String {
        let epoch =
            erasure.epoch.map_or("long ago".to_string(), |epoch| format!("in epoch {epoch}"));
        let head = format!("customer {} erased {} {epoch}", erasure.customer, shown(erasure.until));
        let line = |place: &ErasurePlace| {
            let pending =
                self.pending(place, erasure).map_or(String::new(), |why| format!(" ({why})"));
            let ErasurePlace { name, done, remains, .. } = place;
            format!(
                "  {:8}  {name}: {done}{pending}; remains: {remains}",
                self.state(place, erasure)
            )
        };
        [head].into_iter().chain(self.places.iter().map(line)).collect::<Vec<_>>().join("\n")
    }

    fn json(&self, erasure: &Erasure) -> Value {
        let place = |place: &ErasurePlace| {
            let (state, pending) = (self.state(place, erasure), self.pending(place, erasure));
            json!({
                "place": place.name,
                "state": state,
                "pending": pending,
                "done": place.done,
                "remains": place.remains,
            })
        };
        let places: Vec<Value> = self.places.iter().map(place).collect();
        json!({
            "customer_id": erasure.customer,
            "until": shown(erasure.until),
            "epoch": erasure.epoch,
            "places": places,
        })
    }
}

/// Up to when.
fn shown(until: Millis) -> String {
    match until {
        Millis::MAX => "for ever".to_string(),
        until => Timestamp::from_millisecond(until)
            .map_or_else(|_| until.to_string(), |instant| format!("up to {instant}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::arrivals::Arrivals;
    use dataflows::keyed;
    use std::sync::Arc;

    #[test]
    fn a_place_is_pending_until_what_shows_that_it_is_done() {
        let erasure = Erasure { customer: 17, until: Millis::MAX, epoch: Some(5) };
        let old = Erasure { customer: 3, until: 0, epoch: None };
        let tables = keyed::tables::<Arrivals>().map(Arc::new);
        let standing = |published, checkpoint, kept| Standing {
            places: places(&tables, true),
            erasures: vec![erasure, old],
            published,
            checkpoint,
            verified: checkpoint,
            kept,
        };
        let states = |standing: &Standing, by: Evidence| {
            let mut places = standing.places.iter();
            let place = places.find(|place| place.by == by).expect("there is one");
            (standing.state(place, &erasure), standing.state(place, &old))
        };
        let (before, after) = (standing(4, Some(4), Some(4)), standing(5, Some(5), Some(5)));
        for by in [Evidence::Mark, Evidence::Checkpoints, Evidence::Verified, Evidence::KeptRecords]
        {
            assert_eq!(
                (states(&before, by), states(&after, by)),
                (("pending", "done"), ("done", "done")),
                "{by:?}"
            );
        }
        assert_eq!(
            (states(&before, Evidence::Epoch), states(&before, Evidence::Nobody)),
            (("done", "done"), ("not ours", "not ours"))
        );
        let text = before.text(&erasure);
        assert!(text.starts_with("customer 17 erased for ever in epoch 5\n  done "), "{text}");
        assert!(
            text.contains("the checkpoint of epoch 4 is still there")
                && text.contains("published up to epoch 4 only"),
            "{text}"
        );
        assert!(
            before
                .text(&old)
                .starts_with("customer 3 erased up to 1970-01-01T00:00:00Z long ago\n")
        );
        let told = before.json(&erasure);
        assert_eq!(
            (told["places"].as_array().map(Vec::len), &told["customer_id"]),
            (Some(before.places.len()), &json!(17))
        );
        assert_eq!(told["places"][0]["place"], "table `arrivals`");
    }
}
