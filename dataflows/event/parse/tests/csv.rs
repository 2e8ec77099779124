//! Cells of CSV against the fields of JSON.

use super::*;

#[test]
fn csv_says_what_json_says() {
    let header = "customer_id,transaction_id,amount,timestamp,category,discount_used,device,note";
    let rows = "42,x1, 12.345 ,2024-02-29 12:00:00,\"fashion\",TRUE,,\"a, \
        \"\"b\"\"\n{c}\"\r\n\n42,x1,1,1709208000000,,0,Mobile,\n1,2,3\n42,,1,2024-02-29,,,,\n\
                42,x,1,2024-02-29,,maybe,,\n";
    let out = parsed(parser(settings()), &csv_of(Topic::Transactions, header, rows));
    let first = bought("x1", 1234, [Code::listed(1), Code::NONE, Code::NONE], true);
    let place = Place::new(5, rows.find("42,x1,1,").unwrap() as u64);
    let second = Record {
        origin: Record::origin(Kind::Transaction, place),
        ..bought("x1", 100, [Code::NONE, Code::listed(0), Code::NONE], false)
    };
    assert_eq!(out.records, [first, second]);
    let reasons: Vec<_> = out
        .rejected
        .iter()
        .map(|rejected| (rejected.reason, String::from_utf8_lossy(&rejected.raw)))
        .collect();
    let expected = [
        (Reason::Malformed, "1,2,3"),
        (Reason::MissingField, "42,,1,2024-02-29,,,,"),
        (Reason::BadField, "42,x,1,2024-02-29,,maybe,,"),
    ];
    assert_eq!(reasons, expected.map(|(reason, raw)| (reason, raw.into())));
}

#[test]
fn space_around_cells_does_not_count() {
    let out = parsed(
        parser(settings()),
        &csv_of(
            Topic::Transactions,
            "transaction_id, customer_id ,timestamp,amount,category",
            " x1 , 42, 2024-02-29 12:00:00 , 5 , Fashion\n",
        ),
    );
    assert_eq!(
        out.records,
        [bought("x1", 500, [Code::listed(1), Code::NONE, Code::NONE], false)],
        "{:?}",
        out.rejected
    );
    let out = parsed(
        parser(settings()),
        &csv_of(
            Topic::Interactions,
            "interaction_id,customer_id,timestamp,action,op",
            "x1, 42, 1709208000000, SMS, insert\n",
        ),
    );
    assert_eq!(
        out.records,
        [expected(Kind::Interaction, "x1", Contact::new(1, None, false).0, 1.0_f64.to_bits())],
        "{:?}",
        out.rejected
    );
}

#[test]
fn a_stray_quote_loses_its_line_and_no_other() {
    let header = "transaction_id,customer_id,timestamp,amount,note";
    let good = |id: &str| format!("{id},42,2024-02-29,1,fine");
    for end in ["\n", "\r\n", "\r"] {
        for stray in ["S,42,2024-02-29,1,\"oops", "S,42,\"2024-02-29,1,x", "\"S,42,2024-02-29,1,x"]
        {
            for closing in [
                "C,42,2024-02-29,1,5\" pipe",
                "C,42,2024-02-29,1,\"fine\"",
                "C,42,2024-02-29,1,\"two, words\"",
            ] {
                let rows = [&good("A"), stray, &good("B"), closing, &good("D"), "1,2"];
                let out = parsed(
                    parser(settings()),
                    &csv_of(Topic::Transactions, header, &rows.join(end)),
                );
                let ids: Vec<u64> = out.records.iter().map(|record| record.id).collect();
                assert_eq!(
                    ids,
                    ["A", "B", "C", "D"].map(|id| id_hash(id.as_bytes())),
                    "{rows:?}: {:?}",
                    out.rejected
                );
                let lost: Vec<(&[u8], bool)> = out
                    .rejected
                    .iter()
                    .map(|rejected| (&rejected.raw[..], rejected.detail.contains("quote")))
                    .collect();
                assert_eq!(lost, [(stray.as_bytes(), true), (&b"1,2"[..], false)]);
                assert!(
                    out.rejected[0].detail.ends_with("(line 3)")
                        && out.rejected[1].detail.ends_with("(line 7)"),
                    "{:?}",
                    out.rejected
                );
            }
        }
    }
    let notes =
        "A,42,2024-02-29,1,\"two\nlines, and, 7, more,\"\nB,42,2024-02-29,1,\"x\n,,,,\n5\"\n";
    let out = parsed(parser(settings()), &csv_of(Topic::Transactions, header, notes));
    assert_eq!(
        (out.records.len(), out.rejected.len()),
        (2, 0),
        "cells may have several lines: {:?}",
        out.rejected
    );
    let profiles = |text: &str| {
        parsed(parser(settings()), &csv_of(Topic::Customers, "customer_id,note", text))
    };
    assert_eq!(profiles("7,\"to buy:\nbread\n2, or 3, eggs\n\"\n").asides.len(), 1);
    assert_eq!(profiles("7,\"oops\n8,fine\n9,\"fine\"\n").asides.len(), 2);
}

#[test]
fn columns_that_nothing_reads_may_be_of_any_encoding() {
    let header = "transaction_id,customer_id,timestamp,amount,note";
    let block = |row: &[u8]| {
        let columns = Arc::new(header.split(',').map(str::to_string).collect());
        Lines { format: Format::Csv { columns, line: 2 }, ..lines_of(Topic::Transactions, row) }
    };
    assert_eq!(parsed(parser(settings()), &block(b"A,42,2024-02-29,1,\xa35 off")).valid, 1);
    assert_eq!(
        parsed(parser(settings()), &block(b"\xa3,42,2024-02-29,1,x")).rejected[0].reason,
        Reason::Malformed
    );
}

#[test]
fn csv_reads_arms_lists_and_numbers_from_cells() {
    let header = "interaction_id,customer_id,timestamp,action,reward,propensity,features";
    let rows = "x1,42,2024-02-29T12:00:00Z,sms,-0.5,0.5,\"[1,2,3]\"\n\
        x1,42,2024-02-29T12:00:00Z,1,nan,,\nx1,42,2024-02-29T12:00:00Z,1,,inf,\n";
    let out = parsed(parser(settings()), &csv_of(Topic::Interactions, header, rows));
    assert_eq!(
        out.records,
        [expected(
            Kind::Interaction,
            "x1",
            Contact::new(1, Some(-32768), true).0,
            0.5_f64.to_bits()
        )]
    );
    let reasons: Vec<_> = out.rejected.iter().map(|rejected| rejected.reason).collect();
    assert_eq!(reasons, [Reason::BadReward, Reason::BadPropensity]);
    let message = messages_of(Topic::Customers, &[(b"42,erase", false), (b"1,\n2,", false)]);
    let block = Messages {
        format: Format::Csv {
            columns: Arc::new(vec!["customer_id".to_string(), "op".to_string()]),
            line: 1,
        },
        ..message
    };
    let out = parsed(parser(settings()), &block);
    assert_eq!((out.records[0].kind(), out.rejected[0].reason), (Kind::Erase, Reason::Malformed));
}
