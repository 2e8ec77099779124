//! The dataflow itself, fed epoch by epoch, and what its outputs come to after each.

use super::decisions::{Decided, Retired, asked_once, told_id};
use super::histories::Sent;
use super::{LATENESS, Standing, WINDOW};
use dataflows::Dataflow;
use dataflows::bandit::rewards::RewardSums;
use dataflows::bandit::totals::Totals;
use dataflows::campaign::graph::{Campaign, campaign};
use dataflows::campaign::output::Output;
use dataflows::customer::features::Features;
use dataflows::event::Topic;
use dataflows::operators::deliver::{Delivery, deliver};
use dataflows::settings::{Serving, Settings};
use dataflows::source::{Feed, Head, Mark, Messages};
use std::sync::{Arc, Mutex};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;

fn described(retired: &Retired) -> Campaign {
    let mut settings = Settings::default();
    settings.bandit.serving.retired.clone_from(&retired.arms);
    settings.earlier = vec![(retired.from - 1, Serving::default())];
    (settings.time.lateness, settings.time.attribution_window) = (LATENESS, WINDOW);
    let features = Features::new(&settings.input, &settings.customer).expect("valid settings");
    Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None }
}

/// A block of one topic's records, from an offset on.
fn block(topic: Topic, texts: &[&str], first: u64) -> Messages {
    let (mut bytes, mut heads) = (Vec::new(), Vec::new());
    for (text, position) in texts.iter().zip(first..) {
        let (start, length) = (bytes.len() as u32, text.len() as u32);
        heads.push(Head { position, timestamp: -1, start, length, null: false, key: 0 });
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }
    Messages::new(topic.id(), 0, bytes, heads)
}

/// What the dataflow comes to after each epoch; the first worker reads all topics.
pub(super) fn by_the_dataflow(
    epochs: &[Vec<Sent>],
    workers: usize,
    retired: &Retired,
) -> Vec<Standing> {
    let described = described(retired);
    let outputs = Arc::new(Mutex::new(Vec::new()));
    let (sink, epochs_in) = (Arc::clone(&outputs), epochs.to_vec());
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Feed>>>::new();
        let (sink, beginning) = (Arc::clone(&sink), described.anew(worker.index(), worker.peers()));
        worker.dataflow::<u64, _, _>(|scope| {
            deliver(campaign(input.to_stream(scope), &described, beginning), move |delivery| {
                if let Delivery::Item(epoch, output) = delivery {
                    sink.lock().expect("no worker panicked").push((epoch, output));
                }
            });
        });
        let mut next = [0; Topic::ALL.len()];
        let reads = worker.index() == 0;
        for (epoch, sent) in (1..).zip(&epochs_in).filter(|_| reads) {
            input.advance_to(epoch);
            for topic in Topic::ALL {
                let texts: Vec<&str> =
                    sent.iter().filter(|s| s.topic == topic).map(|s| s.text.as_str()).collect();
                input.send(Feed::Block(block(topic, &texts, next[topic as usize]).into()));
                next[topic as usize] += texts.len() as u64;
                input.send(Feed::Mark(Mark {
                    topic: topic.id(),
                    partition: 0,
                    next: next[topic as usize],
                    idle: false,
                    recorded: None,
                    last: epoch == epochs_in.len() as u64,
                    save: None,
                }));
            }
            worker.step();
        }
        drop(input);
        while worker.step_or_park(None) {}
    });
    guards.expect("the workers start").join().into_iter().for_each(|end| end.expect("no panic"));
    let outputs = std::mem::take(&mut *outputs.lock().expect("no worker panicked"));
    told(epochs, outputs)
}

/// What the outputs come to after each epoch.
fn told(epochs: &[Vec<Sent>], outputs: Vec<(u64, Output)>) -> Vec<Standing> {
    let mut standing = Standing::default();
    let once = asked_once(epochs);
    let after = |epoch: u64| {
        standing.decided.clear();
        for (_, output) in outputs.iter().filter(|(of, _)| *of == epoch) {
            match output {
                Output::Arm(arm) => {
                    let Totals { n, a, b, rewards } = &arm.totals;
                    let RewardSums { sum, squares } =
                        rewards.expect("they are summed from the first on");
                    let sums = (*n as u64, a.clone(), b.clone(), [sum, squares]);
                    standing.arms.insert(arm.arm as usize, sums);
                }
                Output::Threshold(day, total) => {
                    standing.thresholds.insert(i64::from(*day), i128::from(*total));
                }
                Output::Counts(counts) => standing.pending += counts.pending,
                Output::Decisions(decisions) => {
                    let told = decisions.iter().map(|made| {
                        let context = made.context.iter().map(|value| i128::from(*value)).collect();
                        let arm = usize::from(made.arm.expect("not all are excluded"));
                        let id = told_id(&made.decision, made.customer);
                        (id, Decided { context, scores: made.scores.clone(), arm })
                    });
                    standing.decided.extend(told.filter(|(id, _)| once.contains(id)));
                }
                Output::Closed(closed) => standing.watermark = closed.watermark,
                _ => {}
            }
        }
        standing.clone().consolidated()
    };
    (1..=epochs.len() as u64).map(after).collect()
}
