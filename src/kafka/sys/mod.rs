//! What rdkafka's safe interface does not offer: the shell's only home of `unsafe`. Everything that
//! it shows outside is safe.
#![allow(unsafe_code)]

pub(super) mod batch;
pub(super) mod describe;
