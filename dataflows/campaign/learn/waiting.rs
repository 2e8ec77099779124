//! Who waits for what: for the threshold of a day to close, and for a reward until its window ends.

use crate::campaign::output::Day;
use crate::campaign::state::Slot;
use crate::campaign::thresholds::Thresholds;
use crate::event::{DAY, Millis};
use crate::state::blocks::{Blocks, IntoItems};
use crate::state::heap::Heap;
use std::collections::BTreeMap;

/// Who waits for what.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    for_day: BTreeMap<Day, Blocks<Slot>>,
    /// Those of a day that has closed, as far as they have not been woken.
    woken: Option<IntoItems<Slot>>,
    /// Ends of windows with their slots, by the day of the end.
    for_reward: BTreeMap<i64, Heap<(Millis, Slot)>>,
}

impl Waiting {
    /// The customer waits for the threshold of a day.
    pub(super) fn for_day(&mut self, day: Day, slot: Slot) {
        let waiting = self.for_day.entry(day).or_default();
        if waiting.last() != Some(&slot) {
            waiting.push(slot);
        }
    }

    /// The customer waits for a reward until a window ends.
    pub(super) fn for_reward(&mut self, end: Millis, slot: Slot) {
        self.for_reward.entry(end.div_euclid(DAY)).or_default().push((end, slot));
    }

    /// The next one whose day has closed.
    pub(super) fn next_of_closed(&mut self, thresholds: &Thresholds) -> Option<Slot> {
        loop {
            if let Some(slot) = self.woken.as_mut().and_then(Iterator::next) {
                return Some(slot);
            }
            let first = self.for_day.first_entry()?;
            if !thresholds.is_closed(*first.key()) {
                return None;
            }
            self.woken = Some(first.remove().into_iter());
        }
    }

    /// The next window that has ended, and whose it is.
    pub(super) fn next_ended(&mut self, watermark: Option<Millis>) -> Option<(Millis, Slot)> {
        let watermark = watermark?;
        let mut first = self.for_reward.first_entry()?;
        let &(end, slot) = first.get().peek()?;
        if watermark < end {
            return None;
        }
        first.get_mut().pop();
        if first.get().is_empty() {
            first.remove();
        }
        Some((end, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_in_the_order_of_their_ends() {
        let mut waiting = Waiting::default();
        let ends = [3 * DAY + 5, 7, Millis::MAX, 3 * DAY, 7];
        ends.into_iter().zip(0..).for_each(|(end, slot)| waiting.for_reward(end, slot));
        assert_eq!(waiting.next_ended(None), None);
        let until = |waiting: &mut Waiting, watermark| {
            std::iter::from_fn(|| waiting.next_ended(Some(watermark))).collect::<Vec<_>>()
        };
        assert_eq!(until(&mut waiting, 3 * DAY), [(7, 1), (7, 4), (3 * DAY, 3)]);
        assert_eq!(until(&mut waiting, Millis::MAX), [(3 * DAY + 5, 0), (Millis::MAX, 2)]);
        assert_eq!(waiting.next_ended(Some(Millis::MAX)), None);
    }

    #[test]
    fn who_waits_for_a_day_is_woken_once_it_closes() {
        let mut waiting = Waiting::default();
        for (day, slot) in [(5, 1), (5, 1), (5, 2), (6, 1)] {
            waiting.for_day(day, slot);
        }
        let closed = Thresholds::restored(&[], Some(5));
        let woken: Vec<Slot> = std::iter::from_fn(|| waiting.next_of_closed(&closed)).collect();
        assert_eq!(woken, [1, 2]);
        let closed = Thresholds::restored(&[], Some(6));
        assert_eq!(waiting.next_of_closed(&closed), Some(1));
    }
}
