-- With which settings epochs were computed: those of a row from the epoch `since` on, up to the next row of the job.
CREATE TABLE applied_settings (
    job text NOT NULL,
    since bigint NOT NULL,
    settings jsonb NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, since)
);
