//! Why a sink waits, for whoever shows it.

use crate::telemetry::stalls::Seen;
use std::sync::{Arc, Mutex, PoisonError};

/// Why the sink waits; nothing while it need not.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<Seen>>>);

impl Trouble {
    /// What is waited for, without secrets; `None` while the sink works.
    pub fn seen(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sink waits for this from now on, or for nothing.
    pub fn note(&self, seen: Option<Seen>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}
