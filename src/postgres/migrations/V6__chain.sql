-- Of what the results are, and which history they belong to. `topic_ids` holds the ids that the broker gave the topics, {"topic": "id"}; NULL: none known.

-- `identity` is 32 random bytes in hex, new whenever the job begins anew: with it the chain of its epochs begins, after the epoch `chained_after`.
ALTER TABLE progress
    ADD COLUMN topic_ids jsonb,
    ADD COLUMN identity text,
    ADD COLUMN chained_after bigint NOT NULL DEFAULT 0;
UPDATE progress SET chained_after = epoch;

-- `chain` is SHA-256 in hex over that of the epoch before and what the epoch was made of; NULL up to the epoch `chained_after`.
ALTER TABLE epochs
    ADD COLUMN topic_ids jsonb,
    ADD COLUMN chain text;
