//! Notices: what an epoch of a dataflow owes the topic of its own, each as the dataflow has it.
//! Only when they are published are they worded, by whoever knows them.

mod form;
mod text;

pub use form::{NoticeForm, NoticeTable};
pub use text::NoticeText;

use dataflows::event::{CustomerId, Millis};
use serde::Serialize;
use std::any::Any;
use std::fmt::Debug;

/// A notice of a dataflow.
///
/// # Contract
/// It is an object in JSON, with members `customer` and `timestamp` that are what it says here: a
/// journal keeps it as that, and looks at these two.
pub trait Notice: Clone + Debug + PartialEq + Serialize + Send + Sync + 'static {
    /// Whom it is of: the key with which it is published.
    fn customer(&self) -> CustomerId;

    /// When it is dated: it goes with its customer when everything up to then is erased.
    fn timestamp(&self) -> Millis;

    /// What tells it from the others of its customer and instant: they are published in this order.
    fn number(&self) -> u64;

    /// Bytes that it takes in memory, roughly.
    fn bytes(&self) -> usize;
}

/// Notices of one dataflow, in a row: what is done with them costs a call for all of them.
#[derive(Debug, Default)]
pub struct Notices(Option<Box<dyn AnyNotices>>);

impl Notices {
    /// These.
    pub fn of<N: Notice>(notices: Vec<N>) -> Notices {
        if notices.is_empty() { Notices(None) } else { Notices(Some(Box::new(notices))) }
    }

    /// Puts one with the others.
    ///
    /// # Panics
    /// They are of another dataflow, which nobody can hand over here.
    pub fn push<N: Notice>(&mut self, notice: N) {
        let all = self.0.get_or_insert_with(|| Box::new(Vec::<N>::new()));
        let all: &mut dyn Any = all.as_mut();
        let Some(all) = all.downcast_mut::<Vec<N>>() else { unreachable!("{OTHERS}") };
        all.push(notice);
    }

    /// All of them.
    ///
    /// # Panics
    /// They are of another dataflow, which nobody can hand over here.
    pub fn all<N: Notice>(&self) -> &[N] {
        let Some(all) = &self.0 else { return &[] };
        let all: &dyn Any = all.as_ref();
        let Some(all) = all.downcast_ref::<Vec<N>>() else { unreachable!("{OTHERS}") };
        all
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.count())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts them into the order of customers and instants.
    pub(super) fn sort(&mut self) {
        self.0.iter_mut().for_each(|all| all.sort());
    }

    /// Bytes that they take in memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.bytes())
    }

    /// Whether one of them is of an erased customer.
    pub(super) fn concern(&self, erased: &[(CustomerId, Millis)]) -> bool {
        self.0.as_ref().is_some_and(|all| all.concern(erased))
    }

    /// Takes out those of erased customers, each up to an instant.
    pub(super) fn erase(&mut self, erased: &[(CustomerId, Millis)]) {
        self.0.iter_mut().for_each(|all| all.erase(erased));
    }
}

const OTHERS: &str = "the notices of a job are of one dataflow";

impl Clone for Notices {
    fn clone(&self) -> Self {
        Notices(self.0.as_ref().map(|all| all.copy()))
    }
}

impl PartialEq for Notices {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => own.equals(other.as_ref()),
            _ => self.is_empty() && other.is_empty(),
        }
    }
}

/// Notices of whichever dataflow.
trait AnyNotices: Any + Debug + Send + Sync {
    fn count(&self) -> usize;
    fn bytes(&self) -> usize;
    fn sort(&mut self);
    fn concern(&self, erased: &[(CustomerId, Millis)]) -> bool;
    fn erase(&mut self, erased: &[(CustomerId, Millis)]);
    fn copy(&self) -> Box<dyn AnyNotices>;
    fn equals(&self, other: &dyn Any) -> bool;
}

impl<N: Notice> AnyNotices for Vec<N> {
    fn count(&self) -> usize {
        self.len()
    }

    fn bytes(&self) -> usize {
        self.iter().map(Notice::bytes).sum()
    }

    fn sort(&mut self) {
        self.sort_by_key(|notice| (notice.customer(), notice.timestamp(), notice.number()));
    }

    fn concern(&self, erased: &[(CustomerId, Millis)]) -> bool {
        self.iter().any(|notice| is_erased(notice.customer(), notice.timestamp(), erased))
    }

    fn erase(&mut self, erased: &[(CustomerId, Millis)]) {
        self.retain(|notice| !is_erased(notice.customer(), notice.timestamp(), erased));
    }

    fn copy(&self) -> Box<dyn AnyNotices> {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| self == other)
    }
}

/// Whether what is dated so of a customer goes with one of these erasures.
fn is_erased(of: CustomerId, dated: Millis, erased: &[(CustomerId, Millis)]) -> bool {
    erased.iter().any(|(customer, until)| *customer == of && dated <= *until)
}
