//! How two processes make each other's acquaintance over a connection, before anything else goes
//! over it.
//!
//! ```text
//! caller ── opening: protocol, who calls whom, random bytes ──────────▶ called
//!        ◀─ opening: the same of the called process ────────────────────
//!        ── introduction: length, who it is, code over all before ─────▶
//!        ◀─ verdict; introduction: as above ────────────────────────────
//! ```
//! The called process says nothing of itself to whoever does not prove that it knows the secret,
//! but for its version: by what every opening begins with, protocol and version, one of another
//! version is told so. Every message has a bounded length, and the whole a deadline.

mod timed_stream;

use super::frames::Keys;
use super::identity::Identity;
use super::secret::{AuthenticationCode, BYTES, Nonce, Use, code, proves};
use crate::config::secret::Secret;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::Duration;
use timed_stream::TimedStream;

/// What a process of a job begins with, whichever version it is of.
const PROTOCOL: &[u8; 8] = b"sluice//";
/// The version of all that follows.
pub(super) const VERSION: u16 = 1;
/// Bytes that say of which version the rest is: they are the same in every one.
const PREAMBLE: usize = PROTOCOL.len() + 2;
/// Bytes of an opening: protocol, version, who calls whom, random bytes.
const OPENING: usize = PREAMBLE + 4 + 4 + BYTES;
/// Bytes of an introduction at most. Lists of a configuration are what makes it long.
const INTRODUCTION: u32 = 1 << 20;
/// How long a handshake may take: between two processes of a job it takes milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What a process brings to a handshake.
#[derive(Clone, Debug)]
pub(super) struct Party {
    pub(super) process: usize,
    pub(super) secret: Secret,
    pub(super) identity: Identity,
}

/// The process at the other end.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) process: usize,
    /// `None` where there is no secret.
    pub(super) keys: Option<Keys>,
}

/// Why no connection came of a handshake.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Gone, or something else than a process of a job; and how it showed.
    Stranger(String),
    /// It did not say what it has to say in time.
    Silent,
    /// It is a process of a job, of a program with another protocol than this one's.
    Version(u16),
    /// It does not know the secret.
    Secret,
    /// Another one has the place of this process.
    Claimed(usize),
    /// It is of another job, or of this one and started otherwise.
    Differs {
        /// The process at the other end.
        process: usize,
        /// Who it says it is.
        identity: Box<Identity>,
    },
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Refusal::Silent,
            ErrorKind::UnexpectedEof => Refusal::Stranger(
                "it closed the connection before it had said who it is".to_string(),
            ),
            _ => Refusal::Stranger(error.to_string()),
        }
    }
}

/// What the called process makes of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Verdict {
    /// Whatever else differs, each finds out itself.
    Heard = 0,
    /// It does not know the secret; nothing follows.
    Secret = 1,
    /// Another one has its place.
    Claimed = 2,
}

impl Verdict {
    fn read(byte: u8) -> Result<Self, Refusal> {
        let all = [Verdict::Heard, Verdict::Secret, Verdict::Claimed];
        all.into_iter()
            .find(|verdict| *verdict as u8 == byte)
            .ok_or_else(|| foreign("a verdict that there is not"))
    }
}

/// Calls the process that should be number `called`.
pub(super) fn call(socket: &TcpStream, party: &Party, called: usize) -> Result<Peer, Refusal> {
    let mut line = TimedStream::new(socket)?;
    let mine = opening(party.process, called)?;
    line.write(&mine)?;
    let theirs = line.read_opening()?;
    if theirs == mine {
        return Err(foreign("what it was sent"));
    }
    let said = Said::read(&theirs);
    let my_text = party.identity.to_bytes();
    let proof = code(&party.secret, Use::Caller, &[&mine, &theirs, &my_text]);
    line.write(&introduction(&my_text, &proof))?;
    let verdict = line.read::<1>()?;
    if Verdict::read(verdict[0])? == Verdict::Secret {
        return Err(Refusal::Secret);
    }
    let (text, their_proof) = line.read_introduction()?;
    if !proves(&their_proof, &party.secret, Use::Called, &[&mine, &theirs, &proof, &verdict, &text])
    {
        return Err(Refusal::Secret);
    }
    if Verdict::read(verdict[0])? == Verdict::Claimed {
        return Err(Refusal::Claimed(party.process));
    }
    let keys =
        keys(party, &proof, &their_proof).map(|[sending, receiving]| Keys { sending, receiving });
    let peer = Peer { process: said.process, keys };
    met(party, peer, &text, said.process == called && said.calls == party.process)
}

/// Answers a caller. `claim` gives it the place of the process that it proves to be, unless another
/// one has that.
pub(super) fn answer(
    socket: &TcpStream,
    party: &Party,
    claim: impl FnOnce(usize) -> bool,
) -> Result<Peer, Refusal> {
    let mut line = TimedStream::new(socket)?;
    let theirs = match line.read_opening() {
        // Of which version this one is, the other cannot tell unless it hears it.
        Err(refusal @ Refusal::Version(_)) => {
            line.write(&opening(party.process, 0)?)?;
            line.hear_out();
            return Err(refusal);
        }
        theirs => theirs?,
    };
    let said = Said::read(&theirs);
    let mine = opening(party.process, said.process)?;
    line.write(&mine)?;
    let (text, their_proof) = line.read_introduction()?;
    if !proves(&their_proof, &party.secret, Use::Caller, &[&theirs, &mine, &text]) {
        line.write(&[Verdict::Secret as u8])?;
        return Err(Refusal::Secret);
    }
    let rightly = said.calls == party.process
        && Identity::from_bytes(&text).is_some_and(|identity| identity.fits(&party.identity));
    let verdict =
        [if rightly && !claim(said.process) { Verdict::Claimed } else { Verdict::Heard } as u8];
    let my_text = party.identity.to_bytes();
    let proof =
        code(&party.secret, Use::Called, &[&theirs, &mine, &their_proof, &verdict, &my_text]);
    line.write(&[&verdict, introduction(&my_text, &proof).as_slice()].concat())?;
    if verdict[0] == Verdict::Claimed as u8 {
        return Err(Refusal::Claimed(said.process));
    }
    let keys =
        keys(party, &their_proof, &proof).map(|[receiving, sending]| Keys { sending, receiving });
    let peer = Peer { process: said.process, keys };
    met(party, peer, &text, said.calls == party.process)
}

/// The key of what the caller sends and that of what the called process does, made of the proofs of
/// both.
fn keys(
    party: &Party,
    caller: &AuthenticationCode,
    called: &AuthenticationCode,
) -> Option<[AuthenticationCode; 2]> {
    let key = |what_for| code(&party.secret, what_for, &[caller, called]);
    (!party.secret.is_empty()).then(|| [key(Use::FromCaller), key(Use::FromCalled)])
}

/// The other one, unless it differs. `rightly`: each is the one that the other took it for.
fn met(party: &Party, peer: Peer, text: &[u8], rightly: bool) -> Result<Peer, Refusal> {
    let identity = Identity::from_bytes(text)
        .ok_or_else(|| foreign("an introduction that this version of the program cannot read"))?;
    match rightly && identity.fits(&party.identity) {
        true => Ok(peer),
        false => Err(Refusal::Differs { process: peer.process, identity: Box::new(identity) }),
    }
}

fn foreign(what: &str) -> Refusal {
    Refusal::Stranger(format!("it sent {what}"))
}

fn opening(process: usize, calls: usize) -> Result<[u8; OPENING], Refusal> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce)
        .map_err(|error| Refusal::Stranger(format!("there are no random bytes: {error}")))?;
    let parts = [
        PROTOCOL.as_slice(),
        &VERSION.to_be_bytes(),
        &(process as u32).to_be_bytes(),
        &(calls as u32).to_be_bytes(),
        &nonce,
    ];
    let mut bytes = [0; OPENING];
    bytes.copy_from_slice(&parts.concat());
    Ok(bytes)
}

/// What an opening says; nothing of it is proved yet.
struct Said {
    process: usize,
    calls: usize,
}

impl Said {
    fn read(bytes: &[u8; OPENING]) -> Self {
        let (_, rest) = bytes.split_at(PREAMBLE);
        let number = |at: usize| {
            u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]) as usize
        };
        Said { process: number(0), calls: number(4) }
    }
}

fn introduction(text: &[u8], proof: &AuthenticationCode) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text, proof].concat()
}

#[cfg(test)]
mod tests;
