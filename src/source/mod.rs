//! The face of a source, whatever it reads: which topics it reads, up to where, and what it hands
//! to the worker that it is on.

mod intake;
mod loss;
mod positions;
mod topic_names;
mod topic_uuids;

pub use intake::{Bounds, Intake, bounds_of};
pub use loss::Loss;
pub use positions::{Offsets, Positions, offsets_by_name, offsets_of};
pub use topic_names::TopicNames;
pub use topic_uuids::{Remade, TopicUuid, TopicUuids};
