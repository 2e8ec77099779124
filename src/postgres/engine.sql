-- What every job has beside the tables of its dataflow, for a schema whose owner is any other than
-- the campaign: as the migrations up to the fourteenth leave it there, and recorded as that one.

-- Where the job stands. The row is updated in every epoch, so its page keeps room for the new one.
-- `starts` is where it began, in the form of `epochs.offsets`; `topic_ids` are the ids that the
-- broker gave the topics, {"topic": "id"}; with `identity`, 32 random bytes in hex, the chain of
-- its epochs begins after the epoch `chained_after`.
CREATE TABLE progress (
    job text PRIMARY KEY,
    epoch bigint NOT NULL,
    incarnation bigint NOT NULL,
    published bigint NOT NULL DEFAULT 0,
    starts jsonb,
    topic_ids jsonb,
    identity text,
    chained_after bigint NOT NULL DEFAULT 0,
    attributed_after bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- The epochs that are committed: `offsets` holds the next offset of every partition,
-- {"topic": {"0": 17}}; `digest` and `chain` are SHA-256 in hex.
CREATE TABLE epochs (
    job text NOT NULL,
    epoch bigint NOT NULL,
    watermark timestamptz,
    offsets jsonb NOT NULL,
    digest text NOT NULL,
    counts jsonb NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    topic_ids jsonb,
    chain text,
    read jsonb,
    identity text,
    gone jsonb,
    PRIMARY KEY (job, epoch)
);
CREATE INDEX epochs_by_time ON epochs USING brin (committed_at)
    WITH (pages_per_range = 32, autosummarize = on);

-- Records of topics that the broker compacts, as long as a restart may have to repeat their epochs.
CREATE TABLE kept_records (
    job text NOT NULL,
    epoch bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    first bigint NOT NULL,
    next bigint NOT NULL,
    records bytea NOT NULL,
    PRIMARY KEY (job, epoch, topic, partition, first)
);

-- Customers that were erased, each up to an instant. They stay when everything is made anew.
CREATE TABLE erased_customers (
    job text NOT NULL,
    customer_id bigint NOT NULL,
    instant timestamptz NOT NULL,
    PRIMARY KEY (job, customer_id)
);

-- With which settings epochs were computed, from the epoch `since` on.
CREATE TABLE applied_settings (
    job text NOT NULL,
    since bigint NOT NULL,
    settings jsonb NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, since)
);

-- Offsets that the job has gone on behind without having read them.
CREATE TABLE losses (
    job text NOT NULL,
    epoch bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    first bigint NOT NULL,
    next bigint NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, topic, partition, first)
);

-- Whose results lie in this schema.
CREATE TABLE owner (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    job text NOT NULL,
    dataflow text NOT NULL,
    format integer NOT NULL
);
