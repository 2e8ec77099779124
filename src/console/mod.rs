//! The console: one port with the status page, the status as JSON, metrics and health, on a thread
//! of its own.
//!
//! | path | says |
//! |---|---|
//! | `/` | the page |
//! | `/status` | the same as JSON |
//! | `/metrics` | the text form of Prometheus |
//! | `/healthz` | 200 as long as the process answers |
//! | `/readyz` | 200 while the job keeps up with its input, else 503 |
//! | `DELETE /customers/{id}` | 202 once the wish to erase it is in the log; always takes a token |

mod access;
mod customers;
mod erasing_token;
mod limits;
mod problem;
mod routes;
pub mod section;
mod server;
#[cfg(test)]
mod tests;

use crate::blame::Blame;
use crate::config::types::HttpSection;
use crate::status::Status;
use access::Access;
use customers::ErasureHandler;
pub use customers::{ErasureCall, ErasureEndpoint};
pub use erasing_token::ErasingToken;
use limits::Limits;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Why there is no console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The token cannot be read.
    #[error("http.api_token_file: {0}")]
    Token(String),
    /// Others could reach it without a token.
    #[error(
        "others can reach {0}: set http.api_token_file (--api-token-file), or http.insecure = true \
         (--insecure) to do without a token"
    )]
    Exposed(SocketAddr),
    /// Another program listens there.
    #[error(
        "cannot listen at {0}: another program has this port; give another one with http.listen or \
         --listen, or port 0 for any free one"
    )]
    Taken(SocketAddr),
    /// The address cannot be listened at.
    #[error(
        "cannot listen at {address}: {source}; give another address with http.listen or --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no thread or no events.
    #[error("cannot start the console: {0}")]
    Start(io::Error),
}

impl ConsoleError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            ConsoleError::Token(_) | ConsoleError::Exposed(_) => Blame::Usage,
            ConsoleError::Taken(_) | ConsoleError::Listen { .. } | ConsoleError::Start(_) => {
                Blame::World
            }
        }
    }
}

/// The console of a job.
pub struct Console;

impl Console {
    /// Serves `status` at the address of the configuration until the console is stopped; with port
    /// 0 at a free port. Customers can be erased where something is given that does it.
    ///
    /// # Errors
    /// The address is taken or is none of this machine's, the token cannot be read, or others could
    /// reach the address without a token.
    pub fn start(
        http: &HttpSection,
        status: Arc<Status>,
        erasing: Option<ErasureEndpoint>,
    ) -> Result<Running, ConsoleError> {
        let token = http.token().map_err(ConsoleError::Token)?;
        if token.is_none() && !http.insecure && !http.listen.ip().is_loopback() {
            return Err(ConsoleError::Exposed(http.listen));
        }
        let access = Access::new(token.as_ref(), http);
        let paths = routes::paths(status, ErasureHandler::new(erasing, access.clone()));
        Console::serve(http, paths, access, Limits::of_process())
    }

    /// Serves paths at the address of the configuration, behind access and limits.
    fn serve(
        http: &HttpSection,
        paths: axum::Router,
        access: Access,
        limits: Limits,
    ) -> Result<Running, ConsoleError> {
        let listener = listen(http.listen)?;
        let address = listener.local_addr().map_err(ConsoleError::Start)?;
        let router = routes::behind(paths, access, limits);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ConsoleError::Start)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            if let Err(error) = runtime.block_on(server::serve(listener, router, limits, stopped)) {
                tracing::error!(%error, "The console has ended.");
            }
            // What still waits for a broker keeps nobody from ending.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new()
            .name("console".to_string())
            .spawn(serve)
            .map_err(ConsoleError::Start)?;
        Ok(Running { address, stop: Some(stop), thread: Some(thread) })
    }
}

/// A console that serves. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no further requests and returns when those under way are answered, or after half a
    /// second.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself, having logged why.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // It holds nothing that a panic could leave half done.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ConsoleError> {
    let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => ConsoleError::Taken(address),
        _ => ConsoleError::Listen { address, source },
    })?;
    listener.set_nonblocking(true).map_err(ConsoleError::Start)?;
    Ok(listener)
}
