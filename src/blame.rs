//! Whose fault an error is, whether another start can help, and the exit code that follows. Each
//! kind of error says it by a match without wildcard, so that a new one has to be judged.

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The command line or the configuration, whatever the world is like: the same again gives the
    /// same error.
    Usage,
    /// The world as it is at the moment: services that are away, rights that are missing, a disk
    /// that is full, records or topics that are gone and may be restored. The same again may
    /// succeed.
    World,
    /// Another instance has what this one wants: the same again would find it taken, or take it
    /// away.
    Another,
    /// What is recorded does not fit this program, its settings or the topics: the same again ends
    /// the same way until somebody has decided what is to become of it.
    Lasting,
}

/// What `--help` says of exit codes.
pub const CODES: &str = "\
Exit codes:
  0  done
  1  failed, or what was asked does not hold; another start of a job may help
  2  wrong usage or configuration
and of `sluice run`, which is not to be started again then as it is:
  3  another instance has the job
  4  another start ends the same way: what is recorded, the program, its settings and the topics do
     not fit each other, and the message says what can be done";

impl Blame {
    /// The exit code of a job that ends with it.
    pub fn of_job(self) -> u8 {
        match self {
            Blame::World => 1,
            Blame::Usage => 2,
            Blame::Another => 3,
            Blame::Lasting => 4,
        }
    }

    /// That of every other command: what it was asked for is not had, whatever a job would make of
    /// it.
    pub fn of_command(self) -> u8 {
        match self {
            Blame::World | Blame::Another | Blame::Lasting => 1,
            Blame::Usage => 2,
        }
    }
}
