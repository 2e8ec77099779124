//! Days that close, in turns of any length.

use super::*;
use proptest::prelude::*;

/// What an epoch closes, in turns of so many units, and how many turns that takes.
fn close(owner: &mut Owner, totals: Vec<TotalChanges>, units: u64) -> (Published, usize) {
    owner.begin(totals, None);
    let mut turns = 0;
    loop {
        turns += 1;
        if let Some(published) = owner.go_on(&mut Budget::of(units)) {
            return (published, turns);
        }
    }
}

fn changes(through: Day, changes: &[(Day, u32, Option<u64>)]) -> TotalChanges {
    let changes =
        changes.iter().map(|&(day, slot, total)| TotalChange { day, slot, total }).collect();
    TotalChanges { through: Some(through), end: None, changes }
}

#[test]
fn a_day_counts_the_purchases_before_the_day_before_it_and_the_last_total_of_a_day_holds() {
    for units in [1, u64::MAX] {
        let mut owner = Owner::new(Some(90));
        let mut close = |totals: TotalChanges| close(&mut owner, vec![totals], units).0;
        assert_eq!(close(changes(5, &[])).values, Vec::<u64>::new());
        let published = close(changes(8, &[(5, 0, Some(10)), (5, 0, Some(30)), (6, 1, Some(20))]));
        assert_eq!((published.first, published.values), (7, vec![30, 30]));
        let published = close(changes(9, &[(7, 0, None)]));
        assert_eq!((published.first, published.values), (9, vec![20]));
    }
}

#[test]
fn where_nobody_is_left_there_is_no_threshold() {
    let mut owner = Owner::new(Some(90));
    let totals = vec![changes(8, &[(5, 0, Some(10)), (6, 0, None)])];
    let (published, _) = close(&mut owner, totals, u64::MAX);
    let mut table = Thresholds::default();
    table.publish(&published);
    assert_eq!([6, 7, 8].map(|day| table.at(day)), [None, Some(10), None]);
    assert!(table.is_closed(8) && !table.is_closed(9));
    assert_eq!(published.into_outputs().len(), 1);
}

proptest! {
    #[test]
    fn turns_of_any_length_close_the_same_days(
        mut told in prop::collection::vec(
            (0..3usize, 0..20i32, 0..9u32, prop::option::of(0..99u64)),
            0..60,
        ),
        (first, units, end) in (0..20i32, 1..40u64, prop::option::of(0..30 * 86_400_000i64)),
    ) {
        told.sort_by_key(|(run, day, ..)| (*run, *day));
        let run = |of: usize| {
            let own = told.iter().filter(|(run, ..)| *run == of);
            let own: Vec<_> = own.map(|&(_, day, slot, total)| (day, slot, total)).collect();
            TotalChanges { end, ..changes(first, &own) }
        };
        let last = TotalChanges { end, ..changes(Day::MAX, &[]) };
        let close_all = |units| {
            let mut owner = Owner::new(Some(75));
            let epochs = [vec![run(0), run(1)], vec![run(2)], vec![last.clone()]];
            epochs.map(|totals| close(&mut owner, totals, units)).into_iter().unzip()
        };
        let (at_once, turns): (Vec<Published>, Vec<usize>) = close_all(u64::MAX);
        prop_assert_eq!(turns, [1, 1, 1]);
        let (in_turns, _): (Vec<Published>, Vec<usize>) = close_all(units);
        prop_assert_eq!(in_turns, at_once);
    }

    #[test]
    fn a_turn_applies_no_more_than_it_may(many in 1..300u32, units in 1..50u64) {
        let told: Vec<_> = (0..many).map(|slot| (5, slot, Some(u64::from(slot)))).collect();
        let (_, turns) = close(&mut Owner::new(Some(50)), vec![changes(9, &told)], units);
        prop_assert!(turns as u64 >= u64::from(many) / units);
    }
}
