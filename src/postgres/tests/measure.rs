//! What epochs cost, in time of the processor: `cargo test --release postgres::tests::measure --
//! --ignored --nocapture`.
//!
//! The server must run on this machine, on Linux.

use super::*;

/// Events in an epoch: half of them interactions, the other half purchases.
const EVENTS: usize = 50_000;
const EPOCHS: u64 = 12;
const CUSTOMERS: i64 = 100_000;
const FEATURES: usize = 37;
const DIMENSION: usize = 32;

/// One epoch's rows in no order, from a fixed sequence of numbers; `corrected` of the interactions
/// change one of the epoch before.
fn epoch_of_rows(number: u64, known: &mut [bool], corrected: usize) -> EpochResults {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut results = EpochResults::new(number);
    let mut rows: Vec<_> = (0..EVENTS / 2)
        .map(|index| {
            interaction(
                Change::Insert,
                (next() % CUSTOMERS as u64) as i64,
                number << 32 | index as u64,
                true,
            )
        })
        .collect();
    results.names = vec![names(&rows)];
    if number > 1 {
        let mut before =
            epoch_of_rows(number - 1, &mut known.to_vec(), 0).interactions.remove(0).rows;
        before.truncate(corrected);
        rows.extend(before.into_iter().map(|row| InteractionRow { change: Change::Update, ..row }));
    }
    let mut customers: Vec<i64> = rows
        .iter()
        .map(|row| row.customer)
        .chain((0..EVENTS / 2).map(|_| (next() % CUSTOMERS as u64) as i64))
        .collect();
    customers.sort_unstable();
    customers.dedup();
    let contexts = (0..rows.len() * DIMENSION).map(|_| (next() % 4_096) as i16).collect();
    results.interactions = vec![InteractionRows { rows, contexts }];
    let row = |&customer: &i64| {
        let change = if std::mem::replace(&mut known[customer as usize], true) {
            Change::Update
        } else {
            Change::Insert
        };
        FeatureRow {
            change,
            customer,
            as_of: MARCH,
            last_purchase: Some(MARCH),
            signup: Some(MARCH),
        }
    };
    let values =
        (0..customers.len() * FEATURES).map(|index| index as f64 * 0.37 + number as f64).collect();
    results.features = vec![FeatureRows { rows: customers.iter().map(row).collect(), values }];
    results.counts.records = EVENTS as u64;
    results
}

/// Seconds of the processor that a process or thread has used, by its folder under /proc.
fn processor_seconds(folder: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{folder}/stat")).unwrap();
    let fields: Vec<&str> = status[status.rfind(')').unwrap() + 2..].split(' ').collect();
    // User and system time, in hundredths of a second.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

#[test]
#[ignore = "a measurement"]
fn microseconds_a_row() {
    for (interactions, corrected, features) in [
        (true, 0, false),
        (true, 500, false),
        (true, 12_500, false),
        (false, 0, true),
        (true, 500, true),
    ] {
        let Some(database) = TestDatabase::create() else { return };
        let settings = database.worded(|wording| {
            wording.context = (0..DIMENSION).map(|term| format!("term {term}")).collect();
            wording.features = (0..FEATURES).map(|feature| format!("feature {feature}")).collect();
        });
        let mut writer = Writer::open(settings).unwrap();
        let backend = database.text(
            "SELECT pid FROM pg_stat_activity WHERE application_name = \
            'sluice campaign' AND datname = current_database()",
        );
        let mut known = vec![false; CUSTOMERS as usize];
        let (mut seconds, mut rows, mut client) = (Vec::new(), [0; 2], 0.0);
        let server_before = processor_seconds(&backend);
        for number in 1..=EPOCHS {
            let mut epoch = epoch_of_rows(number, &mut known, corrected);
            if !interactions {
                epoch.interactions.clear();
            }
            if !features {
                epoch.features.clear();
            }
            rows[0] += epoch.interactions.iter().map(|batch| batch.rows.len()).sum::<usize>();
            rows[1] += epoch.features.iter().map(|batch| batch.rows.len()).sum::<usize>();
            let before = processor_seconds("thread-self");
            seconds.push(writer.commit(&epoch).unwrap().took.as_secs_f64());
            client += processor_seconds("thread-self") - before;
        }
        let server = processor_seconds(&backend) - server_before;
        let microseconds_a_row = |seconds: f64| seconds * 1e6 / (rows[0] + rows[1]) as f64;
        seconds.sort_by(f64::total_cmp);
        println!(
            "{corrected} corrections: {} interactions, {} customers; us a row: server {:.2}, \
             client {:.2}; an epoch: median {:.0} ms, longest {:.0} ms",
            rows[0],
            rows[1],
            microseconds_a_row(server),
            microseconds_a_row(client),
            seconds[seconds.len() / 2] * 1e3,
            seconds[seconds.len() - 1] * 1e3,
        );
    }
}
