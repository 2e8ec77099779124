//! What a row of a declared table becomes: a tuple of PostgreSQL's binary COPY, a packed row, a
//! line of JSON or of CSV; how one is read back; and what an epoch comes to for each table. No
//! table's name is known here.

pub mod cells;
pub mod changes;
pub mod csv;
pub mod encode;
pub mod json;
pub mod packed;
mod told;
pub mod value;

pub use changes::Changes;
pub use told::{encode_cell, tell};
