//! A notice as text, for whoever keeps it as that and knows nothing else of it.

use super::{Notice, is_erased};
use dataflows::event::{CustomerId, Millis};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// A notice in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeText(Box<RawValue>);

/// What every notice has.
#[derive(Deserialize)]
struct Essence {
    customer: CustomerId,
    timestamp: Millis,
}

impl NoticeText {
    /// The text of a notice.
    pub fn of(notice: &impl Notice) -> NoticeText {
        NoticeText(to_raw_value(notice).expect("texts, numbers and lists of them always are JSON"))
    }

    /// It.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Whether it goes with one of these erasures; of what is no notice nobody can tell.
    pub fn is_erased(&self, erased: &[(CustomerId, Millis)]) -> bool {
        let essence = serde_json::from_str::<Essence>(self.get());
        essence.is_ok_and(|essence| is_erased(essence.customer, essence.timestamp, erased))
    }
}

impl PartialEq for NoticeText {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}
