//! Connections: so many at once, each with so much time, and every one that is refused is told why
//! where that can still be told.

use super::limits::Limits;
use super::problem::{ProblemDetails, ProblemType};
use super::routes::request_id;
use axum::Router;
use axum::body::Body;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long requests that are under way may still take once the console is told to stop.
const GRACE: Duration = Duration::from_millis(500);

/// Refusals that are told at once; who comes beyond these is only hung up on.
const REFUSALS: usize = 16;

/// How long a refusal waits for the other side to have read it, and how much of what it still sends
/// is passed over meanwhile: closed with something unread, a connection would take the refusal with
/// it.
const LINGER: Duration = Duration::from_millis(500);
const PASSED_OVER: u64 = 1 << 20;

/// Bytes of a request's header; beyond them it is 431.
const MAX_HEADER: usize = 64 * 1024;

/// How long nobody is taken in where the system has no descriptor for a connection.
const NO_DESCRIPTOR: Duration = Duration::from_millis(500);

/// Serves until it is told to stop, and then those that are under way for a moment.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    router: Router,
    limits: Limits,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let (drain, drained) = watch::channel(false);
    loop {
        // Either it is told to, or whoever would tell is gone, which is the same wish.
        let accepted = poll_fn(|cx| match Pin::new(&mut stopped).poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(cx).map(Some),
        });
        match (accepted.await, Arc::clone(&places).try_acquire_owned()) {
            (None, _) => break,
            (Some(Ok((stream, _))), Ok(place)) => drop(tokio::spawn(connection(
                stream,
                router.clone(),
                limits,
                drained.clone(),
                place,
            ))),
            (Some(Ok((stream, _))), Err(_)) => {
                if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(overloaded(stream, limits, place));
                }
            }
            (Some(Err(error)), _) if is_of_one(&error) => {}
            (Some(Err(error)), _) => {
                tracing::warn!(%error, "The console can take no connection; it tries again.");
                sleep(NO_DESCRIPTOR).await;
            }
        }
    }
    drop(listener);
    // Nobody listens where no connection is left.
    let _ = drain.send(true);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    // Whoever still holds a connection open is cut off with the runtime.
    let _ = timeout(GRACE, places.acquire_many(all)).await;
    Ok(())
}

/// Whether it was only this connection that failed.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers what comes on one connection.
async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    mut drained: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let (begin, begun) = watch::channel(Instant::now());
    let router = TowerToHyperService::new(router);
    type Answered = BoxFuture<'static, Result<Response<Body>, Infallible>>;
    let answer = move |request: Request<Incoming>| -> Answered {
        begin.send_replace(Instant::now());
        Box::pin(router.call(request.map(Body::new)))
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(MAX_HEADER);
    let mut connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
    let mut draining = pin!(drained.wait_for(|drained| *drained));
    let mut over = pin!(stands_still(begun, limits.whole()));
    let mut is_told = false;
    let ended = poll_fn(|cx| {
        if !is_told && draining.as_mut().poll(cx).is_ready() {
            is_told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match over.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => connection.poll_without_shutdown(cx).map(Some),
        }
    });
    // Who does not read for so long hears nothing anyway.
    let Some(ended) = ended.await else { return };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    let is_slow = ended.is_err_and(|error| error.is_timeout());
    // A connection on which nothing has begun is just closed: another answer would be taken for
    // that of the next request.
    if is_slow && !parts.read_buf.is_empty() {
        let why = format!(
            "the header of the request did not come to its end within {} s",
            limits.header.as_secs_f64()
        );
        return refuse(stream, &ProblemDetails::new(ProblemType::SlowRequest, why)).await;
    }
    hang_up(&mut stream).await;
}

/// Comes to its end when no request has begun for so long.
async fn stands_still(begun: watch::Receiver<Instant>, patience: Duration) {
    loop {
        let end = *begun.borrow() + patience;
        if end <= Instant::now() {
            return;
        }
        sleep_until(end).await;
    }
}

/// Tells one too many.
async fn overloaded(stream: TcpStream, limits: Limits, _place: OwnedSemaphorePermit) {
    let why = format!(
        "{} connections are open, and no more are taken; close those that are not needed, or ask \
         again later",
        limits.connections
    );
    refuse(stream, &ProblemDetails::new(ProblemType::Overloaded, why)).await;
}

async fn refuse(mut stream: TcpStream, problem: &ProblemDetails) {
    let answer = problem.alone(&request_id(None));
    // Whoever does not take it has hung up.
    if let Ok(Ok(())) = timeout(LINGER, stream.write_all(answer.as_bytes())).await {
        hang_up(&mut stream).await;
    }
}

/// Says that nothing more comes, and gives the other side a moment to read what came.
async fn hang_up(stream: &mut TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut rest = stream.take(PASSED_OVER);
        let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    }
}
