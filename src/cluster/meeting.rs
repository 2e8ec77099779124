//! How the processes of a job find each other: each calls those of lower numbers, and then is
//! called by the others, until it is connected with all.
//!
//! Whoever else calls is looked at beside them and shown the door: it neither ends the meeting nor
//! holds it up. A process that ends in the meantime leaves its place to the one that is started
//! after it.

mod sockets;

use super::ClusterError;
use super::frames::{Framed, Keys};
use super::handshake::{PATIENCE, Party, Peer, Refusal, VERSION, answer, call};
use super::waiting::AwaitedPeers;
use crossbeam_channel::{Receiver, Sender, unbounded};
use sockets::{claim, close, dial, is_alive, listen};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// Callers that are looked at together; the one that has been here longest makes room for a new
/// one.
const CALLERS: usize = 16;

/// Time from one look at the port to the next.
const LOOK: Duration = Duration::from_millis(10);

/// Time from one call to the next, at first and at most.
const CALLS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// The connections of a process to all others.
pub(super) struct Mesh {
    /// One for each process, but for itself.
    pub(super) connections: Vec<Option<Framed>>,
    /// Nobody else can take the place of this process on its machine while it listens.
    pub(super) listener: TcpListener,
}

/// What the threads of a meeting tell.
enum News {
    /// A call to a process of a lower number has come to an end.
    Call(usize, Result<(TcpStream, Peer), Refusal>),
    /// A caller has been looked at.
    Caller(SocketAddr, Result<(TcpStream, Peer), Refusal>),
}

/// The sockets of callers that have proved to be processes of this job, each in its place.
type Places = Arc<Mutex<Vec<Option<TcpStream>>>>;

struct Meeting {
    hosts: Vec<String>,
    party: Arc<Party>,
    connections: Vec<Option<(TcpStream, Option<Keys>)>>,
    places: Places,
    callers: VecDeque<TcpStream>,
    waiting: AwaitedPeers,
    over: Arc<AtomicBool>,
    tell: Sender<News>,
    told: Receiver<News>,
}

/// Waits until this process is connected with all others.
///
/// # Errors
/// It cannot listen at its own address, or another process is not one of this job.
pub(super) fn meet(hosts: &[String], party: Party) -> Result<Mesh, ClusterError> {
    let address = &hosts[party.process];
    let listener = listen(address).map_err(|source| ClusterError::Listen {
        process: party.process,
        address: address.clone(),
        source,
    })?;
    let (tell, told) = unbounded();
    let mut meeting = Meeting {
        connections: hosts.iter().map(|_| None).collect(),
        places: Arc::new(Mutex::new(hosts.iter().map(|_| None).collect())),
        callers: VecDeque::new(),
        waiting: AwaitedPeers::new(hosts, party.process),
        over: Arc::default(),
        hosts: hosts.to_vec(),
        party: Arc::new(party),
        tell,
        told,
    };
    for process in 0..meeting.party.process {
        meeting.call(process)?;
    }
    while !meeting.are_there(0..hosts.len()) {
        // One that is not wanted by those before it answers nobody.
        if meeting.are_there(0..meeting.party.process) {
            meeting.accept(&listener)?;
        }
        if let Ok(news) = meeting.told.recv_timeout(LOOK) {
            meeting.hear(news)?;
        }
        meeting.part_with_the_dead()?;
        meeting.waiting.look(|process| meeting.connections[process].is_some());
    }
    let connected = std::mem::take(&mut meeting.connections).into_iter().enumerate();
    let framed = connected.map(|(peer, connection)| {
        connection.map(|(socket, keys)| Framed::new(socket, peer, keys.as_ref())).transpose()
    });
    let connections = framed
        .collect::<io::Result<_>>()
        .map_err(|error| ClusterError::Start(error.to_string()))?;
    Ok(Mesh { connections, listener })
}

impl Meeting {
    /// Whether this process is connected with all of these.
    fn are_there(&self, mut processes: Range<usize>) -> bool {
        processes
            .all(|process| process == self.party.process || self.connections[process].is_some())
    }

    /// Calls a process, on a thread of its own, until it answers.
    fn call(&self, process: usize) -> Result<(), ClusterError> {
        let (address, party, tell, over) = (
            self.hosts[process].clone(),
            Arc::clone(&self.party),
            self.tell.clone(),
            Arc::clone(&self.over),
        );
        let calling = move || {
            let [mut pause, longest] = CALLS;
            while !over.load(Ordering::Acquire) {
                let outcome = dial(&address)
                    .and_then(|socket| call(&socket, &party, process).map(|peer| (socket, peer)));
                let again = matches!(outcome, Err(Refusal::Stranger(_) | Refusal::Silent));
                // Nobody listens once the meeting is over.
                drop(tell.send(News::Call(process, outcome)));
                if !again {
                    return;
                }
                std::thread::park_timeout(pause);
                pause = (pause * 2).min(longest);
            }
        };
        spawn("call", calling)
    }

    /// Looks at everybody who has called since the last time, each on a thread of its own.
    fn accept(&mut self, listener: &TcpListener) -> Result<(), ClusterError> {
        loop {
            let (socket, from) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    // One that has gone before it was looked at, or no room for more just now.
                    self.waiting.stranger(None, &error.to_string());
                    return Ok(());
                }
            };
            let Ok(held) = socket.try_clone() else { continue };
            if self.callers.len() == CALLERS {
                self.callers.pop_front().into_iter().for_each(|oldest| close(&oldest));
            }
            self.callers.push_back(held);
            let (party, places, tell) =
                (Arc::clone(&self.party), Arc::clone(&self.places), self.tell.clone());
            let looking = move || {
                let outcome = answer(&socket, &party, |process| {
                    claim(&places, party.process, process, &socket)
                });
                if outcome.is_err() {
                    close(&socket);
                }
                drop(tell.send(News::Caller(from, outcome.map(|peer| (socket, peer)))));
            };
            spawn("caller", looking)?;
        }
    }

    fn hear(&mut self, news: News) -> Result<(), ClusterError> {
        match news {
            News::Call(_, Ok((socket, peer))) => {
                self.connections[peer.process] = Some((socket, peer.keys))
            }
            News::Call(process, Err(Refusal::Stranger(why))) => self.waiting.learn(process, why),
            News::Call(process, Err(Refusal::Silent)) => {
                let why = "it listens and does not answer: it waits for another process, or its \
                    job is running already";
                self.waiting.learn(process, why.to_string());
            }
            News::Call(process, Err(refusal)) => {
                return Err(self.failed(refusal, &self.hosts[process]));
            }
            News::Caller(_, Ok((socket, peer))) => {
                self.callers.retain(|caller| caller.peer_addr().ok() != socket.peer_addr().ok());
                self.connections[peer.process] = Some((socket, peer.keys));
            }
            News::Caller(from, Err(refusal)) => {
                self.callers
                    .retain(|caller| caller.peer_addr().is_ok_and(|address| address != from));
                let why = match refusal {
                    Refusal::Stranger(why) => why,
                    Refusal::Silent => {
                        format!("it did not say who it is within {} s", PATIENCE.as_secs())
                    }
                    Refusal::Version(other) => format!(
                        "its program is of another version (protocol {other}, and this one's is \
                         {VERSION}); start all processes of a job with one program"
                    ),
                    Refusal::Secret => {
                        "it has another secret (cluster.secret_file) or none".to_string()
                    }
                    Refusal::Claimed(process) => {
                        format!("another process {process} of the job is connected already")
                    }
                    Refusal::Differs { .. } => return Err(self.failed(refusal, &from.to_string())),
                };
                self.waiting.stranger(Some(from), &why);
            }
        }
        Ok(())
    }

    /// What ends the meeting: the process at this address is not one that this one can work with.
    fn failed(&self, refusal: Refusal, address: &str) -> ClusterError {
        let me = self.party.process;
        match refusal {
            Refusal::Differs { process, identity } => {
                let differences = self.party.identity.differences(me, &identity, process);
                if differences.clauses.is_empty() {
                    return ClusterError::Differs(format!(
                        "{address} is process {process}, which is not what the hostfile of process \
                         {me} or its own says"
                    ));
                }
                let told = differences.clauses.join("; ");
                if differences.lasting {
                    ClusterError::Differs(told)
                } else {
                    ClusterError::Moved(told)
                }
            }
            Refusal::Claimed(process) => {
                ClusterError::Claimed { process, address: address.to_string() }
            }
            Refusal::Secret => ClusterError::Secret(address.to_string()),
            Refusal::Version(found) => {
                ClusterError::Version { address: address.to_string(), found, own: VERSION }
            }
            Refusal::Stranger(why) => ClusterError::Start(why),
            Refusal::Silent => ClusterError::Start(format!("{address} is silent")),
        }
    }

    /// Whoever has ended since is waited for again.
    fn part_with_the_dead(&mut self) -> Result<(), ClusterError> {
        for process in 0..self.hosts.len() {
            let gone = self.connections[process].take_if(|(socket, _)| !is_alive(socket)).is_some();
            if gone {
                self.waiting.learn(process, "it has ended before all were there".to_string());
            }
            if gone && process < self.party.process {
                self.call(process)?;
            }
        }
        Ok(())
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        self.callers.iter().for_each(close);
        // Connections that live on are not held open by a second handle.
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), ClusterError> {
    Builder::new()
        .name(name.to_string())
        .spawn(work)
        .map(drop)
        .map_err(|error| ClusterError::Start(format!("no thread can be started: {error}")))
}

#[cfg(test)]
mod tests;
