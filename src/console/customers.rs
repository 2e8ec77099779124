//! Erasing a customer by `DELETE /customers/{id}`.

use super::access::Access;
use super::erasing_token::ErasingToken;
use super::problem::{Kind, Problem};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use dataflows::event::text::customer_number;
use dataflows::event::{CustomerId, Millis};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Erasures that are asked for at once: the log takes one after the other.
const ERASURES: usize = 16;

/// Asks for a customer's erasure, in the same durable log as every event; gives the instant up to
/// which everything of the customer goes, or what stands in the way.
pub type Erase = Arc<dyn Fn(CustomerId) -> Result<Millis, String> + Send + Sync>;

/// What erases, and the token that it takes where no other is asked for.
#[derive(Clone)]
pub struct Erasing {
    /// What erases.
    pub erase: Erase,
    /// The token.
    pub token: ErasingToken,
}

/// What erases, for the handler.
#[derive(Clone)]
pub(super) struct Eraser {
    erasing: Option<Erasing>,
    access: Access,
    places: Arc<Semaphore>,
}

impl Eraser {
    pub(super) fn new(erasing: Option<Erasing>, access: Access) -> Self {
        Eraser { erasing, access, places: Arc::new(Semaphore::new(ERASURES)) }
    }

    /// What erases, for a request that may.
    fn permitted(&self, headers: &HeaderMap) -> Result<Erase, Problem> {
        let none = || {
            Problem::new(
                Kind::NotHere,
                "this program keeps no log that an erasure could be written to; `sluice run` does",
            )
        };
        let Erasing { erase, token } = self.erasing.as_ref().ok_or_else(none)?;
        // Whoever has come so far with a token has shown it.
        if self.access.has_token() {
            return Ok(Arc::clone(erase));
        }
        match (token.path(), token.hash()) {
            (_, Some(hash)) if hash.is_carried(headers) => Ok(Arc::clone(erase)),
            (Some(path), Some(_)) => {
                let why = format!(
                    "erasing takes the header Authorization: Bearer TOKEN with the token in {}",
                    path.display()
                );
                Err(Problem::new(Kind::Unauthorized, why))
            }
            (Some(_), None) => Err(Problem::new(
                Kind::NotReady,
                "erasing takes a token, which is made once the job has begun; its log says where \
                 it lies",
            )),
            (None, _) => Err(Problem::new(
                Kind::NotHere,
                "erasing takes a token, and there is no folder to keep one in: set \
                 http.api_token_file",
            )),
        }
    }
}

/// Takes the wish once it is in the log; that it has come true is seen in the table of erasures.
///
/// A number that is none is refused here: in the log it could only become a dead letter, after the
/// wish was taken.
pub(super) async fn erase(
    State(eraser): State<Eraser>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // What is no number is nobody's, with a token or without.
    let customer = customer(path)?;
    let erase = eraser.permitted(&headers)?;
    let many = |_| {
        Problem::new(
            Kind::Overloaded,
            format!(
                "{ERASURES} erasures are being asked for, and no more are taken; ask again later"
            ),
        )
    };
    let place = Arc::clone(&eraser.places).try_acquire_owned().map_err(many)?;
    let asked = tokio::task::spawn_blocking(move || {
        let asked = erase(customer);
        drop(place);
        asked
    });
    let until = match asked.await {
        Ok(Ok(until)) => until,
        Ok(Err(why)) => {
            return Err(Problem::new(Kind::NoBroker, format!("{why}; asking again does no harm")));
        }
        Err(_) => {
            return Err(Problem::new(Kind::Internal, "the erasure was not asked for; see the log"));
        }
    };
    let body = json!({
        "customer_id": customer,
        "until": until,
        "detail": "everything of the customer dated up to `until` goes with the next epoch; \
            `sluice erasures` reports place by place what went, and what remains",
    });
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// The customer that the path names. Without a name, or with one that is no text, there is no path
/// to take it from.
fn customer(path: Result<Path<String>, PathRejection>) -> Result<CustomerId, Problem> {
    let id = path.map(|Path(id)| id).unwrap_or_default();
    let wrong = || {
        Problem::new(
            Kind::Malformed,
            format!("expected a customer's number, 0 to 2^63 - 1 in digits alone, got {id:?}"),
        )
    };
    customer_number(id.as_bytes()).ok_or_else(wrong)
}
