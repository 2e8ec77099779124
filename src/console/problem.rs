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
pub(super) enum ProblemType {
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

impl ProblemType {
    fn name(self) -> &'static str {
        match self {
            ProblemType::Malformed => "malformed",
            ProblemType::Unauthorized => "unauthorized",
            ProblemType::ForeignHost => "foreign-host",
            ProblemType::NotFound => "not-found",
            ProblemType::Method => "method",
            ProblemType::SlowRequest => "slow-request",
            ProblemType::TooLarge => "too-large",
            ProblemType::Internal => "internal",
            ProblemType::NotHere => "not-here",
            ProblemType::NotReady => "not-ready",
            ProblemType::Overloaded => "overloaded",
            ProblemType::TooSlow => "too-slow",
            ProblemType::NoBroker => "no-broker",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            ProblemType::Malformed => StatusCode::BAD_REQUEST,
            ProblemType::Unauthorized => StatusCode::UNAUTHORIZED,
            ProblemType::ForeignHost => StatusCode::FORBIDDEN,
            ProblemType::NotFound => StatusCode::NOT_FOUND,
            ProblemType::Method => StatusCode::METHOD_NOT_ALLOWED,
            ProblemType::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            ProblemType::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ProblemType::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ProblemType::NotHere => StatusCode::NOT_IMPLEMENTED,
            ProblemType::NotReady
            | ProblemType::Overloaded
            | ProblemType::TooSlow
            | ProblemType::NoBroker => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the layers below mean by an answer that they make themselves.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => ProblemType::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => ProblemType::Method,
            status if status.is_client_error() => ProblemType::Malformed,
            _ => ProblemType::Internal,
        }
    }

    /// What is said where nothing more is known.
    fn detail(self) -> &'static str {
        match self {
            ProblemType::NotFound => "there is nothing at this path",
            ProblemType::Method => {
                "this path does not take this method; the header Allow names those that it takes"
            }
            ProblemType::Internal => {
                "the request could not be answered, which is a fault of this program; its log says \
                 more"
            }
            _ => "the request cannot be read",
        }
    }
}

/// An error as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProblemDetails {
    kind: ProblemType,
    detail: String,
}

impl ProblemDetails {
    pub(super) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        ProblemDetails { kind, detail: detail.into() }
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
impl IntoResponse for ProblemDetails {
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
    let problem = parts.extensions.remove::<ProblemDetails>().unwrap_or_else(|| {
        let kind = ProblemType::of(status);
        ProblemDetails::new(kind, kind.detail())
    });
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    Response::from_parts(parts, problem.body(request_id).into())
}
