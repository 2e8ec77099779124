//! The tallies of a worker in one epoch: the sums of each arm, and the contacts of each day and
//! arm. What an arm costs, it costs from its first observation on.

use super::observation::{Observation, Sign, Tally};
use super::statistics::{Delta, Sums};
use crate::event::DAY;

/// The sums of each arm; about 11 KB for each that was seen, at dimension 32.
#[derive(Debug)]
pub struct ArmSums {
    dimension: usize,
    arms: Vec<Option<Box<Sums>>>,
}

impl ArmSums {
    /// Empty sums for so many arms and contexts of this dimension.
    pub fn new(arms: usize, dimension: usize) -> Self {
        ArmSums { dimension, arms: std::iter::repeat_with(|| None).take(arms).collect() }
    }

    /// Takes out what changed, in the order of the arms; with `every_arm` what did not change too.
    pub fn drain(&mut self, every_arm: bool) -> impl Iterator<Item = Delta> + '_ {
        let dimension = self.dimension;
        (0..).zip(&mut self.arms).filter_map(move |(arm, sums)| match sums {
            _ if every_arm => {
                Some(sums.get_or_insert_with(|| Box::new(Sums::new(arm, dimension))).drain_all())
            }
            Some(sums) => sums.drain(),
            None => None,
        })
    }
}

impl Tally for ArmSums {
    #[inline]
    fn add(&mut self, observation: &Observation<'_>) {
        let Observation { arm, context, reward, .. } = *observation;
        let sums = self.arms[usize::from(arm)]
            .get_or_insert_with(|| Box::new(Sums::new(u32::from(arm), self.dimension)));
        match observation.sign {
            Sign::Comes => sums.push(context, reward),
            Sign::Goes => sums.take(context, reward),
        }
    }
}

/// A change of one day's contacts and rewards of an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArmDayChange {
    /// Observations.
    pub interactions: i64,
    /// Those with a reward above zero.
    pub responses: i64,
    /// Sum of rewards in Q16.
    pub reward: i128,
}

/// Days that lie side by side in memory.
const PAGE: usize = 64;

/// Changes of the days of each arm, in pages of days: the calendar of events ends with 2099, so an
/// arm has few of them.
#[derive(Debug)]
pub struct ArmDays {
    /// By arm, then by page.
    pages: Vec<Vec<Option<Box<[ArmDayChange; PAGE]>>>>,
    /// Days since 1970-01-01 and arms that have been asked for, some more than once.
    touched: Vec<(u32, u16)>,
}

impl ArmDays {
    /// No days yet, of so many arms.
    pub fn new(arms: usize) -> Self {
        ArmDays {
            pages: std::iter::repeat_with(Vec::new).take(arms).collect(),
            touched: Vec::new(),
        }
    }

    #[inline]
    fn at(&mut self, day: u32, arm: u16) -> &mut ArmDayChange {
        let (page, place) = (day as usize / PAGE, day as usize % PAGE);
        let pages = &mut self.pages[usize::from(arm)];
        if page >= pages.len() {
            pages.resize_with(page + 1, || None);
        }
        let change = &mut pages[page]
            .get_or_insert_with(|| Box::new([ArmDayChange::default(); PAGE]))[place];
        if *change == ArmDayChange::default() {
            self.touched.push((day, arm));
        }
        change
    }

    /// Takes out what changed: days since 1970-01-01 and arms, and how.
    pub fn drain(&mut self) -> impl Iterator<Item = ((i32, u16), ArmDayChange)> + '_ {
        let pages = &mut self.pages;
        self.touched.drain(..).filter_map(move |(day, arm)| {
            let page = pages[usize::from(arm)][day as usize / PAGE].as_mut()?;
            let change = std::mem::take(&mut page[day as usize % PAGE]);
            (change != ArmDayChange::default()).then_some(((day as i32, arm), change))
        })
    }
}

impl Tally for ArmDays {
    #[inline]
    fn add(&mut self, observation: &Observation<'_>) {
        let day = u32::try_from(observation.instant.div_euclid(DAY)).unwrap_or(0);
        let change = self.at(day, observation.arm);
        let sign = observation.sign.weight();
        change.interactions += sign;
        change.responses += sign * i64::from(observation.reward > 0);
        change.reward += i128::from(sign) * i128::from(observation.reward);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = DAY / 2;

    fn observation(arm: u16, day: i64, reward: i64) -> Observation<'static> {
        Observation {
            sign: Sign::Comes,
            arm,
            context: &[4096, 2048],
            reward,
            propensity: 1.0,
            instant: day * DAY + NOON,
        }
    }

    #[test]
    fn what_goes_leaves_no_trace() {
        let (mut sums, mut days) = (ArmSums::new(3, 2), ArmDays::new(3));
        for sign in [Sign::Comes, Sign::Goes] {
            for (arm, day) in [(0, 3), (2, 3), (2, 70)] {
                sums.add(&Observation { sign, ..observation(arm, day, 65_536) });
                days.add(&Observation { sign, ..observation(arm, day, 65_536) });
            }
        }
        assert_eq!(sums.drain(false).next(), None);
        assert_eq!(days.drain().next(), None);
    }

    #[test]
    fn each_day_and_arm_is_told_once() {
        let mut days = ArmDays::new(40_000);
        for (arm, day, reward) in
            [(32_766, 20_000, 5), (0, 63, -1), (32_766, 20_000, 7), (0, 64, 2), (0, 47_481, 1)]
        {
            days.add(&observation(arm, day, reward));
        }
        let mut told: Vec<_> = days
            .drain()
            .map(|(key, change)| (key, (change.interactions, change.responses, change.reward)))
            .collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [
                ((63, 0), (1, 0, -1)),
                ((64, 0), (1, 1, 2)),
                ((20_000, 32_766), (2, 2, 12)),
                ((47_481, 0), (1, 1, 1))
            ]
        );
        assert_eq!(days.drain().next(), None);
    }

    #[test]
    fn arms_that_were_not_seen_are_told_where_every_arm_is_asked_for() {
        let mut sums = ArmSums::new(3, 2);
        sums.add(&observation(1, 0, 9));
        let told: Vec<(u32, i64)> = sums.drain(true).map(|delta| (delta.arm, delta.n)).collect();
        assert_eq!(told, [(0, 0), (1, 1), (2, 0)]);
        assert_eq!(sums.drain(false).next(), None);
    }
}
