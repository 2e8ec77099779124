//! What erases a customer for the console of a job: a record in one of its topics, or an error that
//! is counted and said.

use crate::console::ErasureCall;
use crate::kafka::KafkaSettings;
use crate::kafka::eraser::Eraser;
use crate::status::Status;
use crate::status::erasures::ErasureFault;
use crate::telemetry::pseudonym::Pseudonym;
use dataflows::event::{CustomerId, Millis};
use std::fmt::Display;
use std::sync::Arc;

/// Erases through the broker, for the job with this status.
pub fn erase(kafka: &KafkaSettings, status: &Arc<Status>) -> ErasureCall {
    let eraser = Eraser::new(kafka);
    counting(Arc::clone(status), move |customer| eraser.erase(customer))
}

fn counting<E: Display>(
    status: Arc<Status>,
    ask: impl Fn(CustomerId) -> Result<Millis, E> + Send + Sync + 'static,
) -> ErasureCall {
    Arc::new(move |customer| {
        ask(customer).map_err(|error| {
            status.erasure_failed(ErasureFault::NotWritten);
            tracing::error!(
                customer = %Pseudonym(customer),
                "The erasure of a customer could not be asked for, so it is not done: {error}. Ask \
                 again."
            );
            error.to_string()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_that_cannot_be_written_is_counted() {
        let status = Arc::new(Status::new("campaign", &[], Box::new(())));
        let erase =
            counting(
                Arc::clone(&status),
                |customer| if customer == 5 { Ok(7) } else { Err("no broker") },
            );
        assert_eq!((erase(5), erase(6)), (Ok(7), Err("no broker".to_string())));
        let failed = status.report().failed_erasures;
        assert_eq!((failed["not_written"], failed["checkpoints"]), (1, 0));
    }
}
