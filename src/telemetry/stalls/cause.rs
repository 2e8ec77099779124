//! Why something stands still, and how that is said.

mod words;

use words::Words;

/// Why something stands still, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A topic or partition that is read is not there any more.
    InputGone,
    /// The database does not answer, or takes nothing.
    Database,
    /// Another session holds a lock that an epoch needs.
    DatabaseLock,
    /// The database does not finish an epoch, or ends its transaction after a time.
    DatabaseSlow,
    /// The journal, or a file beside it, cannot be written.
    Journal,
    /// No broker answers, or not the one that has a partition.
    Broker,
    /// Another process of the job does nothing.
    Peer,
    /// All results are computed and written anew under other settings.
    Settings,
    /// Epochs wait, and nobody can say why.
    Unknown,
    /// The topic of decisions is missing, or takes nothing.
    PredictionsTopic,
    /// Likewise that of dead letters.
    DeadLettersTopic,
    /// What committed epochs owe cannot be published for another reason.
    Publishing,
    /// An open transaction of a producer holds records back.
    HeldBack,
    /// Checkpoints cannot be written.
    Checkpoints,
}

impl Cause {
    /// Every cause, the gravest first.
    pub const ALL: [Cause; 14] = [
        Cause::InputGone,
        Cause::Database,
        Cause::DatabaseLock,
        Cause::DatabaseSlow,
        Cause::Journal,
        Cause::Broker,
        Cause::Peer,
        Cause::Settings,
        Cause::Unknown,
        Cause::PredictionsTopic,
        Cause::DeadLettersTopic,
        Cause::Publishing,
        Cause::HeldBack,
        Cause::Checkpoints,
    ];

    /// The word for it in metrics and the status.
    pub fn word(self) -> &'static str {
        self.words().word
    }

    /// What follows from it.
    pub fn meaning(self) -> &'static str {
        self.words().meaning
    }

    /// Whether what is read, decided or committed waits for it, so that nobody can rely on the
    /// tables.
    pub fn stops(self) -> bool {
        self <= Cause::Unknown
    }

    /// As a sentence without its end, with what is seen of it.
    pub fn told(self, what: &str) -> String {
        format!("{}: {what}", self.words().told)
    }

    /// What is said when it is over.
    pub(super) fn over(self) -> &'static str {
        self.words().over
    }

    fn words(self) -> &'static Words {
        match self {
            Cause::InputGone => &words::INPUT_GONE,
            Cause::Database => &words::DATABASE,
            Cause::DatabaseLock => &words::DATABASE_LOCK,
            Cause::DatabaseSlow => &words::DATABASE_SLOW,
            Cause::Journal => &words::JOURNAL,
            Cause::Broker => &words::BROKER,
            Cause::Peer => &words::PEER,
            Cause::Settings => &words::SETTINGS,
            Cause::Unknown => &words::UNKNOWN,
            Cause::PredictionsTopic => &words::PREDICTIONS_TOPIC,
            Cause::DeadLettersTopic => &words::DEAD_LETTERS_TOPIC,
            Cause::Publishing => &words::PUBLISHING,
            Cause::HeldBack => &words::HELD_BACK,
            Cause::Checkpoints => &words::CHECKPOINTS,
        }
    }
}
