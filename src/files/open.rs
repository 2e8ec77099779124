//! Opens the bytes of a file, decompressed, and counts what is read of it.

use super::split::RangeReader;
use super::{Compression, InputFile};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a file, and how many of those on the disk have been read.
pub struct Bytes {
    /// The content, decompressed.
    pub content: Box<dyn Read + Send>,
    /// Bytes read from the disk so far.
    pub read: Arc<AtomicU64>,
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Opens a range of a plain file.
pub fn range(file: File, range: Range<u64>) -> Bytes {
    let read = Arc::new(AtomicU64::new(0));
    Bytes {
        content: Box::new(Counted {
            inner: RangeReader::new(file, range),
            read: Arc::clone(&read),
        }),
        read,
    }
}

/// Opens the whole of a file, decompressing it.
///
/// # Errors
/// The file cannot be opened.
pub fn whole(input: &InputFile, file: File) -> io::Result<Bytes> {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted { inner: file, read: Arc::clone(&read) };
    let content: Box<dyn Read + Send> = match input.compression {
        Compression::None => Box::new(counted),
        Compression::Gzip => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(counted)))
        }
        Compression::Zstd => Box::new(zstd::Decoder::new(counted)?),
    };
    Ok(Bytes { content, read })
}
