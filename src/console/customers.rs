//! Erasing a customer by `DELETE /customers/{id}`.

use super::problem::Problem;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dataflows::event::text::customer_number;
use dataflows::event::{CustomerId, Millis};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;

/// Asks for a customer's erasure, in the same durable log as every event; gives the instant up to which everything of the customer goes, or what
/// stands in the way.
pub type Erase = Arc<dyn Fn(CustomerId) -> Result<Millis, String> + Send + Sync>;

/// What erases, for the handler; `open` where no token is asked for.
#[derive(Clone)]
pub(super) struct Eraser {
    pub(super) erase: Option<Erase>,
    pub(super) open: bool,
}

/// Takes the wish once it is in the log; that it has come true is seen in the table of erasures.
///
/// A number that is none is refused here: in the log it could only become a dead letter, after the
/// wish was taken.
pub(super) async fn erase(State(eraser): State<Eraser>, path: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    if eraser.open && !names_this_machine(&headers) {
        let why = "without a token, erasing takes an address of numbers or localhost in the header Host: set http.api_token_file";
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    let customer = customer(path)?;
    let none = || Problem::new(StatusCode::NOT_IMPLEMENTED, "this program keeps no log that an erasure could be written to; `sluice run` does");
    let erase = eraser.erase.ok_or_else(none)?;
    let asked = tokio::task::spawn_blocking(move || erase(customer)).await;
    let until = match asked {
        Ok(Ok(until)) => until,
        Ok(Err(why)) => return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{why}; asking again does no harm"))),
        Err(_) => return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the erasure was not asked for; see the log")),
    };
    let body = json!({
        "customer_id": customer,
        "until": until,
        "detail": "everything of the customer dated up to `until` goes with the next epoch; its row in the table erasures reports what went",
    });
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// The customer that the path names. Without a name, or with one that is no text, there is no path
/// to take it from.
fn customer(path: Result<Path<String>, PathRejection>) -> Result<CustomerId, Problem> {
    let id = path.map(|Path(id)| id).unwrap_or_default();
    let wrong = || Problem::new(StatusCode::BAD_REQUEST, format!("expected a customer's number, 0 to 2^63 - 1 in digits alone, got {id:?}"));
    customer_number(id.as_bytes()).ok_or_else(wrong)
}

/// Whether the request was addressed to a number or to localhost. A page from elsewhere can make a browser send requests to a name of its own that
/// leads here, but not to these.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_and_localhost_name_this_machine() {
        let named = |host: &'static str| names_this_machine(&[(header::HOST, host.parse().expect("a header"))].into_iter().collect());
        for ours in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[::1]", "10.0.0.3:80"] {
            assert!(named(ours), "{ours}");
        }
        for foreign in ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example:80", ""] {
            assert!(!named(foreign), "{foreign}");
        }
        assert!(names_this_machine(&HeaderMap::new()), "no browser leaves it out");
    }
}
