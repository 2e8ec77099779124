//! What goes between two processes once they know each other: frames of bounded length, of which
//! none is taken that is not what was sent.
//!
//! A frame is the length of its text (4 bytes), the text, and its tag (16 bytes). With keys of the
//! handshake the text is under AES-256-GCM: the length is authenticated with it, and the frame's
//! number is its nonce, so that none can be changed, left out, repeated or put elsewhere. Processes
//! without a secret have none to make keys of: the text is as it is then, and the tag is a checksum
//! of number, length and text, which costs a quarter of that.

mod opening;

use super::secret::AuthenticationCode;
use opening::Opening;
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use timely::communication::allocator::zero_copy::stream::Stream;

/// Bytes of text in a frame at most: what timely gathers before it writes.
const TEXT: usize = 1 << 16;

/// Bytes of a frame's length.
const LENGTH: usize = 4;

/// Bytes of a frame's tag.
const TAG: usize = 16;

/// Bytes of the longest frame.
const FRAME: usize = LENGTH + TEXT + TAG;

/// Bytes of a nonce.
const NONCE: usize = 12;

/// The keys of a connection, one for each direction.
#[derive(Clone)]
pub(super) struct Keys {
    /// Of what this process sends.
    pub(super) sending: AuthenticationCode,
    /// Of what it receives.
    pub(super) receiving: AuthenticationCode,
}

/// A connection to another process, as timely reads and writes it. Clones share the numbers of
/// their frames; one thread reads and one writes.
pub(super) struct Framed {
    socket: TcpStream,
    peer: usize,
    sealing: Arc<Mutex<Sealing>>,
    opening: Arc<Mutex<Opening>>,
}

impl Framed {
    /// The connection to the process `peer`, over this socket and with these keys, if there are
    /// any.
    pub(super) fn new(socket: TcpStream, peer: usize, keys: Option<&Keys>) -> io::Result<Self> {
        let (sealing, opening) = (
            Sealing::new(keys.map(|keys| &keys.sending))?,
            Opening::new(keys.map(|keys| &keys.receiving))?,
        );
        Ok(Framed {
            socket,
            peer,
            sealing: Arc::new(Mutex::new(sealing)),
            opening: Arc::new(Mutex::new(opening)),
        })
    }
}

impl Read for Framed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        opening.read(&mut self.socket, buffer).inspect_err(|error| {
            if error.kind() == ErrorKind::InvalidData {
                tracing::error!(
                    process = self.peer,
                    "What came from another process is not what it sent: {error}. Something \
                     between them changes it."
                );
            }
        })
    }
}

impl Write for Framed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = &bytes[..bytes.len().min(TEXT)];
        if !text.is_empty() {
            let mut sealing = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
            self.socket.write_all(sealing.seal(text)?)?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Stream for Framed {
    fn try_clone(&self) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Framed {
            socket,
            peer: self.peer,
            sealing: Arc::clone(&self.sealing),
            opening: Arc::clone(&self.opening),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}

/// Numbers the frames of one direction: a nonce is never used twice under one key.
#[derive(Default)]
struct Count(u64);

impl Count {
    fn next(&mut self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        nonce[NONCE - 8..].copy_from_slice(&self.0.to_be_bytes());
        self.0 += 1;
        nonce
    }
}

/// What a frame's tag is made by.
enum Tags {
    /// The cipher, with its key.
    Keyed(CipherCtx),
    /// A checksum.
    Summed,
}

impl Tags {
    fn new(
        key: Option<&AuthenticationCode>,
        init: impl FnOnce(&mut CipherCtx, &AuthenticationCode) -> Result<(), ErrorStack>,
    ) -> Result<Self, ErrorStack> {
        let Some(key) = key else { return Ok(Tags::Summed) };
        let mut cipher = CipherCtx::new()?;
        init(&mut cipher, key)?;
        Ok(Tags::Keyed(cipher))
    }
}

/// CRC-32 of all that a frame is, as a tag.
fn sum(nonce: &[u8], length: &[u8], text: &[u8]) -> [u8; TAG] {
    let mut hasher = crc32fast::Hasher::new();
    [nonce, length, text].into_iter().for_each(|part| hasher.update(part));
    let mut tag = [0; TAG];
    tag[..4].copy_from_slice(&hasher.finalize().to_be_bytes());
    tag
}

struct Sealing {
    tags: Tags,
    count: Count,
    frame: Vec<u8>,
}

impl Sealing {
    fn new(key: Option<&AuthenticationCode>) -> Result<Self, ErrorStack> {
        let tags = Tags::new(key, |cipher, key| {
            cipher.encrypt_init(Some(Cipher::aes_256_gcm()), Some(key), None)
        })?;
        Ok(Sealing { tags, count: Count::default(), frame: vec![0; FRAME] })
    }

    /// The frame of a text of at most [`TEXT`] bytes.
    fn seal(&mut self, text: &[u8]) -> Result<&[u8], ErrorStack> {
        let (length, rest) = self.frame.split_at_mut(LENGTH);
        let (sealed, tag) = rest[..text.len() + TAG].split_at_mut(text.len());
        length.copy_from_slice(&(text.len() as u32).to_be_bytes());
        let nonce = self.count.next();
        match &mut self.tags {
            Tags::Keyed(cipher) => {
                cipher.encrypt_init(None, None, Some(&nonce))?;
                cipher.cipher_update(length, None)?;
                cipher.cipher_update(text, Some(sealed))?;
                cipher.cipher_final(&mut [])?;
                cipher.tag(tag)?;
            }
            Tags::Summed => {
                sealed.copy_from_slice(text);
                tag.copy_from_slice(&sum(&nonce, length, text));
            }
        }
        Ok(&self.frame[..LENGTH + text.len() + TAG])
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests;
