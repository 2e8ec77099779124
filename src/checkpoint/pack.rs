//! Contents as they lie in files: compressed, and believed only when length and checksum are those
//! of the manifest.

use super::manifest::File;
use dataflows::codec::Aligned;
use std::io::{self, Read};

/// Level of zstd: the fastest. Checkpoints are written far more often than read, beside a job that
/// needs the processor.
const LEVEL: i32 = 1;

/// Bytes that are set aside at most before any content has been seen.
const FIRST_ROOM: u64 = 64 << 20;

/// Compresses a content.
///
/// # Errors
/// Memory is short.
pub fn pack(content: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(content, LEVEL)
}

/// Takes a content out of its file; `Err` says how the file is not the one that was written.
pub fn unpack(file: &File, packed: &[u8]) -> Result<Aligned, String> {
    if packed.len() as u64 != file.bytes {
        return Err(format!("it has {} bytes, and the manifest says {}", packed.len(), file.bytes));
    }
    let found = crc32fast::hash(packed);
    if found != file.crc32 {
        return Err(format!(
            "its checksum is {found:08x}, and the manifest says {:08x}",
            file.crc32
        ));
    }
    // One byte more than there should be, to notice more without ever taking it all.
    let decoder = zstd::Decoder::with_buffer(packed)
        .map_err(|error| format!("it is not compressed as it should be: {error}"))?;
    let content = decoder.take(file.raw_bytes.saturating_add(1));
    let content = Aligned::read(content, file.raw_bytes.min(FIRST_ROOM) as usize)
        .map_err(|error| format!("it cannot be decompressed: {error}"))?;
    match content.len() as u64 == file.raw_bytes {
        true => Ok(content),
        false => {
            Err(format!("its content is not the {} bytes that the manifest says", file.raw_bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::manifest::FileKind;

    fn packed(content: &[u8]) -> (File, Vec<u8>) {
        let packed = pack(content).expect("enough memory");
        let (bytes, raw_bytes, crc32) =
            (packed.len() as u64, content.len() as u64, crc32fast::hash(&packed));
        (
            File {
                name: String::new(),
                bytes,
                raw_bytes,
                crc32,
                kind: FileKind::Base,
                epoch: 1,
                customers: 1,
            },
            packed,
        )
    }

    #[test]
    fn a_content_comes_back() {
        for content in [&b""[..], b"a", &[7; 100_000]] {
            let (file, packed) = packed(content);
            assert_eq!(*unpack(&file, &packed).expect("it is whole"), *content);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_shows() {
        let (file, packed) =
            packed(b"histories of three customers, three customers, three customers");
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                unpack(&file, &flipped).is_err_and(|why| why.contains("checksum")),
                "bit {bit}"
            );
        }
        for length in 0..packed.len() {
            assert!(
                unpack(&file, &packed[..length]).is_err_and(|why| why.contains("bytes")),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_content_is_never_longer_than_it_should_be() {
        let (file, packed) = packed(&[0; 1 << 20]);
        for raw_bytes in [0, 1, (1 << 20) - 1, (1 << 20) + 1, u64::MAX] {
            assert!(unpack(&File { raw_bytes, ..file.clone() }, &packed).is_err(), "{raw_bytes}");
        }
    }
}
