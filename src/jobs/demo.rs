//! The demo: the simulated world, the campaign dataflow and the customers' answers, all in this
//! process, and nothing stored.
//!
//! ```text
//! play ─ profiles, purchases, requests, answers ─▶ live source ─▶ campaign dataflow ─▶ results
//!  ▲                                                                                      │
//!  └──────────────────────────────── decisions ◀──────────────────────────────────────────┘
//! ```
//!
//! The dataflow is the one that runs on Kafka, with the same parser, learner and epochs. Only the
//! world is simulated, and with it all rewards.

mod director;
mod intake;

use crate::blame::Blame;
use crate::campaign::figures::{Benchmark, CampaignFigures};
use crate::campaign::following::CampaignFollower;
use crate::campaign::results::EpochResults;
use crate::cluster::{Cluster, ClusterError};
use crate::config::types::Config;
use crate::console::{Console, ConsoleError};
use crate::engine::gather::{Gather, GatherError};
use crate::engine::live::{Control, Pace, live};
use crate::first::First;
use crate::hosting::agreed_on;
use crate::status::Status;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use dataflows::Dataflow;
use dataflows::campaign::graph::Campaign;
use dataflows::customer::Features;
use dataflows::operators::deliver::deliver;
use dataflows::settings::Emit;
use dataflows::source::Messages;
use director::Director;
use intake::WorldIntake;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use timely::worker::Worker;
use world::WorldError;
use world::demo::play::Play;
use world::demo::script::Script;
use world::demo::{Comparison, DemoSettings, DemoStatus, DemoSummary};

/// What the demo begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Prologue {
    /// Customers in the world.
    pub customers: u64,
    /// Purchases in its history.
    pub purchases: u64,
    /// What can be had.
    pub comparison: Comparison,
    /// Where the status page is.
    pub console: SocketAddr,
}

/// Why the demo ended.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The world cannot be made.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The epochs.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The console.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// The signals cannot be caught.
    #[error("SIGTERM and SIGINT cannot be caught: {0}")]
    Signals(#[source] std::io::Error),
}

impl DemoError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            DemoError::World(_) => Blame::Usage,
            DemoError::Cluster(error) => error.blame(),
            DemoError::Gather(error) => error.blame(),
            DemoError::Console(error) => error.blame(),
            DemoError::Signals(_) => Blame::World,
        }
    }
}

/// What the demo tells while it plays.
#[derive(Debug)]
pub enum Told<'a> {
    /// Once, before anything else.
    Beginning(&'a Prologue),
    /// Once a second.
    Progress(&'a DemoStatus, &'a Comparison),
}

/// Epochs that are cut and not taken.
const AHEAD: u64 = 4;

/// Plays the demo until its time is over or a signal ends it, and drains it then. `tell` is called
/// from a thread of its own.
///
/// # Errors
/// What ended it, or what `tell` gives.
pub fn demo<E: From<DemoError> + Send>(
    config: &Config,
    features: Features,
    asked: DemoSettings,
    mut tell: impl FnMut(Told<'_>) -> Result<(), E> + Send,
) -> Result<DemoSummary, E> {
    let agreed = agreed_on::<Campaign>(&config.settings());
    let cluster = Cluster::of(config, &agreed).map_err(DemoError::from)?;
    let script = Script::new(asked.seed).map_err(DemoError::from)?;
    let comparison = Comparison::of(&config.bandit.arms, &script.shares());
    let status = status(config, &comparison);
    let console =
        Console::start(&config.http, Arc::clone(&status), None).map_err(DemoError::from)?;
    let stop = catch_signals()?;
    let (customers, purchases) = script.history();
    tell(Told::Beginning(&Prologue {
        customers,
        purchases,
        comparison: comparison.clone(),
        console: console.address(),
    }))?;
    let (blocks, intake) = unbounded();
    let (sink, results) = bounded(AHEAD as usize + 1);
    let house = House {
        pace: pace(config),
        control: Control::default(),
        described: described(config, features),
        failure: First::default(),
    };
    let failure = house.failure.clone();
    let control = house.control.clone();
    let blocks = Some(blocks);
    let director = Director { blocks, results, control: control.clone(), status, stop };
    let play = Play::new(script, asked, comparison.clone(), Instant::now());
    let (worked, played) = std::thread::scope(|scope| {
        let playing = scope.spawn(|| {
            director.direct(play, |progress| tell(Told::Progress(progress, &comparison)))
        });
        let worked = house.run(&cluster, intake, sink);
        // The play waits for results; after a failure there may be no end of them.
        control.failed.store(worked.is_err(), Ordering::Release);
        (worked, playing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    console.stop();
    worked?;
    let summary = played?;
    match failure.take() {
        Some(error) => Err(error.into()),
        None => Ok(summary),
    }
}

fn status(config: &Config, comparison: &Comparison) -> Arc<Status> {
    let Comparison { best_possible, best_fixed, .. } = *comparison;
    let figures = CampaignFigures::new(&config.bandit.arms, config.input.decimals)
        .compared_with(Benchmark { best_possible, best_fixed });
    Arc::new(Status::new("demo", &Campaign::topics(), Box::new(figures)))
}

/// The flag that the first SIGTERM or SIGINT raises; a second one ends the program at once.
fn catch_signals() -> Result<Arc<AtomicBool>, DemoError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .map_err(DemoError::Signals)?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(DemoError::Signals)?;
    }
    Ok(stop)
}

fn pace(config: &Config) -> Pace {
    Pace {
        interval: config.epoch.interval,
        max_events: config.epoch.max_events,
        ahead: AHEAD,
        first: 1,
        repeats: false,
        replayed: Vec::new(),
        erased: Vec::new(),
        saves: None,
    }
}

fn described(config: &Config, features: Features) -> Campaign {
    let mut settings = config.settings();
    // The status page shows what came of the decisions.
    settings.emit = Emit { interactions: true, features: true, ..Emit::default() };
    Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None }
}

/// The dataflow, and what its workers share.
struct House {
    pace: Pace,
    control: Control,
    described: Campaign,
    failure: First<DemoError>,
}

impl House {
    /// Runs the workers until everything that comes through `blocks` has reached `sink`.
    fn run(
        self,
        cluster: &Cluster,
        blocks: Receiver<Messages>,
        sink: Sender<Box<EpochResults>>,
    ) -> Result<(), DemoError> {
        // The first worker reads and gathers; both channels close when it is done.
        let ends = Mutex::new(Some((blocks, sink)));
        cluster
            .run(move |worker| {
                let ends = if worker.index() == 0 {
                    ends.lock().ok().and_then(|mut ends| ends.take())
                } else {
                    None
                };
                self.work(worker, ends.unzip());
                Ok(())
            })
            .map(drop)
    }

    fn work(
        &self,
        worker: &mut Worker,
        (blocks, sink): (Option<Receiver<Messages>>, Option<Sender<Box<EpochResults>>>),
    ) {
        worker.dataflow::<u64, _, _>(|scope| {
            let feed =
                live(scope, self.pace.clone(), self.control.clone(), |_| WorldIntake::new(blocks));
            let mut gather = sink.map(|sink| {
                Gather::new(
                    CampaignFollower::new(self.described.clone()),
                    0,
                    self.control.clone(),
                    sink,
                    self.failure.teller(),
                )
            });
            deliver(
                self.described.build(feed, self.described.anew(scope.index(), scope.peers())),
                move |delivery| {
                    if let Some(gather) = &mut gather {
                        gather.receive(delivery);
                    }
                },
            );
        });
        while worker.step_or_park(Some(Duration::from_millis(100))) {}
    }
}
