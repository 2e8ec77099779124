//! What the program knows of small dataflows beside what each says of itself: an epoch of one,
//! gathered, what follows from epoch to epoch, its rows and its figures.

pub mod figures;
pub mod following;
mod hosted;
pub mod results;
pub mod rows;
#[cfg(test)]
mod tests;
