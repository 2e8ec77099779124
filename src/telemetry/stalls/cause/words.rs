//! How each cause is told, word for word.

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

/// What follows where something is not published.
const PUBLISHED: &str = "It is committed and kept, and tried again; commits go on";

pub(super) const INPUT_GONE: Words = Words {
    word: "input_gone",
    told: "a part of the input is gone",
    meaning: "What is not committed waits, and a topic that stays away ends the job",
    over: "The input is there again",
};

pub(super) const DATABASE: Words = Words {
    word: "database",
    told: "the job waits for the database",
    meaning: "The epoch is tried again until it is committed; nothing is lost",
    over: "The database is back",
};

pub(super) const DATABASE_LOCK: Words = Words {
    word: "database_lock",
    told: "the epoch waits for a lock in the database",
    meaning: "It goes on once that session ends its transaction, or is ended by \
     pg_terminate_backend",
    over: "The lock in the database is free",
};

pub(super) const DATABASE_SLOW: Words = Words {
    word: "database_slow",
    told: "the database takes long over the epoch",
    meaning: "It is waited for, and tried again; nothing is lost",
    over: "The database has finished the epoch",
};

pub(super) const JOURNAL: Words = Words {
    word: "journal",
    told: "the epoch waits for the journal",
    meaning: "It is tried again until it lies on the disk: make room there; nothing is lost",
    over: "The journal can be written again",
};

pub(super) const BROKER: Words = Words {
    word: "broker",
    told: "the job waits for the broker",
    meaning: "It is tried again until it answers; nothing is lost",
    over: "The broker is back",
};

pub(super) const PEER: Words = Words {
    word: "peer",
    told: "another process of the job gives no sign of life",
    meaning: "No epoch ends without it; while one is on its way, the job ends after 30 s of \
     silence",
    over: "Every process of the job gives signs of life again",
};

pub(super) const SETTINGS: Words = Words {
    word: "settings",
    told: "other settings are taken over",
    meaning: "It takes the longer the more history there is; until then everything is as it was \
     before",
    over: "The other settings hold",
};

pub(super) const UNKNOWN: Words = Words {
    word: "unknown",
    told: "no epoch is committed, for a cause that is not known",
    meaning: "Epochs wait; nothing is lost",
    over: "Epochs are committed again",
};

pub(super) const PREDICTIONS_TOPIC: Words = Words {
    word: "predictions_topic",
    told: "decisions are not published",
    meaning: PUBLISHED,
    over: "Decisions are published again",
};

pub(super) const DEAD_LETTERS_TOPIC: Words = Words {
    word: "dead_letters_topic",
    told: "dead letters are not published",
    meaning: PUBLISHED,
    over: "Dead letters are published again",
};

pub(super) const PUBLISHING: Words = Words {
    word: "publishing",
    told: "decisions and dead letters are not published",
    meaning: PUBLISHED,
    over: "Publishing goes on",
};

pub(super) const HELD_BACK: Words = Words {
    word: "held_back",
    told: "an open transaction of a producer holds records back",
    meaning: "Whatever lies behind its first record is read once it has ended. The broker ends \
     one that was left open after its \
     transaction.timeout.ms; `kafka-transactions.sh find-hanging` shows it",
    over: "No transaction holds records back any more",
};

pub(super) const CHECKPOINTS: Words = Words {
    word: "checkpoints",
    told: "checkpoints cannot be written",
    meaning: "The job goes on, and a restart would begin at the last complete one",
    over: "A checkpoint is complete again",
};
