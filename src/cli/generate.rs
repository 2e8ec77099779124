//! `sluice generate`: the simulated world as files, or into Kafka.

use super::error::ProgramError;
use super::{GlobalArgs, load as load_config, print, print_json};
use crate::config::types::Config;
use crate::engine::load;
use crate::kafka::admin::create_topics;
use crate::kafka::producer::Producer;
use crate::kafka::timetable::Timetable;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::telemetry::progress::{ProgressMeter, Unit};
use clap::{Args, ValueEnum};
use dataflows::event::Topic;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use world::{World, WorldSettings, lines, write};

/// Flags of `sluice generate`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("target").required(true).args(["out", "kafka"]))]
#[command(after_help = "The same seed makes the same events. Events are sorted by time.

Examples:
  sluice generate --out world
  sluice generate --transactions 10000000 --interactions 5000000 --out world --format csv
  sluice generate --kafka 127.0.0.1:9092
  sluice generate --kafka 127.0.0.1:9092 --rate 5000")]
pub struct GenerateArgs {
    /// Customers
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..),
        env = "SLUICE_GENERATE_CUSTOMERS",
        hide_env_values = true
    )]
    pub customers: u32,
    /// Purchases
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100_000,
        env = "SLUICE_GENERATE_TRANSACTIONS",
        hide_env_values = true
    )]
    pub transactions: u64,
    /// Campaign contacts
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100_000,
        env = "SLUICE_GENERATE_INTERACTIONS",
        hide_env_values = true
    )]
    pub interactions: u64,
    /// Seed of the world
    #[arg(
        long,
        value_name = "S",
        default_value_t = 1,
        env = "SLUICE_GENERATE_SEED",
        hide_env_values = true
    )]
    pub seed: u64,
    /// Directory for the files; made if it is not there
    #[arg(long, value_name = "DIR", env = "SLUICE_GENERATE_OUT", hide_env_values = true)]
    pub out: Option<PathBuf>,
    /// Form of the files
    #[arg(
        long,
        value_enum,
        default_value_t = FormatArg::Jsonl,
        env = "SLUICE_GENERATE_FORMAT",
        hide_env_values = true
    )]
    pub format: FormatArg,
    /// Brokers to write to instead of files
    #[arg(
        long,
        value_name = "BROKERS",
        conflicts_with = "format",
        env = "SLUICE_GENERATE_KAFKA",
        hide_env_values = true
    )]
    pub kafka: Option<String>,
    /// Events a second, as from customers who are there now [default: as fast as the broker takes
    /// them]
    #[arg(
        long,
        value_name = "N",
        requires = "kafka",
        conflicts_with = "files",
        value_parser = clap::value_parser!(u32).range(1..),
        env = "SLUICE_GENERATE_RATE",
        hide_env_values = true
    )]
    pub rate: Option<u32>,
    /// Configuration that names the topics, their partitions and replicas
    #[arg(
        long,
        value_name = "FILE",
        requires = "kafka",
        env = "SLUICE_GENERATE_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// Directory of JSON lines to send as they are, instead of a simulated world
    #[arg(
        long,
        value_name = "DIR",
        requires = "kafka",
        env = "SLUICE_GENERATE_FILES",
        hide_env_values = true
    )]
    pub files: Option<PathBuf>,
}

/// Form of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}

impl From<FormatArg> for write::FileFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Jsonl => write::FileFormat::Jsonl,
            FormatArg::Csv => write::FileFormat::Csv,
        }
    }
}

/// Makes the world and writes it.
///
/// # Errors
/// Such a world cannot be made, or cannot be written.
pub fn run(args: &GenerateArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    if let (Some(directory), Some(brokers)) = (&args.files, &args.kafka) {
        return send_files(directory, brokers, args, global);
    }
    let GenerateArgs { customers, transactions, interactions, seed, .. } = *args;
    let world = World::new(WorldSettings {
        customers,
        transactions,
        interactions,
        seed,
        ..WorldSettings::default()
    })?;
    let mut progress = ProgressMeter::start("generate", Unit::Events, transactions + interactions);
    let (written, place) = match (&args.out, &args.kafka) {
        (Some(directory), _) => {
            let written = write::generate(&world, directory, args.format.into(), |events| {
                progress.set(events)
            })?;
            (
                Written {
                    customers: written.customers,
                    transactions: written.transactions,
                    interactions: written.interactions,
                    bytes: written.bytes,
                },
                directory.display().to_string(),
            )
        }
        (None, Some(brokers)) => {
            let config = load_config(args.config.as_deref(), &global.overrides()).accept()?;
            (
                into_kafka(&world, brokers, &config, args.rate, |events| progress.set(events))?,
                brokers.clone(),
            )
        }
        (None, None) => return Ok(()),
    };
    progress.finish();
    match global.json {
        true => print_json(&serde_json::json!({
            "customers": written.customers,
            "transactions": written.transactions,
            "interactions": written.interactions,
            "bytes": written.bytes,
        })),
        false => print(&format!(
            "{} customers, {} purchases and {} interactions ({} MB) in {}",
            written.customers,
            written.transactions,
            written.interactions,
            written.bytes / 1_000_000,
            place
        )),
    }
}

/// Sends files as they are.
fn send_files(
    directory: &Path,
    brokers: &str,
    args: &GenerateArgs,
    global: &GlobalArgs,
) -> Result<(), ProgramError> {
    let config = load_config(args.config.as_deref(), &global.overrides()).accept()?;
    let settings = KafkaSettings { brokers: brokers.to_string(), ..config.kafka_settings() };
    create_topics(
        &settings,
        config.kafka.partitions.unsigned_abs(),
        config.kafka.replication.unsigned_abs(),
    )?;
    let sent = load::load(&settings, directory, |_| ())?.delivered;
    match global.json {
        true => print_json(&serde_json::json!({ "records": sent })),
        false => print(&format!("{sent} records of {} in {brokers}", directory.display())),
    }
}

/// What was written.
struct Written {
    customers: u64,
    transactions: u64,
    interactions: u64,
    bytes: u64,
}

/// How long the broker may take for the last records.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes the world into its topics, which are made if they are not there; its events at a rate a
/// second if one is given. A record is dated by its event.
fn into_kafka(
    world: &World,
    brokers: &str,
    config: &Config,
    rate: Option<u32>,
    mut progress: impl FnMut(u64),
) -> Result<Written, KafkaError> {
    let settings = KafkaSettings { brokers: brokers.to_string(), ..config.kafka_settings() };
    create_topics(
        &settings,
        config.kafka.partitions.unsigned_abs(),
        config.kafka.replication.unsigned_abs(),
    )?;
    let mut producer = Producer::new(&settings)?;
    let mut written = Written { customers: 0, transactions: 0, interactions: 0, bytes: 0 };
    let mut line = Vec::new();
    for customer in world.customers() {
        line.clear();
        lines::customer_line(customer, &mut line);
        written.customers += 1;
        written.bytes += line.len() as u64;
        producer.send(
            settings.topic_name(Topic::Customers.id()),
            customer.id,
            Some(&line),
            world.settings().start,
        )?;
    }
    let timetable = rate.map(|rate| Timetable::new(rate, Instant::now()));
    for (number, event) in world.events().enumerate() {
        // What becomes due within a millisecond goes together.
        let early = timetable.and_then(|timetable| timetable.early(timetable.due(number)));
        early
            .filter(|early| *early >= Duration::from_millis(1))
            .into_iter()
            .for_each(std::thread::sleep);
        line.clear();
        let (topic, customer) = lines::line(&event, &mut line);
        written.bytes += line.len() as u64;
        match topic {
            Topic::Transactions => written.transactions += 1,
            _ => written.interactions += 1,
        }
        producer.send(settings.topic_name(topic.id()), customer, Some(&line), event.timestamp())?;
        if (written.transactions + written.interactions).is_multiple_of(1 << 14) {
            progress(written.transactions + written.interactions);
        }
    }
    producer.finish(PATIENCE)?;
    Ok(written)
}
