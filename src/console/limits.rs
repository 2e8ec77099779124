//! What a request may take: bytes and time, and that it cannot take anything down with it.

use super::problem::{ProblemDetails, ProblemType};
use crate::descriptors;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of a request's body that are taken: nothing that is asked here needs more.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// Connections that are held at once, where there are descriptors for them.
const CONNECTIONS: usize = 1_024;

/// What requests and connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at once.
    pub(super) connections: usize,
    /// From the first byte of a request, or the end of the one before, to the end of its header.
    pub(super) header: Duration,
    /// From there to the end of its body.
    pub(super) body: Duration,
    /// From there to the answer.
    pub(super) answer: Duration,
    /// Until the answer has been taken.
    pub(super) reading: Duration,
}

impl Limits {
    /// Those of a console that leaves the job the descriptors which it needs.
    pub(super) fn of_process() -> Self {
        let descriptors = descriptors::raised();
        let connections = descriptors::share(descriptors, CONNECTIONS);
        if connections < CONNECTIONS {
            tracing::info!(
                descriptors,
                connections,
                "The console takes fewer connections, so that the job has descriptors left (ulimit \
                 -n)."
            );
        }
        let seconds = Duration::from_secs;
        Limits {
            connections,
            header: seconds(10),
            body: seconds(10),
            answer: seconds(5),
            reading: seconds(10),
        }
    }

    /// Time after which a connection is closed on which no further request has begun.
    pub(super) fn whole(&self) -> Duration {
        self.header + self.body + self.answer + self.reading
    }
}

/// Reads the whole body, in its limits, before anybody acts on the request.
pub(super) async fn with_body(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let refused = |problem: ProblemDetails| {
        ([(header::CONNECTION, HeaderValue::from_static("close"))], problem).into_response()
    };
    match timeout(limits.body, whole(body)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(problem)) => refused(problem),
        Err(_) => {
            let why = format!(
                "the body of the request did not come to its end within {} s",
                limits.body.as_secs_f64()
            );
            refused(ProblemDetails::new(ProblemType::SlowRequest, why))
        }
    }
}

async fn whole(body: Body) -> Result<Bytes, ProblemDetails> {
    let large = || {
        ProblemDetails::new(
            ProblemType::TooLarge,
            format!(
                "the body of the request is longer than the {MAX_BODY} bytes that are taken here"
            ),
        )
    };
    if axum::body::HttpBody::size_hint(&body).lower() > MAX_BODY as u64 {
        return Err(large());
    }
    let mut frames = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| {
            ProblemDetails::new(
                ProblemType::Malformed,
                "the body of the request breaks off, or is not in the form that its header says",
            )
        })?;
        if whole.len() + frame.len() > MAX_BODY {
            return Err(large());
        }
        whole.extend_from_slice(&frame);
    }
    Ok(whole.into())
}

/// Answers in time, and also where a handler panics.
pub(super) async fn answered(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_string();
    // What a handler leaves half done it alone has seen.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match timeout(limits.answer, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(
                path,
                "A request could not be answered: its handler panicked, which is a fault of this \
                 program."
            );
            ProblemDetails::new(
                ProblemType::Internal,
                "the request could not be answered, which is a fault of \
                this program; its log says more",
            )
            .into_response()
        }
        Err(_) => {
            let why = format!(
                "the answer took more than {} s; ask again, which does no harm",
                limits.answer.as_secs_f64()
            );
            ProblemDetails::new(ProblemType::TooSlow, why).into_response()
        }
    }
}
