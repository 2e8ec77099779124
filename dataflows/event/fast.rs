//! The fast path: JSON records as nearly every producer prints them, straight into [`Record`]s.
//!
//! It knows the keys in their usual order, either compact (`{"a":1,"b":2}`) or with a space after
//! each comma and colon (`{"a": 1, "b": 2}`), and plain values. Optional fields may be absent. For
//! anything else it gives `None` and the record takes the complete path through
//! [`json`](super::json) and [`rules`](super::rules); what it does give is exactly what that path
//! would.

use super::cursor::Cursor;
use super::rules::Rules;
use super::text::reward_q16;
use super::{Contact, CustomerId, Kind, Millis, Place, Profile, Purchase, Record, instant};
use std::ops::Range;

/// Steps over a record's first key; whether there is a space after its colon.
macro_rules! first_key {
    ($cursor:expr, $name:literal) => {
        $cursor.take(concat!("{\"", $name, "\":").as_bytes()).then(|| $cursor.take(b" "))
    };
}

/// Steps over a comma and this key, if they come next.
macro_rules! key {
    ($cursor:expr, $name:literal) => {
        if SPACED {
            $cursor.take(concat!(", \"", $name, "\": ").as_bytes())
        } else {
            $cursor.take(concat!(",\"", $name, "\":").as_bytes())
        }
    };
}

/// Steps over a comma and this key, which must come next.
macro_rules! expect_key {
    ($cursor:expr, $name:literal) => {
        key!($cursor, $name).then_some(())?
    };
}

/// A purchase, and nothing after its closing brace.
#[inline(always)]
pub(super) fn transaction(
    rules: &Rules,
    cursor: &mut Cursor,
    place: Place,
    latest: Millis,
) -> Option<Record> {
    if first_key!(cursor, "transaction_id")? {
        rest_of_transaction::<true>(rules, cursor, place, latest)
    } else {
        rest_of_transaction::<false>(rules, cursor, place, latest)
    }
}

#[inline(always)]
fn rest_of_transaction<const SPACED: bool>(
    rules: &Rules,
    cursor: &mut Cursor,
    place: Place,
    latest: Millis,
) -> Option<Record> {
    let (id, _) = cursor.id()?;
    expect_key!(cursor, "customer_id");
    let customer = cursor.customer()?;
    expect_key!(cursor, "timestamp");
    let timestamp =
        cursor.timestamp(&rules.plain_instants).filter(|timestamp| *timestamp <= latest)?;
    expect_key!(cursor, "amount");
    let amount = cursor.amount(rules.settings.decimals)?;
    let category = if key!(cursor, "category") {
        cursor.open(&rules.categories)?
    } else {
        rules.categories.none
    };
    let device =
        if key!(cursor, "device") { cursor.open(&rules.devices)? } else { rules.devices.none };
    let payment = if key!(cursor, "payment_method") {
        cursor.open(&rules.payments)?
    } else {
        rules.payments.none
    };
    let discount = if key!(cursor, "discount_used") { cursor.truth()? } else { false };
    cursor.expect(b"}")?;
    let (Purchase(value), extra) = Purchase::coded(amount, [category, device, payment], discount);
    Some(Record {
        customer,
        id,
        timestamp,
        origin: Record::origin(Kind::Transaction, place),
        value,
        extra,
    })
}

/// An interaction without attachment, and where the text of its id stands.
#[inline(always)]
pub(super) fn interaction(
    rules: &Rules,
    cursor: &mut Cursor,
    place: Place,
    latest: Millis,
) -> Option<(Record, Range<usize>)> {
    if first_key!(cursor, "interaction_id")? {
        rest_of_interaction::<true>(rules, cursor, place, latest)
    } else {
        rest_of_interaction::<false>(rules, cursor, place, latest)
    }
}

#[inline(always)]
fn rest_of_interaction<const SPACED: bool>(
    rules: &Rules,
    cursor: &mut Cursor,
    place: Place,
    latest: Millis,
) -> Option<(Record, Range<usize>)> {
    let (id, name) = cursor.id()?;
    expect_key!(cursor, "customer_id");
    let customer = cursor.customer()?;
    expect_key!(cursor, "timestamp");
    let timestamp =
        cursor.timestamp(&rules.plain_instants).filter(|timestamp| *timestamp <= latest)?;
    expect_key!(cursor, "action");
    let arm = cursor.arm(&rules.arms)?;
    let reward = if key!(cursor, "reward") { Some(reward_q16(cursor.number()?)?) } else { None };
    let propensity = if key!(cursor, "propensity") { cursor.number()? } else { 1.0 };
    cursor.expect(b"}")?;
    if !(propensity > 0.0 && propensity <= 1.0) {
        return None;
    }
    let value = Contact::new(arm, reward, false).0;
    let extra = propensity.to_bits();
    Some((
        Record {
            customer,
            id,
            timestamp,
            origin: Record::origin(Kind::Interaction, place),
            value,
            extra,
        },
        name,
    ))
}

/// A delayed reward, and nothing after its closing brace.
pub(super) fn reward(
    rules: &Rules,
    cursor: &mut Cursor,
    place: Place,
    latest: Millis,
) -> Option<Record> {
    if first_key!(cursor, "interaction_id")? {
        rest_of_reward::<true>(rules, cursor, place, latest)
    } else {
        rest_of_reward::<false>(rules, cursor, place, latest)
    }
}

fn rest_of_reward<const SPACED: bool>(
    rules: &Rules,
    cursor: &mut Cursor,
    place: Place,
    latest: Millis,
) -> Option<Record> {
    let (interaction, _) = cursor.id()?;
    expect_key!(cursor, "customer_id");
    let customer = cursor.customer()?;
    expect_key!(cursor, "timestamp");
    let timestamp =
        cursor.timestamp(&rules.plain_instants).filter(|timestamp| *timestamp <= latest)?;
    expect_key!(cursor, "reward");
    let reward = reward_q16(cursor.number()?)?;
    let id = if key!(cursor, "reward_id") { cursor.id()?.0 } else { interaction };
    cursor.expect(b"}")?;
    Some(Record {
        customer,
        id,
        timestamp,
        origin: Record::origin(Kind::Reward, place),
        value: reward as u64,
        extra: interaction,
    })
}

/// A profile, and nothing after its closing brace.
pub(super) fn profile(cursor: &mut Cursor, latest: Millis) -> Option<(CustomerId, Profile)> {
    if first_key!(cursor, "customer_id")? {
        rest_of_profile::<true>(cursor, latest)
    } else {
        rest_of_profile::<false>(cursor, latest)
    }
}

fn rest_of_profile<const SPACED: bool>(
    cursor: &mut Cursor,
    latest: Millis,
) -> Option<(CustomerId, Profile)> {
    /// Steps over the value of a field that profiles do not keep.
    macro_rules! skip {
        ($name:literal) => {
            if key!(cursor, $name) {
                cursor.skip()?;
            }
        };
    }
    /// The same for one that is a number.
    macro_rules! skip_number {
        ($name:literal) => {
            if key!(cursor, $name) {
                optional(cursor, Cursor::number)?.is_none_or(f64::is_finite).then_some(())?;
            }
        };
    }
    let customer = cursor.customer()?;
    let signup = if key!(cursor, "signup_date") {
        optional(cursor, any_instant)?.unwrap_or(Millis::MIN)
    } else {
        Millis::MIN
    };
    skip!("country");
    skip!("city");
    skip_number!("age");
    skip!("age_group");
    let email_open_rate =
        if key!(cursor, "email_open_rate") { quantity(cursor, 1.0)? } else { 0.0 };
    let premium = if key!(cursor, "is_premium_member") {
        optional(cursor, Cursor::truth)?.unwrap_or(false)
    } else {
        false
    };
    let complaint_count =
        if key!(cursor, "complaint_count") { quantity(cursor, f64::MAX)? } else { 0.0 };
    skip!("preferred_device");
    skip!("preferred_payment");
    skip!("favorite_category");
    let avg_discount = if key!(cursor, "avg_discount_used") { quantity(cursor, 1.0)? } else { 0.0 };
    skip_number!("last_login_days");
    let from = if key!(cursor, "timestamp") {
        optional(cursor, any_instant)?.unwrap_or(Millis::MIN)
    } else {
        Millis::MIN
    };
    cursor.expect(b"}")?;
    (from <= latest).then_some((
        customer,
        Profile { from, signup, email_open_rate, complaint_count, avg_discount, premium },
    ))
}

/// A value that null and the empty string leave absent.
#[inline]
fn optional<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if cursor.take(b"null") || cursor.take(b"\"\"") {
        return Some(None);
    }
    read(cursor).map(Some)
}

/// An instant in any form that needs no configuration: profiles bear dates as a rule.
fn any_instant(cursor: &mut Cursor) -> Option<Millis> {
    instant::timestamp(cursor.string()?).ok()
}

/// A number from 0 to `greatest`; 0 if absent.
fn quantity(cursor: &mut Cursor, greatest: f64) -> Option<f64> {
    optional(cursor, Cursor::number)?
        .map_or(Some(0.0), |number| Some(number).filter(|number| (0.0..=greatest).contains(number)))
}
