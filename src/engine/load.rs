//! Files of events into their topics: what a producer of the real world would have sent.

use crate::blame::Blame;
use crate::files::error::FileError;
use crate::files::reader::{Distribution, FileReader, FileReading, ReaderSeat};
use crate::files::unread::unread;
use crate::files::{InputFile, Syntax, find_inputs, names};
use crate::kafka::producer::{Produced, Producer};
use crate::kafka::{KafkaError, KafkaSettings};
use dataflows::event::instant::{timestamp, timestamp_integer};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Why files cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The files.
    #[error(transparent)]
    Files(#[from] FileError),
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A file of another form.
    #[error("{0} is CSV: only files of JSON lines can be sent as they are")]
    Form(String),
    /// Files that would be left out, though they look like those that are sent.
    #[error("not sent, though it looks like input: {}; {read}. Nothing was sent: rename what is \
        to be sent, and move away what is not", names.join(", "))]
    NotRead {
        /// Their names.
        names: Vec<String>,
        /// What files are called that are read.
        read: String,
    },
}

impl LoadError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            LoadError::Files(error) => error.blame(),
            LoadError::Kafka(error) => error.blame(),
            LoadError::Form(_) => Blame::Usage,
            LoadError::NotRead { .. } => Blame::World,
        }
    }
}

/// What of a line decides where it goes and how it is dated.
#[derive(Deserialize)]
struct Addressed<'a> {
    customer_id: CustomerId,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

/// How long the broker may take for the last records.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends every line of the directory's files of JSON lines to the topic of its kind, in order, each
/// file after the other. The key is the customer, the date that of the event; a line that has
/// neither is sent without, for the job to reject.
///
/// # Errors
/// A file cannot be read, or the broker does not take a record.
pub fn load(
    settings: &KafkaSettings,
    directory: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Produced, LoadError> {
    // What is wrong with the directory is known before anything is sent.
    let topics: Vec<TopicId> = settings.topics.topics().collect();
    let inputs = find_inputs(directory, &topics)?;
    if let Some(other) = inputs.iter().find(|input| input.syntax != Syntax::Json) {
        return Err(LoadError::Form(other.name()));
    }
    let unread = unread(directory, &inputs, &topics, &[]);
    if !unread.alike.is_empty() {
        return Err(LoadError::NotRead { names: unread.alike, read: names(&topics) });
    }
    let mut producer = Producer::new(settings)?;
    let mut sent = 0;
    for input in &inputs {
        send(settings, &mut producer, input, &mut sent, &mut progress)?;
    }
    Ok(producer.finish(PATIENCE)?)
}

fn send(
    settings: &KafkaSettings,
    producer: &mut Producer,
    input: &InputFile,
    sent: &mut u64,
    progress: &mut impl FnMut(u64),
) -> Result<(), LoadError> {
    let reading = FileReading { max_record: settings.max_record, columns: BTreeMap::new() };
    let seat = ReaderSeat { index: 0, of: 1 };
    let Some(mut reader) = FileReader::open(input, seat, Distribution::Whole, &reading)? else {
        return Ok(());
    };
    while let Some(block) = reader.next()? {
        let lines = block.bytes[..block.length]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty());
        for line in lines {
            let addressed = serde_json::from_slice::<Addressed<'_>>(line).ok();
            let customer = addressed.as_ref().map_or(0, |addressed| addressed.customer_id);
            let dated = addressed.and_then(|addressed| date(addressed.timestamp?)).unwrap_or(0);
            producer.send(settings.topic_name(input.topic), customer, Some(line), dated)?;
            *sent += 1;
            progress(*sent);
        }
    }
    Ok(())
}

fn date(written: &RawValue) -> Option<Millis> {
    match serde_json::from_str::<String>(written.get()) {
        Ok(text) => timestamp(&text).ok(),
        Err(_) => timestamp_integer(written.get()).ok(),
    }
}
