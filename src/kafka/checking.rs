//! Everything about brokers and topics that would keep a job from running, all at once, each with
//! the client's own reason.

use super::admin::{self, asking, failure};
use super::advice::advice;
use super::connection::{Connection, Tracked, code_of};
use super::error::{KafkaError, passes};
use super::settings::{KafkaSettings, Role};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;
use std::time::{Duration, Instant};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long, once every address was tried in vain: a broker that is starting may answer yet.
const DOWN: Duration = Duration::from_secs(3);

/// How long, once a broker has refused: another one may not.
const REFUSED: Duration = Duration::from_secs(1);

/// How often the client is asked what it has to say meanwhile.
const SLICE: Duration = Duration::from_millis(500);

/// What would keep a job from running, all at once.
///
/// # Errors
/// The faults, each as a sentence.
pub fn check(settings: &KafkaSettings) -> Result<(), Vec<String>> {
    let mut faults: Vec<String> = [Role::Consumer, Role::Producer]
        .into_iter()
        .filter_map(|role| settings.client(role).err())
        .map(|error| error.to_string())
        .collect();
    faults.dedup();
    if !faults.is_empty() {
        return Err(faults);
    }
    let (consumer, connection) = asking(settings).map_err(|error| vec![error.to_string()])?;
    reach(&consumer, &connection).map_err(|fault| vec![fault])?;
    let found: Result<Vec<Found<'_>>, _> =
        settings.all_names().map(|name| Ok((name, look(&consumer, name)?))).collect();
    let found =
        found.map_err(|error| vec![failure(&connection, "describe topics", &error).to_string()])?;
    faults.extend(faults_of(settings, &found));
    if faults.is_empty() {
        faults.extend(admin::partitions(settings).err().map(|error| error.to_string()));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Waits for an answer of any broker, and for the client's reason where there is none.
fn reach(consumer: &BaseConsumer<Tracked>, connection: &Connection) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let Err(error) = consumer.fetch_metadata(None, SLICE) else { return Ok(()) };
        // What the client has to say comes one by one.
        while consumer.poll(Duration::from_millis(20)).is_some() {}
        let waited = started.elapsed();
        let refusal = connection.refusal().filter(|_| waited >= REFUSED);
        let is_over = waited >= if connection.is_down() { DOWN } else { PATIENCE };
        if let Some(why) = refusal.or_else(|| is_over.then(|| connection.reason())) {
            return Err(format!(
                "no broker at {} can be used: {why}; {}",
                connection.brokers(),
                advice(&why)
            ));
        }
        if !passes(code_of(&error)) {
            return Err(failure(connection, "list its topics", &error).to_string());
        }
    }
}

/// A topic, and why it cannot be used.
type Found<'a> = (&'a str, Option<RDKafkaErrorCode>);

/// Why a topic cannot be used, as the broker says when it is asked for this one: it leaves out of a
/// list what is not to be seen.
fn look(
    consumer: &BaseConsumer<Tracked>,
    name: &str,
) -> Result<Option<RDKafkaErrorCode>, ClientError> {
    let metadata = consumer.fetch_metadata(Some(name), PATIENCE)?;
    let error = metadata
        .topics()
        .iter()
        .find(|topic| topic.name() == name)
        .map(|topic| topic.error().map(RDKafkaErrorCode::from));
    Ok(error.unwrap_or(Some(RDKafkaErrorCode::UnknownTopic)))
}

/// Topics that are not there, and those of which the broker does not say so.
fn faults_of(settings: &KafkaSettings, found: &[Found<'_>]) -> Vec<String> {
    let brokers = &settings.brokers;
    let (mut missing, mut faults) = (Vec::new(), Vec::new());
    for (name, error) in found {
        match error {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                missing.push(name.to_string())
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => faults.push(format!(
                "broker {brokers} does not let this user see topic `{name}`: grant it the rights \
                 to describe it and to {} it. Where a user may not \
                 describe a topic, the broker does not say whether there is one",
                if settings.topic_named(name).is_some() { "read" } else { "write" }
            )),
            Some(code) => {
                faults.push(format!("broker {brokers} does not describe topic `{name}`: {code}"))
            }
        }
    }
    if !missing.is_empty() {
        faults.insert(
            0,
            KafkaError::MissingTopics { brokers: brokers.clone(), topics: missing }.to_string(),
        );
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::TopicNames;
    use dataflows::event::Topic;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaRespErr;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A listener that is no Kafka broker: it reads, answers, and hangs up. It ends with the
    /// process.
    fn stranger(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, mut asked) = (client.unwrap(), [0; 512]);
                let _ = client.read(&mut asked).and_then(|_| client.write_all(answer));
            }
        });
        address
    }

    fn settings(brokers: &str, properties: &[(&str, &str)]) -> KafkaSettings {
        let properties =
            properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        KafkaSettings { properties, ..KafkaSettings::new(brokers, TopicNames::own(Topic::ids())) }
    }

    /// Checks, and gives the only fault.
    fn fault(brokers: &str, properties: &[(&str, &str)]) -> String {
        let mut faults = check(&settings(brokers, properties)).expect_err("it cannot be used");
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults.remove(0)
    }

    #[test]
    fn a_broker_that_cannot_be_used_is_told_with_the_clients_reason_and_what_to_do() {
        // The port of a service that nobody runs.
        let nobody = "127.0.0.1:1".to_string();
        let (silent, web) = (stranger(b""), stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        let plain = MockCluster::new(1).unwrap();
        let sasl = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "ann"),
            ("sasl.password", "s3cret"),
        ];
        let mut others = Vec::new();
        for (brokers, properties, wanted) in [
            (&nobody, &[][..], &["refused", "start it"][..]),
            (&"nowhere.invalid:9092".to_string(), &[], &["esolve", "correct the host"]),
            (&silent, &[], &["security.protocol", "correct the port"]),
            (&web, &[], &["correct the port"]),
            (&web, &[("security.protocol", "ssl")], &["speaks no TLS"]),
            (&plain.bootstrap_servers(), &sasl, &["SASL", "sasl.password"]),
        ] {
            let fault = fault(brokers, properties);
            let is_told = wanted.iter().all(|part| fault.contains(part))
                && fault.contains(brokers)
                && !fault.contains("s3cret");
            others.extend((!is_told).then(|| format!("{wanted:?}: {fault}")));
        }
        assert!(others.is_empty(), "{others:#?}");
    }

    #[test]
    fn a_topic_without_rights_is_told_from_one_that_is_missing() {
        let settings = KafkaSettings::new("x", TopicNames::own(Topic::ids()));
        let names: Vec<&str> = settings.all_names().collect();
        let mut found: Vec<Found<'_>> = names.iter().map(|name| (*name, None)).collect();
        assert!(faults_of(&settings, &found).is_empty());
        found[0].1 = Some(RDKafkaErrorCode::TopicAuthorizationFailed);
        found[2].1 = Some(RDKafkaErrorCode::UnknownTopicOrPartition);
        found.last_mut().unwrap().1 = Some(RDKafkaErrorCode::TopicAuthorizationFailed);
        let faults = faults_of(&settings, &found);
        assert!(
            faults.len() == 3 && faults[0].contains("has no topic `customer-interactions`"),
            "{faults:?}"
        );
        for (fault, name, right) in [
            (&faults[1], names[0], "to read it"),
            (&faults[2], names[names.len() - 1], "to write it"),
        ] {
            assert!(
                fault.contains(&format!("topic `{name}`"))
                    && fault.contains(right)
                    && !fault.contains("has no topic"),
                "{fault}"
            );
        }
    }

    #[test]
    fn what_the_broker_says_of_each_topic_is_asked() {
        let cluster = MockCluster::new(1).unwrap();
        let settings = settings(&cluster.bootstrap_servers(), &[]);
        for name in settings.all_names() {
            cluster.create_topic(name, 1, 1).unwrap();
        }
        assert_eq!(check(&settings), Ok(()));
        cluster
            .topic_error(
                &settings.topics[Topic::Customers.id()],
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            )
            .unwrap();
        let faults = check(&settings).expect_err("one of them cannot be seen");
        assert!(
            faults.len() == 1 && faults[0].contains("does not let this user see topic `customers`"),
            "{faults:?}"
        );
    }
}
