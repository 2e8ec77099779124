//! Plain-old-data rows for exchange and snapshots: the only home of `abomonation` and of `unsafe`.
#![allow(unsafe_code)]

pub mod rows;
