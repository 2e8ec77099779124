//! Frames that come: what is in one is only read when its tag is right.

use super::{Count, FRAME, LENGTH, TAG, TEXT, Tags, invalid, sum};
use crate::cluster::secret::AuthenticationCode;
use openssl::cipher::Cipher;
use openssl::error::ErrorStack;
use std::io::{self, ErrorKind, Read};

pub(super) struct Opening {
    pub(super) tags: Tags,
    pub(super) count: Count,
    /// What was received and not opened: `received[begin..end]`.
    received: Vec<u8>,
    begin: usize,
    end: usize,
    /// Text that did not fit where it was to go, and how much of it was taken since.
    pub(super) text: Vec<u8>,
    taken: usize,
}

impl Opening {
    pub(super) fn new(key: Option<&AuthenticationCode>) -> Result<Self, ErrorStack> {
        let tags = Tags::new(key, |cipher, key| {
            cipher.decrypt_init(Some(Cipher::aes_256_gcm()), Some(key), None)
        })?;
        Ok(Opening {
            tags,
            count: Count::default(),
            received: vec![0; 2 * FRAME],
            begin: 0,
            end: 0,
            text: Vec::new(),
            taken: 0,
        })
    }

    /// Text of one frame; 0 at the end of all.
    pub(super) fn read(&mut self, socket: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.text.len() {
            let Some(length) = self.receive(socket)? else { return Ok(0) };
            if length <= buffer.len() {
                self.open(length, Some(buffer))?;
                return Ok(length);
            }
            self.open(length, None)?;
            self.taken = 0;
        }
        let taken = (self.text.len() - self.taken).min(buffer.len());
        buffer[..taken].copy_from_slice(&self.text[self.taken..][..taken]);
        self.taken += taken;
        Ok(taken)
    }

    /// Waits for a whole frame, and gives the length of its text; `None` where the other side has
    /// ended between two frames.
    fn receive(&mut self, socket: &mut impl Read) -> io::Result<Option<usize>> {
        loop {
            let received = &self.received[self.begin..self.end];
            if let Some(length) = received.first_chunk() {
                let length = u32::from_be_bytes(*length) as usize;
                if length == 0 || length > TEXT {
                    return Err(invalid(format!(
                        "a frame says that it has {length} bytes, and none has more than {TEXT}"
                    )));
                }
                if received.len() >= LENGTH + length + TAG {
                    return Ok(Some(length));
                }
            }
            if self.begin + FRAME > self.received.len() {
                self.received.copy_within(self.begin..self.end, 0);
                (self.begin, self.end) = (0, self.end - self.begin);
            }
            match socket.read(&mut self.received[self.end..]) {
                Ok(0) if self.begin == self.end => return Ok(None),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(more) => self.end += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens the frame that is there whole, into `buffer` or into what is taken later.
    fn open(&mut self, length: usize, buffer: Option<&mut [u8]>) -> io::Result<()> {
        let text = match buffer {
            Some(buffer) => &mut buffer[..length],
            None => {
                // Not to be taken before it is known to be what was sent.
                self.text.resize(length, 0);
                self.taken = length;
                &mut self.text[..]
            }
        };
        let frame = &self.received[self.begin..][..LENGTH + length + TAG];
        let (header, rest) = frame.split_at(LENGTH);
        let (sealed, tag) = rest.split_at(length);
        self.begin += frame.len();
        let nonce = self.count.next();
        let holds = match &mut self.tags {
            Tags::Keyed(cipher) => {
                cipher.decrypt_init(None, None, Some(&nonce))?;
                cipher.set_tag(tag)?;
                cipher.cipher_update(header, None)?;
                cipher.cipher_update(sealed, Some(text))?;
                cipher.cipher_final(&mut []).is_ok()
            }
            Tags::Summed => {
                text.copy_from_slice(sealed);
                sum(&nonce, header, sealed) == tag
            }
        };
        if holds {
            Ok(())
        } else {
            Err(invalid("the checksum of a frame does not hold".to_string()))
        }
    }
}
