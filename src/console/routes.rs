//! What is answered at which path, and what holds for every answer.

use super::access::Access;
use super::customers::{self, Eraser};
use super::problem::{Problem, as_problem};
use crate::telemetry::status::Status;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use std::sync::Arc;
use std::time::Duration;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

/// Bytes of a request's body that are taken: nothing that is asked here needs more.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// Time that an answer may take.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The media type of the pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// The text form of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page. It is complete in itself: no other file is loaded.
const PAGE: &str = include_str!("page.html");

/// The page for a browser that has not shown the token.
const SIGN_IN: &str = include_str!("sign_in.html");

/// For every answer: a browser keeps nothing, guesses nothing, and lets the page load nothing but what this port gives.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
        ),
    ),
];

/// All paths, behind the token, the limits and the common headers.
pub(super) fn router(status: Arc<Status>, eraser: Eraser, access: Access) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status", get(status_json))
        .route("/metrics", get(metrics))
        .route("/readyz", get(readyz))
        .route("/customers/{id}", delete(customers::erase).with_state(eraser.clone()))
        .route("/customers/", delete(customers::erase).with_state(eraser))
        .fallback(unknown)
        .layer(from_fn_with_state(access, guard))
        .route("/healthz", get(healthz))
        .with_state(status)
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, MAX_TIME))
        .layer(map_response(as_problem))
        .layer(map_response(with_headers))
}

async fn page() -> Response {
    ([(header::CONTENT_TYPE, HTML)], PAGE).into_response()
}

async fn status_json(State(status): State<Arc<Status>>) -> Response {
    Json(status.snapshot()).into_response()
}

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    ([(header::CONTENT_TYPE, PROMETHEUS)], status.metrics()).into_response()
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(status): State<Arc<Status>>) -> Result<String, Problem> {
    // Whoever relies on the tables can, though what is published may be behind them.
    let ready = status.readiness().map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
    Ok(format!("{ready}\n"))
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

/// Lets pass who may; to a browser that asks for the page without the token, gives a page that asks for it.
async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if access.allows(request.headers()) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    if request.uri().path() == "/" && is_browser(request.headers()) {
        return (StatusCode::UNAUTHORIZED, challenge, [(header::CONTENT_TYPE, HTML)], SIGN_IN).into_response();
    }
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "expected the header Authorization: Bearer TOKEN with the token of http.api_token_file");
    (challenge, problem).into_response()
}

fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

async fn with_headers(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}
