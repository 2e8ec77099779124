//! Tests of what is told of stalls.

use super::*;
use crate::telemetry::stalls::cause::Cause;

fn seen(causes: &[Cause]) -> Vec<Seen> {
    causes.iter().map(|cause| Seen::of(*cause, cause.word())).collect()
}

fn said(lines: &[Line]) -> Vec<(Cause, bool)> {
    lines
        .iter()
        .map(|line| {
            if let Line::Holds(cause, _) = line { (*cause, true) } else { (said_over(line), false) }
        })
        .collect()
}

fn said_over(line: &Line) -> Cause {
    let (Line::Holds(cause, _) | Line::Over(cause, _)) = line;
    *cause
}

#[test]
fn every_cause_has_words_of_its_own_and_those_that_stop_the_job_come_first() {
    let words: std::collections::BTreeSet<&str> = Cause::ALL.into_iter().map(Cause::word).collect();
    let told: std::collections::BTreeSet<String> =
        Cause::ALL.into_iter().map(|cause| cause.told("")).collect();
    assert_eq!((words.len(), told.len()), (Cause::ALL.len(), Cause::ALL.len()));
    assert!(Cause::ALL.is_sorted() && Cause::ALL.is_sorted_by_key(|cause| !cause.stops()));
}

#[test]
fn all_that_holds_is_told_and_the_gravest_first() {
    let (mut stalls, now) = (Stalls::default(), Instant::now());
    let all = &[Cause::Checkpoints, Cause::Broker, Cause::Database][..];
    assert_eq!(stalls.look(seen(all), now), []);
    let lines = stalls.look(seen(all), now + SETTLED);
    let order = [Cause::Database, Cause::Broker, Cause::Checkpoints];
    assert_eq!(said(&lines), order.map(|cause| (cause, true)));
    assert!(stalls.holding().map(|(cause, _)| cause).eq(order));
    assert_eq!(
        stalls.stopping().map(|(cause, stall)| (cause, stall.what.as_str())),
        Some((Cause::Database, "database"))
    );
    stalls.look(seen(&[Cause::Checkpoints]), now);
    assert_eq!(stalls.stopping(), None);
}

#[test]
fn it_is_said_once_and_then_each_minute_while_it_lasts() {
    let (mut stalls, start) = (Stalls::default(), Instant::now());
    let (holds, none) = (&[Cause::Broker][..], &[][..]);
    // Second, what is seen then, and what is said.
    let rounds = [
        (0, holds, None),
        (1, holds, Some(true)),
        (2, holds, None),
        (60, holds, None),
        (61, holds, Some(true)),
        (62, none, Some(false)),
        // It comes and goes: nobody wants a line each time.
        (63, holds, None),
        (65, none, None),
        (119, holds, None),
        (121, holds, Some(true)),
        (181, none, Some(false)),
        (300, holds, None),
        (301, holds, Some(true)),
    ];
    for (second, causes, expected) in rounds {
        let lines = stalls.look(seen(causes), start + Duration::from_secs(second));
        assert_eq!(
            said(&lines),
            expected.map(|holds| (Cause::Broker, holds)).into_iter().collect::<Vec<_>>(),
            "after {second} s"
        );
    }
}

#[test]
fn it_lasts_from_where_it_began_whatever_is_seen_of_it() {
    let (mut stalls, start) = (Stalls::default(), Instant::now());
    let at = |second| start + Duration::from_secs(second);
    stalls.look(vec![Seen::of(Cause::Unknown, "epoch 4").since(at(0))], at(5));
    stalls.look(
        vec![Seen::of(Cause::Unknown, "epoch 5"), Seen::of(Cause::Unknown, "epoch 6")],
        at(9),
    );
    let (_, stall) = stalls.stopping().expect("it holds");
    assert_eq!((stall.what.as_str(), stall.seconds(at(9))), ("epoch 5", 9));
    assert_eq!(
        stalls.look(Vec::new(), at(11)),
        [Line::Over(Cause::Unknown, Duration::from_secs(11))]
    );
}
