//! What is kept of single events of a customer.

use crate::event::{Contact, Millis};

/// A settled interaction (32 bytes).
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Interaction {
    /// Frozen hash of its id.
    pub id: u64,
    /// Its instant.
    pub timestamp: Millis,
    /// Arm, own reward and flags.
    pub contact: Contact,
    /// Probability with which its arm was chosen.
    pub propensity: f64,
}

/// A settled delayed reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Reward {
    /// Frozen hash of the reward's id.
    pub id: u64,
    /// The interaction that it belongs to.
    pub interaction: u64,
    /// When it was given.
    pub timestamp: Millis,
    /// How much, in Q16.
    pub value: i64,
}

/// A decision that was made for the customer.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Decided {
    /// Frozen hash of its id.
    pub key: u64,
    /// The instant that was asked for.
    pub timestamp: Millis,
    /// Probability with which its arm was chosen.
    pub propensity: f64,
    /// The model that decided.
    pub model_version: u64,
}
