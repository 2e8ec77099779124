//! What the program knows of small dataflows beside what each says of itself: an epoch of one,
//! gathered, what follows from epoch to epoch, its rows and its figures, and its replays.

pub mod figures;
pub mod following;
mod hosted;
mod replayed;
pub mod results;
pub mod rows;
#[cfg(test)]
mod tests;
