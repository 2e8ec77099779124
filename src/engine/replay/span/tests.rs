//! The span of a replay.

use super::*;
use crate::blame::Blame;
use crate::source::TopicNames;
use dataflows::event::Topic;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

#[test]
fn epochs_that_go_back_and_topics_that_are_not_read_are_refused() {
    let kafka = KafkaSettings::new("127.0.0.1:1", TopicNames::own(Topic::ids()));
    let now = TopicsNow {
        kafka: &kafka,
        partitions: BTreeMap::from([(Topic::Transactions.id(), vec![0, 1])]),
    };
    let offsets = |name: &str, partition, next| {
        NamedOffsets::from([(name.to_string(), BTreeMap::from([(partition, next)]))])
    };
    let unknown = now.known(&offsets("orders", 0, 1));
    assert!(matches!(unknown, Err(TopicsError::UnknownTopic(name)) if name == "orders"));
    assert!(matches!(
        now.known(&offsets("transactions", 2, 1)),
        Err(TopicsError::UnknownPartition { partition: 2, .. })
    ));
    assert_eq!(
        now.known(&offsets("transactions", 1, 9)).unwrap(),
        Offsets::from([((Topic::Transactions.id(), 1), 9)])
    );
    let epoch = |epoch, next| NamedEpoch {
        epoch,
        watermark: None,
        offsets: offsets("transactions", 1, next),
    };
    assert!(matches!(
        now.cut(&[epoch(1, 9), epoch(2, 8)]),
        Err(TopicsError::Backwards { epoch: 2, next: 8, .. })
    ));
}

/// Both faults are of the command line, and are found before the broker is asked for an offset:
/// here there is none.
#[test]
fn a_span_that_ends_before_it_begins_is_refused() {
    let kafka = KafkaSettings::new("127.0.0.1:1", TopicNames::own(Topic::ids()));
    let now = TopicsNow {
        kafka: &kafka,
        partitions: BTreeMap::from([(Topic::Transactions.id(), vec![0, 1])]),
    };
    let offsets = |first, second| {
        SpanBound::Offsets(NamedOffsets::from([(
            "transactions".to_string(),
            BTreeMap::from([(0, first), (1, second)]),
        )]))
    };
    let refused = |from, until| {
        let error = now.decide(&Span { from, until, epochs: None }).expect_err("it is refused");
        assert_eq!(error.blame(), Blame::Usage, "{error}");
        error.to_string()
    };
    assert_eq!(
        refused(offsets(9, 17), offsets(8, 3)),
        "partition 0 of `transactions` would be read from offset 9 until offset 8, partition 1 \
         of `transactions` would be read from offset 17 until \
         offset 3: that ends before it begins; correct --from or what it ends with"
    );
    assert!(refused(offsets(9, 17), offsets(9, 16)).starts_with(
        "partition 1 of `transactions` would be read from offset 17 until offset 16:"
    ));
    assert_eq!(
        refused(SpanBound::Instant(1_000), SpanBound::Instant(999)),
        "the topics would be read from 1970-01-01T00:00:01Z until 1970-01-01T00:00:00.999Z: \
         that ends before it begins; correct --from or --until"
    );
    let ends = |next| Offsets::from([((Topic::Transactions.id(), 0), next)]);
    assert!(now.compare(&ends(9), &ends(9)).is_ok());
}

/// Four records in front of a transaction that stays open, and five in it and behind it; the
/// first is dated 1 s after 1970.
#[test]
fn what_an_open_transaction_holds_back_of_a_span_is_counted() {
    let Some(kafka) = crate::kafka::tests::settings() else { return };
    admin::create_topics(&kafka, 2, 1).expect("the topics are new");
    let patience = crate::kafka::tests::PATIENCE;
    let mut config = ClientConfig::new();
    let plain: BaseProducer =
        config.set("bootstrap.servers", &kafka.brokers).create().expect("a client");
    let open: BaseProducer =
        config.set("transactional.id", &kafka.group).create().expect("a client");
    let put = |producer: &BaseProducer, seconds: std::ops::RangeInclusive<i64>| {
        for second in seconds {
            let record = BaseRecord::<[u8], str>::to(kafka.topic_name(Topic::Rewards.id()))
                .partition(1)
                .payload("{}")
                .timestamp(second * 1_000);
            producer.send(record).expect("there is room");
        }
        producer.flush(patience).expect("the broker takes it");
    };
    put(&plain, 1..=4);
    open.init_transactions(patience)
        .and_then(|()| open.begin_transaction())
        .expect("a transaction");
    put(&open, 5..=6);
    put(&plain, 7..=9);

    let now = TopicsNow::ask(&kafka).expect("the topics are there");
    let decide =
        |from, until, epochs| now.decide(&Span { from, until, epochs }).expect("it is there");
    let offsets = |next| {
        SpanBound::Offsets(NamedOffsets::from([(
            kafka.topic_name(Topic::Rewards.id()).to_string(),
            BTreeMap::from([(1, next)]),
        )]))
    };
    let instant = |second: i64| SpanBound::Instant(second * 1_000);
    for (from, until, end, held_back) in [
        (SpanBound::Earliest, SpanBound::Latest, 4, 5),
        (offsets(4), SpanBound::Latest, 4, 5),
        (instant(2), SpanBound::Latest, 4, 5),
        (instant(8), SpanBound::Latest, 4, 2),
        (SpanBound::Earliest, offsets(4), 4, 0),
        (SpanBound::Earliest, offsets(3), 3, 0),
        (SpanBound::Earliest, instant(3), 2, 0),
        (SpanBound::Earliest, instant(7), 4, 2),
        (SpanBound::Earliest, instant(10), 4, 5),
    ] {
        let what = format!("{from:?} {until:?}");
        let TopicsRead { stretch, held_back: held, .. } = decide(from, until, None);
        assert!(
            stretch.0.iter().any(|&(topic, partition, _, until)| (topic, partition, until)
                == (Topic::Rewards.id(), 1, end)),
            "{what}: {stretch:?}"
        );
        let expected = match held_back {
            0 => NamedOffsets::new(),
            _ => NamedOffsets::from([(
                kafka.topic_name(Topic::Rewards.id()).to_string(),
                BTreeMap::from([(1, held_back)]),
            )]),
        };
        assert_eq!(held, expected, "{what}");
    }
    open.commit_transaction(patience).expect("it ends");
    assert!(decide(SpanBound::Earliest, SpanBound::Latest, None).held_back.is_empty());
    admin::delete_topics(&kafka).expect("the topics are there");
}
