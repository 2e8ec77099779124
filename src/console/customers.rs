//! Erasing a customer by `DELETE /customers/{id}`.

use super::access::Access;
use super::erasing_token::ErasingToken;
use super::problem::{ProblemDetails, ProblemType};
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
pub type ErasureCall = Arc<dyn Fn(CustomerId) -> Result<Millis, String> + Send + Sync>;

/// What erases, and the token that it takes where no other is asked for.
#[derive(Clone)]
pub struct ErasureEndpoint {
    /// What erases.
    pub erase: ErasureCall,
    /// The token.
    pub token: ErasingToken,
}

/// What erases, for the handler.
#[derive(Clone)]
pub(super) struct ErasureHandler {
    erasing: Option<ErasureEndpoint>,
    access: Access,
    places: Arc<Semaphore>,
}

impl ErasureHandler {
    pub(super) fn new(erasing: Option<ErasureEndpoint>, access: Access) -> Self {
        ErasureHandler { erasing, access, places: Arc::new(Semaphore::new(ERASURES)) }
    }

    /// What erases, for a request that may.
    fn permitted(&self, headers: &HeaderMap) -> Result<ErasureCall, ProblemDetails> {
        let none = || {
            ProblemDetails::new(
                ProblemType::NotHere,
                "this program keeps no log that an erasure could be written to; `sluice run` does",
            )
        };
        let ErasureEndpoint { erase, token } = self.erasing.as_ref().ok_or_else(none)?;
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
                Err(ProblemDetails::new(ProblemType::Unauthorized, why))
            }
            (Some(_), None) => Err(ProblemDetails::new(
                ProblemType::NotReady,
                "erasing takes a token, which is made once the job has begun; its log says where \
                 it lies",
            )),
            (None, _) => Err(ProblemDetails::new(
                ProblemType::NotHere,
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
    State(eraser): State<ErasureHandler>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ProblemDetails> {
    // What is no number is nobody's, with a token or without.
    let customer = customer(path)?;
    let erase = eraser.permitted(&headers)?;
    let many = |_| {
        ProblemDetails::new(
            ProblemType::Overloaded,
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
            return Err(ProblemDetails::new(
                ProblemType::NoBroker,
                format!("{why}; asking again does no harm"),
            ));
        }
        Err(_) => {
            return Err(ProblemDetails::new(
                ProblemType::Internal,
                "the erasure was not asked for; see the log",
            ));
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
fn customer(path: Result<Path<String>, PathRejection>) -> Result<CustomerId, ProblemDetails> {
    let id = path.map(|Path(id)| id).unwrap_or_default();
    let wrong = || {
        ProblemDetails::new(
            ProblemType::Malformed,
            format!("expected a customer's number, 0 to 2^63 - 1 in digits alone, got {id:?}"),
        )
    };
    customer_number(id.as_bytes()).ok_or_else(wrong)
}
