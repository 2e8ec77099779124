//! The sockets over which processes meet: dialed, claimed, looked at and closed.

use super::Places;
use crate::cluster::handshake::{PATIENCE, Refusal};
use nix::sys::socket::{MsgFlags, recv};
use std::io;
use std::net::ToSocketAddrs;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::PoisonError;

pub(super) fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A connection to whoever listens there.
pub(super) fn dial(address: &str) -> Result<TcpStream, Refusal> {
    let mut last = Refusal::Stranger("its name has no address".to_string());
    for address in address.to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            // Where nobody listens, the system may give the own end the very port that is called.
            Ok(socket) if socket.local_addr().ok() == socket.peer_addr().ok() => {
                last = Refusal::Stranger("nobody listens there".to_string())
            }
            Ok(socket) => return Ok(socket),
            Err(error) => last = unreachable(error),
        }
    }
    Err(last)
}

fn unreachable(error: io::Error) -> Refusal {
    Refusal::Stranger(error.to_string())
}

/// Gives a caller the place of the process that it has proved to be, unless another one has it and
/// lives.
pub(super) fn claim(places: &Places, own: usize, process: usize, socket: &TcpStream) -> bool {
    let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(place) = places.get_mut(process).filter(|_| process > own) else { return false };
    if place.as_ref().is_some_and(is_alive) {
        return false;
    }
    *place = socket.try_clone().ok();
    place.is_some()
}

/// Whether the other side has not closed the connection, as far as can be known without waiting.
pub(super) fn is_alive(socket: &TcpStream) -> bool {
    match recv(socket.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
        Ok(read) => read > 0,
        Err(error) => matches!(error, nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR),
    }
}

pub(super) fn close(socket: &TcpStream) {
    // One that is closed already is what it should be.
    drop(socket.shutdown(Shutdown::Both));
}
