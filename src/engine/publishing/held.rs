//! What keeps a publisher from sending on.

use super::Shared;
use crate::sink::SinkError;
use crate::sink::outbox::Outbox;
use crate::telemetry::stalls::{Cause, Seen};
use std::time::Duration;

/// Nothing is sent unless the job was seen to be this instance's so shortly before.
const OWN: Duration = Duration::from_secs(1);

/// Why what is in hand is not sent on.
pub(super) enum Held {
    /// Something of it was erased: the rest is sent.
    Erased,
    /// The time is over.
    Over,
    /// Another instance has the job.
    Fenced(SinkError),
    /// This, until it has passed.
    Trouble(Vec<Seen>),
}

impl Held {
    pub(super) fn by(error: SinkError, doing: &str) -> Held {
        if error.is_fenced() {
            Held::Fenced(error)
        } else {
            Held::Trouble(vec![Seen::of(Cause::Publishing, format!("{doing}: {error}"))])
        }
    }
}

/// Makes sure that this instance has the job: a commit or a mark of its own shows it as well.
pub(super) fn confirm(shared: &Shared, outbox: &mut dyn Outbox, epoch: u64) -> Result<(), Held> {
    if shared.queue().confirmed().elapsed() < OWN {
        return Ok(());
    }
    outbox.confirm(epoch).map_err(|error| {
        Held::by(error, "nobody can say whether the job is still this instance's")
    })?;
    shared.queue().confirm();
    Ok(())
}

/// What keeps it.
#[derive(Default)]
pub(super) struct Hindrance {
    /// Something does, and whoever watches was told.
    noted: bool,
}

impl Hindrance {
    pub(super) fn note(&mut self, shared: &Shared, why: Vec<Seen>) {
        self.noted = true;
        shared.status.cannot_publish(why);
    }

    pub(super) fn passes(&mut self, shared: &Shared) {
        if std::mem::take(&mut self.noted) {
            shared.status.cannot_publish(Vec::new());
        }
    }
}
