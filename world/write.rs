//! The world as files: those of `sluice generate`, of customers, purchases and contacts.

use super::World;
use super::lines::{CUSTOMER, INTERACTION, TRANSACTION};
use super::lines::{customer_values, interaction_values, transaction_values};
use super::values::{FieldValue, csv, json};
use dataflows::event::Topic;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values under a line of names.
    Csv,
}

impl FileFormat {
    /// What files of it end in, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            FileFormat::Jsonl => "jsonl",
            FileFormat::Csv => "csv",
        }
    }
}

/// What [`generate`] has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// Records in the file of customers.
    pub customers: u64,
    /// Records in the file of transactions.
    pub transactions: u64,
    /// Records in the file of interactions.
    pub interactions: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Generated {
    /// Records in all files.
    #[cfg(test)]
    pub fn records(&self) -> u64 {
        self.customers + self.transactions + self.interactions
    }
}

/// Why [`generate`] could not go on.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Writes `customers`, `transactions` and `interactions` into a directory, which is made if need
/// be; files of the same names are replaced. Customers are sorted by number, the others by time.
/// `progress` is told the number of records written so far, about every megabyte.
///
/// # Errors
/// When the directory or a file cannot be written; files written so far stay.
pub fn generate(
    world: &World,
    directory: &Path,
    format: FileFormat,
    mut progress: impl FnMut(u64),
) -> Result<Generated, WriteError> {
    std::fs::create_dir_all(directory)
        .map_err(|source| WriteError { path: directory.to_path_buf(), source })?;
    let target = |topic| Target { directory, topic, format };
    let (customers, customer_bytes) = target(Topic::Customers).write(
        &CUSTOMER,
        world.customers().iter().map(customer_values),
        &mut progress,
    )?;
    let (transactions, transaction_bytes) = target(Topic::Transactions).write(
        &TRANSACTION,
        world.transactions().map(transaction_values),
        |count| progress(customers + count),
    )?;
    let (interactions, interaction_bytes) = target(Topic::Interactions).write(
        &INTERACTION,
        world.interactions().map(interaction_values),
        |count| progress(customers + transactions + count),
    )?;
    Ok(Generated {
        customers,
        transactions,
        interactions,
        bytes: customer_bytes + transaction_bytes + interaction_bytes,
    })
}

/// A file to be written.
struct Target<'a> {
    directory: &'a Path,
    topic: Topic,
    format: FileFormat,
}

impl Target<'_> {
    /// Bytes that are gathered before a write.
    const BUFFER: usize = 1 << 20;

    /// Writes all records; gives their number and the file's length in bytes.
    fn write<const N: usize>(
        &self,
        names: &[&str; N],
        records: impl Iterator<Item = [FieldValue; N]>,
        mut progress: impl FnMut(u64),
    ) -> Result<(u64, u64), WriteError> {
        let path = self
            .directory
            .join(self.topic.id().file_stem())
            .with_extension(self.format.extension());
        let failed = |source| WriteError { path: path.clone(), source };
        let mut file = File::create(&path).map_err(failed)?;
        let mut buffer = Vec::with_capacity(Self::BUFFER + 4096);
        if self.format == FileFormat::Csv {
            buffer.extend_from_slice(names.join(",").as_bytes());
            buffer.push(b'\n');
        }
        let (mut count, mut bytes) = (0, 0);
        for values in records {
            match self.format {
                FileFormat::Jsonl => json(names, values, &mut buffer),
                FileFormat::Csv => csv(values, &mut buffer),
            }
            buffer.push(b'\n');
            count += 1;
            if buffer.len() >= Self::BUFFER {
                file.write_all(&buffer).map_err(failed)?;
                bytes += buffer.len() as u64;
                buffer.clear();
                progress(count);
            }
        }
        file.write_all(&buffer).map_err(failed)?;
        progress(count);
        Ok((count, bytes + buffer.len() as u64))
    }
}

#[cfg(test)]
mod tests;
