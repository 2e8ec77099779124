//! Why something stands still, and how that is said.

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

/// How a cause is told.
pub(super) struct Words {
    /// In metrics and the status.
    pub(super) word: &'static str,
    /// In a sentence, before what is seen of it.
    pub(super) told: &'static str,
    /// What follows from it.
    pub(super) meaning: &'static str,
    /// When it is over.
    pub(super) over: &'static str,
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

    pub(super) fn words(self) -> Words {
        let words = |word, told, meaning, over| Words { word, told, meaning, over };
        let published = "It is committed and kept, and tried again; commits go on";
        match self {
            Cause::InputGone => words(
                "input_gone",
                "a part of the input is gone",
                "What is not committed waits, and a topic that stays away ends the job",
                "The input is there again",
            ),
            Cause::Database => words(
                "database",
                "the job waits for the database",
                "The epoch is tried again until it is committed; nothing is lost",
                "The database is back",
            ),
            Cause::DatabaseLock => words(
                "database_lock",
                "the epoch waits for a lock in the database",
                "It goes on once that session ends its transaction, or is ended by \
                 pg_terminate_backend",
                "The lock in the database is free",
            ),
            Cause::DatabaseSlow => words(
                "database_slow",
                "the database takes long over the epoch",
                "It is waited for, and tried again; nothing is lost",
                "The database has finished the epoch",
            ),
            Cause::Journal => words(
                "journal",
                "the epoch waits for the journal",
                "It is tried again until it lies on the disk: make room there; nothing is lost",
                "The journal can be written again",
            ),
            Cause::Broker => words(
                "broker",
                "the job waits for the broker",
                "It is tried again until it answers; nothing is lost",
                "The broker is back",
            ),
            Cause::Peer => words(
                "peer",
                "another process of the job gives no sign of life",
                "No epoch ends without it; while one is on its way, the job ends after 30 s of \
                 silence",
                "Every process of the job gives signs of life again",
            ),
            Cause::Settings => words(
                "settings",
                "other settings are taken over",
                "It takes the longer the more history there is; until then everything is as it was \
                 before",
                "The other settings hold",
            ),
            Cause::Unknown => words(
                "unknown",
                "no epoch is committed, for a cause that is not known",
                "Epochs wait; nothing is lost",
                "Epochs are committed again",
            ),
            Cause::PredictionsTopic => words(
                "predictions_topic",
                "decisions are not published",
                published,
                "Decisions are published again",
            ),
            Cause::DeadLettersTopic => words(
                "dead_letters_topic",
                "dead letters are not published",
                published,
                "Dead letters are published again",
            ),
            Cause::Publishing => words(
                "publishing",
                "decisions and dead letters are not published",
                published,
                "Publishing goes on",
            ),
            Cause::HeldBack => words(
                "held_back",
                "an open transaction of a producer holds records back",
                "Whatever lies behind its first record is read once it has ended. The broker ends \
                 one that was left open after its \
                 transaction.timeout.ms; `kafka-transactions.sh find-hanging` shows it",
                "No transaction holds records back any more",
            ),
            Cause::Checkpoints => words(
                "checkpoints",
                "checkpoints cannot be written",
                "The job goes on, and a restart would begin at the last complete one",
                "A checkpoint is complete again",
            ),
        }
    }
}
