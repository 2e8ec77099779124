//! Blocks full of lines, as the reader of files cuts them.

use super::numbers::{CUSTOMERS, Numbers};
use dataflows::event::Topic;
use dataflows::settings::Settings;
use dataflows::source::{Block, Format, Lines};
use std::fmt::Write;

/// Bytes of a block, as the reader of files cuts them.
const BLOCK: usize = 256 << 10;

/// An instant as text, on one of the days that every month has.
fn timestamp(numbers: &mut Numbers) -> String {
    format!(
        "2024-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        1 + numbers.below(12),
        1 + numbers.below(28),
        numbers.below(24),
        numbers.below(60),
        numbers.below(60)
    )
}

pub(super) fn transaction_line(
    number: usize,
    numbers: &mut Numbers,
    settings: &Settings,
    text: &mut String,
) {
    let input = &settings.input;
    let (customer, timestamp) = (1 + numbers.below(CUSTOMERS), timestamp(numbers));
    let (whole, hundredths, discount) =
        (1 + numbers.below(1_000), numbers.below(100), numbers.below(4) == 0);
    let (category, device, payment) =
        (numbers.of(&input.categories), numbers.of(&input.devices), numbers.of(&input.payments));
    let _ = writeln!(
        text,
        "{{\"transaction_id\": \"T{number:07}\", \"customer_id\": {customer}, \
         \"timestamp\": \"{timestamp}\", \"amount\": {whole}.{hundredths:02}, \
         \"category\": \"{category}\", \"device\": \"{device}\", \
         \"payment_method\": \"{payment}\", \"discount_used\": {discount}}}"
    );
}

pub(super) fn interaction_line(
    number: usize,
    numbers: &mut Numbers,
    settings: &Settings,
    text: &mut String,
) {
    let (customer, timestamp, arm) = (
        1 + numbers.below(CUSTOMERS),
        timestamp(numbers),
        numbers.below(settings.input.arms.len() as u64),
    );
    let (whole, hundredths) = (numbers.below(500), numbers.below(100));
    let _ = writeln!(
        text,
        "{{\"interaction_id\": \"I{number:07}\", \"customer_id\": {customer}, \
         \"timestamp\": \"{timestamp}\", \"action\": {arm}, \
         \"reward\": {whole}.{hundredths:02}, \"propensity\": 0.25}}"
    );
}

pub(super) fn profile_line(
    number: usize,
    numbers: &mut Numbers,
    settings: &Settings,
    text: &mut String,
) {
    let input = &settings.input;
    let (month, day, age) = (1 + numbers.below(12), 1 + numbers.below(28), 18 + numbers.below(60));
    let (opened, discount, complaints, premium) =
        (numbers.below(1_000), numbers.below(1_000), numbers.below(4), numbers.below(5) == 0);
    let (category, device, payment) =
        (numbers.of(&input.categories), numbers.of(&input.devices), numbers.of(&input.payments));
    let _ = writeln!(
        text,
        "{{\"customer_id\": {number}, \"signup_date\": \"2021-{month:02}-{day:02}\", \
         \"city\": \"Harbor\", \"age\": {age}, \"email_open_rate\": 0.{opened:03}, \
         \"is_premium_member\": {premium}, \"complaint_count\": {complaints}, \
         \"preferred_device\": \"{device}\", \"preferred_payment\": \"{payment}\", \
         \"favorite_category\": \"{category}\", \"avg_discount_used\": 0.{discount:03}, \
         \"last_login_days\": {age}}}"
    );
}

/// A block full of lines, and how many they are.
pub(super) fn block(
    topic: Topic,
    settings: &Settings,
    line: fn(usize, &mut Numbers, &Settings, &mut String),
) -> (Block, usize) {
    let (mut numbers, mut text, mut count, mut length) = (Numbers(1), String::new(), 0, 0);
    while text.len() <= BLOCK {
        length = text.len();
        count += 1;
        line(count, &mut numbers, settings, &mut text);
    }
    let mut bytes = text.into_bytes();
    bytes.truncate(length);
    bytes.resize(length + Block::PADDING, 0);
    (
        Lines { topic: topic.id(), partition: 0, format: Format::Json, base: 0, bytes, length }
            .into(),
        count - 1,
    )
}
