-- Of which history an epoch is: the `identity` that `progress` had when it was committed; NULL for one of before this column.
ALTER TABLE epochs ADD COLUMN identity text;

-- Offsets that the job has gone on behind without having read them: retention had removed their records, and whoever started it accepted that. A row has those
-- of a partition from `first` to before `next`; the epoch `epoch` is the first to go on behind them.
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
