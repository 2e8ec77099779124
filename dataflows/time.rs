//! Time as everything here counts it.

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Milliseconds in a day.
pub const DAY: Millis = 86_400_000;
