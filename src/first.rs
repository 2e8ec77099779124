//! The first thing that goes wrong, in whichever thread: what follows from it must not be taken for
//! the cause.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Room for one error, which several threads share: whoever fails first fills it.
#[derive(Debug)]
pub struct First<E>(Arc<Mutex<Option<E>>>);

impl<E> First<E> {
    /// Keeps `error` unless something went wrong before; that one is given back then.
    ///
    /// # Errors
    /// `error`, which was not the first.
    pub fn set(&self, error: E) -> Result<(), E> {
        let mut first = self.lock();
        match &*first {
            Some(_) => Err(error),
            None => {
                *first = Some(error);
                Ok(())
            }
        }
    }

    /// Whether anything went wrong.
    pub fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    /// Takes out what went wrong.
    pub fn take(&self) -> Option<E> {
        self.lock().take()
    }

    /// Whoever panicked with the lock in hand has left it empty or full, and nothing between.
    fn lock(&self) -> MutexGuard<'_, Option<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Send + 'static> First<E> {
    /// For a part of the program that fails in its own way.
    pub fn teller<S: Into<E> + 'static>(&self) -> Tell<S> {
        let first = self.clone();
        // What followed from the first cause is of no use to anybody.
        Tell::new(move |error: S| drop(first.set(error.into())))
    }
}

impl<E> Clone for First<E> {
    fn clone(&self) -> Self {
        First(Arc::clone(&self.0))
    }
}

impl<E> Default for First<E> {
    fn default() -> Self {
        First(Arc::default())
    }
}

/// The way in which a part of the program says that it failed, wherever that is kept.
pub struct Tell<E>(Arc<dyn Fn(E) + Send + Sync>);

impl<E> Tell<E> {
    /// Calls `tell` with what went wrong.
    pub fn new(tell: impl Fn(E) + Send + Sync + 'static) -> Self {
        Tell(Arc::new(tell))
    }

    /// Says that it failed.
    pub fn tell(&self, error: E) {
        (self.0)(error);
    }
}

impl<E> Clone for Tell<E> {
    fn clone(&self) -> Self {
        Tell(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for Tell<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// A thread has panicked, which no input and no outage may bring about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread `{thread}` panicked, which is a fault of this program: {message}")]
pub struct Panicked {
    /// What the thread did.
    pub thread: String,
    /// What it said.
    pub message: String,
}

/// What `work` gives, or what it said when it panicked: in a thread of its own nobody else would
/// hear of it.
///
/// # Errors
/// It has panicked.
pub fn caught<T>(thread: &str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Whatever is left half done is not looked at again: the program ends.
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| Panicked { thread: thread.to_string(), message: message(panic.as_ref()) })
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it left no message").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stays() {
        let first = First::<String>::default();
        assert!(!first.is_set());
        first.teller::<&str>().tell("the disk is full");
        assert_eq!(
            first.set("the sink has ended".to_string()),
            Err("the sink has ended".to_string())
        );
        assert!(first.is_set());
        assert_eq!((first.take().as_deref(), first.take()), (Some("the disk is full"), None));
    }

    #[test]
    fn a_panic_is_caught_with_what_it_said() {
        assert_eq!(caught("sum", || 1 + 1), Ok(2));
        let said = |work: fn()| caught("work", work).expect_err("it panics").to_string();
        assert_eq!(
            said(|| panic!("row {} is gone", 3)),
            "the thread `work` panicked, which is a fault of this program: row 3 is gone"
        );
        assert!(said(|| panic!("no row")).ends_with(": no row"));
        assert!(said(|| std::panic::panic_any(7)).ends_with(": it left no message"));
    }
}
