//! Errors as RFC 9457 asks for: `application/problem+json` with status, title and detail.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The media type of a problem.
const MEDIA_TYPE: &str = "application/problem+json";

/// An error as the client sees it. Its type is `about:blank`: the status says what kind it is.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem { status, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = serde_json::json!({ "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail });
        (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
    }
}

/// Gives the errors that the layers below make in plain text the same form; their headers, such as `Allow`, stay.
pub(super) async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(header::CONTENT_TYPE).is_some_and(|given| given == MEDIA_TYPE || given == super::routes::HTML) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    let body = Problem::new(status, detail(status)).into_response().into_body();
    Response::from_parts(parts, body)
}

fn detail(status: StatusCode) -> &'static str {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take this method; the header Allow names those that it takes",
        StatusCode::PAYLOAD_TOO_LARGE => "the body of the request is longer than is taken here",
        StatusCode::SERVICE_UNAVAILABLE => "the answer took too long; try again",
        _ => "the request cannot be answered",
    }
}
