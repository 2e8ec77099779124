-- What dashboards ask by time: the contacts and decisions of the last minutes or of a day, what epochs brought since when.
--
-- Rows come nearly in the order of time, so an index of the least and greatest time of each 32 pages says where they are. Measured in pairs, epoch by epoch
-- in turn with and without these indexes (60 epochs of 5,000 interactions with 2 % late and 2 % corrected, 1,000 decisions; PostgreSQL 15): 1.006 times the
-- server's time a row, 1.02 with `timestamptz_minmax_multi_ops`, 1.11 with B-trees, which also add 8 MB to 300,000 interactions where these add 0.1 MB.
-- The last hundredth of those interactions by arm took 1.7 ms instead of 34 ms, a hundredth in the midst of them 18 ms instead of 45 ms.
--
-- Where many rows are corrected and vacuumed away, new ones come to lie among old ones, and more pages are read for it.
--
-- A query has to bound the time (`WHERE ts > now() - interval '5 minutes' ORDER BY ts DESC LIMIT 10`): the order alone no such index gives.
CREATE INDEX interactions_by_time ON interactions USING brin (ts) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX decisions_by_time ON decisions USING brin (ts) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX model_metrics_by_time ON model_metrics USING brin (committed_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX epochs_by_time ON epochs USING brin (committed_at) WITH (pages_per_range = 32, autosummarize = on);

-- What is no longer kept goes by the epoch that wrote it last, a few epochs with each commit (`postgres.keep_interactions` and others). `gone` says through
-- which epoch the rows of each table are gone when this epoch's are written, {"interactions": 17, …}; NULL: nothing is. Interactions get an index by epoch at
-- the first start with a time to keep them: a B-tree, for rows that are corrected lie anywhere.
ALTER TABLE epochs ADD COLUMN gone jsonb;
