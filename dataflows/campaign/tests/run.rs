//! A run of the dataflow over some arrivals, cut into epochs, on some workers.

use super::*;

/// A run of the dataflow over arrivals.
#[derive(Clone, Default)]
pub(super) struct Run {
    pub(super) arrivals: Vec<Arrival>,
    /// Sizes of the epochs; a last one takes the rest.
    pub(super) epochs: Vec<usize>,
    pub(super) workers: usize,
    pub(super) thresholds: Option<Vec<(Day, u64)>>,
    /// Epochs whose snapshot is taken.
    pub(super) saves: BTreeMap<u64, Save>,
    /// Watermarks as they were recorded, by epoch.
    pub(super) recorded: BTreeMap<u64, Option<i64>>,
    /// Where it begins.
    pub(super) snapshot: Option<Snapshot>,
    /// Whether each purchase asks for a decision.
    pub(super) asking: bool,
    /// What serves, where that is not the default, and what served before.
    pub(super) serving: Option<Serving>,
    pub(super) earlier: Vec<(u64, Serving)>,
    /// K, where it is not the default.
    pub(super) lag: Option<u64>,
    /// How long events are kept.
    pub(super) keep: Option<i64>,
    /// Settings, where they are not those of most tests.
    pub(super) settings: Option<Settings>,
    /// What the snapshot that it begins with was taken under, where that was something else.
    pub(super) former: Option<Settings>,
}

/// What a run gave.
#[derive(Default)]
pub(super) struct Outcome {
    /// Outputs with their epochs, in order of epochs.
    pub(super) outputs: Vec<(u64, Output)>,
    pub(super) images: Vec<ShardImage>,
    /// Snapshots that each worker completed.
    pub(super) complete: BTreeMap<u64, usize>,
    pub(super) settings: Settings,
    /// What the run began with, where settings changed.
    pub(super) base: Option<Common>,
}

/// A snapshot: the common part, and each virtual shard's images in order.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) common: Common,
    pub(super) images: Vec<ShardImage>,
}

/// Takes images, but has room only now and then, so that many epochs pass while a snapshot is
/// taken.
pub(super) struct Shelf {
    pub(super) outcome: Arc<Mutex<Outcome>>,
    pub(super) asked: Cell<u64>,
}

impl Images for Shelf {
    fn has_room(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        !self.asked.get().is_multiple_of(4)
    }

    fn take(&mut self, image: ShardImage) {
        assert!(!image.bytes.is_empty());
        self.outcome.lock().expect("no worker panicked").images.push(image);
    }

    fn complete(&mut self, epoch: u64) {
        *self.outcome.lock().expect("no worker panicked").complete.entry(epoch).or_default() += 1;
    }
}

pub(super) fn features(settings: &Settings) -> Arc<Features> {
    Arc::new(Features::new(&settings.input, &settings.customer).expect("the features are valid"))
}

impl Run {
    pub(super) fn run(&self) -> Outcome {
        let settings = self.settings.clone().unwrap_or_else(|| {
            let mut settings = settings();
            settings.bandit.serving.decide_on_transaction = self.asking;
            settings.bandit.serving = self.serving.clone().unwrap_or(settings.bandit.serving);
            settings.bandit.model_lag = self.lag.unwrap_or(settings.bandit.model_lag);
            settings.earlier.clone_from(&self.earlier);
            settings.time.keep = self.keep;
            settings
        });
        let features = features(&settings);
        let described = Campaign {
            settings: Arc::new(settings.clone()),
            features,
            thresholds: self.thresholds.clone().map(Arc::new),
        };
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let (sink, run) = (Arc::clone(&outcome), self.clone());
        let config = if self.workers > 1 {
            timely::Config::process(self.workers)
        } else {
            timely::Config::thread()
        };
        let guards = timely::execute(config, move |worker| {
            let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Feed>>>::new();
            let sink = Arc::clone(&sink);
            let mut beginning = run.begin(&described, worker.index(), worker.peers());
            // Turns of a few units end everywhere.
            let units = [2, 9, 40, 300][(run.epochs.len() + worker.index()) % 4];
            beginning.shard = beginning.shard.paced_by(Pacer::new(units, Box::new(())));
            beginning.images =
                Some(Box::new(Shelf { outcome: Arc::clone(&sink), asked: Cell::new(0) }));
            worker.dataflow::<u64, _, _>(|scope| {
                let feed = input.to_stream(scope);
                deliver(campaign(feed, &described, beginning), move |delivery| {
                    if let Delivery::Item(epoch, output) = delivery {
                        sink.lock().expect("no worker panicked").outputs.push((epoch, output));
                    }
                });
            });
            run.feed(input, worker);
            while worker.step_or_park(None) {}
        });
        guards
            .expect("the workers start")
            .join()
            .into_iter()
            .for_each(|result| result.expect("no worker panics"));
        let mut outcome = std::mem::take(&mut *outcome.lock().expect("no worker panicked"));
        outcome.outputs.sort_by_key(|(epoch, _)| *epoch);
        outcome.base = self.change(&settings).map(|(_, common)| common);
        Outcome { settings, ..outcome }
    }

    /// The change of settings that it begins with, and what belongs to no customer then.
    pub(super) fn change(&self, settings: &Settings) -> Option<(ChangeOfSettings, Common)> {
        let common = &self.snapshot.as_ref()?.common;
        let change = ChangeOfSettings::new(&Former::of(self.former.as_ref()?, common), settings);
        let common = change.begin(common);
        Some((change, common))
    }

    pub(super) fn begin(&self, described: &Campaign, worker: usize, peers: usize) -> Beginning {
        let Some(snapshot) = &self.snapshot else { return described.anew(worker, peers) };
        let mut common =
            Common::from_bytes(&snapshot.common.to_bytes()).expect("the bytes are whole");
        assert_eq!(common, snapshot.common);
        let mut loading = match self.change(&described.settings) {
            None => Loading::new(described, worker, peers, &common),
            Some((change, begun)) => {
                common = begun;
                Loading::changing(described, worker, peers, &common, change)
            }
        };
        let is_own = |image: &&ShardImage| usize::from(image.shard) % peers == worker;
        for image in snapshot.images.iter().filter(is_own) {
            let bytes = Aligned::from(&image.bytes[..]);
            let customers = loading.load(image.shard, image.whole, bytes).expect("it is whole");
            assert_eq!(customers, image.customers);
        }
        Beginning { shard: loading.finish(), common: Some(Arc::new(common)), images: None }
    }

    /// Feeds the epochs after the one that the run begins with, a share of each to every worker.
    pub(super) fn feed(
        &self,
        mut input: InputHandle<u64, CapacityContainerBuilder<Vec<Feed>>>,
        worker: &mut Worker,
    ) {
        let done = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.common.epoch);
        let mut start = 0;
        for (epoch, size) in (1..).zip(self.epochs.iter().copied().chain([self.arrivals.len()])) {
            let end = (start + size).min(self.arrivals.len());
            let last = end == self.arrivals.len();
            if epoch > done {
                input.advance_to(epoch);
                for topic in Topic::ALL {
                    // Offsets are counted in each topic for itself: records of different topics
                    // stand at the same ones.
                    let all = (start..end).filter(|i| self.arrivals[*i].0 == topic);
                    let mine = all
                        .zip(start as u64..)
                        .filter(|(i, _)| i % worker.peers() == worker.index());
                    let texts: Vec<(u64, &str)> =
                        mine.map(|(i, offset)| (offset, self.arrivals[i].1.as_str())).collect();
                    input.send(Feed::Block(block(topic, &texts).into()));
                    let recorded = self.recorded.get(&epoch).copied().map(RecordedWatermark);
                    let partition = worker.index() as u32;
                    let save = self.saves.get(&epoch).copied();
                    input.send(Feed::Mark(Mark {
                        topic: topic.id(),
                        partition,
                        next: end as u64,
                        idle: true,
                        recorded,
                        last,
                        save,
                    }));
                }
                worker.step();
            }
            start = end;
            if last {
                break;
            }
        }
    }
}

impl Outcome {
    /// What sinks were told of the epochs after `after` and up to `until`.
    pub(super) fn tell(&self, told: &mut Told, after: u64, until: u64) {
        let features = features(&self.settings);
        let outputs = self.outputs.iter().filter(|(epoch, _)| (after + 1..=until).contains(epoch));
        outputs.for_each(|(_, output)| told.take(output.clone(), &features));
    }

    pub(super) fn told(&self) -> Told {
        let mut told = Told {
            counts: Counts::none(),
            folding: self.settings.time.keep.is_some(),
            ..Told::default()
        };
        self.tell(&mut told, 0, u64::MAX);
        told
    }

    /// The snapshot of an epoch, as it would be put together from files.
    pub(super) fn snapshot(&self, epoch: u64) -> Snapshot {
        let lag = self.settings.bandit.model_lag;
        let mut follower = self
            .base
            .as_ref()
            .map_or_else(|| Follower::new(lag), |base| Follower::restored(lag, base));
        for now in self.base.as_ref().map_or(1, |base| base.epoch + 1)..=epoch {
            let (mut thresholds, mut counts, mut closed) =
                (Vec::new(), Counts::none(), Closed::default());
            for (_, output) in self.outputs.iter().filter(|(of, _)| *of == now) {
                match output {
                    Output::Recounted(arm, rewards) => follower.recounted(*arm, *rewards),
                    Output::Arm(update) => follower.learn(now, update),
                    Output::ArmDay(row) => follower.arm_day(row),
                    Output::Segment(row) => follower.segment(row),
                    Output::Unlisted(names) => {
                        names.iter().for_each(|(list, hash)| follower.unlisted(*list, *hash))
                    }
                    Output::Threshold(day, value) => thresholds.push((*day, *value)),
                    Output::Counts(of_worker) => counts.add(of_worker),
                    Output::Closed(end) => closed = end.clone(),
                    _ => {}
                }
            }
            follower.end(now, &thresholds, &counts, &closed);
        }
        let mut images: Vec<ShardImage> =
            self.images.iter().filter(|image| image.epoch <= epoch).cloned().collect();
        images.sort_by_key(|image| (image.shard, image.epoch));
        let whole: BTreeMap<u16, u64> = images
            .iter()
            .filter(|image| image.whole)
            .map(|image| (image.shard, image.epoch))
            .collect();
        images.retain(|image| image.epoch >= whole[&image.shard]);
        let snapshot = Snapshot { common: follower.common(), images };
        assert_eq!(soundness::sound(&self.settings, &snapshot), Ok(()));
        snapshot
    }
}
