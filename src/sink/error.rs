//! Why a sink could not go on, whichever it is.

use crate::blame::Blame;
use crate::first::Panicked;
use std::error::Error;
use std::fmt;
use std::io;

/// What one sink has in its way. Its text says everything; nobody asks for a source.
pub trait SinkFault: Error + Send + Sync + 'static {
    /// Whose it is, for whoever looks at an error's parts.
    fn sink(&self) -> &'static str;

    /// Whose fault it is.
    fn blame(&self) -> Blame;

    /// Whether another instance has the job, or it has none any more: nothing more may be done for
    /// it here.
    fn is_fenced(&self) -> bool;

    /// Whether the same may succeed later, without another start.
    fn is_transient(&self) -> bool;
}

/// Why a sink could not go on.
#[derive(thiserror::Error)]
pub enum SinkError {
    /// The database, the journal or the files beside it.
    #[error("{0}")]
    Fault(Box<dyn SinkFault>),
    /// The sink's thread could not be started.
    #[error("the thread of the sink cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// The sink's thread panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// The fault stands under the name of its sink.
impl fmt::Debug for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SinkError::Fault(fault) => f.debug_tuple(fault.sink()).field(fault).finish(),
            SinkError::Thread(error) => f.debug_tuple("Thread").field(error).finish(),
            SinkError::Panicked(panicked) => f.debug_tuple("Panicked").field(panicked).finish(),
        }
    }
}

impl<F: SinkFault> From<F> for SinkError {
    fn from(fault: F) -> Self {
        SinkError::Fault(Box::new(fault))
    }
}

impl SinkError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            SinkError::Fault(fault) => fault.blame(),
            SinkError::Thread(_) | SinkError::Panicked(_) => Blame::World,
        }
    }

    /// Whether another instance has the job, or it has none any more.
    pub fn is_fenced(&self) -> bool {
        matches!(self, SinkError::Fault(fault) if fault.is_fenced())
    }

    /// Whether the same may succeed later, without another start.
    pub fn is_transient(&self) -> bool {
        matches!(self, SinkError::Fault(fault) if fault.is_transient())
    }

    /// The fault of one kind of sink, if it is one.
    #[cfg(test)]
    pub fn of<F: SinkFault>(&self) -> Option<&F> {
        let SinkError::Fault(fault) = self else { return None };
        let error: &(dyn Error + 'static) = fault.as_ref();
        error.downcast_ref()
    }
}
