//! The connection over which a handshake goes.

use super::{INTRODUCTION, OPENING, PATIENCE, PREAMBLE, PROTOCOL, Refusal, VERSION, foreign};
use crate::cluster::secret::AuthenticationCode;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// A connection with a deadline for all that is said over it.
pub(super) struct TimedStream<'a> {
    socket: &'a TcpStream,
    until: Instant,
}

impl<'a> TimedStream<'a> {
    pub(super) fn new(socket: &'a TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        Ok(TimedStream { socket, until: Instant::now() + PATIENCE })
    }

    /// What is left of the time.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write_all(bytes)
    }

    pub(super) fn read<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Fills the buffer, byte by byte where it comes so, but not for longer than the deadline.
    fn fill(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            self.socket.set_read_timeout(Some(self.left()?))?;
            match self.socket.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => buffer = &mut buffer[read..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// An opening of this version: how long one of another is, nobody here knows.
    pub(super) fn read_opening(&mut self) -> Result<[u8; OPENING], Refusal> {
        let mut bytes = [0; OPENING];
        let (preamble, rest) = bytes.split_at_mut(PREAMBLE);
        self.fill(preamble)?;
        let (protocol, version) = preamble.split_at(PROTOCOL.len());
        if protocol != PROTOCOL {
            return Err(foreign("something else than a process of a job does"));
        }
        match u16::from_be_bytes([version[0], version[1]]) {
            VERSION => self.fill(rest)?,
            other => return Err(Refusal::Version(other)),
        }
        Ok(bytes)
    }

    /// Waits until the other one has heard all and closes the connection: closed from here with
    /// something unread, it could be cut before.
    pub(super) fn hear_out(&mut self) {
        let mut piece = [0; 4096];
        drop(self.socket.shutdown(Shutdown::Write));
        while let Ok(left) = self.left() {
            drop(self.socket.set_read_timeout(Some(left)));
            if matches!(self.socket.read(&mut piece), Ok(0) | Err(_)) {
                return;
            }
        }
    }

    /// The text of an introduction and its code.
    pub(super) fn read_introduction(&mut self) -> Result<(Vec<u8>, AuthenticationCode), Refusal> {
        let length = u32::from_be_bytes(self.read()?);
        if length > INTRODUCTION {
            return Err(foreign(&format!(
                "an introduction of {length} bytes, more than the {INTRODUCTION} that one may have"
            )));
        }
        // No more memory than what has come: whoever sends it has proved nothing.
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        while text.len() < length as usize {
            let more = (length as usize - text.len()).min(piece.len());
            self.fill(&mut piece[..more])?;
            text.extend_from_slice(&piece[..more]);
        }
        Ok((text, self.read()?))
    }
}

impl Drop for TimedStream<'_> {
    /// Whatever reads and writes afterwards has all the time there is.
    fn drop(&mut self) {
        // A connection that is closed already has no use for it.
        drop(self.socket.set_read_timeout(None));
        drop(self.socket.set_write_timeout(None));
    }
}
