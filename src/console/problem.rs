//! Errors as RFC 9457 asks for: `application/problem+json` with type, title, status, detail and the
//! request's id.

use crate::config::secret::scrubbed;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The media type of a problem.
const MEDIA_TYPE: &str = "application/problem+json";

/// Seconds after which what passes by itself may be asked again.
const RETRY_AFTER: &str = "1";

/// What kind a problem is. Its name is what programs look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request cannot be read.
    Malformed,
    /// The token is missing or wrong.
    Unauthorized,
    /// The request was addressed to a name that somebody else may own.
    ForeignHost,
    /// There is nothing there.
    NotFound,
    /// The path does not take this method.
    Method,
    /// The request did not come to its end in time.
    SlowRequest,
    /// The body is too long.
    TooLarge,
    /// The program is at fault.
    Internal,
    /// Another program or setting has it.
    NotHere,
    /// The job is not as far yet, or does not keep up.
    NotReady,
    /// There are too many at once.
    Overloaded,
    /// The answer was not there in time.
    TooSlow,
    /// The broker does not answer.
    NoBroker,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Malformed => "malformed",
            Kind::Unauthorized => "unauthorized",
            Kind::ForeignHost => "foreign-host",
            Kind::NotFound => "not-found",
            Kind::Method => "method",
            Kind::SlowRequest => "slow-request",
            Kind::TooLarge => "too-large",
            Kind::Internal => "internal",
            Kind::NotHere => "not-here",
            Kind::NotReady => "not-ready",
            Kind::Overloaded => "overloaded",
            Kind::TooSlow => "too-slow",
            Kind::NoBroker => "no-broker",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Kind::Malformed => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::ForeignHost => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::NotHere => StatusCode::NOT_IMPLEMENTED,
            Kind::NotReady | Kind::Overloaded | Kind::TooSlow | Kind::NoBroker => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// What the layers below mean by an answer that they make themselves.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Kind::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Kind::Method,
            status if status.is_client_error() => Kind::Malformed,
            _ => Kind::Internal,
        }
    }

    /// What is said where nothing more is known.
    fn detail(self) -> &'static str {
        match self {
            Kind::NotFound => "there is nothing at this path",
            Kind::Method => {
                "this path does not take this method; the header Allow names those that it takes"
            }
            Kind::Internal => {
                "the request could not be answered, which is a fault of this program; its log says \
                 more"
            }
            _ => "the request cannot be read",
        }
    }
}

/// An error as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem { kind, detail: detail.into() }
    }

    fn body(&self, request_id: &str) -> String {
        let status = self.kind.status();
        let problem = serde_json::json!({
            "type": format!("urn:sluice:problem:{}", self.kind.name()),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": scrubbed(&self.detail),
            "request_id": request_id,
        });
        problem.to_string()
    }

    /// The whole answer for a connection that is closed with it, before a request is known.
    pub(super) fn alone(&self, request_id: &str) -> String {
        let (status, body) = (self.kind.status(), self.body(request_id));
        let reason = status.canonical_reason().unwrap_or("Error");
        let retry = if status == StatusCode::SERVICE_UNAVAILABLE {
            format!("retry-after: {RETRY_AFTER}\r\n")
        } else {
            String::new()
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: {MEDIA_TYPE}\r\n{retry}cache-control: \
             no-store\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}",
            status.as_u16()
        )
    }
}

/// As an answer without a body, which [`told`] gives it once it is known which request it was.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives a problem its form, and the same to the errors that the layers below make in plain text;
/// their headers, such as `Allow`, stay.
pub(super) fn told(response: Response, request_id: &str) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error
        || response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|given| given == super::routes::HTML)
    {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let problem = parts.extensions.remove::<Problem>().unwrap_or_else(|| {
        let kind = Kind::of(status);
        Problem::new(kind, kind.detail())
    });
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    Response::from_parts(parts, problem.body(request_id).into())
}
