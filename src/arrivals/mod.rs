//! What the program knows of the arrivals dataflow beside what it says of itself.

use crate::keyed::rows::ViewRows;
use crate::table::encode::CopyBuffer;
use dataflows::arrivals::{Arrivals, ArrivalsOf};

impl ViewRows for Arrivals {
    fn word(ArrivalsOf { arrivals, first, last }: &ArrivalsOf, buffer: &mut CopyBuffer) {
        buffer.bigint(*arrivals);
        buffer.timestamp(*first);
        buffer.timestamp(*last);
    }
}
