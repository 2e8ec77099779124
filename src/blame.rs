//! Whose fault an error is, and the exit code that follows. Each kind of error says it by a match
//! without wildcard, so that a new one has to be judged.

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The command line or the configuration, whatever the world is like: the same again gives the
    /// same error.
    Usage,
    /// Whatever else there is: services, files, the program itself.
    World,
}

impl Blame {
    /// The program's exit code.
    pub fn code(self) -> u8 {
        match self {
            Blame::Usage => 2,
            Blame::World => 1,
        }
    }
}
