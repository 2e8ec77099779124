//! Tests of the stores, the same for each, and stores that fail.
