//! Which days are weekend and which are holiday season, as a table by day since 1970.

use crate::event::{DAY, Millis};

/// Days from 1970-01-01 to the end of 2099: every instant that the parser lets pass.
const DAYS: i64 = 47_482;

const WEEKEND: u8 = 1;
const HOLIDAY: u8 = 2;

/// The days of the accepted years, each with what counts there.
#[derive(Clone, Debug)]
pub struct Calendar {
    holiday_months: u16,
    days: Vec<u8>,
}

impl Calendar {
    /// A calendar with these holiday months, one bit each (bit 1 = January).
    pub fn new(holiday_months: u16) -> Self {
        Calendar { holiday_months, days: (0..DAYS).map(|day| marks(day, holiday_months)).collect() }
    }

    /// The day, in UTC, that an instant falls on.
    #[inline]
    pub fn day(&self, at: Millis) -> DayFlags {
        let day = at.div_euclid(DAY);
        match usize::try_from(day).ok().and_then(|day| self.days.get(day)) {
            Some(&marks) => DayFlags(marks),
            None => DayFlags(marks(day, self.holiday_months)),
        }
    }
}

/// What counts on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayFlags(u8);

impl DayFlags {
    /// Saturday or Sunday.
    #[inline]
    pub fn is_weekend(self) -> bool {
        self.0 & WEEKEND != 0
    }

    /// In one of the holiday months.
    #[inline]
    pub fn is_holiday(self) -> bool {
        self.0 & HOLIDAY != 0
    }
}

/// The marks of a day since 1970, by arithmetic.
fn marks(day: i64, holiday_months: u16) -> u8 {
    // 1970-01-01 was a Thursday: three days on from a Monday.
    let since_monday = (day + 3).rem_euclid(7);
    let weekend = if since_monday >= 5 { WEEKEND } else { 0 };
    let holiday = if holiday_months >> month(day) & 1 == 1 { HOLIDAY } else { 0 };
    weekend | holiday
}

/// The month, 1 to 12, of a day since 1970 in the Gregorian calendar.
fn month(day: i64) -> u32 {
    // The calendar repeats every 400 years. Years are taken from the first of March, so that a leap
    // day is the last day of its year; 719,468 days lie between 0000-03-01 and 1970-01-01.
    let day = (day + 719_468).rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // From March on, the months have 153 days in every five.
    let since_march = (5 * day_of_year + 2) / 153;
    ((since_march + 2) % 12 + 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every day of the accepted years, counted forward month by month: (month, weekday since
    /// Monday).
    fn counted() -> Vec<(u32, i64)> {
        let mut days = Vec::new();
        for year in 1970..2100 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for (month, length) in
                [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
                    .into_iter()
                    .enumerate()
            {
                for _ in 0..length {
                    days.push((month as u32 + 1, (days.len() as i64 + 3) % 7));
                }
            }
        }
        days
    }

    #[test]
    fn every_day_of_the_table_agrees_with_counting() {
        let counted = counted();
        assert_eq!(counted.len() as i64, DAYS);
        let calendar = Calendar::new(1 << 2 | 1 << 11 | 1 << 12);
        for (day, (month, weekday)) in counted.into_iter().enumerate() {
            for instant in [0, DAY - 1] {
                let seen = calendar.day(day as i64 * DAY + instant);
                assert_eq!(
                    (seen.is_weekend(), seen.is_holiday()),
                    (weekday >= 5, [2, 11, 12].contains(&month)),
                    "day {day}"
                );
            }
        }
    }

    #[test]
    fn known_days() {
        let calendar = Calendar::new(1 << 11 | 1 << 12);
        let both = |at| (calendar.day(at).is_weekend(), calendar.day(at).is_holiday());
        assert_eq!(both(1_698_796_799_999), (false, false), "2023-10-31T23:59:59.999Z, a Tuesday");
        assert_eq!(both(1_698_796_800_000), (false, true), "2023-11-01T00:00Z, a Wednesday");
        assert_eq!(both(1_704_067_199_999), (true, true), "2023-12-31T23:59:59.999Z, a Sunday");
        assert_eq!(both(1_704_067_200_000), (false, false), "2024-01-01T00:00Z, a Monday");
    }

    #[test]
    fn days_outside_the_table_are_computed() {
        let calendar = Calendar::new(1 << 1 | 1 << 12);
        let last_of_1969 = calendar.day(-1);
        assert_eq!(
            (last_of_1969.is_weekend(), last_of_1969.is_holiday()),
            (false, true),
            "1969-12-31, a Wednesday"
        );
        let first_past_the_end = calendar.day(DAYS * DAY);
        assert_eq!(
            (first_past_the_end.is_weekend(), first_past_the_end.is_holiday()),
            (false, true),
            "2100-01-01, a Friday"
        );
        let second = calendar.day((DAYS + 1) * DAY);
        assert!(second.is_weekend(), "2100-01-02, a Saturday");
    }
}
