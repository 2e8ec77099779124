//! Makes a connection secure, and listens to what a server has against the client, where one broke
//! off without a word.
//!
//! OpenSSL reads all certificates that the system trusts to make one connection, which takes longer
//! than all else of a start: nothing is prepared before a server has said that it speaks TLS, but
//! where files have to be read, which are tried first.
//!
//! In TLS 1.3 a client is done before the server has looked at its certificate. It writes its first
//! message, finds the connection reset, and leaves the alert that says why unread. Where it writes
//! nothing, the alert is there to be read.

use super::{CertificateVerdict, KeyProblem, Tls};
use postgres::Socket;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres_openssl::{MakeTlsConnector, TlsStream};
use std::convert::Infallible;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

/// How long an alert is waited for. A server that takes the client says nothing.
const ALERT: Duration = Duration::from_secs(1);

/// Whether a connection broke off, so that what the server said of it may be unread.
pub fn broke_off(causes: &[&(dyn Error + 'static)]) -> bool {
    let kinds =
        causes.iter().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| {
        matches!(
            kind,
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        )
    })
}

/// Makes connections secure.
#[derive(Clone)]
pub struct Connector {
    tls: Tls,
    verdict: CertificateVerdict,
    ready: Option<MakeTlsConnector>,
    listens: bool,
}

impl Connector {
    /// Reads certificates and keys; gives what will have found out about the server's certificate,
    /// too.
    ///
    /// # Errors
    /// Every file that cannot be read, or is none of its kind.
    pub(super) fn new(tls: Tls) -> Result<(Connector, CertificateVerdict), Vec<KeyProblem>> {
        let verdict = CertificateVerdict::default();
        let ready = if tls.has_files() { Some(tls.prepared(&verdict)?) } else { None };
        Ok((Connector { tls, verdict: verdict.clone(), ready, listens: false }, verdict))
    }

    /// One that listens before anything is written to a server.
    pub fn listening(mut self) -> Connector {
        self.listens = true;
        self
    }

    fn prepared(&self) -> Result<MakeTlsConnector, io::Error> {
        let prepare = || self.tls.prepared(&self.verdict);
        let told = |problems: Vec<KeyProblem>| {
            io::Error::other(
                problems.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "),
            )
        };
        self.ready.clone().map_or_else(|| prepare().map_err(told), Ok)
    }
}

/// The same, of one connection to this host.
pub struct ConnectorOnce {
    connector: Connector,
    host: String,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = TlsStream<Socket>;
    type TlsConnect = ConnectorOnce;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<ConnectorOnce, Infallible> {
        Ok(ConnectorOnce { connector: self.clone(), host: host.to_string() })
    }
}

impl TlsConnect<Socket> for ConnectorOnce {
    type Stream = TlsStream<Socket>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<TlsStream<Socket>, Self::Error>> + Send>>;

    /// Is called when the server has said that it speaks TLS.
    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let mut prepared = self.connector.prepared()?;
            let mut stream = MakeTlsConnect::<Socket>::make_tls_connect(&mut prepared, &self.host)?
                .connect(socket)
                .await?;
            if !self.connector.listens {
                return Ok(stream);
            }
            match tokio::time::timeout(ALERT, listen(&mut stream)).await {
                Ok(heard) => Err(heard
                    .err()
                    .unwrap_or_else(|| io::Error::other("the server speaks first"))
                    .into()),
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

#[cfg(test)]
mod tests {
    use super::super::super::address::{ConnectionParameters, Parameter};
    use super::*;

    #[test]
    fn only_files_are_read_before_a_server_says_that_it_speaks_tls() {
        let folder = tempfile::tempdir().expect("a folder");
        let roots = folder.path().join("roots.crt");
        let settle = |given: &[(Parameter, &str)]| {
            let mut parameters = ConnectionParameters::default();
            given.iter().for_each(|(parameter, value)| parameters.set(*parameter, value));
            Tls::settle(&parameters, None)
                .expect("nothing is wrong")
                .connector()
                .map(|(connector, _)| connector.ready.is_some())
        };
        assert_eq!(settle(&[]), Ok(false));
        assert_eq!(settle(&[(Parameter::SslRootCert, "system")]), Ok(false));
        let given = [
            (Parameter::SslMode, "verify-ca"),
            (Parameter::SslRootCert, roots.to_str().expect("UTF-8")),
        ];
        assert!(settle(&given).is_err_and(|problems| problems.len() == 1), "there is no such file");
    }
}
