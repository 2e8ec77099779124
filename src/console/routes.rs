//! What is answered at which path, and what holds for every answer.

use super::access::Access;
use super::customers::{self, ErasureHandler};
use super::limits::{self, Limits};
use super::problem::{ProblemDetails, ProblemType, told};
use crate::config::secret::scrubbed;
use crate::status::Status;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use std::sync::Arc;

/// The media type of the pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// The media type of the status.
const JSON: &str = "application/json";

/// The text form of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page of every job. It is complete in itself: no other file is loaded.
const PAGE: &str = include_str!("page.html");

/// Where on it stands what a dataflow has there.
pub(super) const OF_THE_DATAFLOW: &str = "<!-- what the dataflow has on the page -->";

/// The page for a browser that has not shown the token.
const SIGN_IN: &str = include_str!("sign_in.html");

/// For every answer: a browser keeps nothing, guesses nothing, and lets the page load nothing but
/// what this port gives.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
             connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
        ),
    ),
];

/// Which program it was, on every answer.
const VERSION: HeaderName = HeaderName::from_static("sluice-version");

/// Which request it was, on every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a request's id.
const MAX_REQUEST_ID: usize = 64;

/// All paths.
pub(super) fn paths(status: Arc<Status>, eraser: ErasureHandler) -> Router {
    let page = Bytes::from(PAGE.replace(OF_THE_DATAFLOW, status.page()));
    Router::new()
        .route("/", get(async move || ([(header::CONTENT_TYPE, HTML)], page)))
        .route("/status", get(status_json))
        .route("/metrics", get(metrics))
        .route("/readyz", get(readyz))
        .with_state(status)
        .route("/customers/{id}", delete(customers::erase).with_state(eraser.clone()))
        .route("/customers/", delete(customers::erase).with_state(eraser))
}

/// Paths behind the token, the limits and the common headers. Who may not ask is told so before
/// anything of the body is read.
pub(super) fn behind(paths: Router, access: Access, limits: Limits) -> Router {
    paths
        .fallback(unknown)
        .layer(from_fn_with_state(limits, limits::answered))
        .layer(from_fn_with_state(limits, limits::with_body))
        .layer(from_fn_with_state(access, guard))
        .route("/healthz", get(healthz))
        .layer(from_fn(complete))
}

async fn status_json(State(status): State<Arc<Status>>) -> Response {
    match serde_json::to_string(&status.report()) {
        Ok(text) => ([(header::CONTENT_TYPE, JSON)], scrubbed(&text).into_owned()).into_response(),
        Err(error) => ProblemDetails::new(ProblemType::Internal, error.to_string()).into_response(),
    }
}

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    ([(header::CONTENT_TYPE, PROMETHEUS)], status.metrics()).into_response()
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(status): State<Arc<Status>>) -> Result<String, ProblemDetails> {
    // Whoever relies on the tables can, though what is published may be behind them.
    let ready =
        status.readiness().map_err(|why| ProblemDetails::new(ProblemType::NotReady, why))?;
    Ok(format!("{}\n", scrubbed(&ready)))
}

async fn unknown(uri: Uri) -> ProblemDetails {
    ProblemDetails::new(ProblemType::NotFound, format!("there is nothing at {}", uri.path()))
}

/// Lets pass who may; to a browser that asks for the page without the token, gives a page that asks
/// for it.
async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let Err(problem) = access.check(request.uri(), request.headers()) else {
        return next.run(request).await;
    };
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    match (access.has_token(), request.uri().path() == "/" && is_browser(request.headers())) {
        (true, true) => {
            (StatusCode::UNAUTHORIZED, challenge, [(header::CONTENT_TYPE, HTML)], SIGN_IN)
                .into_response()
        }
        (true, false) => (challenge, problem).into_response(),
        (false, _) => problem.into_response(),
    }
}

fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Gives an answer its common headers, and a problem its form.
async fn complete(request: Request, next: Next) -> Response {
    let id = request_id(Some(request.headers()));
    let mut response = told(next.run(request).await, &id);
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    headers.extend(HeaderValue::from_str(&id).ok().map(|id| (REQUEST_ID, id)));
    response
}

/// The id that a request brings, if it is one that can be shown anywhere, or a new one.
pub(super) fn request_id(headers: Option<&HeaderMap>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let given = headers.and_then(|headers| headers.get(REQUEST_ID)?.to_str().ok());
    match given.filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(is_plain)) {
        Some(id) => id.to_string(),
        // It only has to differ from those of other requests.
        None => format!("{:016x}", getrandom::u64().unwrap_or_default()),
    }
}
