-- Records of topics that the broker compacts, as they were read in epochs that a restart may have to repeat: by then the topic may no longer have them.
-- A row has all records of a partition from position `first` up to `next`; rows go when no checkpoint that is kept needs their epoch any more.
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

-- Customers that were erased, each up to an instant. They stay when everything is made anew from topics that may have forgotten it.
CREATE TABLE erased_customers (
    job text NOT NULL,
    customer_id bigint NOT NULL,
    instant timestamptz NOT NULL,
    PRIMARY KEY (job, customer_id)
);

INSERT INTO erased_customers (job, customer_id, instant)
SELECT p.job, e.customer_id, max(e.instant) FROM erasures e CROSS JOIN progress p GROUP BY p.job, e.customer_id;

-- How many records an epoch has read, in the form of `offsets`: by that it is told whether a topic still has all of them.
ALTER TABLE epochs ADD COLUMN read jsonb;
