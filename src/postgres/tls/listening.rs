//! Listening to what a server has against the client, where a connection broke off without a word.
//!
//! In TLS 1.3 a client is done before the server has looked at its certificate. It writes its first
//! message, finds the connection reset, and leaves the alert that says why unread. Where it writes
//! nothing, the alert is there to be read.

use postgres::Socket;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres_openssl::{MakeTlsConnector, TlsConnector, TlsStream};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

/// How long an alert is waited for. A server that takes the client says nothing.
const ALERT: Duration = Duration::from_secs(1);

/// Whether a connection broke off, so that what the server said of it may be unread.
pub fn broke_off(causes: &[&(dyn Error + 'static)]) -> bool {
    let kinds = causes.iter().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds
        .into_iter()
        .any(|kind| matches!(kind, ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof))
}

/// Makes a connection secure, and listens before anything is written to it.
pub struct Listening(pub MakeTlsConnector);

/// The same, of one connection.
pub struct ListeningOnce(TlsConnector);

impl MakeTlsConnect<Socket> for Listening {
    type Stream = TlsStream<Socket>;
    type TlsConnect = ListeningOnce;
    type Error = Box<dyn Error + Send + Sync>;

    fn make_tls_connect(&mut self, domain: &str) -> Result<ListeningOnce, Self::Error> {
        Ok(ListeningOnce(MakeTlsConnect::<Socket>::make_tls_connect(&mut self.0, domain)?))
    }
}

impl TlsConnect<Socket> for ListeningOnce {
    type Stream = TlsStream<Socket>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<TlsStream<Socket>, Self::Error>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let mut stream = self.0.connect(socket).await?;
            match tokio::time::timeout(ALERT, listen(&mut stream)).await {
                Ok(heard) => Err(heard.err().unwrap_or_else(|| io::Error::other("the server speaks first")).into()),
                Err(_nothing) => Ok(stream),
            }
        })
    }
}

/// Reads something, which is an error where the server has ended the connection.
async fn listen(stream: &mut TlsStream<Socket>) -> io::Result<()> {
    let mut byte = [0];
    let mut room = ReadBuf::new(&mut byte);
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut room)).await?;
    if room.filled().is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
