-- Of dead letters: whose they are, where that can be told, and when they are dated ('-infinity': nobody knows, so that they go with every erasure).
-- `blanked` is the epoch that erased the customer: since then nothing is left of the letter but its place and its reason.
ALTER TABLE dead_letters
    ADD COLUMN customer_id bigint,
    ADD COLUMN dated timestamptz,
    ADD COLUMN blanked bigint;

-- Those of before could be told apart only by their bytes, whose other names are not known here; they are not compared with what is computed again.
UPDATE dead_letters
SET customer_id = substring(encode(raw, 'escape') FROM '"customer_id"\s*:\s*"?([0-9]{1,18})["\s,}]')::bigint,
    dated = '-infinity'
WHERE encode(raw, 'escape') ~ '"customer_id"\s*:\s*"?[0-9]{1,18}["\s,}]';
ALTER TABLE progress ADD COLUMN attributed_after bigint NOT NULL DEFAULT 0;
UPDATE progress SET attributed_after = epoch;

CREATE INDEX dead_letters_by_customer ON dead_letters (customer_id) WHERE customer_id IS NOT NULL;

-- What is owed to the topics of an erasure is found by its epoch.
CREATE INDEX dead_letters_by_blanking ON dead_letters (blanked) WHERE blanked IS NOT NULL;
CREATE INDEX erasures_by_epoch ON erasures (epoch);

-- How many dead letters of before were blanked.
ALTER TABLE erasures ADD COLUMN dead_letters bigint NOT NULL DEFAULT 0;
