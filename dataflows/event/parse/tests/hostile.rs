//! Bytes that mean harm: nothing panics, and what is bad is refused one by one.

use super::*;

/// Random numbers, the same every time.
fn noise(seed: i64) -> impl Iterator<Item = u64> {
    (seed << 32..).map(customer_hash)
}

#[test]
fn no_bytes_make_it_panic() {
    let others = [b'\n', b'\r', 0, 0xff, 0xc3, 0xa9];
    let alphabet: Vec<u8> =
        br#"{}[]":,.-+0123456789eEtrufalsn\ T"#.iter().copied().chain(others).collect();
    for round in 0..10_000 {
        let mut noise = noise(round);
        let mut byte =
            || noise.next().map_or(0, |number| alphabet[number as usize % alphabet.len()]);
        let bytes: Vec<u8> = (0..round % 97).map(|_| byte()).collect();
        let topic = Topic::ALL[round as usize % Topic::ALL.len()];
        parsed(parser(settings()), &lines_of(topic, &bytes));
        parsed(parser(settings()), &messages_of(topic, &[(&bytes, false), (&bytes, true)]));
        let block = Lines {
            format: Format::Csv {
                columns: Arc::new(vec!["customer_id".to_string(), "action".to_string()]),
                line: 1,
            },
            ..lines_of(topic, &bytes)
        };
        parsed(parser(settings()), &block);
    }
}

#[test]
fn hostile_records_are_refused_one_by_one() {
    let deep = "[".repeat(200_000);
    let huge = "9".repeat(100_000);
    let unlimited = || parser(InputSettings { max_record: usize::MAX, ..settings() });
    for value in [
        &deep,
        &huge,
        &format!("-{huge}.{huge}e-{huge}"),
        &format!("\"{huge}\""),
        &format!("{deep}{}", "]".repeat(200_000)),
    ] {
        for field in [
            "transaction_id",
            "customer_id",
            "timestamp",
            "amount",
            "features",
            "action",
            "email_open_rate",
            "op",
            "unknown",
        ] {
            for topic in Topic::ALL {
                parsed(
                    unlimited(),
                    &lines_of(topic, format!(r#"{{"{field}": {value}}}"#).as_bytes()),
                );
            }
        }
    }
    let mut long = vec![b'x'; 10 << 20];
    long.extend(b"\n{\"customer_id\":1}\n");
    let out = parsed(parser(settings()), &lines_of(Topic::Customers, &long));
    assert_eq!(
        (out.valid, out.rejected[0].reason, out.rejected[0].raw.len()),
        (1, Reason::TooLong, Rejected::MAX_RAW)
    );
    let out = parsed(
        parser(settings()),
        &lines_of(Topic::Customers, b"{\"customer_id\":1,\"x\":\"\xff\"}"),
    );
    assert_eq!(out.rejected[0].reason, Reason::Malformed);
}
