-- What an erasure took out beside the events, and the digests of the model before and after its epoch: the report that it was done.
ALTER TABLE erasures
    ADD COLUMN learned bigint NOT NULL DEFAULT 0,
    ADD COLUMN decisions bigint NOT NULL DEFAULT 0,
    ADD COLUMN folded bigint NOT NULL DEFAULT 0,
    ADD COLUMN digest_before text,
    ADD COLUMN digest_after text;

-- Sums of before an erasure hold the erased; they go, and what was solved from them stays.
ALTER TABLE model_versions ALTER COLUMN a DROP NOT NULL, ALTER COLUMN b DROP NOT NULL;
